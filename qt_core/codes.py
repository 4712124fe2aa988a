"""Integer codes shared by kernels, journal and reports. Plain module-level ints: enum members defeat numba's cache."""

# --- chain context columns: ChainContext.values[T, N, CTX_COLUMNS], float64, NaN = unknown -------------------------
CTX_ATR_PCT = 0  # ATR(14) / close, fraction
CTX_ATR_PCTILE = 1  # percentile of ATR_PCT within the trailing 30 days, 0..1
CTX_ADX = 2  # ADX(14), 0..100
CTX_PLUS_DI = 3  # DI+(14), 0..100
CTX_MINUS_DI = 4  # DI-(14), 0..100
CTX_LIQUIDITY_RATIO = 5  # 24 h quote volume / its 30-day median
CTX_QUOTE_VOLUME_24H = 6  # 24 h quote volume, USD
CTX_MOMENTUM = 7  # close / close[24 bars ago] - 1
CTX_DONCHIAN_HIGH = 8  # highest high of the 20 bars *before* this one, price
CTX_DONCHIAN_LOW = 9  # lowest low of the 20 bars *before* this one, price
CTX_DONCHIAN_WIDTH_PCTILE = 10  # percentile of that band's relative width within the trailing 30 days, 0..1
CTX_RSI = 11  # RSI(14), 0..100
CTX_EMA_RATIO = 12  # EMA(12) / EMA(48) - 1
CTX_BOLLINGER_POSITION = 13  # (close - lower) / (upper - lower), 20 bars, 2 sigma
CTX_RANGE_POSITION = 14  # (close - low48) / (high48 - low48), 48 bars including this one
CTX_VOLUME_RATIO = 15  # volume / SMA(volume, 24)
CTX_COLUMNS = 16
CTX_NAMES = (
    "atr_pct",
    "atr_pctile",
    "adx",
    "plus_di",
    "minus_di",
    "liquidity_ratio",
    "quote_volume_24h",
    "momentum",
    "donchian_high",
    "donchian_low",
    "donchian_width_pctile",
    "rsi",
    "ema_ratio",
    "bollinger_position",
    "range_position",
    "volume_ratio",
)

# --- columns of Bars.px: one symbol-bar's prices lie in one 64-byte cache line -------------------------------------------
PX_OPEN, PX_HIGH, PX_LOW, PX_CLOSE, PX_MARK_OPEN, PX_MARK_HIGH, PX_MARK_LOW, PX_MARK_CLOSE = range(8)
PX_NAMES = ("open", "high", "low", "close", "mark_open", "mark_high", "mark_low", "mark_close")

# --- modes of a module ---------------------------------------------------------------------------------------------
OFF, OBSERVE, ADVISORY, ENFORCED = 0, 1, 2, 3
MODE_NAMES = ("off", "observe", "advisory", "enforced")

# --- module numbers of SPEC (25 and up: supports) -------------------------------------------------------------------
M_ENGINE, M_ENSEMBLE, M_HFOS, M_BALANCER, M_AMPLIFICATION, M_INTELLIGENCE, M_UNIVERSE, M_SUPERVISOR = 1, *range(6, 13)
M_RETRAINING, M_TPSL, M_HEALTH, M_AELM, M_RISK_OS, M_ORCHESTRATOR, M_SIZER, M_MATHEMATICIAN = range(13, 21)
M_STRATEGY, M_RANKER, M_MONITOR, M_GOVERNOR = range(21, 25)
M_ESS, M_VENUE, M_SELECTION, M_MSC = 25, 26, 27, 28
N_MODULES = 29

# --- order kinds, operations, tags, states ---------------------------------------------------------------------------
MARKET, LIMIT, IOC, POST_ONLY, STOP, TAKE_PROFIT, TRAILING = 1, 2, 3, 4, 5, 6, 7
ORDER_KIND_NAMES = ("none", "market", "limit", "ioc", "post_only", "stop", "take_profit", "trailing")
OP_NEW, OP_CANCEL, OP_AMEND = 1, 2, 3
TAG_NONE, TAG_ENTRY, TAG_SL, TAG_TP, TAG_EXIT, TAG_RUNG_1, TAG_RUNG_2, TAG_SCALE_IN = range(8)
TAG_NAMES = ("none", "entry", "sl", "tp", "exit", "rung_1", "rung_2", "scale_in")
EMPTY, WORKING, TRIGGERED, REJECTED, DEAD = 0, 1, 2, 3, 4  # DEAD: cancelled inside a bar, not yet reported
MAX_ORDERS = 8  # open orders per symbol

