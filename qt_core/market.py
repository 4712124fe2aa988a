"""Market: aligned bars, marks, funding events, contract specs and brackets of N symbols. numpy only.

All ``[T, N]`` arrays are C-contiguous float64; a missing bar is NaN with ``valid=False``. Symbols are sorted by name, so
index order is name order and every tie that breaks by index breaks by name.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.market_build import (
    check_bars,
    check_prices,
    check_ticks,
    check_times,
    column_of,
    funding_of,
    marks_of,
    own_sectors,
    quote_volume_of,
)
from qt_core.market_build import utc_text as utc_text  # noqa: PLC0414  re-exported

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

MAX_BRACKETS = 16
NEVER_MS = np.iinfo(np.int64).max

SPEC_DT = np.dtype(
    [
        ("tick_size", "f8"),  # price step; 0 = no rounding
        ("lot_step", "f8"),  # quantity step (MARKET_LOT_SIZE where it differs); 0 = no rounding
        ("min_qty", "f8"),
        ("max_qty", "f8"),  # of one market order; inf = none
        ("min_notional", "f8"),  # USD; reduce-only orders are exempt
        ("list_ms", "i8"),  # first trading time, 0 = unknown
        ("delist_ms", "i8"),  # settlement time, NEVER_MS = none announced
        ("n_brackets", "i8"),
        ("sector", "i8"),  # 1 + index into Market.sectors; unknown = OWN_SECTOR + symbol index, shared with none
    ],
    align=True,
)
BRACKET_DT = np.dtype(
    [
        ("notional_floor", "f8"),  # USD, exclusive (0 for the first)
        ("notional_cap", "f8"),  # USD, inclusive; inf for unused rows
        ("maintenance_rate", "f8"),  # fraction
        ("cum", "f8"),  # maintenance amount deducted, USD
        ("max_leverage", "f8"),
    ],
    align=True,
)


@dataclass(frozen=True)
class Market:
    """Bars of N symbols on one time axis. See the module docstring for layout.

    Attributes
    ----------
    symbols : names, sorted. timeframe_ms : bar length. time : ``[T]`` open times, int64 ms UTC, evenly spaced.
    open, high, low, close, volume : ``[T, N]``; volume in base units. quote_volume : USD; where the exchange gives none
    it is ``volume * (h + l + c) / 3`` and ``quote_volume_estimated`` is True there.
    mark_open .. mark_close : ``[T, N]``; where the mark is unknown the last price stands in and ``mark_known`` is False.
    funding_time_ms, funding_symbol, funding_rate : ``[F]`` event rows, sorted by (time, symbol index).
    specs : ``[N]`` of SPEC_DT. brackets : ``[N, MAX_BRACKETS]`` of BRACKET_DT.
    sectors : names of the known sectors; see qt_core.sectors.
    detail : the same symbols on a finer time axis that divides ``timeframe_ms``, or None.
    simulated : True for made-up data; every report says so. source : one line for people.
    notes : facts a report must repeat (bracket snapshot date, inferred ticks ...).
    """

    symbols: tuple[str, ...]
    timeframe_ms: int
    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    quote_volume: FloatArray
    quote_volume_estimated: BoolArray
    valid: BoolArray
    mark_open: FloatArray
    mark_high: FloatArray
    mark_low: FloatArray
    mark_close: FloatArray
    mark_known: BoolArray
    funding_time_ms: IntArray
    funding_symbol: IntArray
    funding_rate: FloatArray
    specs: npt.NDArray[Any]
    brackets: npt.NDArray[Any]
    detail: "Market | None" = None
    simulated: bool = False
    source: str = ""
    notes: tuple[str, ...] = field(default=())
    sectors: tuple[str, ...] = field(default=())

    @property
    def n_bars(self) -> int:
        return int(self.time.shape[0])

    @property
    def n_symbols(self) -> int:
        return len(self.symbols)

    def head(self, n_bars: int) -> "Market":
        """The market as it was known after ``n_bars`` bars: rows cut, later funding and finer bars dropped."""
        end_ms = int(self.time[n_bars - 1]) + self.timeframe_ms
        return self._rows(slice(0, n_bars), 0, end_ms)

    def window(self, start_ms: int, end_ms: int) -> "Market":
        """Bars with ``start_ms <= open time < end_ms``."""
        a, b = np.searchsorted(self.time, [start_ms, end_ms])
        if a >= b:
            raise DataError(f"empty window: no bar between {start_ms} and {end_ms}; data covers {span_text(self)}")
        return self._rows(slice(int(a), int(b)), start_ms, end_ms)

    def _rows(self, rows: slice, start_ms: int, end_ms: int) -> "Market":
        keep = (self.funding_time_ms >= start_ms) & (self.funding_time_ms < end_ms)
        cut: dict[str, Any] = {name: np.ascontiguousarray(getattr(self, name)[rows]) for name in ROW_FIELDS}
        detail = self.detail
        if detail is not None:
            a, b = np.searchsorted(detail.time, [start_ms, end_ms])
            detail = detail._rows(slice(int(a), int(b)), start_ms, end_ms)
        return replace(
            self,
            **cut,
            detail=detail,
            funding_time_ms=self.funding_time_ms[keep],
            funding_symbol=self.funding_symbol[keep],
            funding_rate=self.funding_rate[keep],
        )

    def select(self, symbols: "list[str] | tuple[str, ...]") -> "Market":
        """The named symbols only, in name order whatever order is given.

        Raises
        ------
        DataError
            If a symbol is not in the market or named twice.
        """
        names = tuple(sorted(symbols))
        missing = [s for s in names if s not in self.symbols]
        if missing or len(set(names)) != len(names):
            raise DataError(f"unknown or repeated symbol {missing or names}; the market has {', '.join(self.symbols)}")
        cols = np.array([self.symbols.index(s) for s in names], dtype=np.int64)
        cut: dict[str, Any] = {n: np.ascontiguousarray(getattr(self, n)[:, cols]) for n in ROW_FIELDS if n != "time"}
        position = np.full(self.n_symbols, -1, dtype=np.int64)
        position[cols] = np.arange(len(cols))
        keep = position[self.funding_symbol] >= 0
        return replace(
            self,
            **cut,
            symbols=names,
            specs=own_sectors(self.specs[cols].copy()),
            brackets=self.brackets[cols].copy(),
            detail=None if self.detail is None else self.detail.select(names),
            funding_time_ms=self.funding_time_ms[keep],
            funding_symbol=position[self.funding_symbol[keep]],
            funding_rate=self.funding_rate[keep],
        )


ROW_FIELDS = (
    "time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "quote_volume_estimated",
    "valid",
    "mark_open",
    "mark_high",
    "mark_low",
    "mark_close",
    "mark_known",
)


def span_text(market: Market) -> str:
    """First and last bar of a market, for messages."""
    if market.n_bars == 0:
        return "no bar"
    return f"{utc_text(market.time[0])} to {utc_text(market.time[-1])}"


def default_specs(n: int) -> npt.NDArray[Any]:
    """Specs that bind nothing: no rounding, no minimum, listed always, each symbol a sector of its own."""
    specs = np.zeros(n, dtype=SPEC_DT)
    specs["max_qty"] = np.inf
    specs["delist_ms"] = NEVER_MS
    specs["n_brackets"] = 1
    return own_sectors(specs)


def default_brackets(n: int, maintenance_rate: float = 0.01, max_leverage: float = 50.0) -> npt.NDArray[Any]:
    """One bracket for every notional."""
    brackets = np.zeros((n, MAX_BRACKETS), dtype=BRACKET_DT)
    brackets["notional_cap"] = np.inf
    brackets["notional_floor"] = np.inf
    brackets["notional_floor"][:, 0] = 0.0
    brackets["maintenance_rate"] = maintenance_rate
    brackets["max_leverage"] = max_leverage
    return brackets


def make_market(
    symbols: "list[str] | tuple[str, ...]",
    time: IntArray,
    ohlcv: dict[str, FloatArray],
    *,
    timeframe_ms: int,
    mark: "dict[str, FloatArray] | None" = None,
    quote_volume: "FloatArray | None" = None,
    funding: "tuple[IntArray, IntArray, FloatArray] | None" = None,
    specs: "npt.NDArray[Any] | None" = None,
    brackets: "npt.NDArray[Any] | None" = None,
    detail: "Market | None" = None,
    simulated: bool = False,
    source: str = "",
    notes: tuple[str, ...] = (),
) -> Market:
    """Build and check a Market from ``[T, N]`` columns in any symbol order.

    Parameters
    ----------
    ohlcv : ``open high low close volume``, each ``[T, N]``; a bar with any NaN price is missing.
    mark : ``open high low close`` marks ``[T, N]``, NaN where unknown; None = unknown everywhere.
    funding : (time_ms ``[F]``, symbol index ``[F]`` into ``symbols`` as given, rate ``[F]``), any order.

    Raises
    ------
    DataError
        Naming the symbol and bar: duplicated, unsorted or unevenly spaced times, non-positive prices, high < low,
        open or close outside [low, high], negative volume, repeated symbols, mismatched shapes.
    """
    order = np.argsort(np.array(symbols, dtype=str), kind="stable")
    names = tuple(symbols[int(k)] for k in order)
    if len(set(names)) != len(names):
        raise DataError(f"repeated symbol in {names}; every symbol once expected")
    n = len(names)
    cols = {k: column_of(ohlcv, k, order, (len(time), n)) for k in ("open", "high", "low", "close", "volume")}
    valid = (
        np.isfinite(cols["open"]) & np.isfinite(cols["high"]) & np.isfinite(cols["low"]) & np.isfinite(cols["close"])
    )
    for k in cols:
        cols[k][~valid] = np.nan
    cols["volume"][valid & np.isnan(cols["volume"])] = 0.0
    check_times(time, timeframe_ms)
    check_prices(names, time, cols, valid)
    qv, estimated = quote_volume_of(quote_volume, order, cols, valid)
    marks, known = marks_of(mark, order, cols, valid)
    check_bars(names, time, {k: marks[f"mark_{k}"] for k in ("open", "high", "low", "close")}, valid, "mark ")
    f_time, f_sym, f_rate = funding_of(funding, order, n)
    specs = default_specs(n) if specs is None else own_sectors(specs[order].copy())
    check_ticks(names, specs, cols["low"])
    brackets = default_brackets(n) if brackets is None else brackets[order].copy()
    specs["n_brackets"] = np.sum(np.isfinite(brackets["notional_floor"]), axis=1)
    return Market(
        symbols=names,
        timeframe_ms=int(timeframe_ms),
        time=np.ascontiguousarray(time, dtype=np.int64),
        **cols,
        quote_volume=qv,
        quote_volume_estimated=estimated,
        valid=np.ascontiguousarray(valid),
        **marks,
        mark_known=known,
        funding_time_ms=f_time,
        funding_symbol=f_sym,
        funding_rate=f_rate,
        specs=specs,
        brackets=brackets,
        detail=detail,
        simulated=simulated,
        source=source,
        notes=notes,
        sectors=(),
    )
