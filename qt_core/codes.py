"""Integer codes shared by kernels, journal and reports. Plain module-level ints: enum members defeat numba's cache."""

# --- chain context columns: ChainContext.values[T, N, CTX_COLUMNS], float64, NaN = unknown -------------------------
CTX_ATR_PCT = 0  # ATR(14) / close, fraction
CTX_ATR_PCTILE = 1  # percentile of ATR_PCT within the trailing 30 days, 0..1
CTX_ADX = 2  # ADX(14), 0..100
CTX_PLUS_DI = 3  # DI+(14), 0..100
CTX_MINUS_DI = 4  # DI-(14), 0..100
CTX_DONCHIAN_HIGH = 5  # highest high of the 20 bars *before* this one, price
CTX_DONCHIAN_LOW = 6  # lowest low of the 20 bars *before* this one, price
CTX_DONCHIAN_WIDTH_PCTILE = 7  # percentile of that band's relative width within the trailing 30 days, 0..1
CTX_LIQUIDITY_RATIO = 8  # 24 h quote volume / its 30-day median
CTX_QUOTE_VOLUME_24H = 9  # 24 h quote volume, USD
CTX_RSI = 10  # RSI(14), 0..100
CTX_EMA_RATIO = 11  # EMA(12) / EMA(48) - 1
CTX_BOLLINGER_POSITION = 12  # (close - lower) / (upper - lower), 20 bars, 2 sigma
CTX_RANGE_POSITION = 13  # (close - low48) / (high48 - low48), 48 bars including this one
CTX_VOLUME_RATIO = 14  # volume / SMA(volume, 24)
CTX_MOMENTUM = 15  # close / close[24 bars ago] - 1
CTX_COLUMNS = 16
CTX_NAMES = (
    "atr_pct",
    "atr_pctile",
    "adx",
    "plus_di",
    "minus_di",
    "donchian_high",
    "donchian_low",
    "donchian_width_pctile",
    "liquidity_ratio",
    "quote_volume_24h",
    "rsi",
    "ema_ratio",
    "bollinger_position",
    "range_position",
    "volume_ratio",
    "momentum",
)

# --- columns of Bars.px: one symbol-bar's prices lie in one 64-byte cache line -------------------------------------------
PX_OPEN, PX_HIGH, PX_LOW, PX_CLOSE, PX_MARK_OPEN, PX_MARK_HIGH, PX_MARK_LOW, PX_MARK_CLOSE = range(8)
PX_NAMES = ("open", "high", "low", "close", "mark_open", "mark_high", "mark_low", "mark_close")

# --- modes of a module ---------------------------------------------------------------------------------------------
OFF, OBSERVE, ADVISORY, ENFORCED = 0, 1, 2, 3
MODE_NAMES = ("off", "observe", "advisory", "enforced")

# --- module numbers of SPEC (25 and up: supports) -------------------------------------------------------------------
M_ENSEMBLE, M_TPSL, M_AELM, M_RISK_OS, M_GOVERNOR = 6, 14, 16, 17, 24
M_ESS, M_VENUE, M_SELECTION = 25, 26, 27
N_MODULES = 28

# --- order kinds, operations, tags, states ---------------------------------------------------------------------------
MARKET, LIMIT, IOC, POST_ONLY, STOP, TAKE_PROFIT, TRAILING = 1, 2, 3, 4, 5, 6, 7
ORDER_KIND_NAMES = ("none", "market", "limit", "ioc", "post_only", "stop", "take_profit", "trailing")
OP_NEW, OP_CANCEL, OP_AMEND = 1, 2, 3
TAG_NONE, TAG_ENTRY, TAG_SL, TAG_TP, TAG_EXIT = 0, 1, 2, 3, 4
TAG_NAMES = ("none", "entry", "sl", "tp", "exit")
EMPTY, WORKING, TRIGGERED, REJECTED, DEAD = 0, 1, 2, 3, 4  # DEAD: cancelled inside a bar, not yet reported
MAX_ORDERS = 8  # open orders per symbol

