"""Exits that meet reductions, rungs that fire too late, and who may stop a scale-in: literal scenes."""

import numpy as np
import pytest

from qt_core import records as rec
from qt_core.codes import (
    CMD_ESS_TRIP,
    CMD_EXIT,
    CMD_POLICY,
    CTX_ATR_PCTILE,
    CTX_MOMENTUM,
    EXIT_EMERGENCY,
    EXIT_ORDER,
    M_BALANCER,
    POLICY_AGGRESSIVE,
    SIDE_BALANCE,
)
from tests.modules.scene import FREE, Bar, Played, Scene, flat, on

pytestmark = pytest.mark.interpreted
LOOSE = {
    "risk": {"max_risk_per_trade": 1.0, "max_day_drawdown": 0.9},
    "governor": {"max_loss_at_stop": 1.0, "max_day_drawdown": 0.9},
}


def halved(command: int) -> Played:
    """HFOS halves a position of 6 over two bars (one tenth of 20 a bar); the command comes after the first."""
    config = on(
        "hfos",
        "ess",
        chain={"initial_equity_usd": 300.0},
        tpsl={"sl_anchor": 0.05, "tp_anchor": 0.2, "trailing": "off"},
        ess={"max_drawdown": 0.5, "close_on_latch": "on"},
        venue={**FREE, "participation": 0.1},
        **LOOSE,
    )
    bars = [*flat(100.0, 5), (100.0, 100.0, 97.0, 97.0), *flat(97.0, 8)]
    return Scene(
        bars=[bars], calls={(0, 0): 1}, volume=20.0, config=config, commands={6: [{"command": command}]}
    ).play()


@pytest.mark.parametrize(("command", "why"), [(CMD_ESS_TRIP, EXIT_EMERGENCY), (CMD_EXIT, EXIT_ORDER)])
def test_a_full_exit_takes_over_a_reduction_at_work(command: int, why: int):
    played = halved(command)
    assert played.symbol()["qty"] == 0.0
    assert played.trades["exit_reason"].tolist() == [why]
    assert played.trades["quantity"].tolist() == [6.0]


def climbing() -> list[Bar]:
    return [(100.0, 100.0, 100.0, 100.0)] * 2 + [(100.0 + k, 101.0 + k, 100.0 + k, 101.0 + k) for k in range(12)]


@pytest.mark.parametrize("allowed", [True, False])
def test_no_scale_in_where_module_18_forbids_trades(allowed: bool):
    percentile = np.full((14, 1), 0.5)
    percentile[2:] = 0.9  # volatility turns HIGH after the entry
    config = on(
        "intelligence",
        "amplify",
        "orchestrator",
        orchestrator={"table": {"high/moderate/normal": {"allow_trades": allowed}}},
        tpsl={"trailing": "off", "sl_anchor": 0.02, "tp_anchor": 0.4},
        venue=FREE,
    )
    ctx = {CTX_MOMENTUM: 1.0, CTX_ATR_PCTILE: percentile}
    played = Scene(bars=[climbing()], calls={(0, 0): 1}, atr=0.015, ctx=ctx, config=config).play()
    assert (played.symbol()["n_scaled"] > 0) == allowed


def test_a_rung_that_fires_after_it_was_taken_away_is_a_plain_reduction():
    quiet = (101.4, 101.4, 101.4, 101.4)
    first = [*flat(100.0, 2), (100.0, 101.4, 100.0, 101.4), quiet, (103.5, 103.6, 103.5, 103.5), *flat(103.5, 4)]
    second = [*flat(100.0, 3), (100.0, 100.0, 88.0, 88.0), *flat(88.0, 5)]
    config = on(
        "intelligence",
        "amplify",
        "hfos",
        hfos={"drawdown_emergency": 0.005},
        chain={"initial_equity_usd": 1200.0},
        amplify={"let_run_r": 90.0, "scale_in_r": 90.0},
        tpsl={"trailing": "off", "sl_anchor": 0.15, "tp_anchor": 0.06, "clip_low": 0.1, "clip_high": 9.0},
        venue=FREE,
        **LOOSE,
    )
    calls = {(0, 0): 1, (0, 1): 1}
    played = Scene(bars=[first, second], calls=calls, atr=0.02, ctx={CTX_MOMENTUM: 1.0}, config=config).play()
    s = played.symbol()
    assert s["qty"] > 0.0, "the scene must leave a part"
    assert (s["rung_1_qty"], s["rung_2_qty"]) == (0.0, 0.0)
    orders = np.asarray(played.s.venue.orders).view(rec.ORDER_DT)[0]
    resting = [o for o in orders if o["status"] != 0]
    assert resting
    for o in resting:
        assert o["qty"] - o["filled"] <= s["qty"] + 1e-9


def test_a_row_from_outside_brings_the_scale_of_its_mode():
    row = {"command": CMD_POLICY, "reason": POLICY_AGGRESSIVE, "value": 0.02, "qty": 50, "price": 0.3, "seq": 15}
    config = on("msc", msc={"scale_normal": 0.25}, venue=FREE)
    played = Scene(bars=[flat(100.0, 8)], calls={(5, 0): 1}, config=config, commands={3: [row]}).play()
    assert played.fund["limit_scale"] == 1.0
    assert played.decisions["size_scale"].tolist() == [1.0]


def test_enlarging_a_position_adds_none_to_its_side():
    config = on(
        "intelligence",
        "amplify",
        "balancer",
        balancer={"max_net_share": 1.0},
        tpsl={"trailing": "off", "sl_anchor": 0.02, "tp_anchor": 0.4},
        venue=FREE,
    )
    calls = {(0, i): 1 for i in range(4)}
    scene = Scene(
        bars=[climbing()] * 4, calls=calls, atr=0.015, correlation=0.1, ctx={CTX_MOMENTUM: 1.0}, config=config
    )
    played = scene.play()
    assert [int(played.symbol(i)["n_scaled"]) > 0 for i in range(4)] == [True] * 4
    assert played.s.out.counters[M_BALANCER, SIDE_BALANCE] == 0
