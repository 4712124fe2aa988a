"""The event bus: the session publishes, others listen, and no listener can hold up trading.

``publish`` appends to bounded queues and returns; it never waits and no fault of a subscriber reaches it. Every subscriber
has a queue a topic, so that a flood of one topic pushes nothing of another out, and gets what all its topics said in the
order of publication. A full queue loses its oldest; the next delivery of the topic says how many were lost before it. All on
one event loop; from another thread use ``loop.call_soon_threadsafe(bus.publish, ...)``.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from live.errors import LiveError
from live.tasks import TimedOutError, within
from live.topics import TOPICS, P, Topic

log = logging.getLogger(__name__)
P_co = TypeVar("P_co", covariant=True)


class BusSettings(NamedTuple):
    """Bounds of the bus; all defaults are our choice."""

    queue: int = 1_000  # deliveries waiting, per subscriber and topic
    handler_s: float = 10.0  # a handler may take so long for one delivery
    drain_s: float = 5.0  # at close, for what still waits
    log_first: int = 5  # errors of a subscriber that are logged with their traceback; all are counted


DEFAULTS = BusSettings()


class Delivery(NamedTuple, Generic[P_co]):
    """One piece of news as a subscriber gets it."""

    topic: str
    seq: int  # of the topic, from 1 without holes
    payload: P_co
    lost: int  # deliveries of this topic that this subscriber lost since the one before


class Counts(NamedTuple):
    """What became of a subscriber's deliveries."""

    delivered: int
    lost: int
    errors: int
    waiting: int
    alive: bool


class _Pending(NamedTuple):
    order: int  # over all topics
    seq: int
    payload: Any


class Subscription(Generic[P]):
    """An async iterator of deliveries; ``close`` it, or leave it to the bus."""

    def __init__(self, bus: "EventBus", name: str, topics: Sequence[Topic[Any]], size: int) -> None:
        self.name = name
        self.delivered = self.lost = self.errors = 0
        self.closed = False
        self._bus = bus
        self._size = size
        self._queues: dict[str, deque[_Pending]] = {t.name: deque() for t in topics}
        self._unsaid = dict.fromkeys(self._queues, 0)  # lost and not yet told
        self._news = asyncio.Event()

    def offer(self, topic: str, item: _Pending) -> None:
        """Queue one item; the oldest of the topic gives way."""
        waiting = self._queues[topic]
        if len(waiting) >= self._size:
            waiting.popleft()
            self.lost += 1
            self._unsaid[topic] += 1
        waiting.append(item)
        self._news.set()

    def waiting(self) -> int:
        return sum(len(q) for q in self._queues.values())

    def hears(self, topic: str) -> bool:
        return not self.closed and topic in self._queues

    def _next(self) -> "Delivery[P] | None":
        heads = [(q[0].order, name) for name, q in self._queues.items() if q]
        if not heads:
            return None
        name = min(heads)[1]
        item = self._queues[name].popleft()
        lost, self._unsaid[name] = self._unsaid[name], 0
        self.delivered += 1
        return Delivery(name, item.seq, item.payload, lost)

    def __aiter__(self) -> "Subscription[P]":
        return self

    async def __anext__(self) -> "Delivery[P]":
        """The next delivery, as long as it takes; StopAsyncIteration once closed and empty."""
        while (found := self._next()) is None:
            if self.closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return found

    def finish(self) -> None:
        """Nothing new comes; what waits may still be read."""
        self.closed = True
        self._news.set()

    def close(self) -> None:
        """Leave the bus; what waits is thrown away."""
        self.finish()
        for q in self._queues.values():
            q.clear()
        self._bus.forget(self)


Handler = Callable[[Delivery[P]], Awaitable[None]]


