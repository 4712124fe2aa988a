"""Trade-by-trade comparison, and the name of the assumption behind every difference.

A differing trade is *explained* only if the reference under our rules reproduces our trade and the reference with
exactly one switch flipped reproduces the peer's. An entry that only one engine made is explained if the other one
was, at that decision, still in a trade that itself differs; or if the bar of an exit may not signal the next entry.
Everything else is unexplained.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from research.crosscheck.case import END, STOP, TARGET, TRADE_DT, Case, Trades
from research.crosscheck.reference import Rules, flipped, run_case, trade_from

REL_TOL = 1e-9
BLOCKED = "blocked_by_different_earlier_trade"
LAST_BAR = "last_bar_open_trade"
UNEXPLAINED = "unexplained"
_INTS = ("entry_bar", "exit_bar", "side", "reason")
_FLOATS = ("entry_price", "exit_price", "size", "pnl")
Row = Any  # one record of TRADE_DT


@dataclass(frozen=True)
class Difference:
    """One trade that is not the same in both engines; a side without the trade holds None."""

    symbol: str
    entry_bar: int
    name: str
    ours: Row | None
    theirs: Row | None


@dataclass
class Comparison:
    """Counts of one engine against ours over all symbols.

    ``open_at_end`` counts trades that both engines left open after the last bar: they are neither stopped nor
    targeted and stand outside the percentage. ``largest_error`` is the largest relative difference among equal
    trades.
    """

    peer: str
    convention: str
    n_ours: int = 0
    n_theirs: int = 0
    stopped: int = 0
    targeted: int = 0
    equal: int = 0
    open_at_end: int = 0
    largest_error: float = 0.0
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal_percent(self) -> float:
        total = self.equal + len(self.differences)
        return 100.0 * self.equal / total if total else 0.0

    @property
    def by_name(self) -> dict[str, int]:
        return dict(Counter(d.name for d in self.differences).most_common())

    @property
    def unexplained(self) -> int:
        return sum(d.name == UNEXPLAINED for d in self.differences)


def relative_error(a: Row, b: Row) -> float:
    """Largest relative difference of price, size and profit; infinite if bars, side or reason differ."""
    if any(int(a[k]) != int(b[k]) for k in _INTS):
        return float("inf")
    scale = [max(abs(float(a[k])), abs(float(b[k]))) for k in _FLOATS]
    errors = [abs(float(a[k]) - float(b[k])) / s for k, s in zip(_FLOATS, scale, strict=True) if s > 0.0]
    return max(errors, default=0.0)


def same(a: Row, b: Row) -> bool:
    """Equal bars, side and reason; price, size and profit to REL_TOL."""
    return relative_error(a, b) <= REL_TOL


class _Symbol:
    """The comparison of one symbol: both engines' trades by entry bar, and the reference under our rules."""

    def __init__(self, case: Case, ours: Trades, theirs: Trades, rules: Rules, pairs: bool) -> None:
        self.case, self.rules = case, rules
        self.ours = {int(r["entry_bar"]): r for r in ours}
        self.theirs = {int(r["entry_bar"]): r for r in theirs}
        self.flips = flipped(rules)
        if pairs:
            self.flips |= _pairs(self.flips)
        self._full: dict[str, set[int]] = {}

    def is_equal(self, bar: int) -> bool:
        return bar in self.ours and bar in self.theirs and same(self.ours[bar], self.theirs[bar])

    def name(self, bar: int) -> str:
        ours, theirs = self.ours.get(bar), self.theirs.get(bar)
        if ours is not None and theirs is not None:
            return self._exit_name(bar, ours, theirs)
        return self._entry_name(bar, ours, theirs)

    def _reproduced(self, row: Row, rules: Rules) -> bool:
        bar = int(row["entry_bar"])
        if bar == 0 or int(self.case.side[bar - 1]) != int(row["side"]):
            return False
        return same(_as_row(trade_from(self.case, bar, int(row["side"]), rules)), row)

    def _exit_name(self, bar: int, ours: Row, theirs: Row) -> str:
        if not self._reproduced(ours, self.rules):
            return UNEXPLAINED
        for name, rules in self.flips.items():
            if self._reproduced(theirs, rules):
                return name
        return LAST_BAR if self._closed_by_the_end(ours, theirs) else UNEXPLAINED

    def _closed_by_the_end(self, ours: Row, theirs: Row) -> bool:
        """One engine closes on the last bar what the other leaves open."""
        if (int(ours["reason"]) == END) == (int(theirs["reason"]) == END):
            return False
        shut = theirs if int(ours["reason"]) == END else ours
        ends = (float(self.case.open[-1]), float(self.case.close[-1]))
        return int(shut["exit_bar"]) == self.case.n_bars - 1 and float(shut["exit_price"]) in ends

    def _entry_name(self, bar: int, ours: Row | None, theirs: Row | None) -> str:
        row, other = (ours, self.theirs) if ours is not None else (theirs, self.ours)
        candidates = [self.rules] if ours is not None else [self.rules, *self.flips.values()]
        if not any(self._reproduced(row, rules) for rules in candidates):
            return UNEXPLAINED
        for held in other.values():
            if held["entry_bar"] < bar <= held["exit_bar"] and not self.is_equal(int(held["entry_bar"])):
                return BLOCKED
        for name in ("no_reentry_same_bar", "reentry_same_bar"):
            just_left = any(int(held["exit_bar"]) == bar - 1 for held in other.values())
            if name in self.flips and just_left and (bar in self._entries(name)) == (theirs is not None):
                return name
        if bar == self.case.n_bars - 1:
            return LAST_BAR
        return UNEXPLAINED

    def _entries(self, name: str) -> set[int]:
        if name not in self._full:
            self._full[name] = {int(b) for b in run_case(self.case, self.flips[name])["entry_bar"]}
        return self._full[name]


def _pairs(flips: dict[str, Rules]) -> dict[str, Rules]:
    both: dict[str, Rules] = {}
    for first, rules in flips.items():
        both |= {f"{first} + {second}": twice for second, twice in flipped(rules).items() if second in flips}
    return both


def _as_row(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(TRADE_DT.names or (), values, strict=True))


def _compare_symbol(out: Comparison, symbol: _Symbol) -> None:
    for bar in sorted(symbol.ours.keys() | symbol.theirs.keys()):
        ours, theirs = symbol.ours.get(bar), symbol.theirs.get(bar)
        if not symbol.is_equal(bar):
            out.differences.append(Difference(symbol.case.symbol, bar, symbol.name(bar), ours, theirs))
        elif int(ours["reason"]) == END:  # type: ignore[index]
            out.open_at_end += 1
        else:
            out.equal += 1
            out.largest_error = max(out.largest_error, relative_error(ours, theirs))


def compare(
    peer: str,
    convention: str,
    cases: Sequence[Case],
    ours: Sequence[Trades],
    theirs: Sequence[Trades],
    rules: Rules,
    pairs: bool = False,
) -> Comparison:
    """Compare two engines' answers to the same cases.

    Parameters
    ----------
    ours, theirs : one TRADE_DT array per case. rules : the rules *our* engine ran under.
    pairs : also accept two switches flipped together, named ``a + b``; for engines not run in our convention.
    """
    out = Comparison(peer, convention)
    for case, a, b in zip(cases, ours, theirs, strict=True):
        out.n_ours += int((a["reason"] != END).sum())
        out.n_theirs += int((b["reason"] != END).sum())
        out.stopped += int((b["reason"] == STOP).sum())
        out.targeted += int((b["reason"] == TARGET).sum())
        _compare_symbol(out, _Symbol(case, a, b, rules, pairs))
    return out
