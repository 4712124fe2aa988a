"""Correlations over a market or as bars arrive: state in one buffer, rows out, snapshot and resume."""

import hashlib
import math
from typing import Any, NamedTuple

import numpy as np

from qt_core.errors import DataError
from qt_core.features.correlation import (
    TILE,
    CorrelationParams,
    CorrelationState,
    CorrelationWork,
    Float32Array,
    correlation_params,
    n_pairs,
    rows_made,
    update_correlation,
)
from qt_core.features.state import ALIGN, Bytes, aligned_buffer
from qt_core.market import BoolArray, FloatArray, IntArray, Market

SCHEMA = 1  # raise when a field or its meaning changes: an older snapshot is then refused


class Correlations(NamedTuple):
    """What was known at the close of each of T bars."""

    rows: Float32Array  # [D, P] packed lower triangles; column of a pair: correlation.packed_index
    row: IntArray  # [T] the row in force at each bar's close, made at or before it; -1 before the first


def _layout(n: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    double = np.dtype("f8")
    return {
        "last_close": ((n,), double),
        "product": ((n, n), double),
        "power": ((n, n), double),
        "common": ((n, n), double),
        "latest": ((n_pairs(n),), np.dtype("f4")),
        "n_rows": ((1,), np.dtype("i8")),
    }


def _padded(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> int:
    size: int = math.prod(shape) * dtype.itemsize
    return -(-size // ALIGN) * ALIGN


def correlation_bytes(n_symbols: int) -> int:
    """Size of the state's buffer."""
    return sum(_padded(shape, dtype) for shape, dtype in _layout(n_symbols).values())


def view_correlation(buffer: Bytes, n_symbols: int) -> CorrelationState:
    """Cut the views of a state out of ``buffer``; nothing is copied.

    Raises
    ------
    DataError
        If the buffer's size is not that of so many symbols.
    """
    expected = correlation_bytes(n_symbols)
    if buffer.dtype != np.uint8 or buffer.ndim != 1 or buffer.size != expected:
        raise DataError(f"correlation state of {buffer.size} bytes; {expected} expected for {n_symbols} symbols")
    views: dict[str, Any] = {}
    start = 0
    for name, (shape, dtype) in _layout(n_symbols).items():
        size = math.prod(shape) * dtype.itemsize
        views[name] = buffer[start : start + size].view(dtype).reshape(shape)
        start += _padded(shape, dtype)
    return CorrelationState(**views)


def new_correlation(n_symbols: int) -> tuple[Bytes, CorrelationState]:
    """A state that has seen no bar, and the buffer that holds it."""
    buffer = aligned_buffer(correlation_bytes(n_symbols))
    state = view_correlation(buffer, n_symbols)
    state.last_close[:] = np.nan
    state.latest[:] = np.nan
    return buffer, state


class CorrelationStream:
    """The correlations of a fixed list of symbols, carried from call to call.

    Parameters
    ----------
    params : see ``correlation_params``. symbols : names in the order of the columns.
    """

    def __init__(self, params: CorrelationParams, symbols: tuple[str, ...]) -> None:
        self.params = params
        self.symbols = symbols
        n = len(symbols)
        self._buffer, self._state = new_correlation(n)
        self._work = CorrelationWork(np.empty((TILE, n)), np.empty((TILE, n)))

    def update(self, time: IntArray, close: FloatArray, valid: BoolArray) -> Correlations:
        """Correlations known at the close of the next bars; live passes one bar at a time.

        Parameters
        ----------
        time : ``[T]`` open times. close, valid : ``[T, N]``, C-ordered. They follow the bars before without a break: a
            missing bar is a row with ``valid`` False.

        Returns
        -------
        Correlations
            With the row that was in force before these bars, if there is one, in front of those made by them.
        """
        made = rows_made(self.params, time)
        carried = int(self._state.n_rows[0] > 0)
        rows = np.empty((carried + int(made.sum()), n_pairs(len(self.symbols))), dtype=np.float32)
        rows[:carried] = self._state.latest
        update_correlation(self.params, self._state, self._work, time, close, valid, rows[carried:])
        return Correlations(rows, np.cumsum(made, dtype=np.int64) + (carried - 1))

    def _digest(self) -> bytes:
        text = repr((SCHEMA, CorrelationState._fields, tuple(self.params), self.symbols))
        return hashlib.sha256(text.encode()).digest()

    def snapshot(self) -> bytes:
        """Everything :meth:`resume` needs to go on from here."""
        return self._digest() + self._buffer.tobytes()

    def resume(self, data: bytes) -> None:
        """Take over the state of a snapshot.

        Raises
        ------
        DataError
            If it was taken with other params, symbols or layout; the stream is then unchanged.
        """
        digest = self._digest()
        if data[: len(digest)] != digest or len(data) - len(digest) != self._buffer.size:
            raise DataError(
                "correlation state of other symbols, params or version; the ones it was saved with expected"
            )
        self._buffer[:] = np.frombuffer(data, dtype=np.uint8, offset=len(digest))


def correlate(market: Market, params: CorrelationParams | None = None) -> Correlations:
    """Correlations of a market's symbols from its first bar on.

    Parameters
    ----------
    market : bars. params : None = :func:`correlation_params` of the bar length.
    """
    stream = CorrelationStream(params or correlation_params(market.timeframe_ms), market.symbols)
    return stream.update(*(np.ascontiguousarray(getattr(market, name)) for name in ("time", "close", "valid")))
