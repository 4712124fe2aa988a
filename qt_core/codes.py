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
