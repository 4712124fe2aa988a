"""Where two runs over the same first bars part: stage, module, field, bar and symbol of every first difference.

One run knew the whole market, the other only its head. Whatever both should know must be equal bit for bit (NaN equals
NaN); the stages are compared apart, so that the earliest difference names its cause and not one of its consequences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import CTX_NAMES, EV_FUNDING, EVENT_NAMES
from qt_core.engine.result import Result
from qt_core.engine.session import prepare_bars
from qt_core.features.context import ChainContext
from qt_core.features.frame import FeatureFrame
from qt_core.market import ROW_FIELDS, Market, utc_text
from qt_core.records import (
    CURVE_DT,
    DECISION_DT,
    JE_CLASS,
    JE_EXIT,
    JE_LADDER,
    JE_LET_RUN,
    JE_NAMES,
    JE_STOP_MOVED,
    JOURNAL_EVENT_DT,
    TRADE_DT,
)
from qt_core.signal.rules import RULE_NAMES
from qt_core.signal.tape import SignalTape

Array = npt.NDArray[Any]
AT_CLOSE = (JE_STOP_MOVED, JE_CLASS, JE_EXIT, JE_LADDER, JE_LET_RUN)  # decided at a bar's close

# In the order in which a bar makes them: of two differences at one time the earlier stage is the cause.
STAGES = ("market", "detail", "funding", "fills", "features", "eligibility", "tape", "decisions", "account")

# Fields of a decision row by the module that wrote them, in the order of the chain.
_DECISION_FIELDS = (
    ("6 ensemble", ("symbol", "side", "rank", "confidence", "p_sell", "p_buy")),
    ("regime", ("vol_class", "trend_class", "tpsl_class")),
    ("14 dynamic_tpsl", ("atr_fraction", "sl_fraction", "tp_fraction")),
    ("account", ("equity_usd", "reserved_margin_usd", "n_positions")),
    ("17 risk_os", ("margin_target_usd", "leverage_target", "size_scale", "leverage", "margin_usd", "qty", "price")),
    ("24 safety_governor", ("notional_usd", "loss_at_stop_usd")),
    ("verdict", ("module", "reason", "seq", "time_ms")),
)


@dataclass(frozen=True)
class Inputs:
    """What a run is made of; everything but the market is computed from it."""

    market: Market
    context: ChainContext
    tape: SignalTape
    features: FeatureFrame | None = None


@dataclass(frozen=True)
class Difference:
    """One number that a run over the head does not share with the run over everything."""

    stage: str
    what: str  # module or table, and field
    bar: int  # decision bar in or at whose close it stands
    time_ms: int
    symbol: str  # "" where it belongs to the account
    full: str
    head: str
    cut: int  # bars the head had

    def text(self) -> str:
        """One line."""
        where = f"{self.symbol} bar {self.bar}" if self.symbol else f"bar {self.bar}"
        return (
            f"{self.stage}: {self.what} of {where} ({utc_text(self.time_ms)}) is {self.full} when the future is known, "
            f"{self.head} when the data ends with bar {self.cut - 1}"
        )

    def rank(self) -> tuple[int, int, str]:
        """Order in time, then in the chain."""
        return (self.time_ms, STAGES.index(self.stage), self.symbol)


def unequal(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """Elementwise: differ, where NaN equals NaN."""
    differs: npt.NDArray[np.bool_] = a != b
    if a.dtype.kind == "f":
        differs &= ~(np.isnan(a) & np.isnan(b))
    return differs


def input_differences(full: Inputs, head: Inputs, cut: int) -> Iterator[Difference]:
    """First difference of every input column within the first ``cut`` bars."""
    yield from _table_differences("market", full.market, head.market, cut, full.market)
    if full.market.detail is not None and head.market.detail is not None:
        rows = head.market.detail.n_bars
        yield from _table_differences("detail", full.market.detail, head.market.detail, rows, full.market, cut)
    yield from _funding_differences(full.market, head.market, cut)
    if full.features is not None and head.features is not None:
        yield from _columns("features", full.features.names, full.features.values, head.features.values, full, cut)
    yield from _columns("features", CTX_NAMES, full.context.values, head.context.values, full, cut)
    yield from _columns("eligibility", ("eligible",), full.context.eligible, head.context.eligible, full, cut)
    yield from _tape_differences(full, head.tape, cut)


def _bar_of(market: Market, time_ms: int) -> int:
    """Decision bar within which ``time_ms`` lies."""
    return int((time_ms - int(market.time[0])) // market.timeframe_ms)


def _table_differences(
    stage: str, full: Market, head: Market, rows: int, market: Market, cut: int | None = None
) -> Iterator[Difference]:
    """Bars themselves: a build hook, or finer bars, may have changed them."""
    for name in ROW_FIELDS:
        a, b = getattr(full, name)[:rows], getattr(head, name)[:rows]
        if a.shape != b.shape:
            yield _plain(stage, f"{name} rows", market, int(market.time[0]), len(a), len(b), cut or rows)
            return
        hits = np.argwhere(unequal(a, b))
        if len(hits) and name == "time":
            t = int(hits[0][0])
            yield _plain(stage, name, market, int(full.time[t]), a[t], b[t], cut or rows)
        elif len(hits):
            t, i = (int(x) for x in hits[0])
            bar, time = _bar_of(market, int(full.time[t])), int(full.time[t])
            yield Difference(stage, name, bar, time, full.symbols[i], str(a[t, i]), str(b[t, i]), cut or rows)


def _plain(stage: str, what: str, market: Market, time_ms: int, a: Any, b: Any, cut: int) -> Difference:
    return Difference(stage, what, _bar_of(market, time_ms), time_ms, "", str(a), str(b), cut)


def _settlements(market: Market, until_ms: int) -> dict[tuple[int, int], float]:
    """(open time of the finest bar a settlement is due at, symbol) -> rate, for bars before ``until_ms``."""
    bars = prepare_bars(market)
    count = np.diff(bars.funding_start)
    due = bars.time[np.repeat(np.arange(len(count)), count)]
    keys = zip(due.tolist(), bars.funding_symbol.tolist(), strict=True)
    return {key: rate for key, rate in zip(keys, bars.funding_rate.tolist(), strict=True) if key[0] < until_ms}


def _funding_differences(full: Market, head: Market, cut: int) -> Iterator[Difference]:
    """Settlements that only one of the two runs will meet, or at another rate."""
    end_ms = int(head.time[cut - 1]) + head.timeframe_ms
    a, b = _settlements(full, end_ms), _settlements(head, end_ms)
    for key in sorted(set(a) | set(b)):
        if a.get(key) != b.get(key):
            time, i = key
            rates = (str(a.get(key, "none")), str(b.get(key, "none")))
            yield Difference("funding", "settlement", _bar_of(full, time), time, full.symbols[i], *rates, cut)
            return


def _columns(stage: str, names: tuple[str, ...], a: Array, b: Array, full: Inputs, cut: int) -> Iterator[Difference]:
    """``[T, N]`` or ``[T, N, C]`` rows known at the close of their bar; the first differing row of each column."""
    market = full.market
    a, b = (x[:cut].reshape(cut, market.n_symbols, -1) if len(x) >= cut else x for x in (a, b))
    if a.shape != b.shape:
        yield _plain(stage, "rows", market, int(market.time[0]), len(a), len(b), cut)
        return
    differs = unequal(a, b)
    for c in np.flatnonzero(differs.any(axis=(0, 1))):
        t, i = (int(x) for x in np.argwhere(differs[:, :, c])[0])
        time = int(market.time[t]) + market.timeframe_ms
        yield Difference(stage, names[c], t, time, market.symbols[i], str(a[t, i, c]), str(b[t, i, c]), cut)


def _tape_differences(full: Inputs, head: SignalTape, cut: int) -> Iterator[Difference]:
    tape, n_models = full.tape, full.tape.available.shape[2]
    models = tuple(str(m.get("name", k)) for k, m in enumerate(tape.models)) or RULE_NAMES
    yield from _columns("tape", tuple(f"{m} available" for m in models), tape.available, head.available, full, cut)
    columns = tuple(f"{m} p({c})" for m in models[:n_models] for c in ("SELL", "HOLD", "BUY"))
    a, b = (np.where(x.available[:cut, :, :, None], x.proba[:cut], 0.0) for x in (tape, head) if len(x.proba) >= cut)
    yield from _columns("tape", columns, a, b, full, cut)


def result_differences(full: Result, head: Result, market: Market, cut: int) -> Iterator[Difference]:
    """First differing decision, journal event, trade and account row that lie before the end of bar ``cut - 1``."""
    end_ms = int(market.time[cut - 1]) + market.timeframe_ms
    for table in (
        _Rows("decisions", "decision", full.decisions, head.decisions, "time_ms", DECISION_DT, end_ms + 1),
        _Rows("fills", "event", _until(full.events, head), head.events, "time_ms", JOURNAL_EVENT_DT, end_ms + 1),
        _Rows("fills", "trade", full.trades, head.trades, "exit_ms", TRADE_DT, end_ms),
        _Rows("account", "curve", full.curve[:cut], head.curve, "time_ms", CURVE_DT, end_ms + 1),
    ):
        yield from table.first_difference(market, cut)


def _until(events: Array, head: Result) -> Array:
    """Events of the bars that the head has closed; a fill at the next open bears the same time as the last close."""
    fund = head.state.fund
    return events[events["bar"] < int(fund["n_bars"][0] + fund["n_guards"][0])]


@dataclass(frozen=True)
class _Rows:
    """One journal of the two runs."""

    stage: str
    what: str
    full: Array
    head: Array
    time_field: str
    dtype: np.dtype[Any]
    before_ms: int

    def first_difference(self, market: Market, cut: int) -> Iterator[Difference]:
        a = self.full[self.full[self.time_field] < self.before_ms]
        b = self.head[self.head[self.time_field] < self.before_ms]
        if a.tobytes() == b.tobytes():
            return
        for k in range(max(len(a), len(b))):
            if k >= len(a) or k >= len(b):
                yield self._missing(market, cut, a[k] if k < len(a) else b[k], k < len(a))
                return
            if a[k].tobytes() != b[k].tobytes():
                yield self._changed(market, cut, a[k], b[k])
                return

    def _missing(self, market: Market, cut: int, row: Any, in_full: bool) -> Difference:
        text = ("there", "absent") if in_full else ("absent", "there")
        return self._difference(market, cut, row, self.what + self._kind(row), *text)

    def _changed(self, market: Market, cut: int, a: Any, b: Any) -> Difference:
        row = a if a[self.time_field] <= b[self.time_field] else b
        names = [n for n in self.dtype.names or () if a[n].tobytes() != b[n].tobytes()]
        if self.what == "decision":
            module, field = next((m, n) for m, group in _DECISION_FIELDS for n in group if n in names)
            return self._difference(market, cut, row, f"{module} {field}", str(a[field]), str(b[field]))
        what = f"{self.what}{self._kind(row)} {names[0]}"
        return self._difference(market, cut, row, what, str(a[names[0]]), str(b[names[0]]))

    def _kind(self, row: Any) -> str:
        if self.what != "event":
            return ""
        kind = int(row["kind"])
        return f" {EVENT_NAMES[kind] if kind < len(EVENT_NAMES) else JE_NAMES[kind].replace('_', ' ')}"

    def _difference(self, market: Market, cut: int, row: Any, what: str, a: str, b: str) -> Difference:
        time = int(row[self.time_field])
        symbol = market.symbols[int(row["symbol"])] if "symbol" in (self.dtype.names or ()) else ""
        stage, closes = self.stage, self.what in ("decision", "curve")
        if self.what == "event" and int(row["kind"]) == EV_FUNDING:
            stage = "funding"
        if self.what == "event" and int(row["kind"]) in AT_CLOSE:
            stage, closes = "decisions", True
        return Difference(stage, what, _bar_of(market, time - closes), time, symbol, a, b, cut)
