"""Killed at every step, a session on an exchange that lives on loses no fill, doubles no order, and leaves nothing bare.

The session trades through ccxt in a process of its own, the exchange runs in another. QT_KILLS=20 kills at every step so
often, each in a market of its own, and prints what was counted; without it each step has its turn a few times in one.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from live.adapters.binance.session import PLACE, SET_MARGIN
from live.adapters.binance.session import Session as Connection
from live.adapters.store_sqlite import SqliteStore
from live.audit import audit
from live.bootstrap import JOURNAL
from live.entries import EVENT, event_of, unpack
from live.journal import newest_snapshot
from qt_core.codes import EV_ADJUST, EV_FILL
from qt_core.config import Config
from qt_core.io.simulate import simulate_market
from qt_core.market import Market
from tests.live.deaths import RECOVERY, STEPS, WARMING, Step
from tests.live.far_exchange import Far, Remote, command, far
from tests.live.mortal import QUICK_CONNECTION, WALLET_USD, live_on, lives, lives_beside
from tests.live.on_exchange import KEYS, exchange_of, rows, session_config

KILLS = int(os.environ.get("QT_KILLS", "0"))
FEW = 2  # of each step, without QT_KILLS
RECOVERING, WARMING_UP = "recovery", "warm-up"
NAMES = (*STEPS, RECOVERING)
WARMUP, BARS, SYMBOLS, SEED = 100, 240 if KILLS else 120, 8, 3
WARM_BARS = 20  # enough for the parent to have compiled whatever a child needs
LIVES_MOST = 4  # tries to die at a step, for each kill: a start may have nothing to do again
AWAY_BARS = 3
BARS_PER_S, REACTION_S, LIFE_S = 16.0, 0.005, 2.0  # of an exchange that waits for nobody


class World(NamedTuple):
    """A market and what a session is made of."""

    market: Market
    config: Config


class Killed(NamedTuple):
    """How a session came through."""

    kills: "Counter[str]"
    report: dict[str, Any]  # of the exchange
    rows: dict[str, Any]  # of the journal
    state: bytes


def world(**live: Any) -> World:
    market = simulate_market(SYMBOLS, WARMUP + 1 + BARS, seed=SEED)
    return World(market, session_config(market, "mortal", WARMUP, snapshot_bars=10, **live))


def trade(w: World, folder: Path, plan: "list[str]", away: int = 0) -> Killed:
    """Trade a market to its end, dying at one step after the other.

    Parameters
    ----------
    away : so many bars at most go by before the next life.
    """
    folder.mkdir()
    draw, kills = np.random.default_rng(len(plan)), Counter[str]()
    with far(exchange_of(w.market, w.config, WARMUP), folder) as x:
        for name in plan:
            kills[name] += any(killed_at(x, w, folder, name, draw) for _ in range(LIVES_MOST))
            if away:
                x.away(int(draw.integers(0, away + 1)))
        assert lives(x, w.config, folder)
        report = x.report()
    return Killed(kills, report, rows(folder, w.config), state_of(folder, w))


def killed_at(x: Far, w: World, folder: Path, name: str, draw: np.random.Generator) -> bool:
    """A life that is to end at a step; for the recovery it begins after one that ended anywhere."""
    if name != RECOVERING:
        steps = WARMING if name == WARMING_UP else STEPS[name]
        return not lives(x, w.config, folder, chosen(steps, draw, x.url))
    first = str(draw.choice(list(STEPS)))
    lives(x, w.config, folder, chosen(STEPS[first], draw, x.url))
    return not lives(x, w.config, folder, chosen(RECOVERY, draw, x.url), until=0)


def chosen(steps: "tuple[Step, ...]", draw: np.random.Generator, url: str) -> Callable[[], Any]:
    """One of a step's places, at one of its passings."""
    step = steps[int(draw.integers(len(steps)))]
    nth = int(draw.integers(1, step.most + 1))
    return lambda: step.set(url, nth)


# --- what is counted ---------------------------------------------------------------------------------------------------


def store_of(folder: Path, w: World) -> SqliteStore:
    return SqliteStore(folder / str(w.config.live["name"]) / JOURNAL, read_only=True)


def state_of(folder: Path, w: World) -> bytes:
    """State at the end, byte for byte."""
    store = store_of(folder, w)
    found = newest_snapshot(store)
    store.close()
    assert found is not None
    return found[1]["state"]


def assert_sound(folder: Path, w: World, k: Killed, racing: bool = False) -> None:
    """No order twice, every fill once, nothing bare at the end, a journal that can be done again."""
    assert k.report["defects"] == []
    assert k.report["protection"]["bare"] == []
    ids = k.report["orders"] + k.report["algos"]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    store = store_of(folder, w)
    told, adjusted = Counter[int](), list[float]()
    filled = {number: 0.0 for _, number, _, _ in k.report["trades"]}
    for entry in store.entries_of(EVENT):
        e = event_of(unpack(entry.payload))
        adjusted += [float(e["value"])] if e["kind"] == EV_ADJUST else []
        if e["kind"] == EV_FILL:
            number = int(entry.key.split(":")[2])
            told[number] += 1
            filled[number] -= float(e["side"] * e["qty"])
    clean = audit(store).clean
    store.close()
    assert set(told) == filled.keys()
    assert max(told.values()) == 1
    assert all(abs(filled[number] + qty) < 1e-9 for _, number, qty, _ in k.report["trades"])
    # a payment may be in the wallet before it is told; then it is taken back, and where the exchange waits there is none
    assert abs(sum(adjusted)) < WALLET_USD
    assert racing or not adjusted
    assert clean


