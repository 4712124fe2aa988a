"""State carried from bar to bar: array views cut from one aligned byte buffer, so that a snapshot is its bytes.

Array types depend neither on the number of symbols nor on any span, so one compiled signature serves all of them.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core._jit import INTERPRETED
from qt_core.errors import DataError
from qt_core.features.params import FeatureParams

Bytes: TypeAlias = npt.NDArray[np.uint8]

ALIGN = 64
SCHEMA = 1  # raise when a field or its meaning changes: an older snapshot is then refused


# One row per symbol: counters, the previous bar, recursive averages.
SYMBOL_DT = np.dtype(
    [("bars", "i8"), ("gap", "i8")]  # valid bars since the start or a reset; bars missing since the last valid one
    + [(f"last_{x}", "f8") for x in ("close", "high", "low", "typical")]
    + [(x, "f8") for x in ("rsi_gain", "rsi_loss", "macd_fast", "macd_slow", "macd_signal")]
    + [(x, "f8") for x in ("ema_fast", "ema_slow", "ema_long", "atr", "true_range", "plus_dm", "minus_dm", "adx")]
    + [("channel_high", "f8"), ("channel_low", "f8"), ("bollinger_anchor", "f8"), ("usual_volume", "f8")]
    + [("close_pos", "i8"), ("typical_pos", "i8")]  # slots of the next value in two plain rings
    + [("funding_rate", "f8")],  # last settled, NaN before the first; no hole touches it
    align=True,
)
WINDOW_DT = np.dtype([("pos", "i8"), ("a", "f8"), ("b", "f8"), ("c", "f8")], align=True)  # block slot, block totals
ORDER_DT = np.dtype([(x, "i8") for x in ("pos", "count", "below", "equal")], align=True)  # cursor of a 30-day ring

# Columns of FeatureState.window: extremes first, sums after.
W_STOCH, W_DONCHIAN, W_RANGE = 0, 1, 2
W_BOLLINGER, W_SLOW_K, W_SLOW_D, W_VOLUME, W_MFI, W_VOL_SHORT, W_VOL_MID, W_VOL_LONG, W_DAY = (
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
)
N_EXTREMES, N_WINDOWS = 3, 12
# Columns of FeatureState.order.
O_ATR, O_WIDTH, O_DAY = 0, 1, 2
N_ORDERS = 3


class FeatureState(NamedTuple):
    """Views into ``buffer``. N = symbols; a window of span W has W+1 slots, the last one neutral (see rolling)."""

    symbol: npt.NDArray[Any]  # [N] SYMBOL_DT
    window: npt.NDArray[Any]  # [N, N_WINDOWS] WINDOW_DT
    order: npt.NDArray[Any]  # [N, N_ORDERS] ORDER_DT
    inv_close: npt.NDArray[np.float64]  # [N, longest lag + 1] 1 / close
    bollinger: npt.NDArray[np.float64]  # [N, W+1, 2]
    stoch: npt.NDArray[np.float64]  # [N, W+1, 2] high, low
    slow_k: npt.NDArray[np.float64]  # [N, W+1, 1] fast %K
    slow_d: npt.NDArray[np.float64]  # [N, W+1, 1] slow %K
    donchian: npt.NDArray[np.float64]  # [N, W+1, 2] high, low
    range: npt.NDArray[np.float64]  # [N, W+1, 2] high, low
    volume: npt.NDArray[np.float64]  # [N, W+1, 3] volume, signed volume, typical price * volume
    mfi: npt.NDArray[np.float64]  # [N, W+1, 2] money flow up, down
    typical: npt.NDArray[np.float64]  # [N, W] typical prices of CCI
    vol_short: npt.NDArray[np.float64]  # [N, W+1, 1] squared returns
    vol_mid: npt.NDArray[np.float64]
    vol_long: npt.NDArray[np.float64]
    day: npt.NDArray[np.float64]  # [N, W+1, 1] quote volume
    atr_month: npt.NDArray[np.float64]  # [N, M] ATR / close, samples of 30 days
    width_month: npt.NDArray[np.float64]  # [N, M] Donchian width
    day_month: npt.NDArray[np.float64]  # [N, M+2] 24 h quote volume; last two slots: see rolling.push_median
    day_bits: npt.NDArray[np.int64]  # the same memory as day_month


def longest_lag(params: FeatureParams) -> int:
    """Bars of close history that the rates of change and the context's momentum look back."""
    lags = [getattr(params, f"roc_{k}") for k in range(1, 7)]
    return max(*lags, params.momentum_span)


def _shapes(params: FeatureParams, n: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    def window(span: int, channels: int) -> tuple[tuple[int, ...], Any]:
        return (n, span + 1, channels), np.dtype("f8")

    return {
        "symbol": ((n,), SYMBOL_DT),
        "window": ((n, N_WINDOWS), WINDOW_DT),
        "order": ((n, N_ORDERS), ORDER_DT),
        "inv_close": ((n, longest_lag(params) + 1), np.dtype("f8")),
        "bollinger": window(params.bollinger_span, 2),
        "stoch": window(params.stoch_span, 2),
        "slow_k": window(params.stoch_slow_k, 1),
        "slow_d": window(params.stoch_slow_d, 1),
        "donchian": window(params.donchian_span, 2),
        "range": window(params.range_span, 2),
        "volume": window(params.volume_span, 3),
        "mfi": window(params.mfi_span, 2),
        "typical": ((n, params.cci_span), np.dtype("f8")),
        "vol_short": window(params.vol_short, 1),
        "vol_mid": window(params.vol_mid, 1),
        "vol_long": window(params.vol_long, 1),
        "day": window(params.day_bars, 1),
        "atr_month": ((n, params.month_samples), np.dtype("f8")),
        "width_month": ((n, params.month_samples), np.dtype("f8")),
        "day_month": ((n, params.month_samples + 2), np.dtype("f8")),
    }


def state_bytes(params: FeatureParams, n_symbols: int) -> int:
    """Size of the buffer in bytes."""
    return sum(_padded(shape, dtype) for shape, dtype in _shapes(params, n_symbols).values())


def _padded(shape: tuple[int, ...], dtype: Any) -> int:
    size = int(np.prod(shape)) * int(dtype.itemsize)
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
        size = int(np.prod(shape)) * int(dtype.itemsize)
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
        getattr(state, name)[:, -1] = (-np.inf, np.inf)
    return buffer, state


def snapshot(buffer: Bytes) -> bytes:
    """Everything a later :func:`restore` needs."""
    return buffer.tobytes()


def restore(data: bytes, params: FeatureParams, n_symbols: int) -> tuple[Bytes, FeatureState]:
    """Rebuild a state from :func:`snapshot`; see :func:`view_state` for the error."""
    buffer = aligned_buffer(len(data))
    buffer[:] = np.frombuffer(data, dtype=np.uint8)
    return buffer, view_state(buffer, params, n_symbols)
