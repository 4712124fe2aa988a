"""Every column TA-Lib can make, against TA-Lib: real candles, and made-up ones from 1e-5 to 1e5 over 50,000 bars.

TA-Lib keeps running sums of squares, whose rounding grows with price and time: its own standard deviation is the less
exact side on calm stretches. There a value is compared within 1e-9 of the *price* its digits were lost from, and against
the definition within 1e-9 of itself in test_naive.
"""

import numpy as np
import pytest

from qt_core.features.frame import compute_features
from qt_core.features.params import default_params
from tests.features.build import HOUR_MS, assert_close, column, columns_of, walk

talib = pytest.importorskip("talib")

P = default_params(HOUR_MS)
NAN = float("nan")


def reference(b: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, float]]:
    """TA-Lib's value of every column, and the scale its rounding is relative to (0 = the value itself)."""
    high, low, close, volume = b["high"], b["low"], b["close"], b["volume"]
    line, signal, histogram = talib.MACD(close, P.macd_fast, P.macd_slow, P.macd_signal)
    upper, middle, lower = talib.BBANDS(close, P.bollinger_span, 2.0, 2.0)
    slow_k, slow_d = talib.STOCH(high, low, close, P.stoch_span, P.stoch_slow_k, 0, P.stoch_slow_d, 0)
    obv, total = talib.OBV(close, volume), talib.SUM(volume, P.volume_span)
    balance = obv - np.concatenate((np.full(P.volume_span, NAN), obv[: -P.volume_span]))
    ema = {span: talib.EMA(close, span) for span in (P.ema_fast, P.ema_slow, P.ema_long)}
    rates = {f"roc_{n}": (talib.ROC(close, n) / 100.0, 1e-2) for n in (1, 3, 6, 12, 24, 72)}
    return {
        "rsi_14": (talib.RSI(close, 14), 0.0),
        "macd_12_26_9": (line / close, 1e-3),
        "macd_signal": (signal / close, 1e-3),
        "macd_histogram": (histogram / close, 1e-3),
        "bollinger_width_20": ((upper - lower) / middle, 1.0),
        "atr_pct_14": (talib.ATR(high, low, close, 14) / close, 0.0),
        "adx_14": (talib.ADX(high, low, close, 14), 0.0),
        "plus_di_14": (talib.PLUS_DI(high, low, close, 14), 0.0),
        "minus_di_14": (talib.MINUS_DI(high, low, close, 14), 0.0),
        "stoch_k_14": (slow_k, 1.0),
        "stoch_d": (slow_d, 1.0),
        "cci_14": (talib.CCI(high, low, close, 14), 1.0),
        "williams_r_14": (talib.WILLR(high, low, close, 14), 1.0),
        "mfi_14": (talib.MFI(high, low, close, volume, 14), 1.0),
        "obv_slope_24": (balance / total, 1.0),
        "volume_ratio_24": (volume / talib.SMA(volume, P.volume_span), 1.0),
        "ema_ratio_12_48": (ema[12] / ema[48] - 1.0, 1e-2),
        **{f"ema_distance_{span}": (close / ema[span] - 1.0, 1e-2) for span in ema},
        **rates,
    }


def compare(market, start: int = 0) -> None:
    frame = compute_features(market)
    for i in range(market.n_symbols):
        bars = columns_of(market, i)
        for name, (expected, scale) in reference(bars).items():
            got = column(frame, name, i)[market.valid[:, i]]
            if name == "stoch_k_14":  # TA-Lib withholds %K until %D is known
                got[: P.stoch_span + P.stoch_slow_k + P.stoch_slow_d - 3] = NAN
            assert_close(f"{market.symbols[i]} {name}", got[start:], expected[start:], scale)


def test_real_candles(shared_data):
    from research.data import load_market

    symbols = ["BTCUSDT", "ETHUSDT", "DOGEUSDT", "TRXUSDT", "VETUSDT"]
    compare(load_market(symbols, "1h", "2022-01-01", "2023-01-01", root=shared_data))


@pytest.mark.parametrize("level", [1e-5, 1e-2, 1.0, 1e3, 1e5])
def test_fifty_thousand_made_up_bars(level):
    compare(walk(50_000, 1, seed=int(np.log10(level)) + 20, level=level, sigma=0.003))


def test_bollinger_bands_are_talibs_at_every_price():
    market = walk(5_000, 1, seed=2, level=30_000.0)
    frame, close = compute_features(market), columns_of(market, 0)["close"]
    upper, _, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    position, width = column(frame, "bollinger_position_20"), column(frame, "bollinger_width_20")
    middle = talib.SMA(close, 20)
    assert_close("upper", middle * (1.0 + width / 2.0), upper)
    assert_close("lower", middle * (1.0 - width / 2.0), lower)
    assert_close("close from position", lower + position * (upper - lower), np.where(np.isnan(middle), NAN, close))
    assert_close("deviation", width * middle / 4.0, talib.STDDEV(close, 20), 1.0)


def test_flat_prices_and_no_volume():
    flat = walk(300, 1, seed=1, sigma=0.0)
    bars = columns_of(flat, 0)
    frame = compute_features(flat)
    assert np.all(bars["high"] == bars["low"])
    for name, (expected, _) in reference(bars).items():
        if name not in ("obv_slope_24", "volume_ratio_24", "stoch_k_14"):
            assert_close(name, column(frame, name), expected, 1.0)
