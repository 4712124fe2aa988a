"""State carried from bar to bar: array views cut from one aligned byte buffer, so that a snapshot is its bytes.

Array types depend neither on the number of symbols nor on any span, so one compiled signature serves all of them.
"""

import hashlib
import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core._jit import INTERPRETED
from qt_core.errors import DataError
from qt_core.features.params import FeatureParams
from qt_core.market import FloatArray, IntArray

Bytes: TypeAlias = npt.NDArray[np.uint8]

ALIGN = 64
SCHEMA = 1  # raise when a field or its meaning changes: an older snapshot is then refused


# One row per symbol: counters, the previous bar, recursive averages.
SYMBOL_DT = np.dtype(
    [("bars", "i8"), ("gap", "i8")]  # valid bars since the start or a reset; bars missing since the last valid one
    + [(f"last_{x}", "f8") for x in ("close", "high", "low", "typical")]
    + [(x, "f8") for x in ("rsi_gain", "rsi_loss", "macd_fast", "macd_slow", "macd_signal")]
    + [(x, "f8") for x in ("ema_fast", "ema_slow", "ema_long", "atr", "true_range", "plus_dm", "minus_dm", "adx")]
    + [("channel_high", "f8"), ("channel_low", "f8"), ("usual_volume", "f8")]  # Donchian so far; median of a day
    + [("funding_rate", "f8")],  # last settled, NaN before the first; no hole touches it
    align=True,
)
WINDOW_DT = np.dtype([("pos", "i8"), ("a", "f8"), ("b", "f8"), ("c", "f8")], align=True)  # block slot, block totals
ORDER_DT = np.dtype([(x, "i8") for x in ("pos", "count", "below", "equal")], align=True)  # cursor of a 30-day ring

# Columns of FeatureState.window: extremes first, sums after.
W_STOCH, W_DONCHIAN, W_RANGE = 0, 1, 2
W_BOLLINGER, W_SLOW_K, W_SLOW_D, W_MFI_UP, W_MFI_DOWN, W_VOLUME, W_BALANCE, W_VALUE = 3, 4, 5, 6, 7, 8, 9, 10
W_VOL_SHORT, W_VOL_MID, W_VOL_LONG, W_DAY = 11, 12, 13, 14
N_EXTREMES, N_WINDOWS = 3, 15
# Columns of FeatureState.order.
O_ATR, O_WIDTH, O_DAY = 0, 1, 2
N_ORDERS = 3


class FeatureState(NamedTuple):
    """Views into one buffer. N = symbols; a window of span W has W+1 slots, the last one neutral (see rolling)."""

    symbol: npt.NDArray[Any]  # [N] SYMBOL_DT
    window: npt.NDArray[Any]  # [N, N_WINDOWS] WINDOW_DT
    order: npt.NDArray[Any]  # [N, N_ORDERS] ORDER_DT
    inv_close: FloatArray  # [N, longest lag] 1 / close, oldest first
    typical: FloatArray  # [N, W-1] typical prices of CCI, oldest first
    bollinger: FloatArray  # [N, 2, W+1] close, square
    stoch: FloatArray  # [N, 2, W+1] high, low
    donchian: FloatArray  # [N, 2, W+1] high, low
    range: FloatArray  # [N, 2, W+1] high, low
    slow_k: FloatArray  # [N, W+1] fast %K
    slow_d: FloatArray  # [N, W+1] slow %K
    mfi: FloatArray  # [N, 2, W+1] money flow up, down
    volume: FloatArray  # [N, 3, W+1] volume, signed volume, typical price * volume
    vol_short: FloatArray  # [N, W+1] squared returns
    vol_mid: FloatArray
    vol_long: FloatArray
    day: FloatArray  # [N, W+1] quote volume
    atr_month: FloatArray  # [N, M] ATR / close, samples of 30 days
    width_month: FloatArray  # [N, M] Donchian width
    day_month: FloatArray  # [N, M+3] 24 h quote volume; last three slots: see order.push_median
    day_bits: IntArray  # the same memory as day_month


def longest_lag(params: FeatureParams) -> int:
    """Bars of close history that the rates of change and the context's momentum look back."""
    lags: list[int] = [getattr(params, f"roc_{k}") for k in range(1, 7)]
    return max(*lags, params.momentum_span)