def plans() -> "list[tuple[str, list[str]]]":
    """Names and the steps of each."""
    if KILLS:
        return [(name, [name] * KILLS) for name in (WARMING_UP, *NAMES)]
    return [("each step", [WARMING_UP] * FEW + [name for _ in range(FEW) for name in NAMES])]


def say(title: str, k: Killed) -> None:
    """The numbers of a long run."""
    if KILLS:
        p = k.report["protection"]
        counted = {"orders": len(k.report["orders"] + k.report["algos"]), "fills": len(k.report["trades"])}
        print(f"\n{title}: {json.dumps({'kills': k.kills.total(), **counted, **p})}")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A parent that has compiled what its children need."""
    w, folder = world(), tmp_path_factory.mktemp("warm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        with far(exchange_of(w.market, w.config, WARMUP), folder) as x:
            asyncio.run(live_on(x, w.config, folder, WARMUP + WARM_BARS))
    return w


@pytest.fixture(scope="module")
def undisturbed(warm: World, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """The same session, never killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("locks")))
        return trade(warm, tmp_path_factory.mktemp("undisturbed") / "one", [])


def without(rows: Any, *names: str) -> bytes:
    """Rows without columns."""
    kept = [n for n in rows.dtype.names if n not in names]
    return b"".join(np.ascontiguousarray(rows[n]).tobytes() for n in kept)


@pytest.mark.parametrize(("title", "plan"), plans(), ids=lambda v: v if isinstance(v, str) else "")
def test_killed_again_and_again_it_ends_as_undisturbed(
    title: str, plan: "list[str]", undisturbed: Killed, warm: World, tmp_path: Path
) -> None:
    k = trade(warm, tmp_path / "one", plan)
    say(title, k)
    assert k.kills.total() >= len(plan) * 3 // 4  # the last ones may find nothing left to do
    assert_sound(tmp_path / "one", warm, k)
    assert k.report["trades"] == undisturbed.report["trades"]
    assert k.report["positions"] == undisturbed.report["positions"]
    assert k.report["wallet"] == undisturbed.report["wallet"]
    for name in ("decisions", "requests"):
        assert k.rows[name].tobytes() == undisturbed.rows[name].tobytes(), name
    # the price at the moment of sending is known to nobody after a restart: slippage against it counts as none
    assert without(k.rows["trades"], "slippage_usd") == without(undisturbed.rows["trades"], "slippage_usd")
    assert k.state == undisturbed.state


@pytest.mark.parametrize(("title", "plan"), plans(), ids=lambda v: v if isinstance(v, str) else "")
def test_the_exchange_goes_on_while_nobody_is_there(title: str, plan: "list[str]", warm: World, tmp_path: Path) -> None:
    w = world(stale_s=120.0)
    k = trade(w, tmp_path / "one", plan[: BARS // AWAY_BARS], away=AWAY_BARS)
    say(title, k)
    assert_sound(tmp_path / "one", w, k)


def free_running(w: World, folder: Path, seed: int) -> Killed:
    """An exchange that goes on by the wall clock, and sessions that die on it anywhere."""
    draw, kills = np.random.default_rng(seed), Counter[str]()
    with far(exchange_of(w.market, w.config, WARMUP), folder) as x:
        command(x.url, "run", bars_per_second=BARS_PER_S, reaction_s=REACTION_S)
        while command(x.url, "heard") < WARMUP + BARS:
            name = str(draw.choice(NAMES))
            steps = RECOVERY if name == RECOVERING else STEPS[name]
            kills[name] += not lives_beside(x, w.config, folder, chosen(steps, draw, x.url), LIFE_S)
        command(x.url, "pause")
        assert lives(x, w.config, folder, until=0)
        return Killed(kills, x.report(), rows(folder, w.config), state_of(folder, w))


@pytest.mark.parametrize("seed", range(max(1, KILLS // 4)))
def test_the_exchange_waits_for_nobody(seed: int, warm: World, tmp_path: Path) -> None:
    k = free_running(warm, tmp_path, seed)
    say("anywhere", k)
    assert k.report["trades"]
    assert_sound(tmp_path, warm, k, racing=True)


async def by_hand(x: Far, market: Market) -> None:
    """A person opens and closes a position."""
    name = market.symbols[0]
    person = Connection(QUICK_CONNECTION._replace(rest_url=x.url, ws_url=x.url), KEYS)
    await person.call(SET_MARGIN, {"symbol": name, "marginType": "ISOLATED"})
    async with Remote(x.url) as remote:
        for side in ("BUY", "SELL"):
            await person.call(PLACE, {"symbol": name, "side": side, "type": "MARKET", "quantity": "0.05"})
            await remote.say("advance")
    await person.close()


def test_what_was_traded_before_a_session_is_not_its_own(warm: World, tmp_path: Path) -> None:
    with far(exchange_of(warm.market, warm.config, WARMUP), tmp_path) as x:
        asyncio.run(by_hand(x, warm.market))
        assert not lives(x, warm.config, tmp_path, lambda: WARMING[0].set(x.url, 5))
        assert lives(x, warm.config, tmp_path, until=0)
        assert len(x.report()["trades"]) == 2
    store = store_of(tmp_path, warm)
    told = [entry.key for entry in store.entries_of(EVENT)]
    store.close()
    assert told == []
