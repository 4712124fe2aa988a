"""From tables as given to a Market's columns: order, derived columns, and checks that name the symbol and the bar.

Used by ``market.make_market`` only.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

OWN_SECTOR = 1000  # sector ids from here on belong to one symbol each


def utc_text(time_ms: int) -> str:
    """``2021-05-19T13:00Z`` for an int64 ms time."""
    return str(np.datetime64(int(time_ms), "ms").astype("datetime64[m]")) + "Z"


def check_times(time: IntArray, timeframe_ms: int) -> None:
    """Open times must rise by one bar each."""
    if len(time) == 0:
        raise DataError("no bars: at least one bar expected")
    step = np.diff(time)
    bad = np.flatnonzero(step != timeframe_ms)
    if len(bad):
        k = int(bad[0]) + 1
        what = "duplicated" if step[k - 1] == 0 else "unsorted" if step[k - 1] < 0 else "not evenly spaced"
        raise DataError(f"times {what} at bar {k} ({utc_text(time[k])}); expected steps of {timeframe_ms} ms")


def check_prices(names: tuple[str, ...], time: IntArray, cols: dict[str, FloatArray], valid: BoolArray) -> None:
    """Prices and volumes of the valid bars."""
    check_bars(names, time, cols, valid, "")
    volume = cols["volume"]
    bad = ~((volume >= 0.0) & np.isfinite(volume)) & valid
    raise_first(names, time, "volume negative or not finite", bad, "a finite volume >= 0")


def check_bars(
    names: tuple[str, ...], time: IntArray, cols: dict[str, FloatArray], valid: BoolArray, prefix: str
) -> None:
    """Positive, high >= low, open and close within them; ``prefix`` names the kind of price."""
    o, h, lo, c = cols["open"], cols["high"], cols["low"], cols["close"]
    checks = (
        ("price not positive", (lo <= 0.0) | (o <= 0.0) | (c <= 0.0) | (h <= 0.0), "prices above 0"),
        ("high below low", h < lo, "high >= low"),
        ("open or close outside low..high", (o > h) | (c > h) | (o < lo) | (c < lo), "low <= open, close <= high"),
    )
    for what, mask, expected in checks:
        raise_first(names, time, prefix + what, mask & valid, expected)


def raise_first(names: tuple[str, ...], time: IntArray, what: str, mask: BoolArray, expected: str) -> None:
    """DataError for the first bar of ``mask``, if any."""
    hits = np.argwhere(mask)
    if len(hits):
        t, i = int(hits[0][0]), int(hits[0][1])
        raise DataError(f"{names[i]} bar {t} ({utc_text(time[t])}): {what}; expected {expected}")


def check_ticks(names: tuple[str, ...], specs: npt.NDArray[Any], low: FloatArray) -> None:
    """A tick as large as the price would round prices to zero: the specs are another contract's."""
    for i, name in enumerate(names):
        lowest = float(np.nanmin(low[:, i], initial=np.inf))
        if specs["tick_size"][i] >= lowest:
            tick = specs["tick_size"][i]
            raise DataError(f"{name}: tick_size {tick:g}; expected less than its lowest price {lowest:g}")


def own_sectors(specs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``specs`` ``[N]`` with every unknown sector (0, or a symbol's own) made that of the symbol's place."""
    sector = specs["sector"]
    specs["sector"] = np.where((sector <= 0) | (sector >= OWN_SECTOR), OWN_SECTOR + np.arange(len(specs)), sector)
    return specs


def column_of(table: dict[str, FloatArray], key: str, order: IntArray, shape: tuple[int, int]) -> FloatArray:
    """One column as C-ordered float64 in name order; a copy."""
    col = np.asarray(table[key], dtype=np.float64)
    if col.shape != shape:
        raise DataError(f"column {key} has shape {col.shape}, expected {shape} (bars, symbols)")
    return np.array(col[:, order], dtype=np.float64, order="C")


def quote_volume_of(
    given: "FloatArray | None", order: IntArray, cols: dict[str, FloatArray], valid: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Quote volume, and where it is an estimate (``volume * (h + l + c) / 3``) because the exchange gave none."""
    estimate = cols["volume"] * (cols["high"] + cols["low"] + cols["close"]) / 3.0
    qv = np.full_like(estimate, np.nan) if given is None else np.array(given[:, order], dtype=np.float64, order="C")
    missing = np.isnan(qv) & valid
    qv[missing] = estimate[missing]
    qv[~valid] = np.nan
    return qv, missing


def marks_of(
    mark: "dict[str, FloatArray] | None", order: IntArray, cols: dict[str, FloatArray], valid: BoolArray
) -> tuple[dict[str, FloatArray], BoolArray]:
    """Mark prices, the last price standing in where unknown, and where they are known."""
    keys = ("open", "high", "low", "close")
    if mark is None:
        return {f"mark_{k}": cols[k].copy() for k in keys}, np.zeros(valid.shape, dtype=np.bool_)
    marks = {f"mark_{k}": np.array(mark[k][:, order], dtype=np.float64, order="C") for k in keys}
    known = np.ascontiguousarray(np.all([np.isfinite(m) & (m > 0.0) for m in marks.values()], axis=0) & valid)
    for k in keys:
        marks[f"mark_{k}"][~known] = cols[k][~known]
    return marks, known


def funding_of(
    funding: "tuple[IntArray, IntArray, FloatArray] | None", order: IntArray, n: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Funding rows with symbol indices in name order, sorted by (time, symbol)."""
    if funding is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
    position = np.empty(n, dtype=np.int64)
    position[order] = np.arange(n)
    f_time = np.asarray(funding[0], dtype=np.int64)
    f_sym = position[np.asarray(funding[1], dtype=np.int64)]
    f_rate = np.asarray(funding[2], dtype=np.float64)
    if not np.all(np.isfinite(f_rate)):
        raise DataError("funding rate not finite; a number per settlement expected")
    rank = np.lexsort((f_sym, f_time))
    f_time, f_sym, f_rate = f_time[rank], f_sym[rank], f_rate[rank]
    twice = np.flatnonzero((np.diff(f_time) == 0) & (np.diff(f_sym) == 0))
    if len(twice):
        raise DataError(f"funding at {utc_text(f_time[twice[0]])} given twice for one symbol; expected one rate each")
    return f_time, f_sym, f_rate