def _shapes(params: FeatureParams, n: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    double = np.dtype("f8")
    p, samples = params, params.month_samples
    floats = {
        "inv_close": (n, longest_lag(p)),
        "typical": (n, p.cci_span - 1),
        "bollinger": (n, 2, p.bollinger_span + 1),
        "stoch": (n, 2, p.stoch_span + 1),
        "donchian": (n, 2, p.donchian_span + 1),
        "range": (n, 2, p.range_span + 1),
        "slow_k": (n, p.stoch_slow_k + 1),
        "slow_d": (n, p.stoch_slow_d + 1),
        "mfi": (n, 2, p.mfi_span + 1),
        "volume": (n, 3, p.volume_span + 1),
        "vol_short": (n, p.vol_short + 1),
        "vol_mid": (n, p.vol_mid + 1),
        "vol_long": (n, p.vol_long + 1),
        "day": (n, p.day_bars + 1),
        "atr_month": (n, samples),
        "width_month": (n, samples),
        "day_month": (n, samples + 3),
    }
    records = {"symbol": ((n,), SYMBOL_DT), "window": ((n, N_WINDOWS), WINDOW_DT), "order": ((n, N_ORDERS), ORDER_DT)}
    return {**records, **{name: (shape, double) for name, shape in floats.items()}}


def state_bytes(params: FeatureParams, n_symbols: int) -> int:
    """Size of the buffer in bytes."""
    return sum(_padded(shape, dtype) for shape, dtype in _shapes(params, n_symbols).values())


def _padded(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> int:
    size: int = math.prod(shape) * dtype.itemsize
    return -(-size // ALIGN) * ALIGN


def aligned_buffer(size: int) -> Bytes:
    """``size`` zero bytes whose first one lies on an ALIGN boundary."""
    raw = np.zeros(size + ALIGN, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + size]


def view_state(buffer: Bytes, params: FeatureParams, n_symbols: int) -> FeatureState:
    """Cut the views of a state out of ``buffer``; nothing is copied.

    Raises
    ------
    DataError
        If the buffer's size is not that of these params and symbols.
    """
    expected = state_bytes(params, n_symbols)
    if buffer.dtype != np.uint8 or buffer.ndim != 1 or buffer.size != expected:
        raise DataError(
            f"feature state of {buffer.size} bytes; {expected} expected for {n_symbols} symbols and these spans"
        )
    views: dict[str, Any] = {}
    start = 0
    for name, (shape, dtype) in _shapes(params, n_symbols).items():
        size = math.prod(shape) * dtype.itemsize
        view = buffer[start : start + size].view(dtype).reshape(shape)
        # Interpreted kernels read `row.field`, which only record arrays offer.
        views[name] = view.view(np.recarray) if INTERPRETED and dtype.names else view
        start += _padded(shape, dtype)
    return FeatureState(**views, day_bits=views["day_month"].view(np.int64))


def new_state(params: FeatureParams, n_symbols: int) -> tuple[Bytes, FeatureState]:
    """A state that has seen no bar, and the buffer that holds it."""
    buffer = aligned_buffer(state_bytes(params, n_symbols))
    state = view_state(buffer, params, n_symbols)
    state.symbol["funding_rate"] = np.nan
    state.window["a"][:, :N_EXTREMES] = -np.inf
    state.window["b"][:, :N_EXTREMES] = np.inf
    for name in ("stoch", "donchian", "range"):
        getattr(state, name)[:, :, -1] = (-np.inf, np.inf)
    return buffer, state


def schema_digest(params: FeatureParams, symbols: tuple[str, ...]) -> bytes:
    """32 bytes that differ wherever a state would be read with another meaning."""
    layout = [dtype.descr for dtype in (SYMBOL_DT, WINDOW_DT, ORDER_DT)]
    text = repr((SCHEMA, layout, FeatureState._fields, tuple(params), symbols))
    return hashlib.sha256(text.encode()).digest()


def snapshot(buffer: Bytes, params: FeatureParams, symbols: tuple[str, ...]) -> bytes:
    """Everything a later :func:`restore` needs: a digest of the layout, then the buffer."""
    return schema_digest(params, symbols) + buffer.tobytes()


def restore(data: bytes, params: FeatureParams, symbols: tuple[str, ...]) -> tuple[Bytes, FeatureState]:
    """Rebuild a state from :func:`snapshot`.

    Raises
    ------
    DataError
        If it was taken with other params, symbols or layout, or is cut short.
    """
    digest = schema_digest(params, symbols)
    if data[: len(digest)] != digest:
        raise DataError("feature state of other symbols, spans or version; the ones it was saved with expected")
    buffer = aligned_buffer(len(data) - len(digest))
    buffer[:] = np.frombuffer(data, dtype=np.uint8, offset=len(digest))
    return buffer, view_state(buffer, params, len(symbols))
