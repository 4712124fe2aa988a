"""Fault scripts: what a backtest hears and suffers at set times, beside its market (issue of healing, feed, venue, people).

A command goes through ``on_event`` like any other event. One whose time is the very open of a bar is heard between the
bars, after the decision of the bar before; one inside a bar is heard at that bar's close, before the decision there (of the
finest bars, where there are finer ones). Two faults are the venue's besides (a busy exchange, a spread that worsens fills)
and two are the market's (a gap, a symbol that vanishes): ``with_gaps`` takes their bars away before anything is computed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from qt_core.codes import (
    CMD_BUSY,
    CMD_DEPTH,
    CMD_ERROR,
    CMD_ESS_RESET,
    CMD_ESS_TRIP,
    CMD_EXIT,
    CMD_FEED,
    CMD_GAP,
    CMD_HALT,
    CMD_HEALTH,
    CMD_OVERRIDE,
    CMD_PAUSE,
    CMD_POLICY,
    CMD_RELEASE,
    CMD_SPREAD,
    HEALTHY,
)
from qt_core.faults import Fault, FaultError
from qt_core.market import NEVER_MS, Market, span_text, utc_text

BY_PERSON = 2  # reason of a reset in the journal; 1 is the scripted one of a backtest
_PLAIN = {"stop": CMD_ESS_TRIP, "pause": CMD_PAUSE, "halt": CMD_HALT, "release": CMD_RELEASE}
_BARS_FIELDS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    *(f"mark_{k}" for k in ("open", "high", "low", "close")),
)

_FLAG_FIELDS = ("valid", "mark_known", "quote_volume_estimated")


class Command(NamedTuple):
    """One event of a script: ``fields`` of EVENT_DT beside time and command."""

    time_ms: int
    command: int  # codes.CMD_*
    fields: Mapping[str, "int | float"] = {}


class Gap(NamedTuple):
    """Bars of a symbol whose open lies in ``[start_ms, end_ms)`` do not exist."""

    symbol: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Script:
    """Commands sorted by time, and gaps. Symbols are indices into the market's."""

    commands: tuple[Command, ...] = ()
    gaps: tuple[Gap, ...] = ()
    _times: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.commands, key=lambda c: c.time_ms))
        object.__setattr__(self, "commands", ordered)
        object.__setattr__(self, "_times", tuple(c.time_ms for c in ordered))

    def before(self, open_ms: int) -> tuple[Command, ...]:
        """Commands heard between the bars, at this very open."""
        return self.commands[bisect_left(self._times, open_ms) : bisect_right(self._times, open_ms)]

    def inside(self, open_ms: int, close_ms: int) -> tuple[Command, ...]:
        """Commands heard at the close of the bar: after its open, before the next."""
        return self.commands[bisect_right(self._times, open_ms) : bisect_left(self._times, close_ms)]

    def next_at(self, open_ms: int) -> int:
        """Time of the first command at or after ``open_ms``; never, where there is none."""
        k = bisect_left(self._times, open_ms)
        return self._times[k] if k < len(self._times) else NEVER_MS


EMPTY = Script()


def script_of(faults: Sequence[Fault], market: Market) -> Script:
    """The faults as commands and gaps of a market.

    Raises
    ------
    FaultError
        Naming the entry: a symbol that the market has not, a time outside its bars.
    """
    commands: list[Command] = []
    gaps: list[Gap] = []
    for fault in faults:
        _check_span(fault, market)
        who = _indices(fault, market)
        if fault.kind in ("gap", "vanish"):
            end = NEVER_MS if fault.until_ms is None else fault.until_ms
            gaps += [Gap(i, fault.at_ms, end) for i in who]
        commands += _commands(fault, who)
    last_ms = _end_ms(market)
    return Script(tuple(c for c in commands if c.time_ms < last_ms), tuple(gaps))


def _end_ms(market: Market) -> int:
    return int(market.time[-1]) + market.timeframe_ms


