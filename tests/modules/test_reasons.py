"""Every reason code that the sources use is reached by a script here; a code that nobody uses is named as reserved."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qt_core
from qt_core import codes
from qt_core import records as rec
from qt_core.codes import (
    CMD_HALT,
    CMD_HEALTH,
    CMD_OVERRIDE,
    CMD_PAUSE,
    CRITICAL,
    IOC,
    LIMIT,
    MARKET,
    OP_CANCEL,
    POST_ONLY,
    REASON_NAMES,
    STOP,
)
from qt_core.risk import risk_os, safety_governor
from tests.modules.scene import FREE, Bar, Played, Scene, flat
from tests.properties.walk import Order, Watcher, walk_venue

pytestmark = pytest.mark.interpreted

RESERVED = {"ABSTAINED"}  # for module 12, which is not built yet
UNSAFE = {"risk": {"mode": "off"}, "governor": {"mode": "off"}}
ONE = {(0, 0): 1}
QUIET: list[list[Bar]] = [flat(100.0, 4)]
FALL: list[list[Bar]] = [[*flat(100.0, 2), (100.0, 100.0, 60.0, 60.0), *flat(60.0, 2)]]


def scene(config: dict[str, Any] | None = None, **more: Any) -> Played:
    """A call at the first close, four quiet bars, and what the case adds."""
    given = {"bars": QUIET, "calls": ONE, "config": config or {}, **more}
    return Scene(**given).play()


def invalid_signal() -> Played:
    """A probability that is none, as a live model might send it; a tape is refused with one."""
    from tests.modules.scene import play

    s = Scene(bars=QUIET, calls=ONE).session()
    s.rows.proba[0, 0, 2, 0] = np.nan
    return play(s)


def observed_vote() -> Played:
    """An ensemble that only observes: the first model acts alone, where the vote of all would hold."""
    from tests.modules.scene import play

    s = Scene(bars=QUIET, calls=ONE, config={"ensemble": {"mode": "observe"}}).session()
    s.rows.proba[0, 0, 1:] = (0.0, 1.0, 0.0)
    return play(s)


def losing_streak() -> Played:
    """Six stops in a row, each after a call at the close before it."""
    legs = [[(100.0, 100.0, 98.0, 98.0), *flat(100.0, 1)] for _ in range(6)]
    bars = [*flat(100.0, 1), *(b for leg in legs for b in leg), *flat(100.0, 2)]
    return scene({"tpsl": {"trailing": "off"}}, bars=[bars], calls={(2 * k, 0): 1 for k in range(7)})


CHAIN: dict[str, Callable[[], Played]] = {
    "NOT_ELIGIBLE": lambda: scene(ineligible=((0, 0),)),
    "BELOW_CONFIDENCE": observed_vote,
    "HELD": lambda: scene(calls={(0, 0): 1, (1, 0): 1}),
    "NOT_SELECTED": lambda: scene(
        {"chain": {"max_candidates": 1, "journal_top": 1}}, bars=QUIET * 2, calls={(0, 0): 1, (0, 1): 1}
    ),
    "SIZE_BELOW_MIN": lambda: scene({"chain": {"base_margin_usd": 5.0}}),
    "MIN_NOTIONAL": lambda: scene(specs={"min_notional": 700.0}),
    "MAX_POSITIONS": lambda: scene({"risk": {"max_positions": 1}}, bars=QUIET * 2, calls={(0, 0): 1, (0, 1): 1}),
    "DAY_DRAWDOWN": lambda: scene(
        {"risk": {"mode": "off"}, "chain": {"initial_equity_usd": 2000.0}},
        bars=[[*flat(100.0, 2), *flat(60.0, 3)]],
        calls={(0, 0): 1, (3, 0): 1},
    ),
    "HALTED": lambda: scene(calls={(1, 0): 1}, commands={1: [{"command": CMD_HALT}]}),
    "PAUSED": lambda: scene(calls={(1, 0): 1}, commands={1: [{"command": CMD_PAUSE}]}),
    "MARGIN_USE": lambda: scene({"risk": {"max_margin_use": 0.0005}}),
    "LEVERAGE": lambda: scene(brackets={"max_leverage": 0.5}),
    "LOSS_AT_STOP": lambda: scene({"risk": {"mode": "off"}, "chain": {"initial_equity_usd": 600.0}}),
    "HEALTH": lambda: scene(calls={(1, 0): 1}, commands={1: [{"command": CMD_HEALTH, "reason": CRITICAL}]}),
    "MARGIN_LIMIT": lambda: scene({"governor": {"max_margin_usd": 100.0}}),
    "OVERRIDE": lambda: scene(
        {"governor": {"max_margin_usd": 100.0}}, calls={(1, 0): 1}, commands={1: [{"command": CMD_OVERRIDE}]}
    ),
    "INSUFFICIENT_MARGIN": lambda: scene({**UNSAFE, "chain": {"initial_equity_usd": 150.0}}),
    "BRACKET_LEVERAGE": lambda: scene({**UNSAFE, "chain": {"neutral_leverage": 60.0}}),
    "ANCHOR_USED": scene,
    "STREAK_SCALED": losing_streak,
    "INVALID_SIGNAL": invalid_signal,
    "LIQUIDATED": lambda: scene(
        {**UNSAFE, "chain": {"neutral_leverage": 20.0}, "tpsl": {"sl_anchor": 0.3}, "venue": FREE}, bars=FALL
    ),
    "SETTLED": lambda: scene(
        {"venue": {"halt_max_ms": 0}},
        bars=[[*flat(100.0, 2), *[(np.nan,) * 4] * 2, *flat(100.0, 1)], flat(100.0, 5)],
    ),
    "EXPIRED": lambda: scene({"chain": {"entry_work_bars": 1}}, volume=20.0),
    "ENTRY_CLOSED": lambda: scene(
        {"chain": {"entry_work_bars": 3}, "tpsl": {"trailing": "off"}},
        bars=[[*flat(100.0, 3), *flat(97.0, 3)]],
        volume=20.0,
    ),
}

RESTS = Order(0, LIMIT, 1, 1.0, price=90.0)
VENUE: dict[str, dict[int, list[Order]]] = {
    "POST_ONLY_CROSS": {0: [Order(0, POST_ONLY, 1, 1.0, price=101.0)]},
    "IOC_UNFILLED": {0: [Order(0, IOC, 1, 1.0, price=90.0)]},
    "ORDER_SLOTS": {0: [RESTS] * 9},
    "NOT_APPROVED": {0: [Order(0, MARKET, 1, 1.0, approved=0)]},
    "MAX_QTY": {0: [Order(0, MARKET, 1, 51.0)]},
    "BELOW_MIN_NOTIONAL": {0: [Order(0, MARKET, 1, 0.01)]},
    "CANCELLED": {0: [RESTS], 1: [Order(0, LIMIT, 1, op=OP_CANCEL, seq=1)]},
    "EXPIRED": {0: [Order(0, LIMIT, 1, 1.0, price=90.0, expire_bars=1)]},
    "FLAT": {0: [Order(0, MARKET, -1, 1.0, reduce_only=1)]},
    "NON_FINITE": {0: [Order(0, STOP, 1, 1.0, trigger=np.nan)]},
}


class Heard(Watcher):
    """Reasons the venue gave, and how many fills there were."""

    def __init__(self, s: Any) -> None:
        super().__init__(s)
        self.reasons: set[int] = set()

    def on_event(self, event: Any, f: int) -> None:
        self.reasons.add(int(event["reason"]))


def _flat_account(**changes: float) -> risk_os.Account:
    return risk_os.Account(1e4, 1e4, 0.0, 0, 0.0, 0, 0, 0)._replace(**changes)


def _order(**changes: float) -> safety_governor.Order:
    return safety_governor.Order(1, 6.0, 100.0, 3.0, 0.015, 0.03, 200.0, 600.0, 0, 0, 0)._replace(**changes)


# What the chain cannot run into, because something before it has already said no: asked of the kernel itself.
KERNELS: dict[str, Callable[[], int]] = {
    "NO_PRICE": lambda: (
        risk_os.size(
            risk_os.Params(),
            _flat_account(),
            risk_os.Ask(np.nan, 0.015, 200.0, 3.0, 1.0, 0.015, 0.0, 50.0, 1, 0),
            0.0,
            1e9,
            5.0,
        ).reason
    ),
    "DUPLICATE": lambda: safety_governor.review(safety_governor.Params(), _order(held=1), 1e4, 0.0, 0, 0.0).reason,
    "NON_FINITE": lambda: safety_governor.review(safety_governor.Params(), _order(), 0.0, 0.0, 0, 0.0).reason,
    "DAY_DRAWDOWN": lambda: risk_os.gate(risk_os.Params(), _flat_account(day_drawdown=0.06)),
}


VETOES = (
    "NOT_SELECTED", "SIZE_BELOW_MIN", "MIN_NOTIONAL", "MAX_POSITIONS", "DAY_DRAWDOWN", "HALTED", "PAUSED", "MARGIN_USE",
    "LEVERAGE", "LOSS_AT_STOP", "HEALTH", "MARGIN_LIMIT",
)  # fmt: skip


@pytest.mark.parametrize("name", CHAIN)
def test_a_script_of_the_chain_reaches(name: str):
    assert getattr(codes, name) in CHAIN[name]().reasons()


@pytest.mark.parametrize("name", VETOES)
def test_a_veto_is_the_last_candidates_verdict_and_sends_no_order(name: str):
    played = CHAIN[name]()
    last = played.decisions[-1]
    assert REASON_NAMES[last["reason"]] == name
    assert last["seq"] == 0
    assert played.fund["n_pending"] == 0


@pytest.mark.parametrize("name", VENUE)
def test_a_script_of_orders_reaches(name: str):
    s = Scene(bars=QUIET, specs={"min_notional": 5.0, "max_qty": 50.0}).session()
    heard = Heard(s)
    walk_venue(s, lambda f: VENUE[name].get(f, []), heard)
    assert getattr(codes, name) in heard.reasons
    assert int(np.asarray(s.venue.fund).view(rec.VENUE_FUND_DT)["n_fills"][0]) == 0


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_gives(name: str):
    assert KERNELS[name]() == getattr(codes, name)


def test_a_run_without_trouble_counts_no_reason_but_ok_and_what_is_expected():
    played = scene({}, atr=0.01)
    assert played.reasons() == {codes.OK}
    assert len(played.decisions) == 1


def used_reasons() -> set[str]:
    """Names of reasons that any source but the list itself refers to."""
    root, used = Path(qt_core.__file__).parent, set()
    for path in root.rglob("*.py"):
        if path.name != "codes.py" and "io" not in path.relative_to(root).parts:
            used |= {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
            used |= {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}
    return used & set(REASON_NAMES)


def test_no_reason_in_use_is_left_without_a_script():
    scripted = {"OK", *CHAIN, *VENUE, *KERNELS}
    assert used_reasons() - scripted == set(), "in use, but no script reaches it"
    assert set(REASON_NAMES) - used_reasons() == RESERVED, "in the list, but nobody uses it (or no longer reserved)"
    for code, name in enumerate(REASON_NAMES):
        assert getattr(codes, name) == code
