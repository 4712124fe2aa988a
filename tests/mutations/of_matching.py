"""Mutations of matching: the order of events, triggers, orders at the venue."""

from tests.mutations import killers
from tests.mutations.mutant import Mutant

MATCHING = (
    Mutant(
        "target before stop in an ambiguous bar",
        "engine/inside.py",
        "if adverse and not (ambiguous != 0 and p.intrabar == 1):",
        "if adverse and not (ambiguous != 0 and p.intrabar == 0):",
        killers.STOPS,
    ),
    Mutant(
        "stop touched exactly does not fire",
        "engine/inside.py",
        "return bool(bars.px[f, i, PX_HIGH] >= level if rising else bars.px[f, i, PX_LOW] <= level)",
        "return bool(bars.px[f, i, PX_HIGH] > level if rising else bars.px[f, i, PX_LOW] < level)",
        killers.STOPS,
    ),
    Mutant(
        "a limit fills at a touch",
        "engine/inside.py",
        "return bool(bars.px[f, i, PX_LOW] <= o.price - beyond)",
        "return bool(bars.px[f, i, PX_LOW] <= o.price)",
        killers.LIMITS,
    ),
    Mutant(
        "liquidation at the mark's favourable extreme",
        "engine/inside.py",
        "hit = bars.px[f, i, PX_MARK_LOW] < level if v.qty > 0.0 else",
        "hit = bars.px[f, i, PX_MARK_HIGH] < level if v.qty > 0.0 else",
        killers.LIQUIDATION,
    ),
    Mutant(
        "liquidation when the mark only touches the price",
        "engine/inside.py",
        "bars.px[f, i, PX_MARK_HIGH] > level\n",
        "bars.px[f, i, PX_MARK_HIGH] >= level\n",
        killers.LEDGER,
    ),
    Mutant(
        "a limit's fill takes profit in the same bar",
        "engine/inside.py",
        "if nearer and v.inside_ms != bars.time[f] + 1:",
        "if nearer:",
        killers.LIMITS,
    ),
    Mutant(
        "the further of two stops fires",
        "engine/inside.py",
        "nearer = best < 0 or (o.trigger < other if rising else o.trigger > other)",
        "nearer = best < 0 or (o.trigger > other if rising else o.trigger < other)",
        killers.STOPS,
    ),
    Mutant(
        "liquidation before a nearer stop",
        "engine/inside.py",
        ("return bool(trigger >= h.liquidation if venue.symbol[i].qty > 0.0 else trigger <= h.liquidation)"),
        ("return bool(trigger <= h.liquidation if venue.symbol[i].qty > 0.0 else trigger >= h.liquidation)"),
        killers.LIQUIDATION,
    ),
    Mutant(
        "ambiguous bars counted once per look",
        "engine/inside.py",
        "if v.ambiguous_ms != bars.time[f] + 1:",
        "if v.ambiguous_ms != bars.time[f]:",
        killers.STOPS,
    ),
    Mutant(
        "gapped stop fills at its trigger",
        "engine/opening.py",
        (
            "        changed = LOOK\n"
            "        qty = fill_quantity(p, venue, bars, f, i, o)\n"
            "        if qty > 0.0:\n"
            "            return taker(p, venue, bars, i, k, o, qty, bars.px[f, i, PX_OPEN])"
        ),
        (
            "        changed = LOOK\n"
            "        qty = fill_quantity(p, venue, bars, f, i, o)\n"
            "        if qty > 0.0:\n"
            "            return taker(p, venue, bars, i, k, o, qty, o.trigger)"
        ),
        killers.STOPS,
    ),
    Mutant(
        "targets before stops at a gap",
        "engine/opening.py",
        "(o.kind == TAKE_PROFIT) != (n >= top)",
        "(o.kind == TAKE_PROFIT) != (n < top)",
        killers.LEDGER,
    ),
    Mutant(
        "an order lives one bar longer",
        "engine/opening.py",
        "o.expire_ms <= time_ms):",
        "o.expire_ms < time_ms):",
        killers.ORDERS,
    ),
    Mutant(
        "post-only crosses",
        "engine/opening.py",
        "if crosses and o.kind == POST_ONLY:",
        "if crosses and o.kind == POST_ONLY and o.reduce_only == 1:",
        killers.LIMITS,
    ),
    Mutant(
        "an IOC rests",
        "engine/opening.py",
        ("    if o.kind == IOC:\n        return found(CANCEL, k, IOC_UNFILLED)\n    return found(LOOK, k, OK)"),
        "    return found(LOOK, k, OK)",
        killers.LIMITS,
    ),
    Mutant(
        "entries take the bar's volume before exits",
        "engine/opening.py",
        "(o.reduce_only != 0) != (n < top)",
        "(o.reduce_only != 0) != (n >= top)",
        killers.ORDERS,
    ),
    Mutant(
        "trailing knows the bar's extreme too early",
        "engine/matching.py",
        ("        if venue.symbol[i].inside_ms == bars.time[f] + 1:\n            best = bars.px[f, i, PX_CLOSE]"),
        ("        if venue.symbol[i].inside_ms == bars.time[f] + 2:\n            best = bars.px[f, i, PX_CLOSE]"),
        killers.TRAILING,
    ),
    Mutant(
        "trailing stop follows against the position",
        "engine/matching.py",
        "o.extreme = max(o.extreme, best) if o.side < 0 else min(o.extreme, best)",
        "o.extreme = best",
        killers.TRAILING,
    ),
    Mutant(
        "a halted symbol is never settled",
        "engine/opening.py",
        "bars.time[f] - v.last_valid_ms > p.halt_max_ms",
        "bars.time[f] - v.last_valid_ms > 1000 * p.halt_max_ms",
        killers.HOLES,
    ),
    Mutant(
        "the last bar's settlements are charged again",
        "engine/matching.py",
        "fund.funding_cursor = bars.funding_start[f]\n",
        "fund.funding_cursor = bars.funding_start[max(f - 1, 0)]\n",
        killers.FUNDING,
    ),
    Mutant(
        "buy stops below, sell stops above",
        "engine/orders.py",
        "if (side > 0) == (kind != TAKE_PROFIT):",
        "if (side > 0) == (kind == TAKE_PROFIT):",
        killers.STOPS,
    ),
    Mutant(
        "unapproved orders open",
        "engine/orders.py",
        "if r.approved == 0:",
        "if r.approved < 0:",
        killers.RULES,
    ),
    Mutant(
        "a triggered stop does not cover later fills of the entry",
        "engine/orders.py",
        ("if o.status == WORKING or o.status == TRIGGERED:\n        free"),
        ("if o.status == WORKING:\n        free"),
        killers.LEDGER,
    ),
    Mutant(
        "a cancel at the close acts before the next open's gap",
        "engine/orders.py",
        ("                else:\n                    o.cancel = 1\n                    o.reason = CANCELLED"),
        ("                else:\n                    drop_order(venue, i, k)"),
        killers.ORDER,
    ),
    Mutant(
        "liquidation price not watched",
        "engine/orders.py",
        "low = max(low, v.liquidation_price)",
        "low = max(low, 0.0)",
        killers.LIQUIDATION,
    ),
)
