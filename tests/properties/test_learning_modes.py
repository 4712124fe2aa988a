"""Frozen, shadow and on over whole runs: who may change which table, what is learned, and what that may not touch.

What must hold, in words:

* frozen: no table changes, nothing is counted as learned.
* shadow: whatever the schedules, the run (orders, decisions, account, acting table) is the frozen run byte for byte; the
  copy holds what plain Python learns from that run's closed trades, in their order.
* on: the acting table holds what plain Python learns from the run's own closed trades; the copy is not touched.
* manual and emergency closes teach nothing; visits grow by what was counted as LEARNED.
* tables that went through a file give the run that tables in memory give.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core.codes import EV_FILL, EXIT_EMERGENCY, EXIT_ORDER, LEARNED, M_SIZER, M_STRATEGY, NOT_LEARNED, TAG_ENTRY
from qt_core.config import Config, load_config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.engine.script import EMPTY, Script, script_of
from qt_core.faults import read_faults
from qt_core.io.qtables import read_tables, write_tables
from qt_core.market import utc_text
from qt_core.records import JE_Q_SIZE, JE_Q_STRATEGY
from qt_core.state import raw_bytes
from qt_core.tables import QTables, blank_tables, take_tables
from tests.parity.cases import CONFIGS, Case, simulated_case

SPEAKS_OF_LEARNING = (LEARNED, NOT_LEARNED)
HOUR = 3_600_000
SCHEDULE = {"epsilon_decay": 0.02, "epsilon_min": 0.01, "alpha_decay": 0.3, "alpha_min": 0.02}


@cache
def world() -> Case:
    return simulated_case(n_symbols=6, n_bars=700)


def config_of(learning: str, **sections: Any) -> Config:
    """Every module on; both tables in the learning mode, with schedules that move."""
    raw = {k: dict(v) for k, v in CONFIGS["full"].items()}
    for name in ("sizer", "strategy"):
        raw.setdefault(name, {}).update({"learning": learning, "epsilon": 0.3, **SCHEDULE})
    for name, body in sections.items():
        raw.setdefault(name, {}).update(body)
    return load_config(raw)


@cache
def start() -> QTables:
    """Tables that have learned something: those of a first run."""
    return take_tables(play("on", blank_tables(), seed=11).state)


def play(learning: str, tables: QTables, seed: int = 7, script: Script = EMPTY, **sections: Any) -> Result:
    case = world()
    config = config_of(learning, **sections)
    return backtest(case.market, case.tape, config, seed, context=case.context, tables=tables, script=script)


@cache
def run(learning: str) -> Result:
    return play(learning, start())


def same(a: QTables, b: QTables) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def learned_from(tables: QTables, trades: np.ndarray, config: Config) -> QTables:
    """Plain Python after SPEC: one update per closed trade that teaches, in order of close."""
    p = config.params()
    q = QTables(*(x.copy() for x in tables))
    base = p.chain.base_margin_usd
    grid = [
        p.sizer.multiplier_1,
        p.sizer.multiplier_2,
        p.sizer.multiplier_3,
        p.sizer.multiplier_4,
        p.sizer.multiplier_5,
    ]
    for t in trades:
        if t["exit_reason"] in (EXIT_ORDER, EXIT_EMERGENCY):
            continue
        pct = 100.0 * t["pnl_usd"] / base
        hours = (t["exit_ms"] - t["entry_ms"]) / HOUR
        reward = pct - hours / 24 * 0.01 - 100.0 * t["worst_roi"] * 0.5 + (0.1 if pct > 0 else 0.0)
        entered = t["first_qty"] * t["entry_price"] / t["leverage"]  # what 19 chose; scale-ins are 9's
        multiplier = min(range(5), key=lambda k, x=entered / base: abs(x - grid[k]))
        leverage = min(range(1, 6), key=lambda x, t=t: abs(t["leverage"] - x))
        _step(q.size_q, q.size_visits, (t["sizer_state"], 5 * multiplier + leverage - 1), reward, p.sizer)
        r = float(np.clip(t["r_multiple"], -3.0, 5.0))
        _step(q.strategy_q, q.strategy_visits, (t["strategy_state"], t["strategy"]), r, p.strategy)
    return q


def _step(q: np.ndarray, visits: np.ndarray, cell: tuple[int, int], reward: float, p: Any) -> None:
    alpha = max(p.alpha_min, p.alpha / (1.0 + p.alpha_decay * visits[cell]))
    q[cell] += alpha * (reward - q[cell])
    visits[cell] += 1


def with_states(r: Result) -> np.ndarray:
    """Trades with two things the journal keeps of them: the decision's regime row, and what the entry's own fills gave."""
    states = {int(x["seq"]): int(x["strategy_state"]) for x in r.decisions if x["seq"] > 0}
    fills = r.events[(r.events["kind"] == EV_FILL) & (r.events["tag"] == TAG_ENTRY)]
    out = np.zeros(len(r.trades), dtype=[*r.trades.dtype.descr, ("strategy_state", "i8"), ("first_qty", "f8")])
    for name in r.trades.dtype.names:
        out[name] = r.trades[name]
    out["strategy_state"] = [states[int(t["entry_seq"])] for t in r.trades]
    out["first_qty"] = [np.abs(fills["qty"][fills["seq"] == t["entry_seq"]]).sum() for t in r.trades]
    return out


def close(a: QTables, b: QTables) -> bool:
    return all(np.allclose(x, y, rtol=1e-9, atol=1e-9) for x, y in zip(a, b, strict=True))


def other_counters(r: Result) -> np.ndarray:
    counters = r.counters.copy()
    counters[:, SPEAKS_OF_LEARNING] = 0
    return counters


def test_the_world_trades_explores_and_meets_both_tables():
    r = run("on")
    assert len(r.trades) > 80
    assert np.any(r.trades["explored"] & 1)
    assert np.any(r.trades["explored"] & 2)


def test_frozen_leaves_the_tables_as_they_are():
    r = run("frozen")
    assert same(take_tables(r.state), start())
    assert same(take_tables(r.state, learning_copy=True), start())
    assert r.counters[M_SIZER, LEARNED] == r.counters[M_STRATEGY, LEARNED] == 0
    assert not np.isin(r.events["kind"], (JE_Q_SIZE, JE_Q_STRATEGY)).any()
    assert r.digest() != play("frozen", blank_tables()).digest(), "the tables did not act"


def test_shadow_is_the_frozen_run_byte_for_byte():
    shadow, frozen = run("shadow"), run("frozen")
    assert shadow.digest() == frozen.digest()
    for name in ("trades", "decisions", "curve", "open_positions"):
        assert getattr(shadow, name).tobytes() == getattr(frozen, name).tobytes(), name
    assert raw_bytes(shadow.venue) == raw_bytes(frozen.venue)
    assert same(take_tables(shadow.state), start())
    assert other_counters(shadow).tobytes() == other_counters(frozen).tobytes()
    events = shadow.events[~np.isin(shadow.events["kind"], (JE_Q_SIZE, JE_Q_STRATEGY))]
    assert events.tobytes() == frozen.events.tobytes()


def test_the_copy_in_shadow_learns_what_the_runs_trades_teach():
    r = run("shadow")
    copy = take_tables(r.state, learning_copy=True)
    assert not same(copy, start())
    assert close(copy, learned_from(start(), with_states(r), r.config))


def test_on_learns_what_the_runs_trades_teach_and_leaves_the_copy():
    r = run("on")
    acting = take_tables(r.state)
    assert not same(acting, start())
    assert close(acting, learned_from(start(), with_states(r), r.config))
    assert same(take_tables(r.state, learning_copy=True), start())
    assert r.digest() != run("frozen").digest(), "what was learned changed no decision"


def test_on_without_a_step_decides_as_frozen_does_while_its_schedule_stands_still():
    still = {"sizer": {"alpha": 0.0, "alpha_min": 0.0, "epsilon_decay": 0.0}}
    still["strategy"] = dict(still["sizer"])
    a, b = (play(mode, start(), **still) for mode in ("on", "frozen"))
    assert a.trades.tobytes() == b.trades.tobytes()
    assert a.digest() == b.digest()


@pytest.mark.parametrize("learning", ["on", "shadow"])
def test_visits_grow_by_what_was_counted_and_journalled(learning: str):
    r = run(learning)
    after = take_tables(r.state, learning_copy=learning == "shadow")
    for kind, module, event in (("size", M_SIZER, JE_Q_SIZE), ("strategy", M_STRATEGY, JE_Q_STRATEGY)):
        (q0, v0), (q1, v1) = start().of(kind), after.of(kind)
        rows = r.events[r.events["kind"] == event]
        grown = v1 - v0
        assert int(grown.sum()) == int(r.counters[module, LEARNED]) == len(rows) == len(r.trades) > 0
        assert np.array_equal(np.bincount(rows["seq"], minlength=grown.size), grown.ravel())
        assert np.array_equal(q1[grown == 0], q0[grown == 0]), "a cell changed without a visit"
        value = q0.ravel().copy()
        for row in rows:  # old -> new, step after step
            assert row["old_value"] == value[row["seq"]]
            value[row["seq"]] = row["value"]
        assert value.tobytes() == q1.tobytes()


def test_updates_count_for_exploration_only_where_the_table_acts():
    fund = {mode: run(mode).state.fund for mode in ("on", "shadow", "frozen")}
    before = int(start().size_visits.sum())
    assert int(fund["frozen"]["sizer_updates"][0]) == int(fund["shadow"]["sizer_updates"][0]) == before
    assert int(fund["on"]["sizer_updates"][0]) == before + int(run("on").counters[M_SIZER, LEARNED])


def manual_and_emergency() -> Result:
    """One position closed by hand, later whatever is held by the emergency stop."""
    trades, market = run("on").trades, world().market
    held = trades[trades["exit_ms"] - trades["entry_ms"] >= 4 * HOUR]
    by_hand = held[len(held) // 3]
    late = held[held["entry_ms"] > by_hand["exit_ms"] + 24 * HOUR][0]
    faults = [
        {
            "at": utc_text(int(by_hand["entry_ms"]) + HOUR),
            "kind": "exit",
            "symbol": market.symbols[int(by_hand["symbol"])],
        },
        {"at": utc_text(int(late["entry_ms"]) + HOUR), "kind": "stop"},
    ]
    script = script_of(read_faults(faults, "test"), market)
    return play("on", start(), script=script)


def test_manual_and_emergency_closes_teach_nothing():
    r = manual_and_emergency()
    silent = np.isin(r.trades["exit_reason"], (EXIT_ORDER, EXIT_EMERGENCY))
    assert np.any(r.trades["exit_reason"] == EXIT_ORDER)
    assert np.any(r.trades["exit_reason"] == EXIT_EMERGENCY)
    for module in (M_SIZER, M_STRATEGY):
        assert int(r.counters[module, NOT_LEARNED]) == int(silent.sum())
        assert int(r.counters[module, LEARNED]) == len(r.trades) - int(silent.sum())
    assert close(take_tables(r.state), learned_from(start(), with_states(r), r.config))


def test_tables_through_a_file_give_the_same_run(tmp_path: Path):
    write_tables(tmp_path / "t.json", start(), config_of("on").params())
    found = read_tables(tmp_path / "t.json", config_of("on").params()).tables
    again = play("on", found)
    assert again.digest() == run("on").digest()
    assert again.trades.tobytes() == run("on").trades.tobytes()
    assert raw_bytes(again.state) == raw_bytes(run("on").state)
    assert same(take_tables(again.state), take_tables(run("on").state))


def test_the_next_epoch_from_a_file_is_the_next_epoch(tmp_path: Path):
    after = take_tables(run("on").state)
    write_tables(tmp_path / "t.json", after, config_of("on").params())
    a, b = play("on", after, seed=8), play("on", read_tables(tmp_path / "t.json").tables, seed=8)
    assert a.digest() == b.digest() != run("on").digest()


def test_the_journal_is_not_needed_to_learn():
    case = world()
    bare = backtest(case.market, case.tape, config_of("on"), 7, context=case.context, tables=start(), journal=False)
    assert same(take_tables(bare.state), take_tables(run("on").state))
