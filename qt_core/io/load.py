"""``load_market``: files or a simulation in, one checked Market out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.io.checks import PRICES
from qt_core.io.files import Columns
from qt_core.io.grid import grid, name_list
from qt_core.io.market_contracts import market_contracts
from qt_core.io.source import MarketSource, open_source
from qt_core.io.store import default_root
from qt_core.io.timeframes import DAY_MS, timeframe_to_ms
from qt_core.market import Market, make_market, utc_text
from qt_core.sectors import with_sectors

Time: TypeAlias = int | str | date | datetime | np.datetime64
_DATE_DIGITS = 8  # 20210519 is a date; more digits are milliseconds
_FUNDING_JITTER_MS = 1_000  # settlements are stamped up to some 30 ms after the full minute they happen at


def load_market(
    symbols: "Sequence[str] | str | None",
    timeframe: str = "1h",
    start: "Time | None" = None,
    end: "Time | None" = None,
    *,
    root: "Path | str | None" = None,
    folder: "Path | str | None" = None,
    detail_timeframe: "str | None" = None,
    simulated: "Mapping[str, Any] | None" = None,
    missing_bracket: str = "error",
    detail_mismatch: str = "flag",
) -> Market:
    """Load symbols onto one evenly spaced time axis.

    Parameters
    ----------
    symbols : names in any order, one name, or None for every symbol of the source.
    start, end : ``start <= open time < end``; int ms UTC, ISO text (UTC unless it says otherwise), date, datetime.
    root : the candle store, or a folder of parquet files (``um_1h/`` ...), whichever is found there. Default:
        environment variable QT_DATA_DIR, else ``./data``. ``folder`` is the same under the other name.
    detail_timeframe, detail_mismatch : attach finer bars as ``Market.detail`` (see qt_core.io.detail).
    simulated : arguments of ``simulate_market``; nothing is read and the Market is labelled simulated.
    missing_bracket : "error", or "conservative" to let a made-up table of small caps and high rates stand in (noted).

    Returns
    -------
    Market
        Holes, late listings and delistings are ``valid=False``. ``notes`` names every stand-in: inferred ticks,
        snapshot dates, missing funding, missing marks. A sector is the exchange's first sub-type where it gave one.

    Raises
    ------
    DataError
        Unknown symbol or timeframe, empty window, unsound rows, missing bracket: one line naming file, key or bar.
    """
    timeframe_ms = timeframe_to_ms(timeframe)
    if simulated is not None:
        return _simulated(symbols, timeframe_ms, start, end, simulated)
    source = open_source(_root(root, folder))
    names = _names(symbols, source, timeframe)
    candles = {name: source.candles(name, timeframe) for name in names}
    axis = _axis(candles, timeframe_ms, start, end)
    marks = {name: rows for name in names if (rows := source.marks(name, timeframe)) is not None}
    funding, funding_notes = _funding(candles, source, axis, timeframe_ms)
    contracts = market_contracts(names, candles, source, missing_bracket)
    market = make_market(
        names,
        axis,
        {k: grid(candles, names, k, axis, timeframe_ms) for k in (*PRICES, "volume")},
        timeframe_ms=timeframe_ms,
        mark={k: grid(marks, names, k, axis, timeframe_ms) for k in PRICES} if marks else None,
        quote_volume=grid(candles, names, "quote_volume", axis, timeframe_ms),
        funding=funding,
        specs=contracts.specs,
        brackets=contracts.brackets,
        source=f"{source.label} {timeframe}",
    )
    market = with_sectors(market, contracts.sectors)
    market = replace(market, notes=contracts.notes + funding_notes + _coverage_notes(market))
    if detail_timeframe is not None:
        from qt_core.io.detail import attach_detail

        market = attach_detail(market, source, detail_timeframe, detail_mismatch)
    return market


def _root(root: "Path | str | None", folder: "Path | str | None") -> Path:
    if root is not None and folder is not None:
        raise DataError(f"both root={root} and folder={folder} given; one of them expected")
    chosen = root if root is not None else folder
    path = default_root() if chosen is None else Path(chosen)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; a candle store expected (qt data download makes one)")
    return path


def _names(symbols: "Sequence[str] | str | None", source: MarketSource, timeframe: str) -> tuple[str, ...]:
    known = source.symbols(timeframe)
    if not known:
        raise DataError(f"{source.label}: no {timeframe} candles of any symbol; another timeframe expected")
    asked = known if symbols is None else (symbols,) if isinstance(symbols, str) else tuple(symbols)
    unknown = sorted(set(asked) - set(known))
    if unknown or not asked:
        what = f"unknown symbol {name_list(unknown)}" if unknown else "no symbol asked for"
        raise DataError(f"{what}; {source.label} has {timeframe} candles of {name_list(known)}")
    if len(set(asked)) != len(asked):
        raise DataError(f"repeated symbol in {', '.join(asked)}; every symbol once expected")
    return tuple(sorted(asked))


def parse_time(value: Time) -> int:
    """Milliseconds UTC of an int (ms), ISO text, date or datetime; text without a zone is UTC."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[ms]").astype(np.int64))
    if isinstance(value, str):
        if value.isdigit() and len(value) > _DATE_DIGITS:
            return int(value)
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise DataError(f"time {value!r} not understood; ISO such as 2021-05-19T13:00 expected") from error
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _axis(
    candles: dict[str, Columns], timeframe_ms: int, start: "Time | None", end: "Time | None"
) -> npt.NDArray[np.int64]:
    """Open times from the first to the last bar that any symbol has within ``[start, end)``."""
    first = min(int(rows["open_time"][0]) for rows in candles.values())
    last = max(int(rows["open_time"][-1]) for rows in candles.values())
    lo = first if start is None else parse_time(start)
    hi = last + timeframe_ms if end is None else parse_time(end)
    spans = [rows["open_time"][slice(*np.searchsorted(rows["open_time"], [lo, hi]))] for rows in candles.values()]
    spans = [span for span in spans if len(span)]
    if not spans:
        raise DataError(
            f"empty window: no bar from {utc_text(lo)} to {utc_text(hi)}; "
            f"the data covers {utc_text(first)} to {utc_text(last)}"
        )
    begin, stop = min(int(s[0]) for s in spans), max(int(s[-1]) for s in spans)
    return np.arange(begin, stop + timeframe_ms, timeframe_ms, dtype=np.int64)


