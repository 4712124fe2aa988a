"""Fault scripts: each kind of fault changes the run, and the journal names the module that acted."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from qt_core import records as rec
from qt_core.codes import (
    BY_HEALTH,
    CMD_GAP,
    CMD_PAUSE,
    CMD_POLICY,
    COMMAND_NAMES,
    ESS_ERRORS,
    ESS_FEED,
    ESS_HEALTH,
    ESS_LATCHED,
    ESS_MANUAL,
    ESS_NONE,
    EV_COMMAND,
    EV_FILL,
    EXCHANGE_BUSY,
    EXIT_ORDER,
    EXIT_SETTLED,
    HALTED,
    HEALTH,
    HFOS_BLOCK,
    LOW_DEPTH,
    M_AELM,
    M_ESS,
    M_GOVERNOR,
    M_HFOS,
    M_MSC,
    M_RISK_OS,
    M_SELECTION,
    M_SIZER,
    M_UNIVERSE,
    M_VENUE,
    NOT_ELIGIBLE,
    NOT_LEARNED,
    OK,
    PAUSED,
    POLICY_DEFENSIVE,
    POLICY_INVALID,
    RETRIED,
    RISK_CAUTIOUS,
    RISK_NORMAL,
    TAG_ENTRY,
)
from qt_core.config import load_config
from qt_core.engine import backtest, sweep
from qt_core.engine.result import Result
from qt_core.engine.script import Command, Script, script_of, with_gaps
from qt_core.engine.session import advance, open_session
from qt_core.errors import QtError
from qt_core.faults import FaultError, read_faults
from qt_core.market import utc_text
from qt_core.state import State, Venue, restore, snapshot
from tests.parity.cases import CONFIGS, Case, assert_same, case_of, outcome, simulated_case
from tests.parity.stepping import decide, note_curve, venue_bar, with_room

HOUR = 3_600_000
Entry = dict[str, Any]


@cache
def world() -> Case:
    return simulated_case(n_symbols=6, n_bars=700)


def config_of(**sections: Any) -> Any:
    """Every module on, thresholds so wide that rule signals trade; sections put over it."""
    raw = {k: dict(v) for k, v in CONFIGS["full"].items()}
    for name, body in sections.items():
        raw.setdefault(name, {}).update(body)
    return load_config(raw)


def play(*faults: Entry, **sections: Any) -> Result:
    """The world with these faults: features and signals know of the gaps."""
    case, config = world(), config_of(**sections)
    script = script_of(read_faults(list(faults), "scene"), case.market)
    if script.gaps:
        case = case_of(with_gaps(case.market, script))
    return backtest(case.market, case.tape, config, 7, context=case.context, script=script)


@cache
def calm() -> Result:
    return play()


def entry_time(k: int = 20) -> int:
    """Close of the bar at which the calm run's k-th entry was decided."""
    passed = calm().decisions[calm().decisions["reason"] == OK]
    return int(passed["time_ms"][k])


def at(time_ms: int) -> str:
    return utc_text(time_ms)


def rows(r: Result, kind: int, since: int = 0, until: int = 2**62) -> np.ndarray:
    e = r.events
    return e[(e["kind"] == kind) & (e["time_ms"] >= since) & (e["time_ms"] < until)]


def spoken(r: Result) -> list[str]:
    return [COMMAND_NAMES[int(k)] for k in rows(r, EV_COMMAND)["seq"]]


def refused(r: Result, module: int, reason: int, since: int, until: int = 2**62) -> int:
    """Candidates that the module refused for the reason within a time."""
    d = r.decisions
    mine = (d["module"] == module) & (d["reason"] == reason)
    return int((mine & (d["time_ms"] >= since) & (d["time_ms"] < until)).sum())


def entries(r: Result) -> np.ndarray:
    """Entry fills as (time, symbol, quantity, price)."""
    fills = rows(r, EV_FILL)
    return fills[fills["tag"] == TAG_ENTRY][["time_ms", "symbol", "qty", "price"]]


def opened(r: Result, since: int, until: int) -> int:
    t = entries(r)["time_ms"]
    return int(((t >= since) & (t < until)).sum())


def differs(r: Result, since: int, base: Result | None = None) -> None:
    """Orders are those of the calm run up to the fault, and others after it."""
    base = calm() if base is None else base
    a, b = entries(base), entries(r)
    assert a[a["time_ms"] < since].tolist() == b[b["time_ms"] < since].tolist(), "the past has changed"
    assert a.tolist() != b.tolist(), "the fault changed no entry"
    assert r.digest() != base.digest()


