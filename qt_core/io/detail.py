"""Finer bars of a Market, always in agreement with its own bars.

The engine walks the finer bars inside each bar. So that it never sees another range than the decisions do, every bar's
finer bars must add up to it; where they do not, are incomplete, or do not exist, the bar itself stands in the first
finer slot and the others are empty. Each kind is counted in ``Market.notes``.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.io.checks import PRICES
from qt_core.io.files import Columns
from qt_core.io.grid import grid
from qt_core.io.source import MarketSource
from qt_core.io.timeframes import timeframe_to_ms
from qt_core.market import Market, make_market, utc_text

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_REL_TOLERANCE = 1e-9  # of a finer bar's price against the coarse bar's
_SUMS = ("volume", "quote_volume")


class _Coverage(NamedTuple):
    """Which bars ``[T, N]`` have finer bars that can be used, and why the others have not."""

    usable: Bools
    absent: Bools
    incomplete: Bools
    differing: Bools


def attach_detail(market: Market, source: MarketSource, timeframe: str, mismatch: str = "flag") -> Market:
    """The market with ``detail`` on a finer time axis that covers exactly its span.

    Parameters
    ----------
    mismatch : what to do with complete finer bars that disagree with their bar: "flag" counts them and lets the bar
        stand in, "raise" names the first.

    Raises
    ------
    DataError
        If the timeframe does not divide the market's, no symbol has such bars in the window, or on a mismatch if asked.
    """
    fine_ms = timeframe_to_ms(timeframe)
    if fine_ms >= market.timeframe_ms or market.timeframe_ms % fine_ms != 0:
        raise DataError(f"detail timeframe {timeframe} does not divide the bars of {market.timeframe_ms} ms")
    if mismatch not in ("flag", "raise"):
        raise DataError(f"detail mismatch {mismatch!r}; 'flag' or 'raise' expected")
    known = set(source.symbols(timeframe))
    tables = {s: source.candles(s, timeframe) for s in market.symbols if s in known}
    per_bar = market.timeframe_ms // fine_ms
    axis = market.time[0] + fine_ms * np.arange(market.n_bars * per_bar, dtype=np.int64)
    fine = {k: grid(tables, market.symbols, k, axis, fine_ms) for k in (*PRICES, *_SUMS)}
    if not np.isfinite(fine["close"]).any():
        raise DataError(f"{source.label}: no {timeframe} bar of any symbol in the window; finer bars expected")
    coverage = _coverage(market, {k: v.reshape(market.n_bars, per_bar, -1) for k, v in fine.items()})
    if mismatch == "raise":
        _raise_first(market, coverage.differing, timeframe)
    marks = {s: rows for s in market.symbols if (rows := source.marks(s, timeframe)) is not None}
    detail = _detail_market(market, axis, fine_ms, fine, coverage.usable, marks)
    return replace(market, detail=detail, notes=market.notes + _notes(market, coverage, timeframe, bool(marks)))


def _coverage(market: Market, blocks: dict[str, Floats]) -> _Coverage:
    """Compare the finer bars ``[T, K, N]`` with the bars."""
    there = np.isfinite(blocks["close"])
    has, full = there.any(axis=1), there.all(axis=1)
    first, last = there.argmax(axis=1), there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    summed = {
        "open": np.take_along_axis(blocks["open"], first[:, None], axis=1)[:, 0],
        "high": np.where(there, blocks["high"], -np.inf).max(axis=1),
        "low": np.where(there, blocks["low"], np.inf).min(axis=1),
        "close": np.take_along_axis(blocks["close"], last[:, None], axis=1)[:, 0],
    }
    equal = has & market.valid
    for k in PRICES:
        bar = getattr(market, k)
        equal &= np.abs(summed[k] - bar) <= _REL_TOLERANCE * np.abs(bar)
    wrong = market.valid & has & ~equal
    return _Coverage(equal, market.valid & ~has, wrong & ~full, wrong & full)


def _raise_first(market: Market, differing: Bools, timeframe: str) -> None:
    hits = np.argwhere(differing)
    if len(hits):
        t, i = int(hits[0][0]), int(hits[0][1])
        raise DataError(
            f"{market.symbols[i]} bar {t} ({utc_text(market.time[t])}): its {timeframe} bars differ from it "
            f"({len(hits)} bars in all); equal open, high, low and close expected"
        )


def _detail_market(
    market: Market,
    axis: npt.NDArray[np.int64],
    fine_ms: int,
    fine: dict[str, Floats],
    usable: Bools,
    marks: dict[str, Columns],
) -> Market:
    per_bar = len(axis) // market.n_bars
    stands_in = market.valid & ~usable
    coarse = {k: getattr(market, k) for k in (*PRICES, *_SUMS)}
    coarse["quote_volume"] = np.where(market.quote_volume_estimated, np.nan, market.quote_volume)
    table = {k: _blend(fine[k], coarse[k], usable, stands_in, per_bar) for k in coarse}
    known = stands_in & market.mark_known
    mark = {
        k: _blend(grid(marks, market.symbols, k, axis, fine_ms), getattr(market, "mark_" + k), usable, known, per_bar)
        for k in PRICES
    }
    return make_market(
        market.symbols,
        axis,
        {k: table[k] for k in (*PRICES, "volume")},
        timeframe_ms=fine_ms,
        mark=mark,
        quote_volume=table["quote_volume"],
        funding=(market.funding_time_ms, market.funding_symbol, market.funding_rate),
        specs=market.specs,
        brackets=market.brackets,
        simulated=market.simulated,
        source=market.source,
    )


def _blend(fine: Floats, coarse: Floats, usable: Bools, stands_in: Bools, per_bar: int) -> Floats:
    """Finer rows where usable; else nothing, but the bar itself in its first slot where it stands in."""
    out = np.where(np.repeat(usable, per_bar, axis=0), fine, np.nan)
    out[::per_bar][stands_in] = coarse[stands_in]
    return out


def _notes(market: Market, coverage: _Coverage, timeframe: str, has_marks: bool) -> tuple[str, ...]:
    total = int(market.valid.sum())
    notes = [f"{timeframe} bars inside {int(coverage.usable.sum())} of {total} bars"]
    for what, mask in (
        ("no finer bar", coverage.absent),
        ("incomplete finer bars", coverage.incomplete),
        ("finer bars that differ from the bar", coverage.differing),
    ):
        if mask.any():
            notes.append(f"{what} in {int(mask.sum())} bars: the bar itself stands in its first {timeframe} slot")
    if not has_marks:
        notes.append(f"no {timeframe} marks: the last price stands in for the mark inside bars")
    return tuple(notes)
