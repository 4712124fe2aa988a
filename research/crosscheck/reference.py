"""A naive reference in plain Python, one switch per assumption on what happens inside a bar.

It is written from SPEC section 8 alone, bar by bar over Python floats, and shares no code with the engine. The
switches name the ways in which published engines differ: a differing trade counts as explained only when flipping
exactly one switch here reproduces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from research.crosscheck.case import STOP, TARGET, Case, Trades, as_trades, net_pnl, open_trade


@dataclass(frozen=True)
class Rules:
    """Assumptions about one bar; the defaults are SPEC section 8.

    Attributes
    ----------
    entry_bar_tested : stop and target can fill in the bar whose open filled the entry.
    stop_first : when one bar holds both prices, the stop fills.
    gap_fill_at_open : a bar that opens beyond a stop or target fills there, not at the trigger.
    gapped_target_first : a target already reached at the open fills before a stop touched later in that bar.
    reentry_same_bar : the close of the bar that held an exit may signal the next entry.
    """

    entry_bar_tested: bool = True
    stop_first: bool = True
    gap_fill_at_open: bool = True
    gapped_target_first: bool = True
    reentry_same_bar: bool = True


# A flip of each switch, under the name by which a difference is reported.
FLIPS = {
    "entry_bar_not_tested": ("entry_bar_tested", False),
    "entry_bar_tested": ("entry_bar_tested", True),
    "target_before_stop": ("stop_first", False),
    "stop_before_target": ("stop_first", True),
    "gap_fill_at_trigger": ("gap_fill_at_open", False),
    "gap_fill_at_open": ("gap_fill_at_open", True),
    "stop_before_gapped_target": ("gapped_target_first", False),
    "gapped_target_before_stop": ("gapped_target_first", True),
    "no_reentry_same_bar": ("reentry_same_bar", False),
    "reentry_same_bar": ("reentry_same_bar", True),
}


def flipped(rules: Rules) -> dict[str, Rules]:
    """Every set of rules that differs from ``rules`` in exactly one switch, by the name of the difference."""
    return {n: replace(rules, **{key: on}) for n, (key, on) in FLIPS.items() if getattr(rules, key) is not on}


def exit_in_bar(
    case: Case, bar: int, entry_bar: int, side: int, stop: float, target: float, rules: Rules
) -> tuple[int, float] | None:
    """What closes the position in ``bar``: (reason, price), or None.

    A market-on-trigger target is a price level like the stop, so both follow the same gap rule; only which comes
    first differs.
    """
    if bar == entry_bar and not rules.entry_bar_tested:
        return None
    open_, high, low = float(case.open[bar]), float(case.high[bar]), float(case.low[bar])
    worst, best = (low, high) if side > 0 else (high, low)
    stop_gapped, target_gapped = side * (open_ - stop) <= 0.0, side * (open_ - target) >= 0.0
    stop_hit, target_hit = side * (worst - stop) <= 0.0, side * (best - target) >= 0.0
    at_stop = (STOP, open_ if stop_gapped and rules.gap_fill_at_open else stop)
    at_target = (TARGET, open_ if target_gapped and rules.gap_fill_at_open else target)
    if stop_hit and target_hit:
        if stop_gapped:
            return at_stop
        if target_gapped and rules.gapped_target_first:
            return at_target
        return at_stop if rules.stop_first else at_target
    if stop_hit:
        return at_stop
    return at_target if target_hit else None


def trade_from(case: Case, entry_bar: int, side: int, rules: Rules) -> tuple[float, ...]:
    """The trade that a market entry at the open of ``entry_bar`` becomes, as a row of TRADE_DT."""
    entry, size = float(case.open[entry_bar]), float(case.quantity[entry_bar - 1])
    stop = entry * (1.0 - side * case.stop_fraction)
    target = entry * (1.0 + side * case.target_fraction)
    for bar in range(entry_bar, case.n_bars):
        hit = exit_in_bar(case, bar, entry_bar, side, stop, target, rules)
        if hit is not None:
            reason, price = hit
            return (entry_bar, bar, side, entry, price, size, net_pnl(side, entry, price, size, case.fee_rate), reason)
    return open_trade(case, entry_bar, side, entry, size)


def run_case(case: Case, rules: Rules) -> Trades:
    """All trades of one symbol under ``rules``."""
    rows: list[tuple[float, ...]] = []
    bar = 0
    while bar < case.n_bars - 1:
        side = int(case.side[bar])
        if side == 0:
            bar += 1
            continue
        row = trade_from(case, bar + 1, side, rules)
        rows.append(row)
        exit_bar = int(row[1])
        bar = exit_bar if rules.reentry_same_bar else exit_bar + 1
    return as_trades(rows)


def run_reference(cases: Sequence[Case], rules: Rules | None = None) -> list[Trades]:
    """One array of TRADE_DT per case, in the order given."""
    return [run_case(case, rules or Rules()) for case in cases]