def kept_out(r: Result, since: int) -> None:
    """The universe refused symbols for spread or depth, and its journal rows say so; in the calm run it never did."""
    shown = rows(r, rec.JE_KEPT_OUT)
    assert len(shown) == int(r.counters[M_UNIVERSE, LOW_DEPTH]) > 0
    assert shown["time_ms"].min() >= since
    assert int(calm().counters[M_UNIVERSE, LOW_DEPTH]) == 0


def latched(r: Result, by: int, since: int) -> int:
    """Time of the first latch from ``since`` on, which must be the evaluator's."""
    hits = rows(r, rec.JE_ESS_LATCH, since)
    assert len(hits) > 0
    assert int(hits["value"][0]) == by
    return int(hits["time_ms"][0])


# --- one scene per kind -------------------------------------------------------------------------------------------------


def test_the_calm_run_trades_and_hears_nothing():
    assert len(calm().trades) > 60
    assert len(rows(calm(), EV_COMMAND)) == 0


def test_degraded_health_makes_the_fund_cautious():
    t = entry_time()
    calm_fund = {"hfos": {"streak_cautious": 1000}, "supervisor": {"mode": "observe"}}
    r = play({"at": at(t), "kind": "health", "verdict": "degraded"}, **calm_fund)
    differs(r, t, play(**calm_fund))
    modes = rows(r, rec.JE_HFOS, t)
    assert int(modes["reason"][0]) == BY_HEALTH
    assert (int(modes["value"][0]), int(modes["old_value"][0])) == (RISK_CAUTIOUS, RISK_NORMAL)
    heard = rows(r, rec.JE_HEALTH)
    assert [(int(h["time_ms"]), int(h["value"]), int(h["old_value"])) for h in heard] == [(t, 1, 0)]


def test_critical_health_latches_and_healing_frees_after_the_reset():
    t = entry_time()
    r = play({"at": at(t), "kind": "health", "verdict": "critical", "for": "6h"})
    differs(r, t)
    assert latched(r, ESS_HEALTH, t) == t + HOUR  # seen at the next close
    assert refused(r, M_ESS, ESS_LATCHED, t + HOUR, t + 25 * HOUR) > 0
    assert opened(r, t + 2 * HOUR, t + 25 * HOUR) == 0
    assert opened(r, t + 25 * HOUR, 2**62) > 0
    assert [int(x["value"]) for x in rows(r, rec.JE_HEALTH)] == [2, 0]


def test_the_governor_alone_refuses_on_critical_health():
    t = entry_time()
    off = {"ess": {"mode": "off"}, "hfos": {"mode": "off"}}
    r = play({"at": at(t), "kind": "health", "verdict": "critical"}, **off)
    assert refused(r, M_GOVERNOR, HEALTH, t) > 0
    assert opened(r, t + HOUR, 2**62) == 0


def test_a_health_code_that_is_none_counts_as_critical():
    t = entry_time()
    r = play({"at": at(t), "kind": "health", "verdict": 7})
    latched(r, ESS_HEALTH, t)


def test_an_error_burst_halts_and_latches_until_a_person_acts():
    t = entry_time()
    burst = {"at": at(t), "kind": "errors", "count": 12, "within": "30s"}
    r = play(burst)
    differs(r, t)
    assert latched(r, ESS_ERRORS, t) == t + HOUR
    assert [int(x["reason"]) for x in rows(r, rec.JE_HALT)] == [HALTED]
    assert refused(r, M_RISK_OS, HALTED, t + 26 * HOUR) > 0  # the latch is reset by then, the halt is not
    assert opened(r, t + 2 * HOUR, 2**62) == 0
    freed = play(burst, {"at": at(t + 30 * HOUR), "kind": "release"})
    assert opened(freed, t + 30 * HOUR, 2**62) > 0
    slow = play({"at": at(t), "kind": "errors", "count": 12, "within": "10m"})
    assert len(rows(slow, rec.JE_ESS_LATCH, t, t + 2 * HOUR)) == 0


