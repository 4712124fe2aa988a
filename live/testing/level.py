"""What must hold between an exchange and a session that trades on it, whatever has gone wrong on the way."""

from typing import Any, NamedTuple

from live.adapters.store_sqlite import SqliteStore
from live.ids import read_id
from live.reconcile import open_seqs
from live.runner import Runner
from live.testing.exchange import Exchange
from live.testing.orders import Algo, Order

QTY_TOLERANCE = 1e-9  # relative: decimal texts read as doubles
WALLET_USD = 0.02  # what a session calls rounding (``BrokerSettings.tolerance_usd``), and as much for the texts
STOPS = ("STOP_MARKET", "TRAILING_STOP_MARKET")


class Broken(NamedTuple):
    """Something that must hold and does not."""

    what: str
    text: str


def at_rest(runner: Runner) -> str:
    """Empty where the session's books say that they agree with the exchange; else what they wait for."""
    broker, feed = _parts(runner)
    desk, now_ms = broker.desk, broker.session.clock.now_ms()
    waits = {
        "the user stream": not broker.listener.connected,
        "market data": not (feed.health().connected),
        "a catch-up": broker.catcher.behind,
        "the comparison of the wallet": desk.changed_ms != 0,
        "a missing trade": desk.missing or desk.key_expired or desk.funding_unknown,
        "gaps": bool(desk.stream.gaps(now_ms, 0)),
        "orders nobody claims": desk.stream.strangers_waiting > 0,
        "a cancel that failed": any(k.again_ms for k in broker.orders.open()),
        "lanes": broker.lanes.waiting > 0,
    }
    return ", ".join(name for name, true in waits.items() if true)


def _parts(runner: Runner) -> tuple[Any, Any]:
    return runner.broker, runner.feed


def broken(exchange: Exchange, runner: Runner) -> list[Broken]:
    """Everything that does not hold now; both sides must be at rest."""
    looks = (_positions, _protection, _orders, _wallet)
    return [found for look in looks for found in look(exchange, runner)]


def _positions(exchange: Exchange, runner: Runner) -> list[Broken]:
    theirs = {p.contract.index: p.qty for p in exchange.sim.account.positions()}
    out = []
    for i, row in enumerate(runner.session.chain.symbol):
        ours, there = float(row["qty"]), theirs.get(i, 0.0)
        if abs(ours - there) > QTY_TOLERANCE * max(abs(ours), abs(there)):
            out.append(Broken("position", f"{runner.session.setup.symbols[i]}: exchange {there:g}, chain {ours:g}"))
    return out


def _protection(exchange: Exchange, runner: Runner) -> list[Broken]:
    """Every position has a stop that rests, or is being left."""
    orders = exchange.sim.orders
    guarded = {a.index for a in orders.open_algos() if a.type in STOPS}
    leaving = {o.index for o in orders.open_orders() if o.type == "MARKET"}
    leaving |= {a.index for a in orders.live_algos.values() if a.status == "TRIGGERED"}
    return [
        Broken("naked", f"{p.contract.name}: {p.qty:g} without a stop")
        for p in exchange.sim.account.positions()
        if p.contract.index not in guarded | leaving
    ]


def _orders(exchange: Exchange, runner: Runner) -> list[Broken]:
    """No order of this run rests that State does not know; one that State gave up may rest until its position is flat."""
    broker, _ = _parts(runner)
    known = open_seqs(runner.session.chain).keys()
    orphans = {k.client_id for k in broker.orders.open() if k.orphan}
    out = []
    resting: list[Order | Algo] = [*exchange.sim.orders.open_orders(), *exchange.sim.orders.open_algos()]
    for o in resting:
        said = read_id(o.client_id) if broker.orders.ours(o.client_id) else None
        if said is not None and said.seq not in known and o.client_id not in orphans and not o.cancelled:
            out.append(Broken("stray order", f"{o.symbol}: {o.client_id} ({o.type}, number {said.seq}) rests"))
    return out


def _wallet(exchange: Exchange, runner: Runner) -> list[Broken]:
    ours, theirs = float(runner.session.chain.fund["wallet_usd"]), exchange.sim.account.wallet
    if abs(ours - theirs) <= WALLET_USD:
        return []
    return [Broken("wallet", f"exchange {theirs:.4f}, chain {ours:.4f}")]


class Fills:
    """Every trade of the exchange is in the journal, looked at piece by piece; the journal takes each key once only."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._seen = exchange.sim.account.traded
        self.compared = 0

    def broken(self, store: SqliteStore) -> list[Broken]:
        """Trades since the last look that are not there."""
        account = self._exchange.sim.account
        fresh = account.trades[len(account.trades) - (account.traded - self._seen) :]
        self._seen = account.traded
        self.compared += len(fresh)
        keys = [f"{t.contract.name}:trade:{t.id}" for t in fresh]
        return [Broken("fill", f"{key} is not in the journal") for key in keys if not store.is_applied(key)]