class EventBus:
    """Topics, their subscribers and the tasks that feed handlers; an async context manager."""

    def __init__(self, settings: BusSettings = DEFAULTS, topics: Sequence[Topic[Any]] = TOPICS) -> None:
        self._settings = settings
        self._topics = {t.name: t for t in topics}
        self._seq = dict.fromkeys(self._topics, 0)
        self._order = 0
        self._subscriptions: list[Subscription[Any]] = []
        self._tasks: dict[Subscription[Any], asyncio.Task[None]] = {}
        self._closed = False
        self.after_close = 0  # published when nobody could hear it any more

    def publish(self, topic: Topic[P], payload: P) -> None:
        """Tell everyone who listens; does not wait.

        Raises
        ------
        LiveError
            The topic is unknown or the payload not of its type: a defect of the caller.
        """
        if topic.name not in self._topics or type(payload) is not topic.payload:
            raise LiveError(
                f"event bus: {type(payload).__name__} on {topic.name}; expected {topic.payload.__name__} on a known topic"
            )
        if self._closed:
            self.after_close += 1
            return
        self._order += 1
        self._seq[topic.name] += 1
        item = _Pending(self._order, self._seq[topic.name], payload)
        for s in self._subscriptions:
            if s.hears(topic.name):
                s.offer(topic.name, item)

    def listen(self, name: str, *topics: Topic[P], queue: int = 0) -> Subscription[P]:
        """A subscription to iterate over; no topics = all, ``queue`` 0 = the setting."""
        if self._closed:
            raise LiveError(f"event bus: {name} subscribes after the close")
        chosen = topics or tuple(self._topics.values())
        found: Subscription[P] = Subscription(self, name, chosen, queue or self._settings.queue)
        self._subscriptions.append(found)
        return found

    def subscribe(self, name: str, handler: Handler[P], *topics: Topic[P], queue: int = 0) -> Subscription[P]:
        """Have ``handler`` awaited for each delivery, one at a time, in a task of its own; its errors are counted."""
        subscription = self.listen(name, *topics, queue=queue)
        self._tasks[subscription] = asyncio.create_task(self._feed(subscription, handler), name=f"event bus: {name}")
        return subscription

    async def _feed(self, s: Subscription[P], handler: Handler[P]) -> None:
        async for delivery in s:
            try:
                await within(self._settings.handler_s, handler(delivery), f"event bus: {s.name} on {delivery.topic}")
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                self._count_error(s, delivery.topic, error)  # something inside the handler was cancelled, not we
            except Exception as error:
                self._count_error(s, delivery.topic, error)

    def _count_error(self, s: Subscription[Any], topic: str, error: BaseException) -> None:
        s.errors += 1
        if s.errors <= self._settings.log_first:
            trace = None if isinstance(error, TimedOutError) else error
            log.error("event bus: subscriber %s failed on %s: %r", s.name, topic, error, exc_info=trace)

    def forget(self, s: Subscription[Any]) -> None:
        """Called by a subscription that closes."""
        with contextlib.suppress(ValueError):
            self._subscriptions.remove(s)
        task = self._tasks.pop(s, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def stats(self) -> dict[str, Counts]:
        """What became of every subscriber's deliveries, by name."""
        return {
            s.name: Counts(s.delivered, s.lost, s.errors, s.waiting(), not s.closed and self._alive(s))
            for s in self._subscriptions
        }

    def faults(self) -> dict[str, str]:
        """Handlers whose task ended while the bus is open, by name."""
        return {s.name: "its task ended" for s in self._subscriptions if not self._closed and not self._alive(s)}

    def _alive(self, s: Subscription[Any]) -> bool:
        task = self._tasks.get(s)
        return task is None or not task.done()

    async def close(self) -> int:
        """Take nothing more, let handlers finish what waits for at most ``drain_s``; returns what was not delivered."""
        self._closed = True
        for s in self._subscriptions:
            s.finish()
        tasks = set(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._settings.drain_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=self._settings.drain_s)
        undelivered = sum(s.waiting() for s in self._tasks)
        self._tasks.clear()
        if undelivered:
            log.warning("event bus: %d deliveries were not made before the close", undelivered)
        return undelivered

    async def __aenter__(self) -> "EventBus":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def payload_as(topic: Topic[P], delivery: Delivery[Any]) -> "P | None":
    """The payload if the delivery is of ``topic``; for a subscriber of several topics."""
    return cast("P", delivery.payload) if delivery.topic == topic.name else None