def test_an_error_burst_in_the_minute_before_a_close_is_seen_there():
    t = entry_time()
    r = play({"at": at(t - 60_000), "kind": "errors", "count": 12, "within": "30s"})
    assert latched(r, ESS_ERRORS, t - HOUR) == t
    assert refused(r, M_ESS, ESS_LATCHED, t, t + 1) > 0


def test_a_gap_of_every_symbol_is_a_feed_that_is_lost():
    t = entry_time()
    r = play({"at": at(t), "kind": "gap", "for": "3h"})
    differs(r, t)
    assert latched(r, ESS_FEED, t) == t + HOUR
    assert not np.any((r.trades["exit_ms"] >= t) & (r.trades["exit_ms"] < t + 3 * HOUR))
    assert spoken(r).count(COMMAND_NAMES[CMD_GAP]) == 2 * 6  # begin and end, by symbol


def test_a_gap_of_one_symbol_keeps_it_out():
    t = entry_time()
    who = int(calm().decisions[(calm().decisions["time_ms"] == t) & (calm().decisions["reason"] == OK)]["symbol"][0])
    name = world().market.symbols[who]
    r = play({"at": at(t - HOUR), "kind": "gap", "symbol": name, "for": "5h"})
    differs(r, t - HOUR)
    mine = entries(r)[entries(r)["symbol"] == who]
    assert not np.any((mine["time_ms"] >= t - HOUR) & (mine["time_ms"] < t + 4 * HOUR))
    assert any("bars taken away" in note for note in r.notes)


def test_the_chain_keeps_out_of_a_gap_that_its_tape_does_not_know():
    t = entry_time()
    case = world()
    script = script_of(read_faults([{"at": at(t - HOUR), "kind": "gap", "for": "2h"}], "scene"), case.market)
    r = backtest(case.market, case.tape, config_of(), 7, context=case.context, script=script)
    assert refused(r, M_ESS, ESS_LATCHED, t, t + 24 * HOUR) > 0
    assert r.counters[M_SELECTION, NOT_ELIGIBLE] > calm().counters[M_SELECTION, NOT_ELIGIBLE]


def test_a_wide_spread_keeps_symbols_out_and_worsens_exits():
    t = entry_time() + HOUR  # with a position open
    r = play({"at": at(t), "kind": "spread", "spread": 0.03, "for": "48h"})
    differs(r, t)
    kept_out(r, t)
    fills = rows(r, EV_FILL, t, t + 48 * HOUR)
    fills = fills[fills["tag"] != TAG_ENTRY]
    assert len(fills) > 0
    paid = np.abs(fills["price"] / fills["old_value"] - 1.0)
    assert np.all(paid > 0.0149), "a taker pays half the spread"
    after = rows(r, EV_FILL, t + 49 * HOUR)
    assert np.all(np.abs(after["price"] / after["old_value"] - 1.0) < 0.002)


def test_crossed_prices_are_a_broken_feed():
    t = entry_time()
    name = world().market.symbols[0]
    r = play({"at": at(t), "kind": "spread", "symbol": name, "spread": -0.001, "for": "2h"})
    differs(r, t)
    latched(r, ESS_FEED, t)


def test_another_symbols_spread_does_not_uncross_a_crossed_one():
    t = entry_time()
    first, second = world().market.symbols[:2]
    crossed = {"at": at(t), "kind": "spread", "symbol": first, "spread": -0.001}
    sound = {"at": at(t), "kind": "spread", "symbol": second, "spread": 0.0001}
    latched(play(crossed, sound), ESS_FEED, t)


def test_a_thin_book_keeps_symbols_out():
    t = entry_time()
    r = play({"at": at(t), "kind": "depth", "depth_usd": 10.0, "for": "24h"})
    differs(r, t)
    kept_out(r, t)
    assert opened(r, t + HOUR, t + 24 * HOUR) == 0
    assert opened(r, t + 25 * HOUR, 2**62) > 0


def test_a_lost_feed_latches():
    t = entry_time()
    r = play({"at": at(t), "kind": "feed", "for": "3h"})
    differs(r, t)
    assert latched(r, ESS_FEED, t) == t + HOUR
    assert len(rows(r, rec.JE_ESS_LATCH, t + 25 * HOUR, t + 26 * HOUR)) == 0  # it is back when the latch is reset


