"""While a session runs, what the exchange holds otherwise is seen twice before it is mended, and told."""

import asyncio
from pathlib import Path

from live.items import Job, Machine
from live.ports import AccountView, Alert
from live.startup import Reconciler
from qt_core.codes import CMD_RELEASE
from qt_core.io.simulate import simulate_market
from tests.live.on_exchange import exchange_of, play, session_config, session_on

WARMUP = 100


class Heard:
    """Alerts, kept."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)


def test_a_stop_that_is_gone_is_placed_again(tmp_path: Path) -> None:
    market = simulate_market(5, WARMUP + 120, seed=3)
    config = session_config(market, "gone", WARMUP)
    heard = Heard()

    async def scene() -> tuple[int, int, int]:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, step):
            runner = started.runner
            symbol = runner.session.chain.symbol
            while not (symbol["qty"] != 0.0).any():
                await step.bar()
            i = int((symbol["qty"] != 0.0).argmax())
            first = int(symbol["sl_seq"][i])
            reconciler = Reconciler(runner, heard)
            view = await runner.broker.account()
            without = view._replace(orders=tuple(o for o in view.orders if o.seq != first))
            for _ in range(2):  # the exchange says so twice
                await runner.tell(Job(lambda: reconciler.compare(without)))
                await runner.idle()
                while not runner.broker.level:  # it asks for what it may have missed before anything is mended
                    await asyncio.sleep(0.01)
                looked = int(symbol["sl_seq"][i])
            await step.settle()
            await runner.tell(Job(lambda: reconciler.compare(view)))
            await runner.idle()
            resting = {o.seq for o in (await runner.broker.account()).orders}
        await exchange.stop()
        return first, looked, int(looked in resting)

    first, second, rests = play(scene)
    assert second != first
    assert rests == 1
    assert len(heard.alerts) == 1
    assert str(first) in heard.alerts[0].text


def test_a_trade_that_was_missed_is_booked_once_and_by_itself(tmp_path: Path) -> None:
    """The stream says nothing of a closed position: the trade is asked for, not made up and then told as well."""
    market = simulate_market(5, WARMUP + 120, seed=3)
    config = session_config(market, "missed", WARMUP)
    heard = Heard()

    async def scene() -> tuple[list[float], list[float], int, float, float]:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, step):
            runner, held = started.runner, started.runner.session.chain.symbol
            while not (held["qty"] != 0.0).any():
                await step.bar()
            exchange.mute("private")
            before = dict(enumerate(float(q) for q in held["qty"]))
            while {p.contract.index: p.qty for p in exchange.sim.account.positions()} == {
                i: q for i, q in before.items() if q
            }:
                await step.bar()
            reconciler = Reconciler(runner, heard)
            for _ in range(3):
                view = await runner.broker.account()
                await runner.tell(Job(lambda view=view: reconciler.compare(view)))
                await runner.idle()
                while not runner.broker.level:
                    await asyncio.sleep(0.01)
                await step.settle()
            theirs = {p.contract.index: p.qty for p in exchange.sim.account.positions()}
            ours = [float(q) for q in held["qty"]]
            wallet = float(runner.session.chain.fund["wallet_usd"])
        await exchange.stop()
        there = [theirs.get(i, 0.0) for i in range(len(ours))]
        return ours, there, reconciler.mended, wallet, exchange.sim.account.wallet

    ours, theirs, mended, wallet, there = play(scene)
    assert ours == theirs
    assert mended == 0
    assert abs(wallet - there) < 0.01


def test_a_look_that_is_older_than_state_says_nothing(tmp_path: Path) -> None:
    """What was decided since the account was read cannot be in the answer: such looks do not count, however alike."""
    market = simulate_market(5, WARMUP + 120, seed=3)
    config = session_config(market, "older", WARMUP, reconcile_s=1.0, doubt_s=0.1)
    heard = Heard()

    async def scene() -> tuple[int, bool, bool]:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, step):
            runner = started.runner
            while not (runner.session.chain.symbol["qty"] != 0.0).any():
                await step.bar()
            looks, goes_on, ask = [0], [True], runner.broker.account

            async def without_orders() -> AccountView:
                view = (await ask())._replace(orders=())
                looks[0] += 1
                if goes_on[0]:
                    await runner.tell(Machine(CMD_RELEASE, {}, ""))  # State goes on before the look is taken
                return view

            runner.broker.account = without_orders  # type: ignore[method-assign]
            reconciler = Reconciler(runner, heard)
            working = asyncio.create_task(reconciler.run())
            while looks[0] < 3:
                await asyncio.sleep(0.02)
            await runner.idle()
            before, goes_on[0] = reconciler._suspects is not None, False
            while reconciler._suspects is None:
                await asyncio.sleep(0.02)
            working.cancel()
        await exchange.stop()
        return reconciler.mended, before, reconciler._suspects is not None

    assert play(scene) == (0, False, True)
    assert heard.alerts == []
