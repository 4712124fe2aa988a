"""The asyncio shell: waits for what happens, gives it to the session one thing at a time, sends what the chain asks for.

Closed bar -> features -> model rows -> decision -> journal on disk -> orders sent. Feed, broker, guards and commands each
have a task that fills one inbox; only the loop that empties it touches the session. Every wait has an end.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any

from live.adapters.store_sqlite import StoreFailure
from live.commands import DONE, REFUSED, RESET, STOP, pause, switches, told
from live.entries import BAR, PASSED, WARM
from live.errors import LiveError
from live.items import Item, Job, Machine, Person
from live.journal import Journal
from live.news import News, foreign_text
from live.ports import Alert, Alerts, Broker, Clock, ClosedBar, Feed, Intent, Quote, VenueEvent
from live.reconcile import open_seqs
from live.session import Session
from live.settings import LiveSettings
from live.tasks import within
from qt_core.io.timeframes import DAY_MS
from qt_core.market import utc_text

log = logging.getLogger("qt.live")

MS_PER_S = 1000
WARNING = 1
CLOSED = object()  # the feed is at its end


class Runner:
    """One session under way.

    Parameters
    ----------
    session : recovered, see ``live.recovery``. journal : its keeper. feed, broker, clock : ports. settings : times.
    """

    def __init__(
        self, session: Session, journal: Journal, feed: Feed, broker: Broker, clock: Clock, settings: LiveSettings
    ) -> None:
        self.session, self.journal = session, journal
        self.feed, self.broker, self.clock = feed, broker, clock
        self.settings = settings
        self.inbox: asyncio.Queue[Any] = asyncio.Queue(settings.inbox)
        self.stopping = asyncio.Event()
        self.handled = 0  # things taken from the inbox and done with, orders sent
        self.put = 0  # things put into it
        self.whole = True  # False while a call is under way: State has moved, the journal has not
        self.bars = 0  # decision bars of this process
        self._moved = asyncio.Condition()
        self._warm_left = self._still_to_warm(settings.warmup_bars)
        self.first_ms = -1  # bars of a new session begin after it
        self.news: News | None = None
        self.alerts: Alerts | None = None
        self._since_snapshot, self.why = 0, ""
        self._lost: LiveError | None = None

    def warm_up(self, bars: int, first_ms: int) -> None:
        """Of a new session: so many decision bars from ``first_ms`` on are for features alone."""
        self._warm_left = self._still_to_warm(bars)
        if self.session.last_bar_ms < 0:
            self.first_ms = first_ms

    def _still_to_warm(self, bars: int) -> int:
        """Of so many decision bars those that the journal does not have; none once a bar has been traded on."""
        store, setup = self.journal.store, self.session.setup
        if self.session.last_bar_ms < 0:
            return bars
        if store.last_entry(BAR) is not None or store.last_entry(PASSED) is not None:
            return 0
        return max(0, bars - sum(setup.decides(e.time_ms) for e in store.entries_of(WARM)))

    @property
    def warming(self) -> bool:
        """True while bars are for features alone."""
        return self._warm_left > 0 or self.session.last_bar_ms < 0

    # --- from outside --------------------------------------------------------------------------------------------------
    def stop(self, why: str = "asked to stop") -> None:
        """End after what is being done now; positions keep their protection."""
        self.why = self.why or why
        self.stopping.set()

    async def tell(self, item: Item) -> None:
        """Put something into the inbox."""
        self.put += 1
        await self.inbox.put(item)

    async def idle(self, at_least: int = 0) -> None:
        """Wait until everything that was put is done with, and at least so many things."""
        async with self._moved:
            await self._moved.wait_for(
                lambda: (self.handled >= max(at_least, self.put) and self.inbox.empty()) or self.stopping.is_set()
            )

    # --- the run -------------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the feed ends or somebody stops it; what goes wrong in a task ends the run with its error."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._feed(), name="feed"),
                    group.create_task(self._events(), name="broker events"),
                    group.create_task(self._commands(), name="commands"),
                ]
                if self.session.paper is None:
                    tasks.append(group.create_task(self._guards(), name="guards"))
                for task in tasks:
                    task.add_done_callback(self._ended)
                await self._work()
                if self._lost is not None:
                    raise self._lost
                self.stopping.set()
                for task in tasks:
                    task.cancel()
        except* LiveError as errors:
            raise errors.exceptions[0] from None
        except* StoreFailure as errors:
            what = errors.exceptions[0]
            raise LiveError(f"the journal cannot be written: {what}; orders at the venue stay") from None
        finally:
            self.stopping.set()
            await self._finish()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A task that somebody else has cancelled would be missed without a word: bars, fills or guards would stay away."""
        if task.cancelled() and not self.stopping.is_set():
            self._lost = LiveError(f"task {task.get_name()!r} was cancelled from outside; a new start goes on")
            self.stop(str(self._lost))

    async def _finish(self) -> None:
        """Save what is, close what is open."""
        try:
            if self.whole:
                self.snapshot()
                self.journal.commit()
            else:  # State is ahead of the journal: the next start goes on from what is on the disk
                self.journal.forget()
        except (LiveError, StoreFailure) as error:
            log.error("journal: no snapshot at the end: %s", error)
        async with self._moved:
            self._moved.notify_all()
        for what in (self.feed, self.broker):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.stop_timeout_s):
                    await what.close()

    async def _work(self) -> None:
        stopped = asyncio.create_task(self.stopping.wait(), name="stop")
        try:
            while not self.stopping.is_set():
                taken = asyncio.create_task(self.inbox.get(), name="inbox")
                await asyncio.wait({taken, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not taken.done():
                    taken.cancel()
                    return
                item = taken.result()
                if item is CLOSED:
                    self.why = self.why or "the feed is at its end"
                    return
                await self.take(item)
        finally:
            stopped.cancel()

    async def take(self, item: Item) -> None:
        """One thing from beginning to end."""
        began = time.perf_counter()
        if isinstance(item, Job):
            await item.work()
        self.whole = False
        intents = [] if isinstance(item, Job) else self._step(item)
        self.journal.commit()
        self.whole = True
        decided = time.perf_counter()
        if intents:
            await self._send(intents)
        if self.news is not None:
            self.news.tell(item, decided - began, time.perf_counter() - began)
        self._snapshot_if_due(item)  # orders do not wait for it
        self.journal.commit()
        async with self._moved:
            self.handled += 1
            self._moved.notify_all()

    def _step(self, item: "ClosedBar | VenueEvent | Quote | Person | Machine") -> list[Intent]:
        if isinstance(item, ClosedBar):
            return self._bar(item)
        if isinstance(item, VenueEvent):
            if item.key and self.journal.store.is_applied(item.key):
                return []
            self._tell_foreign(item)
            return self.session.event(item)
        if isinstance(item, Quote):
            return self.session.quote(item)
        if isinstance(item, Machine):
            return self.session.command(self._now(), item.command, item.fields, item.key)
        return self._person(item)

    def _tell_foreign(self, event: VenueEvent) -> None:
        """A trade that no order of this session made: it is adopted or followed, and somebody must know."""
        text = foreign_text(event.row, self.session.setup.symbols)
        if not text:
            return
        log.warning("foreign: %s", text)
        self.journal.note(int(event.row["time_ms"]), "foreign", text)
        if self.alerts is not None:
            self.alerts.send(Alert(WARNING, f"foreign:{text.partition(':')[0]}", "Somebody else traded", text))

    def _bar(self, bar: ClosedBar) -> list[Intent]:
        if bar.open_ms <= self.session.last_bar_ms:
            return []  # seen before a restart
        if self._warm_left > 0:
            self._warm_left -= int(self.session.setup.decides(bar.open_ms))
            self.session.warm(bar)
            return []
        if self._stale(bar):
            return self.session.passed(bar)
        intents = self.session.bar(bar)
        if self.session.setup.decides(bar.open_ms):
            self.bars += 1
            self._since_snapshot += 1
        return intents

    def _stale(self, bar: ClosedBar) -> bool:
        """On an exchange: closed so long ago that its decision would trade on prices that are gone."""
        age_ms = self.clock.now_ms() - bar.open_ms - self.session.setup.bar_ms
        return self.session.paper is None and age_ms > self.settings.stale_s * MS_PER_S

    def _person(self, item: Person) -> list[Intent]:
        store = self.journal.store
        if item.name == STOP:
            store.answer_command(item.number, DONE, "stopping; positions keep their protection")
            self.stop(f"stopped by {item.who}")
            return []
        try:
            said = told(item.name, item.args, self.session.setup.symbols)
        except LiveError as error:
            store.answer_command(item.number, REFUSED, str(error))
            return []
        intents = self.session.command(self._now(), said.command, said.fields, f"person:{item.number}")
        if said.guard and self.session.last_bar_ms >= 0:
            intents += self.session.quote(self.feed.quote() or self.session.chain.last_quote(self._now()))
        reason = f": {item.args['reason']}" if item.name == RESET else ""
        self.journal.note(self._now(), "command", f"{item.name} by {item.who}{reason}")
        store.answer_command(
            item.number, DONE, f"{item.name} heard at {utc_text(self._now())}; {switches(self.session.chain.fund)}"
        )
        return intents

    def _now(self) -> int:
        """Exchange time; a session has no time before its first bar."""
        return max(self.clock.now_ms(), int(self.session.chain.fund["now_ms"]))

    async def _send(self, intents: Sequence[Intent]) -> None:
        """Orders go out after they are on disk."""
        what = f"{self.broker.label}: {len(intents)} orders (the next start asks what became of them)"
        await within(self.settings.submit_timeout_s, self.broker.submit(intents), what)
        self.journal.sent(intents)
        self.journal.commit()  # an open transaction would keep others from writing: commands, the health check

    # --- what fills the inbox ------------------------------------------------------------------------------------------
    async def _feed(self) -> None:
        async for bar in self.feed.bars(max(self.session.last_bar_ms, self.first_ms)):
            await self.tell(bar)
        await self.inbox.put(CLOSED)

    async def _events(self) -> None:
        async for event in self.broker.events():
            await self.tell(event)

    async def _guards(self) -> None:
        while not await pause(self.settings.guard_s, self.stopping):
            quote = self.feed.quote()
            if quote is not None and self.session.last_bar_ms >= 0 and self._warm_left == 0:
                await self.tell(quote)

    async def _commands(self) -> None:
        seen: set[int] = set()
        while not await pause(self.settings.command_poll_s, self.stopping):
            fresh = [c for c in self.journal.store.waiting_commands() if c[0] not in seen]
            for command in fresh:
                seen.add(command[0])
                await self.tell(Person(*command))

    def _snapshot_if_due(self, item: Item) -> None:
        if isinstance(item, ClosedBar) and self._since_snapshot >= self.settings.snapshot_bars:
            self.snapshot()
            kept = int(self.settings.keep_days * DAY_MS)
            self.journal.store.prune(self._now() - kept, open_seqs(self.session.chain))

    def snapshot(self) -> None:
        """Keep what is needed to go on from here."""
        self._since_snapshot = 0
        self.journal.snapshot(self._now(), self.session.parts())
