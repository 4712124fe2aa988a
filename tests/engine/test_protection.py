"""No position without a stop, no order without an owner: the chain on wild walks, looked at after every bar."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    CMD_EXIT,
    CTX_ATR_PCT,
    EMPTY,
    EV_COMMAND,
    MARKET,
    REJECTED,
    STOP,
    TAG_EXIT,
    TAG_SL,
    TRIGGERED,
    WORKING,
)
from qt_core.engine.run import step_event, step_submit
from qt_core.engine.session import Session, advance, open_session
from tests.engine.asks import cancel, put_request
from tests.engine.chain import config_of, context_of, tape_of
from tests.engine.test_naive_venue import walk

RUNS: dict[str, dict[str, Any]] = {
    "off, thin": {"venue": {"participation": 0.1, "slippage": 0.001}, "chain": {"entry_work_bars": 4}},
    "trailing, thin": {
        "tpsl": {"mode": "enforced", "sl_anchor": 0.01, "tp_anchor": 0.05},
        "venue": {"participation": 0.05},
        "chain": {"entry_work_bars": 3},
    },
    "all on": {
        "tpsl": {"mode": "enforced"},
        "risk": {"mode": "enforced", "max_margin_usd": 2000.0},
        "governor": {"mode": "enforced", "max_margin_usd": 2000.0},
        "chain": {"base_margin_usd": 1500.0, "entry_work_bars": 3},
        "venue": {"participation": 0.1, "slippage": 0.001},
    },
    "cross, high leverage, next-bar protection": {
        "chain": {"base_margin_usd": 400.0, "neutral_leverage": 20.0, "entry_work_bars": 4},
        "tpsl": {"sl_anchor": 0.04},
        "venue": {"participation": 0.1, "margin_mode": "cross", "stops_in_entry_bar": "off", "intrabar": "optimistic"},
    },
    "mark": {"venue": {"participation": 0.1, "working_type": "mark"}, "chain": {"entry_work_bars": 3}},
}


def look(s: Session, where: str, tally: Counter) -> None:
    """What must hold between two bars."""
    chain, venue, fund = np.asarray(s.state.symbol), np.asarray(s.venue.symbol), np.asarray(s.state.fund)[0]
    for i, (mine, theirs) in enumerate(zip(chain, venue, strict=True)):
        orders = [o for o in np.asarray(s.venue.orders)[i] if o["status"] != EMPTY]
        assert mine["qty"] == pytest.approx(theirs["qty"], abs=1e-9), (
            f"{where}: chain and venue hold different positions"
        )
        stops = [o for o in orders if o["tag"] == TAG_SL and o["kind"] == STOP and o["cancel"] == 0]
        if mine["qty"] == 0.0:
            alive = [o for o in orders if o["seq"] != mine["pending_seq"] and o["cancel"] == 0]
            alive = [o for o in alive if o["tag"] != TAG_EXIT or bool(s.bars.valid[s.next_bar - 1, i])]
            assert not alive, f"{where}: orders {[int(o['seq']) for o in alive]} rest without a position"
            continue
        tally["held"] += 1
        assert len(stops) == 1, f"{where}: {len(stops)} stops for a position of {mine['qty']}"
        assert stops[0]["seq"] == mine["sl_seq"], where
        assert stops[0]["status"] in (WORKING, TRIGGERED), where
        assert stops[0]["side"] * mine["qty"] < 0.0, where
        left = stops[0]["qty"] - stops[0]["filled"]
        assert left >= abs(mine["qty"]) * (1 - 1e-9), f"{where}: the stop covers {left} of {mine['qty']}"
        tally["triggered"] += stops[0]["status"] == TRIGGERED
        tally["growing"] += mine["pending_seq"] != 0
    pending = int((chain["pending_seq"] != 0).sum())
    assert fund["n_pending"] == pending, f"{where}: {fund['n_pending']} pending, {pending} counted"
    assert fund["reserved_margin_usd"] == pytest.approx(chain["pending_margin_usd"].sum(), abs=1e-6), where
    assert fund["equity_usd"] >= -1e-6, where
    refused = [o for row in np.asarray(s.venue.orders) for o in row if o["status"] == REJECTED and o["kind"] != MARKET]
    assert not refused, f"{where}: a refused order that is no entry"


def meddle(s: Session, symbols: tuple[str, ...], f: int, g: np.random.Generator, tally: Counter) -> None:
    """Between two bars somebody orders an exit, twice at times, or takes a stop or target away at the exchange."""
    now_ms = int(s.bars.time[f]) + s.bars.bar_ms
    for i, mine in enumerate(np.asarray(s.state.symbol).copy()):
        if mine["qty"] == 0.0:
            continue
        for _ in range(int(g.choice([0, 1, 2], p=[0.85, 0.1, 0.05]))):
            event = np.asarray(s.out.event)
            event["kind"], event["command"], event["symbol"], event["time_ms"] = EV_COMMAND, CMD_EXIT, i, now_ms
            step_event(s.params, s.state, s.out)
            tally["exits"] += 1
        for key in ("sl_seq", "tp_seq"):
            if g.random() < 0.1:
                put_request(s.out, cancel(f, int(mine[key]), symbol=symbols[i]), symbols, now_ms, s.bars.bar_ms)
                tally["taken away"] += 1
    step_submit(s.params, s.venue, s.bars, f, s.out)


@pytest.mark.parametrize("meddled", [False, True], ids=["left alone", "meddled with"])
@pytest.mark.parametrize("name", RUNS)
def test_every_position_has_its_stop_after_every_bar(name: str, meddled: bool):
    tally: Counter = Counter()
    config = config_of(**RUNS[name])
    for seed in range(5000, 5040):
        m, g = walk(seed), np.random.default_rng(seed)
        signals = {(t, s): int(g.choice([-1, 1])) for t in range(m.n_bars) for s in m.symbols if g.random() < 0.3}
        context = context_of(m, {CTX_ATR_PCT: 0.01})
        s = open_session(m, tape_of(m, signals), config, context=context)
        for f in range(m.n_bars):
            advance(s, until=f + 1)
            look(s, f"{name}, seed {seed}, bar {f}", tally)
            if meddled:
                meddle(s, m.symbols, f, g, tally)
        tally["trades"] += int(s.out.n[1])
    assert tally["trades"] > 100, tally
    assert tally["held"] > 500, tally
    assert tally["growing"] > 10, tally
    assert (tally["exits"] > 50 and tally["taken away"] > 50) == meddled, tally
    if "mark" not in name:
        assert tally["triggered"] > 5, tally