def test_a_busy_exchange_is_asked_again_and_given_up_at_last():
    t = entry_time()
    kind = {"at": at(t - 60_000), "kind": "busy"}  # what is decided at t meets it
    twice, often = play({**kind, "orders": 2}), play({**kind, "orders": 1000})
    refusals = int(twice.counters[M_VENUE, EXCHANGE_BUSY])
    assert refusals == int(twice.counters[M_AELM, RETRIED]) > 0
    assert opened(twice, t, t + HOUR) == opened(calm(), t, t + HOUR) > 0  # a retry reaches the same open
    assert twice.digest() != calm().digest()  # under another order number
    differs(often, t)
    assert opened(often, t, 2**62) == 0
    assert int(often.counters[M_VENUE, EXCHANGE_BUSY]) > int(often.counters[M_AELM, RETRIED]) > 0
    assert len(rows(often, rec.JE_RETRY, t)) == int(often.counters[M_AELM, RETRIED])


def test_a_manual_stop_holds_until_the_reset():
    t = entry_time()
    stop = {"at": at(t), "kind": "stop", "reason": "drill"}
    r = play(stop, {"at": at(t + 5 * HOUR), "kind": "reset", "reason": "drill over"})
    differs(r, t)
    assert latched(r, ESS_MANUAL, t) == t + HOUR
    resets = rows(r, rec.JE_ESS_RESET, t)
    assert (int(resets["time_ms"][0]), int(resets["reason"][0])) == (t + 5 * HOUR, 2)
    assert opened(r, t + 2 * HOUR, t + 5 * HOUR) == 0
    assert opened(r, t + 5 * HOUR, 2**62) > 0
    alone = play(stop)
    assert int(rows(alone, rec.JE_ESS_RESET, t)["reason"][0]) == 1  # scripted, a day after the latch
    assert int(rows(alone, rec.JE_ESS_RESET, t)["time_ms"][0]) == t + 25 * HOUR


INVALID = {  # fields of the command: a file with such numbers is refused when it is read
    "mode that is none": {"reason": 9},
    "risk above one": {"value": 1.5},
    "risk that is no number": {"value": float("nan")},
    "half a position": {"qty": 2.5},
    "confidence below zero": {"price": -0.1},
}
DEFENSIVE = {"mode": "defensive", "max_risk": 0.001, "max_positions": 2, "min_confidence": 0.5}


@pytest.mark.parametrize("name", INVALID)
def test_a_policy_row_out_of_range_is_refused_and_changes_nothing(name: str):
    t = entry_time()
    case = world()
    row = {"reason": POLICY_DEFENSIVE, "value": 0.001, "qty": 2.0, "price": 0.5, "seq": 15}
    script = Script((Command(t, CMD_POLICY, {**row, **INVALID[name]}),))
    r = backtest(case.market, case.tape, config_of(), 7, context=case.context, script=script)
    assert int(r.counters[M_MSC, POLICY_INVALID]) == 1
    assert [int(x) for x in rows(r, EV_COMMAND)["reason"]] == [POLICY_INVALID]
    assert entries(r).tolist() == entries(calm()).tolist()


def test_a_policy_row_that_holds_binds():
    t = entry_time()
    r = play({"at": at(t), "kind": "policy", **DEFENSIVE, "strategies": ["trend_follow"]})
    differs(r, t)
    change = rows(r, rec.JE_POLICY, t)
    assert int(change["value"][0]) == POLICY_DEFENSIVE
    assert int(change["seq"][0]) == 1
    later = r.decisions[(r.decisions["time_ms"] > t + HOUR) & (r.decisions["reason"] == OK)]
    assert np.all(later["strategy"] == 0)
    assert np.all(later["risk_cap"] <= 0.001)


def test_a_symbol_that_vanishes_with_a_position_is_settled():
    fills = entries(calm())
    t, who = int(fills["time_ms"][20]), int(fills["symbol"][20])
    held = calm().trades[(calm().trades["symbol"] == who) & (calm().trades["entry_ms"] == t)][0]
    gone = t + HOUR
    assert held["exit_ms"] > gone
    r = play({"at": at(gone), "kind": "vanish", "symbol": world().market.symbols[who]})
    mine = r.trades[r.trades["symbol"] == who][-1]
    assert (int(mine["entry_ms"]), int(mine["exit_reason"])) == (t, EXIT_SETTLED)
    assert int(mine["exit_ms"]) - gone >= r.config.params().venue.halt_max_ms - HOUR
    assert mine["exit_price"] == pytest.approx(float(world().market.mark_close[world().market.time == t, who][0]))
    assert opened(r, gone, 2**62) > 0  # the others go on


