"""What makes a table of bars usable: checks that name the symbol and the bar. Raised by ``market.make_market``."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


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
    raise_first(names, time, "negative volume", (cols["volume"] < 0.0) & valid, "volume >= 0")


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
