"""What the stages make of the modules' words: who is asked in which order, what binds of several, what is reserved."""

from typing import Any

import pytest

from qt_core.codes import (
    CMD_ESS_RESET,
    CMD_ESS_TRIP,
    CMD_HEALTH,
    CMD_OVERRIDE,
    CMD_POLICY,
    CTX_LIQUIDITY_RATIO,
    DEGRADED,
    ESS_NONE,
    EXIT_EMERGENCY,
    LIMIT,
    M_AMPLIFICATION,
    M_GOVERNOR,
    M_MONITOR,
    MARGIN_LIMIT,
    NORMAL_EXIT,
    OK,
    OVERRIDE,
    POST_ONLY,
    PROTECTION_MISSING,
    QUICK_EXIT,
    SCALED_IN,
    SECTOR_LIMIT,
    SHRUNK,
    STRATEGY_NOT_ALLOWED,
    STRATEGY_SIDE,
)
from tests.modules.plays import LIQUID, LONGS, RISING, climb, legs_called, many, scene, stop_out_legs
from tests.modules.plays_chain import CHAIN, universe
from tests.modules.plays_position import FAR, winner
from tests.modules.plays_safety import POLICY_ROW, fallen, told
from tests.modules.plays_said import SHORTS, best_action, shrunken_account
from tests.modules.scene import FREE, Played, flat, on

pytestmark = pytest.mark.interpreted
AT_ONCE = {(0, 0): 1, (0, 1): 1, (0, 2): 1}


# --- candidates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [k for k in CHAIN if k[1] in ("DENIED", "LOW_VOLUME", "VOLUME_UNKNOWN", "LOW_DEPTH")])
def test_what_the_universe_does_not_admit_is_no_candidate_at_all(key: tuple[int, str]):
    assert len(CHAIN[key]().decisions) == 0


def test_a_universe_that_only_observes_admits_what_it_counts():
    played = universe({"universe": {"mode": "observe"}}, ctx={})
    assert played.decisions["reason"].tolist() == [OK]


def waiting(calls: dict[tuple[int, int], int], **sections: Any) -> Any:
    """One place in the active set, for three symbols."""
    config = on("universe", universe={"active_normal": 1}, **sections)
    return scene(config, bars=[flat(100.0, 4)] * 3, calls=calls, ctx=LIQUID).decisions["symbol"].tolist()


def test_symbols_outside_the_active_set_wait():
    """The one that called is ranked first; it holds by then, and the others have no place."""
    assert waiting({(0, 2): 1, (1, 0): 1, (1, 1): 1}) == [2]


def test_the_best_by_score_make_the_active_set():
    """Without a call the score is liquidity: of four symbols the second and third stand above the others."""
    ctx = {**LIQUID, CTX_LIQUIDITY_RATIO: [[0.1, 0.5, 0.9, 0.3]] * 4}
    config = on("universe", "ranker", universe={"active_normal": 2})
    played = scene(config, bars=[flat(100.0, 4)] * 4, calls={(1, i): 1 for i in range(4)}, ctx=ctx)
    assert sorted(played.decisions["symbol"].tolist()) == [1, 2]


def test_the_main_tier_is_always_active():
    assert waiting({(0, 2): 1, (1, 0): 1, (1, 1): 1}, symbols={"main": ["S1"]}) == [2, 1]


@pytest.mark.parametrize("first", [0, 1])
def test_candidates_already_refused_stand_behind_the_others(first: int):
    """Two equal calls, one of which its strategy refuses: the other is looked at first, whatever its name."""
    sides = [LONGS, SHORTS] if first == 0 else [SHORTS, LONGS]
    ctx = {column: [[side[column] for side in sides]] * 4 for column in LONGS}
    played = scene(on("strategy"), bars=[flat(100.0, 4)] * 2, calls={(0, 0): 1, (0, 1): 1}, ctx=ctx)
    rows = [(int(d["symbol"]), int(d["rank"]), int(d["reason"])) for d in played.decisions]
    assert rows == [(first, 0, OK), (1 - first, 1, STRATEGY_SIDE)]


# --- what binds of several -----------------------------------------------------------------------------------------------


def shaped(style: str, exit_mode: str, **strategy: Any) -> Any:
    table = {"normal/moderate/normal": {"style": style, "exit_mode": exit_mode}}
    config = on(
        "strategy", "orchestrator", "aelm", orchestrator={"table": table}, strategy={"epsilon": 0.0, **strategy}
    )
    return scene(config, ctx=LONGS).decisions[0]


def test_the_more_cautious_of_strategy_and_policy_shapes_the_entry():
    """Without a trend the strategy is mean reversion: patient and quick."""
    row = shaped("aggressive", "trend_follow")
    assert (row["order_kind"], row["exit_mode"]) == (POST_ONLY, QUICK_EXIT)
    row = shaped("aggressive", "normal", revert_style="aggressive", revert_exit="trend_follow")
    assert (row["order_kind"], row["exit_mode"]) == (LIMIT, NORMAL_EXIT)


