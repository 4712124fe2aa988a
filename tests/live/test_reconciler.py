"""While a session runs, what the exchange holds otherwise is seen twice before it is mended, and told."""

from pathlib import Path

from live.ports import Alert
from live.runner import Job
from live.startup import Reconciler
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
