"""What was missed, found out by REST: trades, ends, funding, the wallet; and what is due by time: gaps, expiries,
comparisons.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from live.adapters.binance.budget import ENTRY
from live.adapters.binance.desk import Desk
from live.adapters.binance.frames import Fill, from_trade
from live.adapters.binance.orders import Known
from live.adapters.binance.reconcile import WEEK_MS, Asker
from live.adapters.binance.sending import Sender
from live.adapters.binance.session import ACCOUNT, CallFailed, Session
from live.adapters.binance.settings import BrokerSettings
from live.adapters.binance.user_stream import Gap
from live.ports import AccountView
from qt_core.codes import CANCELLED

Difference = dict[int, tuple[float, float]]  # symbol: our quantity and theirs, signed
QTY_TOLERANCE = 1e-9
FURTHER_MS = 60_000  # asked from so much earlier where books and account differ after all was asked; then more, by
FURTHER_GROWTH = 4  # each time: a catch-up is some 150 of 2,400 weight a minute
WALLET_READS = 3  # tries to read the wallet in a quiet moment


class Catcher:
    """Brings the desk level with the exchange.

    Attributes
    ----------
    gaps_filled, caught_up, believed : how often.
    margin_drift_usd : largest difference of a position's margin from the exchange's.
    """

    def __init__(
        self,
        session: Session,
        settings: BrokerSettings,
        desk: Desk,
        asker: Asker,
        sender: Sender,
        alarm: Callable[[int, str, str], None],
    ) -> None:
        self.session, self.settings, self.alarm = session, settings, alarm
        self.desk, self.asker, self.sender = desk, asker, sender
        self.gaps_filled = 0
        self.caught_up = 0
        self.margin_drift_usd = 0.0
        self.planned: frozenset[str] = (
            frozenset()
        )  # client ids that will be submitted again: their absence says nothing
        self.behind = False  # a catch-up is due: it failed, or the connection was lost
        self._again = False  # a doubt raised while a catch-up was under way
        self._further_ms = FURTHER_MS
        self.level_ms = 0  # the exchange's time up to which books and account are known to agree
        self.oldest_ms = 0  # further back nothing is asked
        self._gap: Difference = {}  # found by the last comparison
        self.believed = 0  # how often the account's word was taken without a trade that shows it
        self._asks: dict[Gap, int] = {}

    def doubt(self) -> None:
        """Something may have been missed: a catch-up is due, one that is under way does not count."""
        self.behind = self._again = True

    async def catch_up(self, since_ms: int, open_seqs: Iterable[int] = ()) -> AccountView:
        """Trades, ends and funding since a time; then the wallet is compared.

        Raises
        ------
        CallFailed
            Where a question is not answered; what was found before is told, and nothing is told twice next time.
        """
        desk = self.desk
        self.behind, self._again = True, False
        view = await self.asker.account(desk.teller.leverage)
        held = [i for i, p in desk.teller.ledger.positions.items() if p.qty != 0.0]
        symbols = self.asker.active_symbols(open_seqs, view, held)
        trades = await self._trades(symbols, since_ms)
        self._tell(trades, await self.asker.funding_since(since_ms))
        desk.funding_unknown = False
        await self._ends(view, set(open_seqs))
        self.caught_up += 1
        await self._check_wallet()  # only this ends being behind: until it has agreed nobody may rely on the books
        return view

    def _tell(self, trades: "list[Fill]", funding: "list[tuple[str, int, float]]") -> None:
        """In the order in which it happened: a settlement belongs to the position of its time, and whoever dies on the way
        asks again from the newest trade he knows.
        """
        for symbol, time_ms, amount in funding:
            while trades and trades[0].time_ms < time_ms:
                self.desk.take(trades.pop(0))
            self.desk.fund(symbol, time_ms, amount)
        for fill in trades:
            self.desk.take(fill)
        self.desk.let_go()

    async def _check_wallet(self) -> None:
        """Compare the wallet while nothing happens: a trade that it knows and we do not would look like a difference."""
        desk, gap = self.desk, self._gap
        for _ in range(WALLET_READS):
            told, now_ms = desk.told, self.session.clock.now_ms()
            account = await self.session.call(ACCOUNT, urgency=ENTRY)
            if desk.told != told:
                continue
            gap = self._difference(account["positions"])
            if gap and gap == self._gap and self.level_ms <= self.oldest_ms:
                gap = await self._believe(gap)
            if not gap:
                wallet = next((float(a["walletBalance"]) for a in account["assets"] if a["asset"] == "USDT"), 0.0)
                desk.emit_all(desk.teller.adjust(wallet, now_ms))
                self.level_ms, self._further_ms, self._gap = now_ms, FURTHER_MS, gap
                self.behind = self._again
                return
        # Again, and further back, should the clock have been wrong when we were level. The stream's own comparison does not
        # end this: its last message names the symbols of one change only, and may agree where another one was missed.
        self._gap = gap
        self.level_ms = max(self.level_ms - self._further_ms, self.oldest_ms)
        self._further_ms = min(FURTHER_GROWTH * self._further_ms, WEEK_MS)

    async def _believe(self, gap: Difference) -> Difference:
        """All has been asked for, twice, and no trade shows how a difference came about: the account's word is taken."""
        told, teller = self.desk.told, self.desk.teller
        view = await self.asker.account(teller.leverage)
        if self.desk.told != told:
            return gap
        self.believed += 1
        teller.ledger.hold(view.positions)
        names = ", ".join(f"{teller.names[i]} {ours:g} -> {theirs:g}" for i, (ours, theirs) in gap.items())
        self.alarm(2, "books", f"no trade shows why the account holds something else; its word is taken: {names}")
        return {}

    def _difference(self, rows: Iterable[Mapping[str, Any]]) -> Difference:
        """(our, their) quantity of each symbol in which books and account differ."""
        index, ours = self.desk.teller.index, self.desk.teller.ledger.positions
        there = {index[row["symbol"]]: float(row["positionAmt"]) for row in rows if row["symbol"] in index}
        both = {i: (ours[i].qty if i in ours else 0.0, there.get(i, 0.0)) for i in there.keys() | ours.keys()}
        return {i: (a, b) for i, (a, b) in both.items() if abs(b - a) > QTY_TOLERANCE * max(1.0, abs(a))}

    async def _trades(self, symbols: Iterable[str], since_ms: int) -> list[Fill]:
        """Trades of the symbols as fills with totals, in the order in which they happened."""
        out: list[Fill] = []
        for symbol in symbols:
            rows = await self.asker.trades_since(symbol, since_ms)
            by_order: dict[str, list[Mapping[str, Any]]] = {}
            for row in rows:
                by_order.setdefault(str(row["orderId"]), []).append(row)
            for order_id, own in by_order.items():
                if not all(from_trade(row).key in self.desk.stream.keys for row in own):
                    out += await self._whole_order(symbol, order_id, own)
        return sorted(out, key=lambda f: (f.time_ms, f.symbol, f.trade_id))

    async def _whole_order(self, symbol: str, order_id: str, rows: list[Mapping[str, Any]]) -> list[Fill]:
        """An order's trades from its first on: totals are sums, so one that began earlier is asked for anew."""
        order = await self.asker.order(symbol, order_id)
        name, asked, reduces = "", float("nan"), 0
        if order is not None:
            name, asked = order["clientOrderId"], float(order["origQty"])
            reduces = int(bool(order.get("reduceOnly")))
            done, seen = float(order["executedQty"]), sum(float(row["qty"]) for row in rows)
            if abs(done - seen) > QTY_TOLERANCE * max(1.0, done):
                return await self.asker.order_trades(symbol, order_id, name)
        out, total = [], 0.0
        for row in sorted(rows, key=lambda r: int(r["id"])):
            total += float(row["qty"])
            out.append(from_trade(row, name, total, asked)._replace(reduce_only=reduces))
        return out

    async def _ends(self, view: AccountView, open_seqs: set[int]) -> None:
        """Orders that should rest and do not: the exchange says what became of each."""
        rest = {o.client_id for o in view.orders}
        for known in list(self.desk.orders.open()):
            if known.client_id in rest:
                known.placed = True
            elif known.placed or (known.seq in open_seqs and known.client_id not in self.planned):
                there = await self.sender.resolver.exists(known)
                if there is False and not known.over and not known.silent:
                    self.desk.lost(known, CANCELLED)

    async def mend_gaps(self) -> None:
        """Ask for what has been missing too long; after several questions let out what waits."""
        now_ms = self.session.clock.now_ms()
        gaps = self.desk.stream.gaps(now_ms, self.settings.gap_ms)
        self._asks = {gap: n for gap, n in self._asks.items() if gap in gaps}
        for gap in gaps:
            asks = self._asks[gap] = self._asks.get(gap, 0) + 1
            if asks > self.settings.gap_asks:
                for fact in self.desk.stream.give_up(gap, now_ms):
                    self.desk.apply(fact)
                del self._asks[gap]
                continue
            try:
                trades = await self.asker.order_trades(gap.symbol, gap.order_id, gap.client_id)
            except CallFailed:
                continue
            self.gaps_filled += 1
            for fact in self.desk.stream.fill_in(trades, now_ms):
                self.desk.apply(fact)
        for fact in self.desk.stream.strangers(now_ms, self.settings.gap_ms):
            self.desk.apply(fact)

    async def watch_triggered(self) -> Known | None:
        """A conditional order that was triggered long ago without an order of its own protects nothing: tell its end."""
        now_ms = self.session.clock.now_ms()
        for known in list(self.desk.orders.open()):
            if not known.triggered_ms or known.filled > 0.0 or now_ms - known.triggered_ms < self.settings.stuck_ms:
                continue
            known.triggered_ms = now_ms
            found = await self.sender.resolver.exists(known, made_only=True)
            if found is False and not known.over:
                self.desk.lost(known, CANCELLED)
                return known
        return None

    async def compare(self) -> None:
        """Compare the books with the last account message once everything has been quiet for a while."""
        desk, money, now_ms = self.desk, self.desk.money, self.session.clock.now_ms()
        if not desk.changed_ms or now_ms - desk.changed_ms < self.settings.settle_ms:
            return
        if desk.stream.gaps(now_ms, 0):
            return
        desk.changed_ms = 0
        if money is None or money.time_ms < desk.last_fill_ms:
            self.doubt()  # the account message was lost
            return
        ledger, wrong = desk.teller.ledger, False
        for held in money.positions:
            i = desk.teller.index.get(held.symbol)
            if i is not None:
                wrong |= abs(held.qty - ledger.at(i).qty) > QTY_TOLERANCE * max(1.0, abs(held.qty))
                drift = abs(held.isolated_wallet - ledger.at(i).margin_usd)
                self.margin_drift_usd = max(self.margin_drift_usd, drift if held.qty else 0.0)
        # two account messages of one millisecond may come in either order: REST has the last word
        wrong |= abs(money.wallet - ledger.wallet_usd) > self.settings.tolerance_usd
        if wrong:
            self.doubt()
        if not self.behind:
            self.level_ms = max(self.level_ms, money.time_ms)