def test_scales_multiply():
    """Degraded health makes the fund cautious (0.75); a loss of 4.5 % in a day makes it, and the policy, defensive."""
    cautious = told(on("health", "hfos"), {"command": CMD_HEALTH, "reason": DEGRADED}).decisions[-1]
    assert cautious["size_scale"] == 0.75
    assert cautious["margin_usd"] == pytest.approx(0.75 * 200.0)
    for names, scale in ((("hfos",), 0.5), (("msc",), 0.5), (("hfos", "msc"), 0.25)):
        last = fallen(*names, to=85.0, calls={(0, 0): 1, (3, 1): 1}).decisions[-1]
        assert last["size_scale"] == scale, names


@pytest.mark.parametrize(
    ("names", "cap"), [((), 0.015), (("orchestrator",), 0.01), (("msc",), 0.005), (("orchestrator", "msc"), 0.005)]
)
def test_the_smallest_risk_of_all_that_speak_binds(names: tuple[str, ...], cap: float):
    table = {"normal/moderate/normal": {"max_risk": 0.01}}
    row = POLICY_ROW | {"command": CMD_POLICY, "value": 0.005}
    config = on(*names, orchestrator={"table": table}, chain={"initial_equity_usd": 300.0}, venue=FREE)
    played = told(config, row, specs={"lot_step": 0.0})
    d = played.decisions[-1]
    assert d["risk_cap"] == pytest.approx(cap)
    assert d["loss_at_stop_usd"] == pytest.approx(cap * 300.0, rel=1e-6)
    assert d["qty"] * 100.0 * 0.015 < cap * 300.0


def test_a_losing_strategy_is_banned_by_the_policy_where_that_binds():
    ban = {"ban_min_trades": 2}
    for mode, banned in (("enforced", True), ("observe", False)):
        config = on(
            "strategy", strategy={"epsilon": 0.0, "prior": 5.0}, tpsl={"trailing": "off"}, msc={**ban, "mode": mode}
        )
        played = scene(config, bars=[stop_out_legs(4)], calls=legs_called(4), ctx=LONGS)
        strategies = [int(s) for s in played.decisions["strategy"]]
        assert (len(set(strategies)) > 1) is banned, strategies
        assert STRATEGY_NOT_ALLOWED not in played.decisions["reason"]


# --- reservations ---------------------------------------------------------------------------------------------------------


def book_of(specs: dict[str, float], **balancer: float) -> Any:
    config = on("balancer", chain={"initial_equity_usd": 1000.0}, balancer=balancer)
    return scene(config, bars=[flat(100.0, 3)] * 3, calls=AT_ONCE, specs=specs, correlation=0.0).decisions


def test_margin_of_a_sector_is_reserved_within_the_bar():
    rows = book_of({"sector": 1.0, "lot_step": 0.001})  # 320 USD for all
    assert rows["reason"].tolist() == [OK, OK, SECTOR_LIMIT]
    assert rows["margin_usd"][:2].sum() == pytest.approx(320.0, abs=0.1)
    assert rows["portfolio_scale"].tolist() == pytest.approx([1.0, 0.6, 0.0], abs=0.01)


def test_gross_notional_is_reserved_within_the_bar():
    rows = book_of({"lot_step": 0.001}, max_gross_leverage=1.0)
    assert rows["qty"][:2].sum() * 100.0 == pytest.approx(1000.0, abs=0.2)
    assert rows["reason"][:2].tolist() == [OK, OK]
    assert rows["reason"][2] != OK


def test_what_is_shrunk_is_sent_at_its_new_size():
    played = many(2, on("balancer", chain={"initial_equity_usd": 1000.0}), specs={"sector": 1.0}, correlation=0.0)
    assert SHRUNK in played.reasons()
    assert played.symbol(1)["entry_qty"] == played.decisions["qty"][1] < 6.0


def test_reserved_positions_count_as_neighbours_within_the_bar():
    config = on("balancer", balancer={"max_correlated": 2})
    rows = scene(config, bars=[flat(100.0, 3)] * 3, calls=AT_ONCE).decisions
    assert rows["n_correlated"].tolist() == [0, 1, 2]
    other = {**AT_ONCE, (0, 2): -1}
    assert scene(config, bars=[flat(100.0, 3)] * 3, calls=other).decisions["n_correlated"].tolist() == [0, 1, 0]


def test_an_override_binds_one_order():
    """The first order is stopped out; the next in the same symbol is judged as ever."""
    config = {"governor": {"max_margin_usd": 100.0}, "tpsl": {"trailing": "off"}}
    bars = [[*flat(100.0, 2), (100.0, 100.0, 98.0, 98.0), *flat(100.0, 2)]]
    played = scene(config, bars=bars, calls={(1, 0): 1, (3, 0): 1}, commands={1: [{"command": CMD_OVERRIDE}]})
    assert played.decisions["reason"].tolist() == [OVERRIDE, MARGIN_LIMIT]
    assert len(played.trades) == 1


