"""What the exchange holds against what State believes, after all that was missed is told: findings, and what mends them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from live.chain import Chain
from live.ports import AccountView, OrderView, VenueEvent
from qt_core import records as rec
from qt_core.codes import CANCELLED, EV_CANCEL, EV_FILL, TAG_NONE, TAG_RUNG_1, TAG_RUNG_2, TAG_SL, TAG_TP

QTY_TOLERANCE = 1e-9  # relative: both sides are decimal texts read as doubles
RESTING = (("sl_seq", TAG_SL), ("tp_seq", TAG_TP), ("rung_1_seq", TAG_RUNG_1), ("rung_2_seq", TAG_RUNG_2))
ORDER_FIELDS = ("pending_seq", "exit_seq", *(name for name, _ in RESTING))


class Gap(NamedTuple):
    """A position that differs."""

    symbol: int
    ours: float  # signed
    theirs: float
    price: float  # theirs
    margin_usd: float  # theirs


class Missing(NamedTuple):
    """An order that State believes to rest and the exchange does not have."""

    symbol: int
    seq: int
    tag: int


class Findings(NamedTuple):
    """What differs; all empty where nothing does."""

    gaps: tuple[Gap, ...]
    missing: tuple[Missing, ...]
    strays: tuple[OrderView, ...]  # orders of this run that State knows nothing of
    foreign: tuple[OrderView, ...]  # orders that are not this run's

    @property
    def clean(self) -> bool:
        return not (self.gaps or self.missing or self.strays or self.foreign)


def open_seqs(chain: Chain) -> dict[int, int]:
    """Numbers of the orders State knows of -> symbol."""
    return {int(r[name]): i for i, r in enumerate(chain.symbol) for name in ORDER_FIELDS if r[name] != 0}


def findings(chain: Chain, view: AccountView, planned: "frozenset[int]" = frozenset()) -> Findings:
    """Compare State with the exchange.

    Parameters
    ----------
    planned : numbers of orders that are being sent; their absence says nothing.
    """
    theirs = {p.symbol: p for p in view.positions}
    gaps = []
    for i, r in enumerate(chain.symbol):
        mine, there = float(r["qty"]), theirs.get(i)
        qty = 0.0 if there is None else there.qty
        if abs(mine - qty) > QTY_TOLERANCE * max(abs(mine), abs(qty)):
            price, margin = (float(r["mark"]), 0.0) if there is None else (there.avg_price, there.margin_usd)
            gaps.append(Gap(i, mine, qty, price, margin))
    resting = {o.seq for o in view.orders if o.seq}
    missing = [
        Missing(i, int(r[name]), tag)
        for i, r in enumerate(chain.symbol)
        for name, tag in RESTING
        if r[name] != 0 and int(r[name]) not in resting and int(r[name]) not in planned
    ]
    known = open_seqs(chain).keys() | planned
    strays = tuple(o for o in view.orders if o.seq and o.seq not in known)
    return Findings(tuple(gaps), tuple(missing), strays, tuple(o for o in view.orders if o.seq == 0))


def mending(chain: Chain, found: Findings, view: AccountView) -> list[VenueEvent]:
    """Events that bring State to what the exchange holds: orders that are gone have ended, quantities follow.

    A quantity that went without a trade anybody can show is booked at the last mark, without profit of its own account: the
    wallet is the exchange's.
    """
    events = [_gone(chain, m, view.time_ms) for m in found.missing]
    for gap in found.gaps:
        events += _follow(chain, gap, view)
    return events


def _gone(chain: Chain, m: Missing, time_ms: int) -> VenueEvent:
    e = _row(EV_CANCEL, time_ms, m.symbol, chain)
    e["seq"], e["tag"], e["reason"], e["done"] = m.seq, m.tag, CANCELLED, 1
    return VenueEvent(f"{chain.setup.symbols[m.symbol]}:gone:{m.seq}:{time_ms}", e)


def _follow(chain: Chain, gap: Gap, view: AccountView) -> list[VenueEvent]:
    """One or two fills from our quantity to theirs: never through zero in one."""
    steps = [(gap.ours, 0.0), (0.0, gap.theirs)] if gap.ours * gap.theirs < 0.0 else [(gap.ours, gap.theirs)]
    name = chain.setup.symbols[gap.symbol]
    out = []
    for k, (was, now) in enumerate(steps):
        if was == now:
            continue
        e = _row(EV_FILL, view.time_ms, gap.symbol, chain)
        e["side"], e["qty"] = (1, now - was) if now > was else (-1, was - now)
        e["price"] = e["reference_price"] = gap.price
        e["margin_usd"], e["wallet_usd"] = gap.margin_usd if now != 0.0 else 0.0, view.wallet_usd
        e["done"], e["tag"] = 1, TAG_NONE
        out.append(VenueEvent(f"{name}:reconciled:{view.time_ms}:{k}", e))
    return out


def _row(kind: int, time_ms: int, symbol: int, chain: Chain) -> Any:
    e = np.zeros(1, dtype=rec.EVENT_DT)[0]
    e["kind"], e["time_ms"], e["symbol"] = kind, time_ms, symbol
    e["wallet_usd"], e["margin_usd"] = chain.fund["wallet_usd"], chain.symbol["margin_usd"][symbol]
    return e


def lines(found: Findings, symbols: Sequence[str]) -> list[str]:
    """For people."""
    out = [
        f"{symbols[g.symbol]}: the exchange holds {g.theirs:g} at {g.price:g}, the session {g.ours:g}"
        for g in found.gaps
    ]
    out += [f"{symbols[m.symbol]}: order {m.seq} (tag {m.tag}) is not at the exchange" for m in found.missing]
    out += [f"{symbols[o.symbol]}: order {o.client_id} rests, the session has given it up" for o in found.strays]
    out += [f"{symbols[o.symbol]}: order {o.client_id or o.venue_id} is not of this session" for o in found.foreign]
    return out
