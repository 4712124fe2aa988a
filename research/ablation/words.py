"""What a row says in words. A module is said to earn or to cost only where that is more than luck among all rows."""

import math

from research.ablation.compare import ALPHA, COMPARED, NEVER_ACTED, OFF_ALREADY, SAME_MONEY, TOO_RARE, Difference, Row
from research.statistics.bootstrap import Interval

EARNS, COSTS = "earns", "costs"
LUCKY, UNLUCKY = "earned, may be luck", "cost, may be luck"  # beyond chance alone, not among so many rows
UP, DOWN = "earned, within chance", "cost, within chance"
UNKNOWN = "not known"
BETTER, WORSE = "better trades", "worse trades"
LESS, MORE, LESS_WORSE = "trades less", "trades more", "trades less, and worse"
STATUS_TEXT = {
    NEVER_ACTED: "never acted: with it OFF every decision, order and trade is the same",
    TOO_RARE: "changed too few days to judge by",
    SAME_MONEY: "decided otherwise at times, but no day's profit changed",
    OFF_ALREADY: "is OFF in this configuration, so there was nothing to switch",
}


def verdict(row: Row) -> str:
    """In two to four words, from the difference of total return."""
    return _judged(row.figures["total_return"]) if row.status == COMPARED else row.status


def _judged(d: Difference) -> str:
    if not math.isfinite(d.p) or d.difference == 0.0:
        return UNKNOWN
    if d.p_holm <= ALPHA:
        return EARNS if d.difference > 0.0 else COSTS
    if d.p <= ALPHA:
        return LUCKY if d.difference > 0.0 else UNLUCKY
    return UP if d.difference > 0.0 else DOWN


def how(row: Row) -> str:
    """How a row that earns or costs does it: by what a trade makes, or by how much is traded.

    Of a chain that loses on every trade a module earns by trading less, whatever it knows; the profit per notional tells.
    """
    sign = tone(row)
    edge, turnover = row.figures["edge_bps"], row.figures["turnover"]
    if sign == 0:
        return ""
    known = Interval(edge.low, edge.high).excludes_zero
    if known and sign * edge.difference > 0.0:
        return BETTER if sign > 0 else WORSE
    if not Interval(turnover.low, turnover.high).excludes_zero:
        return ""
    if turnover.difference > 0.0:
        return MORE
    return LESS_WORSE if known and edge.difference < 0.0 else LESS


def tone(row: Row) -> int:
    """+1 or -1 where the row earns or costs beyond luck among all rows, else 0."""
    return {EARNS: 1, COSTS: -1}.get(verdict(row), 0)


def seeds_text(d: Difference) -> str:
    """In how many seeds the difference was positive."""
    return f"{sum(x > 0.0 for x in d.seeds)}/{len(d.seeds)}"


def points(row: Row) -> str:
    """The difference of return in percentage points, signed."""
    return f"{row.figures['total_return'].difference * 100.0:+.4f}"


def finding(row: Row, comparisons: int) -> str:
    """One sentence on the row."""
    name = f"Without {row.arm.name}" if row.arm.kind == "module" else f"Without the group {row.arm.name}"
    if row.status != COMPARED:
        rest = f" ({points(row)} points of return)" if row.status == TOO_RARE else ""
        return f"{row.arm.name}: {STATUS_TEXT[row.status]}{rest}."
    d = row.figures["total_return"]
    change = "less" if d.difference > 0.0 else "more"
    text = (
        f"{name} the return is {abs(d.difference) * 100.0:.2f} points {change} "
        f"({d.off:+.2%} against {d.on:+.2%}; difference {d.low * 100.0:+.2f} to {d.high * 100.0:+.2f})"
    )
    means = f" ({how(row)})" if how(row) else ""
    return f"{text}: {_reason(d, comparisons)}{means}."


def _reason(d: Difference, comparisons: int) -> str:
    if not math.isfinite(d.p):
        return "no interval can be given"
    if d.p_holm <= ALPHA:
        return f"more than luck, p {d.p_holm:.3f} adjusted for {comparisons} rows"
    if d.p <= ALPHA:
        return f"p {d.p:.3f} alone, {d.p_holm:.2f} among {comparisons} rows: luck is not ruled out"
    return f"within chance, p {d.p:.2f}"