@pytest.mark.parametrize(("kind", "reason"), [("pause", PAUSED), ("halt", HALTED)])
def test_a_person_pauses_or_halts_and_releases(kind: str, reason: int):
    t = entry_time()
    r = play({"at": at(t), "kind": kind}, {"at": at(t + 40 * HOUR), "kind": "release"})
    differs(r, t)
    assert refused(r, M_RISK_OS, reason, t) > 0
    assert opened(r, t, t + 40 * HOUR) == 0  # the entry decided at t is cancelled before its bar opens
    assert opened(r, t + 40 * HOUR, 2**62) > 0


def test_a_manual_close_is_a_trade_that_teaches_nothing():
    fills = entries(calm())
    t, who = int(fills["time_ms"][20]), int(fills["symbol"][20])
    r = play({"at": at(t + HOUR), "kind": "exit", "symbol": world().market.symbols[who]})
    mine = r.trades[(r.trades["symbol"] == who) & (r.trades["entry_ms"] == t)][0]
    assert (int(mine["exit_ms"]), int(mine["exit_reason"])) == (t + HOUR, EXIT_ORDER)
    assert int(r.counters[M_SIZER, NOT_LEARNED]) == 1


def test_hfos_blocks_on_critical_health_without_the_emergency_stop():
    t = entry_time()
    r = play({"at": at(t), "kind": "health", "verdict": "critical"}, ess={"mode": "off"})
    assert refused(r, M_HFOS, HFOS_BLOCK, t) > 0


# --- when a command is heard, and that nothing else depends on a script ---------------------------------------------------


def test_inside_a_bar_it_is_heard_before_the_decision_at_the_open_after_it():
    t = entry_time()
    early, sharp = (play({"at": at(k), "kind": "pause"}) for k in (t - 60_000, t))
    assert refused(early, M_RISK_OS, PAUSED, t, t + 1) > 0
    assert refused(sharp, M_RISK_OS, PAUSED, t, t + 1) == 0
    assert opened(early, t, t + HOUR) == opened(sharp, t, t + HOUR) == 0


MANY: list[Entry] = [
    {"at": "2021-01-05T06:20", "kind": "health", "verdict": "degraded", "for": "7h"},
    {"at": "2021-01-07T00:00", "kind": "spread", "spread": 0.02, "for": "5h"},
    {"at": "2021-01-09T03:59:30", "kind": "errors", "count": 12},
    {"at": "2021-01-11T00:00", "kind": "release"},
    {"at": "2021-01-12T00:00", "kind": "busy", "orders": 3},
    {"at": "2021-01-14T10:00", "kind": "exit", "symbols": "all"},
    {"at": "2021-01-16T07:00", "kind": "depth", "depth_usd": 5.0, "for": "3h"},
    {"at": "2021-01-18T00:30", "kind": "stop"},
    {"at": "2021-01-18T12:30", "kind": "reset", "reason": "checked"},
    {"at": "2021-01-20T00:00", "kind": "policy", **DEFENSIVE},
    {"at": "2021-01-22T00:00", "kind": "feed", "for": "90m"},
]


def scripted(case: Case, name: str = "full") -> tuple[Any, Script]:
    script = script_of(read_faults([e for e in MANY if e["kind"] != "exit"] + _exits(case), "many"), case.market)
    return load_config(CONFIGS[name]), script


def _exits(case: Case) -> list[Entry]:
    return [{"at": "2021-01-14T10:00", "kind": "exit", "symbols": list(case.market.symbols)}]


def bar_by_bar(case: Case, config: Any, script: Script, seed: int) -> dict[str, Any]:
    """As a live runner makes the calls: each command where its time comes."""
    from qt_core.engine.hearing import speak

    s = with_room(open_session(case.market, case.tape, config, context=case.context, seed=seed, script=script))
    left = list(script.commands)
    for f in range(s.n_bars):
        open_ms = int(s.bars.time[f])
        while left and left[0].time_ms <= open_ms:
            speak(s, max(f - 1, 0), left.pop(0))
        venue_bar(s, s.bars, f)
        while left and left[0].time_ms < open_ms + s.bars.bar_ms:
            speak(s, f, left.pop(0))
        t = int(s.bars.decision[f])
        decide(s, s.bars, f, s.rows, t)
        if t >= 0:
            note_curve(s, t)
    assert not left
    return outcome(s)