# --- events -----------------------------------------------------------------------------------------------------------
EV_FILL, EV_FUNDING, EV_LIQUIDATION, EV_ACK, EV_REJECT, EV_CANCEL, EV_COMMAND, EV_ADJUST = 1, 2, 3, 4, 5, 6, 7, 8
EVENT_NAMES = ("none", "fill", "funding", "liquidation", "ack", "reject", "cancel", "command", "adjust")
CMD_PAUSE, CMD_HALT, CMD_RELEASE, CMD_ERROR, CMD_OVERRIDE, CMD_HEALTH, CMD_EXIT = 1, 2, 3, 4, 5, 6, 7
CMD_ESS_TRIP, CMD_ESS_RESET, CMD_POLICY, CMD_SPREAD, CMD_DEPTH, CMD_FEED = 8, 9, 10, 11, 12, 13
CMD_BUSY, CMD_GAP = 14, 15  # heard by the journal alone: the venue, the market do what they say
COMMAND_NAMES = (
    "none",
    "pause",
    "halt",
    "release",
    "error",
    "override",
    "health",
    "exit",
    "emergency_stop",
    "reset",
    "policy",
    "spread",
    "depth",
    "feed",
    "busy",
    "gap",
)

# --- exit reasons of a trade ------------------------------------------------------------------------------------------
EXIT_NONE, EXIT_STOP, EXIT_TARGET, EXIT_TRAILING, EXIT_LIQUIDATION, EXIT_SETTLED, EXIT_ORDER = 0, 1, 2, 3, 4, 5, 6
EXIT_LADDER, EXIT_TIME, EXIT_SENTIMENT, EXIT_ADVICE, EXIT_CORRELATED, EXIT_TRIM, EXIT_REDUCE = 7, 8, 9, 10, 11, 12, 13
EXIT_EMERGENCY, EXIT_RECONCILE = 14, 15
EXIT_NAMES = (
    "open",
    "stop",
    "target",
    "trailing",
    "liquidation",
    "settled",
    "order",
    "ladder",
    "time",
    "sentiment",
    "advice",
    "correlated",
    "trim",
    "reduce",
    "emergency",
    "reconcile",
)

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
    "FLAT",
    "BELOW_MIN_NOTIONAL",
    "ENTRY_CLOSED",
    "LIQUIDATED",
    "SETTLED",
    "PROBABILITY_SUM",
    "NOT_ACTIVE",
    "DENIED",
    "LOW_VOLUME",
    "LOW_DEPTH",
    "VOLUME_UNKNOWN",
    "HFOS_BLOCK",
    "ORCHESTRATOR_BLOCK",
    "POLICY_INVALID",
    "STRATEGY_SIDE",
    "STRATEGY_NOT_ALLOWED",
    "ESS_LATCHED",
    "SECTOR_LIMIT",
    "CORRELATED",
    "SIDE_BALANCE",
    "GROSS_LEVERAGE",
    "SHRUNK",
    "RISK_BUDGET",
    "SLIPPAGE_CAP",
    "EXCHANGE_BUSY",
    "RETRIED",
    "LABEL_SLOTS",
    "UNRELIABLE",
    "MODEL_DISABLED",
    "EXPLORED",
    "NOT_LEARNED",
    "LEARNED",
    "TRIM",
    "REDUCE",
    "PROTECTION_MISSING",
    "RUNG_DROPPED",
    "RUNG_MERGED",
    "RUNG_FILLED",
    "SCALED_IN",
    "LET_RUN",
    "BIASED",
    "BAD_HEALTH_CODE",
    "SCALED",
)
N_REASONS = 128
OK = 0
BELOW_CONFIDENCE, NOT_ELIGIBLE, HELD, NOT_SELECTED, NON_FINITE, SIZE_BELOW_MIN, MIN_NOTIONAL = 1, 2, 3, 4, 5, 6, 7
MAX_POSITIONS, DAY_DRAWDOWN, HALTED, PAUSED, MARGIN_USE, LEVERAGE, LOSS_AT_STOP = 8, 9, 10, 11, 12, 13, 14
DUPLICATE, HEALTH, MARGIN_LIMIT, NO_PRICE, INSUFFICIENT_MARGIN, POST_ONLY_CROSS, EXPIRED = 15, 16, 17, 18, 19, 20, 21
CANCELLED, IOC_UNFILLED, BRACKET_LEVERAGE, ORDER_SLOTS, NOT_APPROVED, MAX_QTY, ANCHOR_USED = 22, 23, 24, 25, 26, 27, 28
STREAK_SCALED, OVERRIDE, INVALID_SIGNAL, FLAT, BELOW_MIN_NOTIONAL, ENTRY_CLOSED, LIQUIDATED = 29, 30, 31, 32, 33, 34, 35
SETTLED, PROBABILITY_SUM, NOT_ACTIVE, DENIED, LOW_VOLUME, LOW_DEPTH, VOLUME_UNKNOWN = 36, 37, 38, 39, 40, 41, 42
HFOS_BLOCK, ORCHESTRATOR_BLOCK, POLICY_INVALID, STRATEGY_SIDE, STRATEGY_NOT_ALLOWED = 43, 44, 45, 46, 47
ESS_LATCHED, SECTOR_LIMIT, CORRELATED, SIDE_BALANCE, GROSS_LEVERAGE, SHRUNK, RISK_BUDGET = 48, 49, 50, 51, 52, 53, 54
SLIPPAGE_CAP, EXCHANGE_BUSY, RETRIED, LABEL_SLOTS, UNRELIABLE, MODEL_DISABLED, EXPLORED = 55, 56, 57, 58, 59, 60, 61
NOT_LEARNED, LEARNED, TRIM, REDUCE, PROTECTION_MISSING, RUNG_DROPPED, RUNG_MERGED = 62, 63, 64, 65, 66, 67, 68
RUNG_FILLED, SCALED_IN, LET_RUN, BIASED, BAD_HEALTH_CODE, SCALED = 69, 70, 71, 72, 73, 74

