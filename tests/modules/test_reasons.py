"""Every reason code that the sources use is reached by a script here, under the module that gives it."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qt_core
from qt_core import codes
from qt_core import records as rec
from qt_core.codes import (
    IOC,
    LIMIT,
    M_AELM,
    M_AMPLIFICATION,
    M_BALANCER,
    M_GOVERNOR,
    M_RISK_OS,
    M_UNIVERSE,
    MARKET,
    OP_CANCEL,
    POST_ONLY,
    REASON_NAMES,
    STOP,
)
from qt_core.context import universe
from qt_core.execution import aelm
from qt_core.position import amplification
from qt_core.registry import MODULES, SUPPORTS
from qt_core.risk import portfolio_balancer, risk_os, safety_governor
from tests.modules.plays import EVENT, QUIET, Plays, scene
from tests.modules.plays_chain import CHAIN
from tests.modules.plays_position import POSITION
from tests.modules.plays_safety import SAFETY
from tests.modules.scene import Played, Scene
from tests.properties.walk import Order, Watcher, walk_venue

pytestmark = pytest.mark.interpreted
PLAYS: Plays = {**CHAIN, **SAFETY, **POSITION}
RESERVED: set[str] = set()  # codes that nothing uses yet, with the reason why
NAN = np.nan

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
    "NON_FINITE": {0: [Order(0, STOP, 1, 1.0, trigger=NAN)]},
}


class Heard(Watcher):
    """Reasons the venue gave."""

    def __init__(self, s: Any) -> None:
        super().__init__(s)
        self.reasons: set[int] = set()

    def on_event(self, event: Any, f: int) -> None:
        self.reasons.add(int(event["reason"]))


def _flat_account(**changes: float) -> risk_os.Account:
    return risk_os.Account(1e4, 1e4, 0.0, 0, 0.0, 0, 0, 0)._replace(**changes)


def _order(**changes: float) -> safety_governor.Order:
    return safety_governor.Order(1, 6.0, 100.0, 3.0, 0.015, 0.03, 200.0, 600.0, 0, 0, 0)._replace(**changes)


def _reviewed(**changes: float) -> int:
    return int(safety_governor.review(safety_governor.Params(), _order(**changes), 1e4, 0.0, 0, 0.0).reason)


def _sized(price: float) -> int:
    ask = risk_os.Ask(price, 0.015, 200.0, 3.0, 1.0, 0.015, 0.0, 50.0, 1, 0)
    return int(risk_os.size(risk_os.Params(), _flat_account(), ask, 0.0, 1e9, 5.0).reason)


def _enlarged(r: float, room: float) -> int:
    x = amplification.Inputs(1, 1, r, 0, 6.0, 6.0, 100.0, 101.0, 105.0, 0.0, 9.0, room, 0.0, 0.0, 5.0)
    return int(amplification.scale_in(amplification.Params(), x).reason)


def _balanced(margin_usd: float) -> int:
    book = portfolio_balancer.Book(1e4, 0.0, 0.0, 0, 0, 0.0, 0)
    asked = portfolio_balancer.Candidate(1, margin_usd, 600.0, 3.0)
    return int(portfolio_balancer.review(portfolio_balancer.Params(), asked, book).reason)


# What the chain cannot run into, because something before it has already said no: asked of the kernel itself.
KERNELS: Plays = {  # type: ignore[assignment,dict-item]
    (M_RISK_OS, "NO_PRICE"): lambda: _sized(NAN),
    (M_RISK_OS, "DAY_DRAWDOWN"): lambda: risk_os.gate(risk_os.Params(), _flat_account(day_drawdown=0.06)),
    (M_GOVERNOR, "DUPLICATE"): lambda: _reviewed(held=1),
    (M_GOVERNOR, "NON_FINITE"): lambda: _reviewed(qty=NAN),
    (M_BALANCER, "NON_FINITE"): lambda: _balanced(NAN),
    (M_AMPLIFICATION, "NON_FINITE"): lambda: _enlarged(2.0, NAN),
    (M_UNIVERSE, "NOT_ELIGIBLE"): lambda: universe.admits(universe.Params(), 0, 1e9, NAN, 0),
    (M_AELM, "NO_PRICE"): lambda: aelm.order(aelm.Params(), 1, 0.5, 1, NAN, 0.0, 0.01).reason,
    (M_AELM, "EXCHANGE_BUSY"): lambda: (  # given by the venue, and the only one tried again
        codes.EXCHANGE_BUSY if aelm.retry(aelm.Params(), 0, codes.EXCHANGE_BUSY) else codes.OK
    ),
}


def _named(keys: Any) -> list[Any]:
    return [pytest.param(key, id=f"{key[0]}-{key[1]}") for key in keys]


@pytest.mark.parametrize("key", _named(PLAYS))
def test_a_play_reaches(key: tuple[int, str]):
    module, name = key
    played, code = PLAYS[key](), getattr(codes, name)
    if module == EVENT:
        assert code in played.events["reason"]
    else:
        assert played.s.out.counters[module, code] > 0


VETOES = {
    "NOT_SELECTED", "STRATEGY_SIDE", "STRATEGY_NOT_ALLOWED", "BELOW_CONFIDENCE", "SIZE_BELOW_MIN", "MIN_NOTIONAL",
    "MAX_POSITIONS", "DAY_DRAWDOWN", "HALTED", "PAUSED", "MARGIN_USE", "LEVERAGE", "LOSS_AT_STOP", "HEALTH",
    "MARGIN_LIMIT", "ESS_LATCHED", "HFOS_BLOCK", "ORCHESTRATOR_BLOCK", "CORRELATED", "SIDE_BALANCE", "SECTOR_LIMIT",
    "GROSS_LEVERAGE",
}  # fmt: skip
# counted, but not a candidate's verdict: a vote that is only observed, and why a position does not grow
NO_VERDICT = {
    (codes.M_ENSEMBLE, "BELOW_CONFIDENCE"),
    *((M_AMPLIFICATION, n) for n in ("SIZE_BELOW_MIN", "MIN_NOTIONAL")),
}
JUDGED = [key for key in PLAYS if key[1] in VETOES and key not in NO_VERDICT]


def test_every_veto_is_among_the_plays():
    assert {name for _, name in JUDGED} == VETOES


@pytest.mark.parametrize("key", _named(JUDGED))
def test_a_veto_is_the_last_candidates_verdict_and_sends_no_order(key: tuple[int, str]):
    played = PLAYS[key]()
    last = played.decisions[-1]
    assert (int(last["module"]), REASON_NAMES[last["reason"]]) == key
    assert last["seq"] == 0
    assert played.fund["n_pending"] == 0


@pytest.mark.parametrize("name", VENUE)
def test_a_script_of_orders_reaches(name: str):
    s = Scene(bars=QUIET, specs={"min_notional": 5.0, "max_qty": 50.0}).session()
    heard = Heard(s)
    walk_venue(s, lambda f: VENUE[name].get(f, []), heard)
    assert getattr(codes, name) in heard.reasons
    assert int(np.asarray(s.venue.fund).view(rec.VENUE_FUND_DT)["n_fills"][0]) == 0


@pytest.mark.parametrize("key", _named(KERNELS))
def test_a_kernel_gives(key: tuple[int, str]):
    assert KERNELS[key]() == getattr(codes, key[1])


def test_a_run_without_trouble_counts_no_reason_but_ok():
    played: Played = scene({}, atr=0.01)
    assert played.reasons() == {codes.OK}
    assert len(played.decisions) == 1


# --- nothing is left out ------------------------------------------------------------------------------------------------

ROOT = Path(qt_core.__file__).parent


def names_in(path: Path) -> set[str]:
    """Reasons that a source refers to."""
    tree = ast.parse(path.read_text())
    found = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    found |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return (found & set(REASON_NAMES)) - {"OK"}


def used_reasons() -> set[str]:
    """Names of reasons that any source but the list itself refers to."""
    paths = (p for p in ROOT.rglob("*.py") if p.name != "codes.py" and "io" not in p.relative_to(ROOT).parts)
    return set().union(*(names_in(p) for p in paths))


def counted_pairs() -> set[tuple[int, str]]:
    """(module, reason) of every ``count(out, M_..., REASON)`` in the stages that names both."""
    found = set()
    for path in (ROOT / "stages").glob("*.py"):
        for call in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)):
            name = getattr(call.func, "id", "")
            if name == "count" and all(isinstance(a, ast.Name) for a in call.args):
                module, reason = (a.id for a in call.args[1:])  # type: ignore[attr-defined]
                if module.startswith("M_") and reason in REASON_NAMES and reason != "OK":
                    found.add((int(getattr(codes, module)), reason))
    return found


def module_pairs() -> set[tuple[int, str]]:
    """(module, reason) of every reason that a module's own file names."""
    number = {"emergency_stop": codes.M_ESS, "msc_policy": codes.M_MSC}
    pairs = set()
    for m in (*MODULES, *SUPPORTS):
        path = ROOT / (m.file.replace(".", "/") + ".py")
        if m.kind != "model" and (m.number or m.name in number):
            pairs |= {(m.number or number[m.name], name) for name in names_in(path)}
    return pairs


def test_no_reason_in_use_is_left_without_a_script():
    scripted = {"OK", *(name for _, name in (*PLAYS, *KERNELS)), *VENUE}
    assert used_reasons() - scripted == set(), "in use, but no script reaches it"
    assert set(REASON_NAMES) - used_reasons() - {"OK"} == RESERVED, "in the list, but nobody uses it"
    for code, name in enumerate(REASON_NAMES):
        assert getattr(codes, name) == code


def test_no_module_gives_a_reason_that_no_script_reaches_there():
    scripted = {*PLAYS, *KERNELS}
    assert len(counted_pairs()) >= 30
    assert len(module_pairs()) >= 40
    assert counted_pairs() - scripted == set()
    assert module_pairs() - scripted == set()