@pytest.mark.parametrize("action", [0, 9, 17, 24])
def test_the_sizers_margin_and_leverage_are_asked_for_where_it_binds(action: int):
    row = best_action(action).decisions[0]
    assert row["margin_target_usd"] == pytest.approx(200.0 * (0.3, 0.5, 0.7, 1.0, 1.5)[action // 5])
    assert row["leverage_target"] == 1.0 + action % 5
    assert row["leverage"] == row["leverage_target"]


def test_the_positions_of_a_sector_that_has_grown_too_large_are_cut():
    played = shrunken_account()
    held = [float(abs(played.symbol(i)["qty"])) for i in range(3)]
    assert held[0] < 6.0
    assert held[1] < 6.0
    assert held[2] == pytest.approx(6.0, rel=1e-3), "the one that lost stands in a sector of its own"


# --- emergency stop --------------------------------------------------------------------------------------------------------


def tripped(reset: int = 0, **ess: Any) -> Played:
    """An entry of which a third fills a bar; the stop is pulled after the first third."""
    commands = {2: [{"command": CMD_ESS_TRIP}]}
    if reset:
        commands[reset] = [{"command": CMD_ESS_RESET, "reason": 5}]
    return scene(on("ess", ess=ess), bars=[flat(100.0, 8)], volume=20.0, commands=commands)


def test_a_latch_ends_the_entry_that_still_works_and_keeps_the_stop():
    played = tripped()
    assert played.symbol()["entry_qty"] == pytest.approx(2.0 + 2.0)  # the bar of the command fills once more
    assert played.symbol()["qty"] > 0.0
    assert played.symbol()["sl_seq"] != 0
    assert played.fund["n_pending"] == 0


def test_a_latch_closes_where_it_is_told_to():
    played = tripped(close_on_latch="on")
    assert played.symbol()["qty"] == 0.0
    assert played.trades["exit_reason"].tolist() == [EXIT_EMERGENCY]


def test_a_reset_takes_the_peak_anew():
    reset = {4: [{"command": CMD_ESS_RESET, "reason": 5}]}
    assert fallen("ess", to=80.0).fund["ess_trips"] == 1
    played = fallen("ess", to=80.0, commands=reset)
    assert (played.fund["ess_trips"], played.fund["ess_latched"]) == (1, ESS_NONE)
    assert played.fund["ess_peak_usd"] == played.fund["equity_usd"]


# --- amplification ------------------------------------------------------------------------------------------------------


def test_a_position_grows_twice_at_most():
    played = winner(40, step=0.004, tpsl={**FAR, "tp_anchor": 0.9}, chain={"base_margin_usd": 50.0})
    assert played.s.out.counters[M_AMPLIFICATION, SCALED_IN] == 2
    assert played.symbol()["n_scaled"] == 2
    assert played.symbol()["entry_qty"] <= 2.0 * played.symbol()["first_qty"] * (1.0 + 1e-9)


def test_the_governor_judges_the_whole_position_that_an_order_enlarges():
    free, bound = (winner(16, tpsl=FAR, governor={"max_margin_usd": usd}) for usd in (300.0, 220.0))
    assert free.s.out.counters[M_GOVERNOR, MARGIN_LIMIT] == 0 < bound.s.out.counters[M_GOVERNOR, MARGIN_LIMIT]
    assert free.s.out.counters[M_AMPLIFICATION, SCALED_IN] > bound.s.out.counters[M_AMPLIFICATION, SCALED_IN]


def test_a_winner_that_runs_has_no_target_and_is_not_given_one_again():
    played = scene(
        on("amplify", "intelligence", "monitor", tpsl=FAR), bars=[climb(0.006, 12)], ctx=RISING,
        specs={"lot_step": 0.001},
    )  # fmt: skip
    s = played.symbol()
    assert (s["let_run"], s["tp_seq"]) == (1, 0)
    assert played.s.out.counters[M_MONITOR, PROTECTION_MISSING] == 0
    assert s["sl_seq"] != 0
    assert s["qty"] > 0.0


def test_the_share_of_a_dropped_rung_trails():
    """Rungs at 2.7 % and 4 %, the target at 3 %: the second quarter stands on the trail alone."""
    played = winner(4)
    s = played.symbol()
    assert s["rung_1_qty"] == pytest.approx(1.5, abs=0.01)
    assert s["rung_2_qty"] == 0.0
    assert s["trail_qty"] == pytest.approx(1.5, abs=0.01)


def test_costs_are_part_of_r():
    """At the price of the entry R is what entering has cost, in first risks."""
    s = scene(on("intelligence"), bars=[flat(100.0, 4)]).symbol()
    assert s["r_multiple"] == pytest.approx(
        ((100.0 - s["avg_price"]) * s["qty"] - s["fee_usd"]) / s["initial_risk_usd"]
    )
    assert s["r_multiple"] < -0.01
