"""Each sentence about a position from one literal journal row; what decodes states agrees with the kernels."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from qt_core import codes as c
from qt_core import records as rec
from qt_core.codes import EV_COMMAND
from qt_core.config import load_config
from qt_core.enums import T_CONFIDENCE, T_PERFORMANCE, T_PORTFOLIO, T_SIZER_REGIME, TALLIES
from qt_core.explain import life
from qt_core.explain.plan import action_words, exposure_class, state_words
from qt_core.explain.signal import cell_words
from qt_core.explain.words import JE_NAMES, OF_ACCOUNT, label, listed, of_account, price, reason_words, when, word
from qt_core.risk import portfolio_balancer
from qt_core.selection import meta_strategy
from qt_core.sizing import rl_sizer

NOON = 1_621_425_600_000  # 2021-05-19T12:00Z


def event(kind: int, **values: float) -> Any:
    row = np.zeros(1, rec.JOURNAL_EVENT_DT)[0]
    row["kind"], row["time_ms"] = kind, NOON
    for name, value in values.items():
        row[name] = value
    return row


CASES = {
    "stop moved": (event(rec.JE_STOP_MOVED, old_value=100.0, value=101.5), c.M_TPSL, "stop 100 -> 101.5"),
    "class": (
        event(rec.JE_CLASS, old_value=c.PIL_UNKNOWN, value=c.PIL_LEADING, reason=c.ADVICE_AMPLIFY, qty=0.5, price=0.8),
        c.M_INTELLIGENCE,
        "unknown -> leading at R +0.500, class confidence 0.80, advice amplify",
    ),
    "rung": (
        event(rec.JE_LADDER, tag=c.TAG_RUNG_2, qty=0.25, price=104.0),
        c.M_AMPLIFICATION,
        "rung 2: 0.25 rests at 104",
    ),
    "rung beside a dropped one": (
        event(rec.JE_LADDER, tag=c.TAG_RUNG_1, qty=0.25, price=104.0, reason=c.RUNG_DROPPED),
        c.M_AMPLIFICATION,
        "rung 1: 0.25 rests at 104; a rung at or beyond the target is dropped, its share trails",
    ),
    "merged": (
        event(rec.JE_LADDER, tag=c.TAG_RUNG_1, reason=c.RUNG_MERGED),
        c.M_AMPLIFICATION,
        "no rung: a rung below the smallest order is merged into the next",
    ),
    "let run": (
        event(rec.JE_LET_RUN, old_value=110.0),
        c.M_AMPLIFICATION,
        "let run: the target 110 is taken away, the trail alone decides",
    ),
    "scale-in asked": (
        event(rec.JE_SCALE_IN, qty=0.5, price=103.0, value=4.25, old_value=1.6),
        c.M_AMPLIFICATION,
        "asks to add 0.5, at most at 103, at R +1.600; loss at the stop of the whole then 4.25 USD, approved",
    ),
    "scaled in": (
        event(rec.JE_SCALE_IN, value=1.5, old_value=1.0, reason=c.SCALED_IN),
        c.M_AMPLIFICATION,
        "scaled in: 1.5 entered in all, 1 at first",
    ),
    "sentiment": (
        event(rec.JE_EXIT, value=c.EXIT_SENTIMENT, old_value=-0.2, price=0.61),
        c.M_MONITOR,
        "asks to close at R -0.200: sentiment, the ensemble acts against it with 0.610",
    ),
    "correlated": (event(rec.JE_EXIT, value=c.EXIT_CORRELATED), c.M_BALANCER, "asks to close at R +0.000: correlated"),
    "emergency": (event(rec.JE_EXIT, value=c.EXIT_EMERGENCY), c.M_ESS, "asks to close at R +0.000: emergency"),
    "by hand": (event(rec.JE_EXIT, value=c.EXIT_ORDER), 0, "asks to close at R +0.000: order"),
    "reduce": (
        event(rec.JE_REDUCE, reason=c.EXIT_REDUCE, value=0.5, old_value=2.0),
        c.M_HFOS,
        "reduce: closes 0.5 of 2 (25.0%)",
    ),
    "trim": (
        event(rec.JE_REDUCE, reason=c.EXIT_TRIM, value=1.0, old_value=2.0),
        c.M_BALANCER,
        "trim: closes 1 of 2 (50.0%)",
    ),
    "protect": (event(rec.JE_PROTECT), c.M_MONITOR, "protection was missing and is placed again"),
    "risk mode": (
        event(rec.JE_HFOS, old_value=c.RISK_NORMAL, value=c.RISK_DEFENSIVE, reason=c.BY_STREAK),
        c.M_HFOS,
        "account: normal -> defensive, by streak",
    ),
    "calm again": (event(rec.JE_HFOS, old_value=1, value=0), c.M_HFOS, "account: cautious -> normal"),
    "policy": (
        event(rec.JE_POLICY, old_value=c.POLICY_NORMAL, value=c.POLICY_DEFENSIVE),
        c.M_MSC,
        "account: normal -> defensive",
    ),
    "policy's strategies": (
        event(rec.JE_POLICY, old_value=1, value=1, seq=7),
        c.M_MSC,
        "account: normal, other strategies allowed",
    ),
    "latched": (
        event(rec.JE_ESS_LATCH, value=c.ESS_DRAWDOWN, old_value=0.051),
        c.M_ESS,
        "account: LATCHED by drawdown, drawdown since reset 5.10%",
    ),
    "reset": (event(rec.JE_ESS_RESET, reason=1), c.M_ESS, "account: reset, scripted"),
    "reset by an unknown code": (event(rec.JE_ESS_RESET, reason=77), c.M_ESS, "account: reset, reason 77"),
    "health": (event(rec.JE_HEALTH, old_value=0, value=2), c.M_HEALTH, "account: healthy -> critical"),
    "command": (event(EV_COMMAND, seq=c.CMD_HEALTH, old_value=1), 0, "heard: health degraded"),
    "spread": (event(EV_COMMAND, seq=c.CMD_SPREAD, value=0.0012), 0, "heard: spread 0.120%"),
    "spread over": (event(EV_COMMAND, seq=c.CMD_SPREAD, value=np.nan), 0, "heard: spread unknown again"),
    "feed": (event(EV_COMMAND, seq=c.CMD_FEED, old_value=1), 0, "heard: feed lost"),
    "gap": (event(EV_COMMAND, seq=c.CMD_GAP), 0, "heard: gap ends"),
    "refused": (
        event(EV_COMMAND, seq=c.CMD_POLICY, old_value=1, reason=c.POLICY_INVALID),
        0,
        "heard: policy row normal, refused: POLICY_INVALID",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sentence(name):
    row, module, text = CASES[name]
    assert life.TELLERS[int(row["kind"])](row) == (module, text)


def test_every_kind_that_is_told_has_a_case():
    assert {int(row["kind"]) for row, _, _ in CASES.values()} == set(life.TELLERS)


def test_states_of_the_sizer_are_decoded_as_they_are_made():
    names = [TALLIES[t][2] for t in (T_SIZER_REGIME, T_CONFIDENCE, T_PORTFOLIO, T_PERFORMANCE)]
    seen = set()
    for a, b, d, e in product(range(5), range(5), range(4), range(3)):
        text = state_words(rl_sizer.state_index(a, b, d, e))
        assert text == f"{names[0][a]}, {names[1][b]} confidence, {names[2][d]} book, {names[3][e]} record"
        seen.add(text)
    assert len(seen) == rl_sizer.N_STATES


def test_actions_are_the_grids():
    p = load_config({}).params().sizer
    for action in range(rl_sizer.N_ACTIONS):
        parts = rl_sizer.action_parts(p, action)
        assert action_words(action, p) == f"x{parts.multiplier:g} at {parts.leverage:g}x"


def test_states_of_the_strategy_table_are_decoded_as_they_are_made():
    classes = (("low", "normal", "high"), ("weak", "moderate", "strong"), ("poor", "normal", "good"))
    for a, b, d in product(range(3), repeat=3):
        text = cell_words(meta_strategy.state_index(a, b, d))
        assert text == f"volatility {classes[0][a]} · trend {classes[1][b]} · liquidity {classes[2][d]}"


@pytest.mark.parametrize("exposure", [0.0, 0.3999, 0.4, 0.6, 0.79, 0.8, 2.0])
def test_exposure_class_is_the_balancers(exposure):
    q = load_config({}).params().balancer
    assert exposure_class(q, exposure) == portfolio_balancer.exposure_class(q, exposure)


def test_every_kind_of_the_account_is_known_and_commands_are_told_apart():
    assert set(OF_ACCOUNT) <= set(JE_NAMES)
    kinds, commands = (
        np.array([rec.JE_HFOS, rec.JE_CLASS, EV_COMMAND, EV_COMMAND]),
        np.array([0, 0, c.CMD_HALT, c.CMD_EXIT]),
    )
    assert of_account(kinds, commands).tolist() == [True, False, True, False]


def test_words():
    assert label(c.M_RISK_OS) == "risk OS (17)"
    assert label(c.M_VENUE) == "venue"
    assert label(0) == ""
    assert word(T_CONFIDENCE, 4) == "very_high"
    assert word(T_CONFIDENCE, 9) == "code 9"
    assert reason_words(rec.JE_CLASS)[c.ADVICE_EXIT] == "exit"
    assert reason_words(c.EV_FILL)[0] == "OK"
    assert when(NOON) == "2021-05-19 12:00"
    assert when(NOON + 7000) == "2021-05-19 12:00:07"
    assert price(0.00001234) == "0.0000123400"
    assert price(61234.5) == "61,234.5"
    assert listed(["a", "", "b"]) == "a · b"
