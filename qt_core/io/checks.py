"""What can be wrong with a table of candles or funding rows, found for whole columns at once.

``find_problems`` lists everything for a report; ``require_sound`` raises on the first problem that makes the rows
unusable. Holes, zero volume and an unfinished last bar are reported but usable.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.io.files import Columns
from qt_core.market import utc_text

PRICES = ("open", "high", "low", "close")
_SAME_STEP_RUN = 24  # so many equal steps of k > 1 bars in a row are another timeframe, not holes
MAX_FUNDING_RATE = 0.1  # |rate| of one settlement; the exchange caps them at a few percent


class Problem(NamedTuple):
    """One kind of problem in one table."""

    kind: str
    rows: int  # how many
    row: int  # first row concerned
    time_ms: int  # of that row
    fatal: bool
    expected: str

    def text(self, where: str) -> str:
        """One line for people."""
        more = f" ({self.rows} times)" if self.rows > 1 else ""
        return f"{where}: {self.kind} at row {self.row} ({utc_text(self.time_ms)}){more}; {self.expected} expected"


def find_problems(columns: Columns, timeframe_ms: int, now_ms: "int | None" = None) -> list[Problem]:
    """Every problem of a table of candles (with ``volume``) or marks (without), fatal ones first.

    Parameters
    ----------
    columns : ``open_time`` int64 ms, ``open high low close``, ``volume`` where there is one; ``[rows]`` each.
    now_ms : the exchange's time; a last bar still open then is reported as unfinished.
    """
    time = columns["open_time"]
    if len(time) == 0:
        return [Problem("no rows", 1, 0, 0, True, "at least one candle")]
    found = _time_problems(time, timeframe_ms) + _price_problems(columns)
    if "volume" in columns:
        found += _volume_problems(columns)
    if now_ms is not None:
        unfinished = time + timeframe_ms > now_ms
        found += _problem(time, unfinished, "unfinished bar", "bars that had closed", fatal=False)
    return sorted(found, key=lambda p: not p.fatal)


def _problem(
    time: npt.NDArray[Any], mask: npt.NDArray[np.bool_], kind: str, expected: str, *, fatal: bool = True
) -> list[Problem]:
    rows = np.flatnonzero(mask)
    if len(rows) == 0:
        return []
    return [Problem(kind, len(rows), int(rows[0]), int(time[rows[0]]), fatal, expected)]


def _time_problems(time: npt.NDArray[Any], timeframe_ms: int) -> list[Problem]:
    step = np.append(timeframe_ms, np.diff(time))
    found = _problem(time, step == 0, "duplicated time", "every open time once")
    found += _problem(time, step < 0, "unsorted time", "rising open times")
    found += _problem(time, time % timeframe_ms != 0, "misaligned time", f"multiples of {timeframe_ms} ms")
    if not found:
        other = _other_timeframe(step, timeframe_ms)
        found += _problem(time, other, "mixed timeframe", f"steps of {timeframe_ms} ms")
        found += _gap(time, (step > timeframe_ms) & ~other, step, timeframe_ms)
    return found


def _gap(
    time: npt.NDArray[Any], mask: npt.NDArray[np.bool_], step: npt.NDArray[Any], timeframe_ms: int
) -> list[Problem]:
    missing = int(np.sum(step[mask] // timeframe_ms - 1))
    return _problem(time, mask, f"gap ({missing} bars missing in all)", "consecutive bars", fatal=False)


def _other_timeframe(step: npt.NDArray[Any], timeframe_ms: int) -> npt.NDArray[np.bool_]:
    """True on rows inside a long run of equal steps that are longer than one bar."""
    change = np.flatnonzero(np.diff(step)) + 1
    starts = np.append(0, change)
    lengths = np.diff(np.append(starts, len(step)))
    need = min(_SAME_STEP_RUN, max(2, len(step) - 1))
    return np.repeat((lengths >= need) & (step[starts] > timeframe_ms), lengths)


def _price_problems(columns: Columns) -> list[Problem]:
    time = columns["open_time"]
    o, h, lo, c = (columns[k].astype(np.float64) for k in PRICES)
    bad = ~(np.isfinite(o) & np.isfinite(h) & np.isfinite(lo) & np.isfinite(c))
    negative = (o <= 0.0) | (h <= 0.0) | (lo <= 0.0) | (c <= 0.0)
    outside = (np.maximum(o, c) > h) | (np.minimum(o, c) < lo)
    found = _problem(time, bad, "NaN price", "four finite prices per bar")
    found += _problem(time, negative, "price not positive", "prices above 0")
    found += _problem(time, h < lo, "high below low", "high >= low")
    found += _problem(time, outside & (h >= lo), "open or close outside low..high", "low <= open, close <= high")
    return found


def _volume_problems(columns: Columns) -> list[Problem]:
    time, volume = columns["open_time"], columns["volume"].astype(np.float64)
    found = _problem(time, volume < 0.0, "negative volume", "volume >= 0")
    found += _problem(time, np.isnan(volume), "NaN volume", "a volume per bar")
    found += _problem(time, volume == 0.0, "zero volume", "trades in every bar", fatal=False)
    return found


def find_funding_problems(columns: Columns) -> list[Problem]:
    """Every problem of a table of funding settlements (``funding_time``, ``funding_rate``)."""
    time, rate = columns["funding_time"], columns["funding_rate"].astype(np.float64)
    if len(time) == 0:
        return [Problem("no rows", 1, 0, 0, True, "at least one settlement")]
    step = np.append(1, np.diff(time))
    found = _problem(time, step == 0, "duplicated time", "every settlement once")
    found += _problem(time, step < 0, "unsorted time", "rising funding times")
    found += _problem(time, ~np.isfinite(rate), "NaN funding rate", "a finite rate")
    found += _problem(time, np.abs(rate) > MAX_FUNDING_RATE, "funding rate too large", f"|rate| <= {MAX_FUNDING_RATE}")
    return found


def require_sound(problems: list[Problem], where: str) -> None:
    """Raise DataError with one line on the first fatal problem; ``where`` names the file."""
    for problem in problems:
        if problem.fatal:
            raise DataError(problem.text(where))