# --- events -----------------------------------------------------------------------------------------------------------
EV_FILL, EV_FUNDING, EV_LIQUIDATION, EV_ACK, EV_REJECT, EV_CANCEL, EV_COMMAND, EV_ADJUST = 1, 2, 3, 4, 5, 6, 7, 8
EVENT_NAMES = ("none", "fill", "funding", "liquidation", "ack", "reject", "cancel", "command", "adjust")
CMD_PAUSE, CMD_HALT, CMD_RELEASE, CMD_ERROR, CMD_OVERRIDE, CMD_HEALTH, CMD_EXIT = 1, 2, 3, 4, 5, 6, 7

# --- exit reasons of a trade ------------------------------------------------------------------------------------------
EXIT_NONE, EXIT_STOP, EXIT_TARGET, EXIT_TRAILING, EXIT_LIQUIDATION, EXIT_SETTLED, EXIT_ORDER = 0, 1, 2, 3, 4, 5, 6
EXIT_NAMES = ("open", "stop", "target", "trailing", "liquidation", "settled", "order")

# --- reason codes: 0 = passed -------------------------------------------------------------------------------------------
REASON_NAMES = (
    "OK",
    "BELOW_CONFIDENCE",
    "NOT_ELIGIBLE",
    "HELD",
    "NOT_SELECTED",
    "NON_FINITE",
    "SIZE_BELOW_MIN",
    "MIN_NOTIONAL",
    "MAX_POSITIONS",
    "DAY_DRAWDOWN",
    "HALTED",
    "PAUSED",
    "MARGIN_USE",
    "LEVERAGE",
    "LOSS_AT_STOP",
    "DUPLICATE",
    "HEALTH",
    "MARGIN_LIMIT",
    "NO_PRICE",
    "INSUFFICIENT_MARGIN",
    "POST_ONLY_CROSS",
    "EXPIRED",
    "CANCELLED",
    "IOC_UNFILLED",
    "BRACKET_LEVERAGE",
    "ORDER_SLOTS",
    "NOT_APPROVED",
    "MAX_QTY",
    "ANCHOR_USED",
    "STREAK_SCALED",
    "OVERRIDE",
    "INVALID_SIGNAL",
    "ABSTAINED",
    "FLAT",
    "BELOW_MIN_NOTIONAL",
    "ENTRY_CLOSED",
    "LIQUIDATED",
    "SETTLED",
)
N_REASONS = 64
OK = 0
BELOW_CONFIDENCE, NOT_ELIGIBLE, HELD, NOT_SELECTED, NON_FINITE, SIZE_BELOW_MIN, MIN_NOTIONAL = 1, 2, 3, 4, 5, 6, 7
MAX_POSITIONS, DAY_DRAWDOWN, HALTED, PAUSED, MARGIN_USE, LEVERAGE, LOSS_AT_STOP, DUPLICATE = (
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
)
HEALTH, MARGIN_LIMIT, NO_PRICE, INSUFFICIENT_MARGIN, POST_ONLY_CROSS, EXPIRED, CANCELLED = 16, 17, 18, 19, 20, 21, 22
IOC_UNFILLED, BRACKET_LEVERAGE, ORDER_SLOTS, NOT_APPROVED, MAX_QTY, ANCHOR_USED = 23, 24, 25, 26, 27, 28
STREAK_SCALED, OVERRIDE, INVALID_SIGNAL, ABSTAINED, FLAT, BELOW_MIN_NOTIONAL, ENTRY_CLOSED = 29, 30, 31, 32, 33, 34, 35
LIQUIDATED, SETTLED = 36, 37

# --- regime classes (context/regime) --------------------------------------------------------------------------------
VOL_LOW, VOL_NORMAL, VOL_HIGH = 0, 1, 2
TREND_WEAK, TREND_MODERATE, TREND_STRONG = 0, 1, 2
LIQUIDITY_POOR, LIQUIDITY_NORMAL, LIQUIDITY_GOOD = 0, 1, 2
TPSL_NONE, TPSL_TRENDING, TPSL_RANGING, TPSL_BREAKOUT = 0, 1, 2, 3
HEALTHY, DEGRADED, CRITICAL = 0, 1, 2
