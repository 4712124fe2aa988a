"""A made-up order book around the last price: a fixed spread, equal sums at each tick. Candles know no book."""

from typing import Any

from live.testing.contracts import Contract
from live.testing.simulation import Simulation
from live.testing.text import rounded

Level = list[str]


def levels(x: Simulation, c: Contract, n: int) -> tuple[list[Level], list[Level]]:
    """Bids and asks, best first, ``n`` each at most."""
    last = float(x.matching.last[c.index])
    s = x.settings
    tick = c.tick or last * 1e-6
    quantity = rounded(max(s.level_usd / last, c.min_qty), c.qty_places)
    below, above = s.spread_ticks // 2, s.spread_ticks - s.spread_ticks // 2
    count = min(n, s.depth_levels)
    bids = [[c.near(last - (below + k) * tick), quantity] for k in range(count) if last > (below + k + 1) * tick]
    asks = [[c.near(last + (above + k) * tick), quantity] for k in range(count)]
    return bids, asks


def update_id(x: Simulation) -> int:
    """The book's number: it moves when bars open and close."""
    return 2 * (x.matching.f + 2) + int(not x.matching.in_bar)


def snapshot(x: Simulation, c: Contract, n: int) -> dict[str, Any]:
    """The answer of ``depth``."""
    bids, asks = levels(x, c, n)
    now = x.now_ms()
    return {"lastUpdateId": update_id(x), "E": now, "T": now, "bids": bids, "asks": asks}


def book_row(x: Simulation, c: Contract) -> dict[str, Any]:
    """The answer of ``ticker/bookTicker`` for one contract."""
    (bid, *_), (ask, *_) = levels(x, c, 1)
    return {
        "lastUpdateId": update_id(x),
        "symbol": c.name,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        "time": x.now_ms(),
    }


def diff(x: Simulation, c: Contract, before: "tuple[list[Level], list[Level]] | None") -> dict[str, Any]:
    """A ``depthUpdate``: today's levels, and those of ``before`` that are gone with quantity 0."""
    now, number = x.now_ms(), update_id(x)
    sides = levels(x, c, x.settings.depth_levels)
    gone = []
    for k, side in enumerate(sides):
        kept = {price for price, _ in side}
        lost = [[price, "0"] for price, _ in before[k] if price not in kept] if before else []
        gone.append(lost + side)
    ids = {"U": number, "u": number, "pu": number - 1}
    return {"e": "depthUpdate", "E": now, "T": now, "s": c.name, **ids, "b": gone[0], "a": gone[1]}
