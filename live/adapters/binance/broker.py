"""The ``Broker`` port on Binance USDT-M: what the chain asks is sent, what the exchange says is told. See
docs/live_binance.md.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from live.adapters.binance.budget import CALM, URGENT
from live.adapters.binance.catching import Catcher
from live.adapters.binance.desk import Desk
from live.adapters.binance.lanes import Lanes
from live.adapters.binance.ledger import Ledger
from live.adapters.binance.listening import Listener
from live.adapters.binance.opening import open_account, open_clock, open_contracts, open_symbols
from live.adapters.binance.orders import Known, Orders, known_of, known_of_view, view_of_known
from live.adapters.binance.reconcile import HISTORY_MS, Asker
from live.adapters.binance.sending import Sender
from live.adapters.binance.session import CallFailed, Session
from live.adapters.binance.settings import BrokerSettings
from live.adapters.binance.telling import Teller
from live.adapters.binance.upkeep import Upkeep
from live.adapters.binance.user_stream import UserStream
from live.adapters.binance.views import BrokerHealth, Resume, World
from live.errors import LiveError
from live.ports import AccountView, Alert, Alerts, Intent, OrderView, VenueEvent
from live.secrets import scrub
from qt_core.codes import OP_CANCEL


class BinanceBroker:
    """Trades one account.

    Parameters
    ----------
    session : with keys. symbols : the session's names, sorted. specs : their rows of market.SPEC_DT. run_id : of client ids.
    resume : where a session goes on: then ``missed`` must be called after ``open``, before events are taken.
    """

    def __init__(
        self,
        session: Session,
        symbols: Sequence[str],
        specs: Any,
        run_id: str,
        settings: BrokerSettings | None = None,
        world: World | None = None,
        alerts: "Alerts | None" = None,
        resume: "Resume | None" = None,
    ) -> None:
        self.session = session
        self.label = session.label
        self.settings = s = settings or BrokerSettings()
        self.symbols, self.specs = tuple(symbols), specs
        self._alerts, self._resume = alerts, resume
        self._world = w = world or World()
        index = {name: i for i, name in enumerate(symbols)}
        self.orders = Orders(run_id)
        self.teller = Teller(s, self.orders, index, w.mark, w.rate)
        known = resume.keys if resume else ()
        stream = UserStream(self.orders.ours, known, s.remember)
        self.desk = Desk(self.orders, self.teller, stream, session.clock.now_ms, self._cancel_soon)
        self.sender = Sender(
            session, s, self.orders, self.teller, specs, w.depth, self.desk.emit, self.desk.take, self._alarm
        )
        self.asker = Asker(session, self.orders, index, s.page)
        self.catcher = Catcher(session, s, self.desk, self.asker, self.sender, self._alarm)
        self.catcher.planned = resume.planned if resume else frozenset()
        self.lanes = Lanes(self._broken)
        self.listener = Listener(session, s.keep_alive_ms, self.desk.hear, self._reconnected, self._alarm)
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, Intent] = {}  # in a lane, by client id
        self.upkeep = Upkeep(
            session, s, self.desk, self.orders, self.catcher, self.listener, self._cancel_soon, self._alarm
        )

    async def open(self) -> AccountView:
        """Connect, check and set modes.

        Raises
        ------
        LiveError
            One line: why the account cannot be traded.
        """
        self.session.least_urgency = CALM if self._resume is None else URGENT
        await open_clock(self.session, self._alarm)
        await open_contracts(self.session, self.symbols, self.specs)
        await open_account(self.session)
        self.teller.leverage = await open_symbols(self.session, self.symbols)
        self._start(self.listener.run())
        await self.listener.wait_open()
        try:
            view = await self.asker.account(self.teller.leverage)
        except CallFailed as failed:
            raise LiveError(f"binance: the account cannot be read: {failed.outcome.text[:300]}") from None
        self._take_over(view)
        self.upkeep.start(view.time_ms)
        self._start(self.upkeep.look_after())
        self._start(self.upkeep.keep_level())
        return view

    def _take_over(self, view: AccountView) -> None:
        """Begin the books: from a journal, or from what the exchange holds now."""
        r = self._resume
        for intent in r.intents if r else ():
            self.orders.add(known_of(intent))
        self.orders.take_views(view.orders)
        if r is not None:
            self.teller.ledger = Ledger(r.wallet_usd, r.positions)
            for known in self.orders.supersede(view.orders):
                self._cancel_soon(known)
            return
        self.teller.ledger = Ledger(view.wallet_usd, view.positions)
        self.desk.go_live(forget=True)

    async def submit(self, intents: Sequence[Intent], ask_first: bool = False) -> None:
        """Carry requests out, each symbol's one after the other; what becomes of them is told by events.

        Returns when all are done, or after ``submit_wait_ms``: what takes longer (an unknown outcome, a busy exchange) goes
        on by itself, for the runner must hear of other fills meanwhile.
        """
        waiting, given_s = [], time.monotonic()
        for intent in intents:

            async def job(intent: Intent = intent) -> None:
                await self.sender.carry_out(intent, ask_first, given_s)
                self._under_way.pop(intent.client_id, None)

            known = self.orders.by_id.get(intent.client_id)
            if known is not None and (known.over or known.silent or not ask_first):
                continue  # the same request once more, one whose end has been told, or whose successor rests
            self._under_way[intent.client_id] = intent
            waiting.append(self.lanes.put(intent.symbol, job))
        if waiting:
            await asyncio.wait(waiting, timeout=self.settings.submit_wait_ms / 1e3)

    async def cancel_foreign(self, orders: Sequence[OrderView]) -> None:
        """Cancel orders that are not this run's, as ``account`` listed them."""
        for view in orders:
            known = known_of_view(view)
            known.silent = True
            self._cancel_soon(known)
        await self.lanes.drain(self.settings.submit_wait_ms / 1e3)

    async def events(self) -> AsyncIterator[VenueEvent]:
        """Events in the order in which they are to be applied, until ``close``.

        Raises
        ------
        LiveError
            Where the broker cannot go on.
        """
        self.session.least_urgency = CALM  # caught up
        while (event := await self.desk.next()) is not None:
            yield event

    async def account(self) -> AccountView:
        """What the exchange holds now, and (without a number of the exchange's) orders that are being sent.

        It is four questions; where something happens between them they are asked again.

        Raises
        ------
        LiveError
            Where it does not answer.
        """
        for _ in range(self.settings.account_reads):
            told, unsure = self.desk.told, self._unsure()
            try:
                view = await self.asker.account(self.teller.leverage)
            except CallFailed as failed:
                raise LiveError(f"binance: the account cannot be read: {failed.outcome.text[:300]}") from None
            if self.desk.told == told:
                break
        there = {o.client_id for o in view.orders}
        orphans = {k.client_id for k in self.orders.open() if k.orphan}  # kept on purpose until the position is flat
        view = view._replace(orders=tuple(o for o in view.orders if o.client_id not in orphans))
        unsure |= self._unsure()  # what was placed while we read is in neither answer
        sent = [k for c, k in unsure.items() if c not in there and not self.orders.by_id.get(c, k).over]
        return view._replace(orders=view.orders + tuple(view_of_known(k) for k in sent))

    def _unsure(self) -> dict[str, Known]:
        """Orders that are being sent or wait in their lane, by client id."""
        sent = {k.client_id: k for k in self.orders.open() if not (k.placed or k.silent)}
        waiting = (i for i in self._under_way.values() if i.op != OP_CANCEL and i.client_id not in self.orders.by_id)
        return sent | {i.client_id: known_of(i) for i in waiting}

    async def missed(self, since_ms: int, open_seqs: Sequence[int]) -> Sequence[VenueEvent]:
        """Events since a time that nobody has been told, oldest first; what has waited in the stream follows in it.

        Orders that were sent and are not known to the exchange have ended; those of ``Resume.planned`` are left alone, they
        are submitted again with ``ask_first``.

        Raises
        ------
        LiveError
            Where the exchange does not answer.
        """
        self.desk.collect()
        since_ms = max(since_ms, self.session.clock.now_ms() - HISTORY_MS)
        self.catcher.oldest_ms = min(self.catcher.oldest_ms, since_ms)
        try:
            await self.catcher.catch_up(since_ms, open_seqs)
        except CallFailed as failed:
            raise LiveError(f"binance: cannot ask what was missed: {failed.outcome.text[:300]}") from None
        finally:
            events = self.desk.collected()
        if not self.desk.live:
            self.desk.go_live()
        return events

    def suspect(self) -> None:
        """Somebody has found the exchange to hold something else: what may have been missed is asked for."""
        self.catcher.doubt()

    def accept(self, view: AccountView) -> None:
        """State has been brought to what the exchange holds: so are the books."""
        self.teller.ledger.hold(view.positions)
        self.teller.ledger.wallet_usd = view.wallet_usd

    @property
    def level(self) -> bool:
        """True where nothing is known to be missing, and the exchange's balance has confirmed the books."""
        return self.listener.connected and not self.catcher.behind and self.desk.changed_ms == 0

    def health(self) -> BrokerHealth:
        """Connection, limits and counts."""
        session, catcher, budget = self.session, self.catcher, self.session.budget
        return BrokerHealth(
            connected=self.listener.connected,
            connections=self.listener.connections,
            behind=catcher.behind,
            paused_ms=budget.paused_ms,
            banned=budget.banned and budget.paused_ms > 0,
            used_share=budget.used_share,
            calls=session.calls,
            failures=session.failures,
            last_call_ms=session.last_call_ms,
            last_frame_ms=self.desk.last_frame_ms,
            skew_ms=session.clock.offset_ms,
            retried=self.sender.resolver.retried,
            resolved=self.sender.resolver.resolved,
            gaps_filled=catcher.gaps_filled,
            duplicates=self.desk.stream.duplicates,
            adjusted=self.teller.adjusted,
            foreign=self.teller.foreign,
            margin_drift_usd=catcher.margin_drift_usd,
            lanes=self.lanes.waiting,
        )

    async def close(self) -> None:
        """Finish what is being sent, stop every task, end ``events``. What rests at the exchange goes on resting."""
        await self.lanes.close(self.settings.close_ms / 1e3)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.session.close()
        self.desk.end()

    # --- what goes on beside the runner ---------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        """A defect of ours in a task: whoever takes events must hear of it."""
        text = scrub(f"{type(error).__name__}: {error}")
        self._alarm(2, "broker", text)
        self.desk.fail(error if isinstance(error, LiveError) else LiveError(f"binance: the broker failed: {text}"))

    def _alarm(self, severity: int, key: str, text: str) -> None:
        if self._alerts is not None:
            self._alerts.send(Alert(severity, f"binance:{key}", f"Binance: {key}", scrub(text)))

    def _reconnected(self) -> None:
        if self.listener.connections > 1:
            self.catcher.doubt()

    def _cancel_soon(self, known: Known) -> None:
        async def job() -> None:
            await self.sender.cancel(known)

        self.lanes.put(known.symbol, job)
