"""Safety of the whole chain through two real crashes: the week of 2020-03-12 and that of 2021-05-19, hourly candles.

The candles of the month before warm up the context; the calls are drawn, strong and often wrong.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from qt_core.codes import EXIT_TIME
from qt_core.features.context import ChainContext, chain_context
from research.data import load_market
from tests.properties.binding import Met
from tests.properties.guards import AfterLatch, Bounds, Positions, Unstamped, age_at_exit
from tests.properties.test_accounts import Books
from tests.properties.test_safety import DAY_H, PARTS, SAME_ASK
from tests.properties.twins import Twins
from tests.properties.walk import walk
from tests.properties.worlds import UNDAMPED, Case, chain, random_tape, trades_of

pytestmark = pytest.mark.needs_shared
CRASHES = {  # symbols; first candle read, first and last day of the week
    "2020-03": (
        ("ADAUSDT", "BCHUSDT", "BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT"),
        ("2020-02-07", "2020-03-09", "2020-03-17"),
    ),
    "2021-05": (
        ("ADAUSDT", "BCHUSDT", "BNBUSDT", "BTCUSDT", "DOGEUSDT", "ETHUSDT", "LINKUSDT", "SOLUSDT", "XRPUSDT"),
        ("2021-04-16", "2021-05-17", "2021-05-25"),
    ),
}

ACCOUNTS = {
    "small": chain(chain={"initial_equity_usd": 700.0}),
    "large": chain(chain={"initial_equity_usd": 20_000.0}),
    "undamped": UNDAMPED,
}


@cache
def crash(root: Path, name: str) -> Case:
    """The week alone, with the context that the month before has warmed up."""
    symbols, (warm, start, end) = CRASHES[name]
    before = chain_context(load_market(symbols, "1h", warm, end, root=root))
    market = load_market(symbols, "1h", start, end, root=root)
    n = market.n_bars
    context = ChainContext(
        before.values[-n:].copy(), before.eligible[-n:].copy(), before.correlation, before.correlation_row[-n:].copy()
    )
    tape = random_tape(np.random.Generator(np.random.PCG64(20)), n, len(symbols), 0.5)
    return Case(market, context, tape, room=60_000)


@pytest.mark.parametrize("name", CRASHES)
def test_the_chain_is_safe_at_every_bar(met: Met, record_property, shared_data: Path, name: str):
    """Latch, limits, stops and books."""
    case = crash(shared_data, name)
    for config in ACCOUNTS.values():
        s = case.session(config)
        walk(s, AfterLatch(s, met), Bounds(s, met), Positions(s, met), Books(s, met))
        trades = trades_of(s)
        assert age_at_exit(trades).max() <= DAY_H + 1  # every hour has a bar here
        met["closed by age"] += int((trades["exit_reason"] == EXIT_TIME).sum())
        met["trades"] += len(trades)
    names = ("trades", "bars latched", "candidates refused while latched", "opened after a reset", "accepted")
    moved = ("long stops moved", "short stops moved", "loss within a lot of its limit", "leverage at its cap")
    met.need(record_property, *names, *moved, "accepted below full scale", "two or more in one bar", "settlements")


@pytest.mark.parametrize("name", CRASHES)
def test_nothing_opens_without_the_governors_stamp(met: Met, record_property, shared_data: Path, name: str):
    s = crash(shared_data, name).session(ACCOUNTS["large"])
    walk(s, Unstamped(s, met, 7))
    met.need(record_property, "refused without a stamp", "opened with a stamp")


@pytest.mark.parametrize("name", CRASHES)
def test_each_part_of_the_risk_chain_only_reduces(met: Met, record_property, shared_data: Path, name: str):
    config = {**SAME_ASK, "chain": {"initial_equity_usd": 2_000.0}}
    s = crash(shared_data, name).session(config)
    walk(s, Twins(s, met, config, PARTS))
    met.need(record_property, *(f"{part} bound" for part in PARTS))