# --- regime classes (context/regime) --------------------------------------------------------------------------------
VOL_LOW, VOL_NORMAL, VOL_HIGH = 0, 1, 2
TREND_WEAK, TREND_MODERATE, TREND_STRONG = 0, 1, 2
LIQUIDITY_POOR, LIQUIDITY_NORMAL, LIQUIDITY_GOOD = 0, 1, 2
TPSL_NONE, TPSL_TRENDING, TPSL_RANGING, TPSL_BREAKOUT = 0, 1, 2, 3
HEALTHY, DEGRADED, CRITICAL = 0, 1, 2

# --- what modules say (value names: qt_core.enums) -------------------------------------------------------------------------
RISK_NORMAL, RISK_CAUTIOUS, RISK_DEFENSIVE, RISK_EMERGENCY = 0, 1, 2, 3  # 7, risk mode
UNIVERSE_CONSERVATIVE, UNIVERSE_NORMAL, UNIVERSE_AGGRESSIVE = 0, 1, 2  # 7, universe mode
URGENCY_LOW, URGENCY_MEDIUM, URGENCY_HIGH, URGENCY_CRITICAL = 0, 1, 2, 3  # 7
BY_NONE, BY_DRAWDOWN, BY_STREAK, BY_HEALTH, BY_ESS, BY_SUPERVISOR, BY_EXPOSURE = range(7)  # 7, whose directive won
EXPOSURE_LIGHT, EXPOSURE_MODERATE, EXPOSURE_HEAVY, EXPOSURE_MAX = 0, 1, 2, 3  # 8
TRIM_NONE, TRIM_CORRELATED, TRIM_SECTOR, TRIM_REBALANCE = 0, 1, 2, 3  # 8, action on an open position
AMPLIFY_NONE, AMPLIFY_HOLD, AMPLIFY_SCALE_IN, AMPLIFY_LADDER, AMPLIFY_LET_RUN = 0, 1, 2, 3, 4  # 9
PIL_UNKNOWN, PIL_LEADING, PIL_LAGGING, PIL_STALE, PIL_ZOMBIE, PIL_OUTLIER = 0, 1, 2, 3, 4, 5  # 10, class
ADVICE_NONE, ADVICE_AMPLIFY, ADVICE_WATCH, ADVICE_EXIT = 0, 1, 2, 3  # 10, to 9 and 23
TIER_NONE, TIER_MAIN, TIER_L1, TIER_L2 = 0, 1, 2, 3  # 11
TRIGGER_NONE, TRIGGER_AGE, TRIGGER_WIN_RATE, TRIGGER_CALIBRATION, TRIGGER_REGIME = 0, 1, 2, 3, 4  # 13
HEAL_NONE, HEAL_RESTART, HEAL_CLEAR_CACHE, HEAL_RECONNECT, HEAL_RELOAD_MODELS, HEAL_CLOSE_POSITIONS = range(6)  # 15
STYLE_PATIENT, STYLE_NORMAL, STYLE_AGGRESSIVE = 0, 1, 2  # 16, 18, 21: entry style, more cautious first
QUICK_EXIT, NORMAL_EXIT, TREND_EXIT = 0, 1, 2  # 18, 21: exit mode, more cautious first
PROFILE_CONSERVATIVE, PROFILE_NORMAL, PROFILE_AGGRESSIVE = 0, 1, 2  # 18, risk profile
CONFIDENCE_VERY_LOW, CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH, CONFIDENCE_VERY_HIGH = range(5)  # 19
PERFORMANCE_BAD, PERFORMANCE_NEUTRAL, PERFORMANCE_GOOD = 0, 1, 2  # 19, 20
LEARN_FROZEN, LEARN_SHADOW, LEARN_ON = 0, 1, 2  # 19, 21
ADVISE_OK, ADVISE_CAUTION = 0, 1  # 20
AGREES, LARGER, SMALLER = 0, 1, 2  # 20: 19's margin beside its own
TREND_FOLLOW, MEAN_REVERSION, BREAKOUT, RANGE_BOUND = 0, 1, 2, 3  # 21
ALLOW_LONG, ALLOW_SHORT = 1, 2  # 21, bits of the sides a strategy allows now
PRIORITY_LOW, PRIORITY_MEDIUM, PRIORITY_HIGH = 0, 1, 2  # 22
KEEP, PROTECT, EXIT_ON_TIME, EXIT_ON_SENTIMENT, EXIT_ON_ADVICE = 0, 1, 2, 3, 4  # 23
POLICY_DEFENSIVE, POLICY_NORMAL, POLICY_AGGRESSIVE = 0, 1, 2  # MSC
ESS_NONE, ESS_DRAWDOWN, ESS_HEALTH, ESS_ERRORS, ESS_FEED, ESS_MANUAL = range(6)