def _check_span(fault: Fault, market: Market) -> None:
    if not int(market.time[0]) <= fault.at_ms < _end_ms(market):
        raise FaultError(
            f"{fault.where}: at: {utc_text(fault.at_ms)} lies outside the bars; expected {span_text(market)}"
        )


def _indices(fault: Fault, market: Market) -> list[int]:
    unknown = [name for name in fault.symbols if name not in market.symbols]
    if unknown:
        raise FaultError(f"{fault.where}: unknown symbol {unknown[0]}; the market has {', '.join(market.symbols)}")
    return [market.symbols.index(name) for name in fault.symbols] or list(range(market.n_symbols))


def _commands(fault: Fault, who: Sequence[int]) -> list[Command]:
    """What is said of a fault, its end included."""
    at, end, v = fault.at_ms, fault.until_ms, fault.values
    if fault.kind in _PLAIN:
        return [Command(at, _PLAIN[fault.kind])]
    if fault.kind == "reset":
        return [Command(at, CMD_ESS_RESET, {"reason": BY_PERSON})]
    if fault.kind == "health":
        return _lasting(at, end, CMD_HEALTH, {"reason": v["verdict"]}, {"reason": HEALTHY})
    if fault.kind == "feed":
        return _lasting(at, end, CMD_FEED, {"reason": 1}, {"reason": 0})
    if fault.kind == "errors":
        step = v["within"] // v["count"]
        return [Command(at + k * step, CMD_ERROR) for k in range(v["count"])]
    if fault.kind == "policy":
        numbers = {"value": v["max_risk"], "qty": v["max_positions"], "price": v["min_confidence"]}
        return [Command(at, CMD_POLICY, {"reason": v["mode"], "seq": v["strategies"], **numbers})]
    return [c for i in who for c in _of_symbol(fault, i)]


def _of_symbol(fault: Fault, i: int) -> list[Command]:
    at, end, v = fault.at_ms, fault.until_ms, fault.values
    if fault.kind == "spread":
        return _lasting(at, end, CMD_SPREAD, {"symbol": i, "value": v["spread"]}, {"symbol": i, "value": np.nan})
    if fault.kind == "depth":
        return _lasting(at, end, CMD_DEPTH, {"symbol": i, "value": v["depth_usd"]}, {"symbol": i, "value": np.nan})
    if fault.kind == "busy":
        return [Command(at, CMD_BUSY, {"symbol": i, "qty": v["orders"]})]
    if fault.kind in ("gap", "vanish"):
        return _lasting(at, end, CMD_GAP, {"symbol": i, "reason": 1}, {"symbol": i, "reason": 0})
    return [Command(at, {"exit": CMD_EXIT, "override": CMD_OVERRIDE}[fault.kind], {"symbol": i})]


def _lasting(at: int, end: "int | None", command: int, begin: dict[str, Any], over: dict[str, Any]) -> list[Command]:
    return [Command(at, command, begin), *([] if end is None else [Command(end, command, over)])]


# --- the market without the bars of the gaps ----------------------------------------------------------------------------


def with_gaps(market: Market, script: Script) -> Market:
    """The market as it is where the gaps' bars never came; the same market where there are none. Call it before features."""
    if not script.gaps:
        return market
    detail = None if market.detail is None else with_gaps(market.detail, script)
    gone = np.zeros(market.valid.shape, dtype=np.bool_)
    for gap in script.gaps:
        gone[(market.time >= gap.start_ms) & (market.time < gap.end_ms), gap.symbol] = True
    if not (gone & market.valid).any() and detail is market.detail:
        return market
    columns: dict[str, Any] = {name: np.where(gone, np.nan, getattr(market, name)) for name in _BARS_FIELDS}
    flags: dict[str, Any] = {
        name: getattr(market, name) & ~gone for name in ("valid", "mark_known", "quote_volume_estimated")
    }
    note = f"fault script: {int((gone & market.valid).sum())} bars taken away"
    return replace(market, **columns, **flags, detail=detail, notes=(*market.notes, note))
