"""From recovered to trading on an exchange: what was missed is told, what was not sent asked for, what differs mended."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from live.adapters.store_sqlite import PLANNED
from live.errors import LiveError
from live.items import Job
from live.journal import Journal, intent_of
from live.ports import NEVER_SENT_AFTER_MS, AccountView, Alert, Alerts, Broker, Intent
from live.reconcile import Findings, findings, lines, mending, open_seqs
from live.runner import Runner
from qt_core.codes import CMD_EXIT, OP_AMEND, OP_NEW, STOP, TAKE_PROFIT, TRAILING
from qt_core.state import set_equity

log = logging.getLogger("qt.live")

BEGUN = "begun_ms"  # of the exchange's time: what happened in the account before is none of the session's business
CONDITIONAL = (STOP, TAKE_PROFIT, TRAILING)
CLOCKS_MS = 1_000  # between the exchange's clock and ours
LEVEL_READS = 20
OVERLAP_MS = 3_600_000  # asked again before the newest trade: one of another symbol may have been lost on its way
CRITICAL = 2


def open_intents(journal: Journal, seqs: "set[int]") -> tuple[Intent, ...]:
    """Orders that State still knows, oldest first; an amend is one where it makes an order with an id of its own."""
    rows = (intent_of(row[5]) for row in journal.store.orders())
    return tuple(i for i in rows if i.seq in seqs and (i.op == OP_NEW or (i.op == OP_AMEND and i.kind in CONDITIONAL)))


def planned_intents(journal: Journal) -> list[Intent]:
    """Intents that were journalled and are not known to be sent."""
    return [intent_of(row[5]) for row in journal.store.orders(PLANNED)]


async def begin(runner: Runner, fresh: bool) -> None:
    """Open the broker and bring session and exchange together; must be done before the runner runs.

    Raises
    ------
    LiveError
        If the account cannot be traded, or holds what is not this session's and the policy is to refuse.
    """
    view = await runner.broker.open()
    if fresh:
        _begin_books(runner, view)
    else:
        await _catch_up(runner)
    await reconcile(runner, runner.broker, fresh)


def _begin_books(runner: Runner, view: AccountView) -> None:
    """A new session begins with the account's own wallet.

    Raises
    ------
    LiveError
        If it would not carry the smallest position.
    """
    least = float(runner.session.setup.config.params().risk.min_margin_usd)
    if not view.wallet_usd >= least:
        raise LiveError(
            f"{runner.broker.label}: the wallet holds {view.wallet_usd:,.2f} USDT; at least {least:,.2f} expected, "
            "the margin of the smallest position (risk.min_margin_usd)"
        )
    set_equity(runner.session.chain.state, view.wallet_usd)
    runner.journal.store.begin()
    runner.journal.store.put_meta(BEGUN, view.time_ms - CLOCKS_MS)
    runner.journal.snapshot(0, runner.session.parts())
    runner.journal.commit()


async def _catch_up(runner: Runner) -> None:
    chain, journal = runner.session.chain, runner.journal
    planned = planned_intents(journal)
    await _take_missed(runner)
    now_ms = runner.clock.now_ms()
    seqs = open_seqs(chain).keys()
    send = [in_time(i, now_ms, i.seq in seqs) for i in planned if i.op != OP_AMEND or i.seq in seqs]
    if planned:
        await runner.broker.submit(send, ask_first=True)
        journal.sent(planned)
        journal.note(now_ms, "recovery", f"{len(send)} orders were not known to be sent; each was asked for first")
        journal.commit()


async def _take_missed(runner: Runner) -> int:
    """Take what the exchange has said and the journal does not know; returns how much that was."""
    chain, store = runner.session.chain, runner.journal.store
    since_ms = max(store.last_trade_ms() - OVERLAP_MS, int(store.meta(BEGUN) or 0))
    events = await runner.broker.missed(since_ms, sorted(open_seqs(chain)))
    for event in events:
        await runner.take(event)
    return len(events)


def in_time(intent: Intent, now_ms: int, wanted: bool = True) -> Intent:
    """An entry that has grown old on the way keeps its id but may not be placed any more, only found; so does an order
    that State has given up (``wanted`` is False) for what happened meanwhile.
    """
    opens = intent.op == OP_NEW and not intent.reduce_only
    late = opens and now_ms - intent.time_ms > NEVER_SENT_AFTER_MS
    if late or (intent.op == OP_NEW and not wanted):
        return intent._replace(expire_ms=min(intent.expire_ms, now_ms))
    return intent


async def reconcile(runner: Runner, broker: Broker, fresh: bool) -> Findings:
    """Compare with the exchange and mend; returns what was found.

    Raises
    ------
    LiveError
        If something is not this session's and ``live.foreign`` is to refuse.
    """
    session, symbols = runner.session, runner.session.setup.symbols
    view = await broker.account() if fresh else await _level_view(runner)
    planned = frozenset(i.seq for i in planned_intents(runner.journal))
    found = findings(session.chain, view, planned)
    if found.clean:
        return found
    told = lines(found, symbols)
    foreign = [g for g in found.gaps if g.ours == 0.0] if fresh else []
    policy = runner.settings.foreign
    if policy == "refuse" and (foreign or (fresh and found.foreign)):
        raise LiveError(
            f"{broker.label}: the account holds what is not this session's: {'; '.join(told[:5])}; close it, or set "
            "live.foreign to adopt or close"
        )
    await mend(runner, found, view)
    if found.gaps:
        broker.accept(view)
    if policy == "close":
        await _close(runner, [g.symbol for g in found.gaps if g.ours == 0.0 and g.theirs != 0.0], view)
        await _cancel(broker, found.foreign)
    return found


async def _level_view(runner: Runner) -> AccountView:
    """The account at a moment of which everything has been told: a fill that is seen before it is heard would count twice.

    Raises
    ------
    LiveError
        If there is no such moment.
    """
    for _ in range(LEVEL_READS):
        view = await runner.broker.account()
        if await _take_missed(runner) == 0:
            return view
    raise LiveError(f"{runner.broker.label}: the account does not come to rest; start again")


async def mend(runner: Runner, found: Findings, view: AccountView) -> None:
    """Bring State to what the exchange holds, and take away what State has given up; each line is told."""
    for line in lines(found, runner.session.setup.symbols):
        log.warning("reconciled: %s", line)
        runner.journal.note(view.time_ms, "reconciled", line)
    for event in mending(runner.session.chain, found, view):
        await runner.take(event)
    await _cancel(runner.broker, found.strays)


class Reconciler:
    """Compares with the exchange now and then while the session runs.

    What a look finds may be on its way to us, so nothing is mended before a second look has found the same, and the broker
    has asked in between for what it may have missed: a trade that comes later would be booked a second time.
    """

    def __init__(self, runner: Runner, alerts: Alerts) -> None:
        self._runner, self._alerts = runner, alerts
        self._suspects: Findings | None = None
        self.mended = 0

    async def run(self) -> None:
        """For ever; a supervised task."""
        s = self._runner.settings
        while True:
            await asyncio.sleep(s.reconcile_s if self._suspects is None else s.doubt_s)
            seq = self._runner.journal.seq
            try:
                view = await self._runner.broker.account()
            except LiveError as error:  # an exchange that is away is told of by its own check
                log.warning("not compared: %s", error)
                continue

            async def compare(view: AccountView = view, seq: int = seq) -> None:
                if (
                    self._runner.journal.seq == seq
                ):  # else State is newer than what was looked at: the look says nothing
                    await self.compare(view)

            await self._runner.tell(Job(compare))

    async def compare(self, view: AccountView) -> None:
        """One look; the runner's loop awaits it."""
        runner = self._runner
        planned = frozenset(i.seq for i in planned_intents(runner.journal))
        found = findings(runner.session.chain, view, planned)._replace(foreign=())
        before, self._suspects = self._suspects, None if found.clean else found
        if found.clean:
            return
        if before is None or _same(before) != _same(found):
            runner.broker.suspect()
            return
        if not runner.broker.level:
            return
        self._suspects = None
        self.mended += 1
        text = "; ".join(lines(found, runner.session.setup.symbols)[:5])
        self._alerts.send(Alert(CRITICAL, "reconciled", "The exchange held something else", text))
        await mend(runner, found, view)


def _same(found: Findings) -> tuple[object, ...]:
    """What two looks must agree in: prices and margins move, the rest does not."""
    gaps = tuple((g.symbol, g.ours, g.theirs) for g in found.gaps)
    return (gaps, found.missing, tuple(o.client_id for o in found.strays))


async def _close(runner: Runner, symbols: Sequence[int], view: AccountView) -> None:
    """Adopted positions leave at once, by the chain's own exit."""
    for symbol in symbols:
        intents = runner.session.command(view.time_ms, CMD_EXIT, {"symbol": symbol}, f"foreign:{symbol}:{view.time_ms}")
        runner.journal.commit()
        await runner.broker.submit(intents)
        runner.journal.sent(intents)


async def _cancel(broker: Any, orders: Sequence[Any]) -> None:
    """Orders that are not ours, where the broker can take them away."""
    cancel = getattr(broker, "cancel_foreign", None)
    if cancel is not None and orders:
        await cancel(orders)