@pytest.mark.parametrize("detail", [False, True], ids=["hours", "hours with quarters"])
@pytest.mark.parametrize("name", ["full", "foundation"])
def test_bar_by_bar_is_the_scripted_backtest(detail: bool, name: str):
    case = simulated_case(n_symbols=4, n_bars=560, detail=True) if detail else world()
    config, script = scripted(case, name)
    s = open_session(case.market, case.tape, config, context=case.context, seed=3, script=script)
    advance(s)
    assert_same(outcome(s), bar_by_bar(case, config, script, 3))
    bare = open_session(case.market, case.tape, config, context=case.context, seed=3)
    advance(bare)
    assert outcome(bare)["digest"] != outcome(s)["digest"]


@pytest.mark.parametrize("stop", [150, 198, 312, 420])
def test_killed_and_restored_within_a_script(stop: int):
    case = world()
    config, script = scripted(case)
    whole = open_session(case.market, case.tape, config, context=case.context, seed=3, script=script)
    advance(whole)
    first = open_session(case.market, case.tape, config, context=case.context, seed=3, script=script)
    advance(first, stop)
    again = open_session(case.market, case.tape, config, context=case.context, seed=3, script=script)
    again.state = restore(State, snapshot(first.state, case.market.symbols), case.market.symbols)
    again.venue = restore(Venue, snapshot(first.venue, case.market.symbols), case.market.symbols)
    again.next_bar = stop
    advance(again)
    assert_same(outcome(whole), outcome(again), ("state", "venue", "digest"))


@pytest.mark.boundscheck
def test_the_journal_shows_each_command_once_and_needs_not_be_kept():
    case = world()
    config, script = scripted(case)
    kept, bare = (
        backtest(case.market, case.tape, config, 3, context=case.context, script=script, journal=j)
        for j in (True, False)
    )
    assert [int(k) for k in rows(kept, EV_COMMAND)["seq"]] == [c.command for c in script.commands]
    assert kept.digest() == bare.digest()
    assert kept.counters.tobytes() == bare.counters.tobytes()
    shown: list[int] = []
    again = backtest(
        *(case.market, case.tape, config, 3), context=case.context, script=script, progress=lambda n, _: shown.append(n)
    )
    assert again.digest() == kept.digest()
    assert shown[-1] == case.market.n_bars


def test_faults_of_the_configuration_are_played():
    t = entry_time()
    config = config_of()
    fault = read_faults([{"at": at(t), "kind": "pause"}], "c")
    case = world()
    by_config = backtest(case.market, case.tape, replace(config, faults=fault), 7, context=case.context)
    by_hand = backtest(case.market, case.tape, config, 7, context=case.context, script=Script((Command(t, CMD_PAUSE),)))
    assert by_config.digest() == by_hand.digest() != calm().digest()
    assert by_config.config.digest() != calm().config.digest()
    with pytest.raises(QtError, match="sweep: a configuration has faults; expected none"):
        sweep(case.market, case.tape, [by_config.config], context=case.context)


def test_without_a_gap_the_market_is_the_same_object():
    market = world().market
    assert with_gaps(market, Script()) is market


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (Script((Command(0, CMD_PAUSE),)), "script: pause at 1970-01-01T00:00Z; expected 2021-01-01T00:00Z or later"),
        (Script((Command(1_609_459_200_000, 99),)), "script: command 99; expected 1 to 15"),
        (Script((Command(1_609_459_200_000, CMD_PAUSE, {"x": 1}),)), "script: pause: unknown field x"),
        (Script((Command(1_609_459_200_000, CMD_PAUSE, {"symbol": 6}),)), "script: pause: symbol 6; expected 0 to 5"),
    ],
)
def test_a_script_of_another_market_is_refused(script: Script, says: str):
    case = world()
    with pytest.raises(FaultError, match=says.replace("(", r"\(")) as info:
        backtest(case.market, case.tape, config_of(), context=case.context, script=script)
    assert "\n" not in str(info.value)


def test_the_latch_of_nobody_is_none():
    """The helper above names evaluators by their codes; none of them is the code of no latch."""
    assert ESS_NONE not in (ESS_ERRORS, ESS_FEED, ESS_HEALTH, ESS_MANUAL)