def _funding(
    candles: dict[str, Columns], source: MarketSource, axis: npt.NDArray[np.int64], timeframe_ms: int
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]], tuple[str, ...]]:
    """Settlements within the axis' span, and notes on symbols whose history of them is missing or starts late."""
    times, owners, rates = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    absent, late = [], []
    for i, name in enumerate(candles):
        rows = source.funding(name)
        if rows is None:
            absent.append(name)
            continue
        time = _settlement_time(rows["funding_time"])
        inside = (time >= axis[0]) & (time < axis[-1] + timeframe_ms)
        if time[0] > max(int(axis[0]), int(candles[name]["open_time"][0])) + DAY_MS:
            late.append(f"{name} {utc_text(time[0])[:10]}")
        times.append(time[inside])
        owners.append(np.full(int(inside.sum()), i, dtype=np.int64))
        rates.append(rows["funding_rate"][inside])
    notes: tuple[str, ...] = (f"no funding history, none charged: {name_list(absent)}",) if absent else ()
    notes += (f"funding history starts after the first bar: {name_list(late)}",) if late else ()
    return (np.concatenate(times), np.concatenate(owners), np.concatenate(rates)), notes


def _settlement_time(stamped_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The full minute a settlement belongs to, where its stamp lies within the exchange's jitter of one."""
    minute = (stamped_ms + 30_000) // 60_000 * 60_000
    return np.where(np.abs(stamped_ms - minute) <= _FUNDING_JITTER_MS, minute, stamped_ms).astype(np.int64)


def _coverage_notes(market: Market) -> tuple[str, ...]:
    notes = []
    unknown = [s for i, s in enumerate(market.symbols) if not market.mark_known[market.valid[:, i], i].all()]
    if unknown:
        share = 1.0 - market.mark_known.sum() / max(1, market.valid.sum())
        notes.append(f"last price stands in for the mark in {share:.1%} of bars: {name_list(unknown)}")
    partial = [s for i, s in enumerate(market.symbols) if not market.valid[:, i].all()]
    if partial:
        notes.append(f"bars missing (late listing, hole or end) in {name_list(partial)}")
    silent = int((market.volume == 0.0).sum())
    if silent:
        notes.append(f"{silent} bars without a trade (zero volume)")
    return tuple(notes)


def _simulated(
    symbols: "Sequence[str] | str | None",
    timeframe_ms: int,
    start: "Time | None",
    end: "Time | None",
    arguments: Mapping[str, Any],
) -> Market:
    from qt_core.io.simulate import simulate_market

    market = simulate_market(**{"timeframe_ms": timeframe_ms, **arguments})
    if symbols is not None:
        market = market.select([symbols] if isinstance(symbols, str) else list(symbols))
    if start is not None or end is not None:
        lo = int(market.time[0]) if start is None else parse_time(start)
        hi = int(market.time[-1]) + market.timeframe_ms if end is None else parse_time(end)
        market = market.window(lo, hi)
    return market
