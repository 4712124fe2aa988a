"""Plays that reach the reasons of open positions, of what is learned from them, and of the judgement on models."""

from typing import Any

from qt_core.codes import CMD_EXIT, EV_REJECT, M_AMPLIFICATION, M_MONITOR, M_SIZER, M_STRATEGY, M_SUPERVISOR, TAG_TP
from tests.modules.plays import LONGS, RISING, Plays, climb, legs_called, scene, stop_out_legs
from tests.modules.scene import Played, flat, on

NEAR = {"min_outcomes": 1, "recent_min_outcomes": 1, "bias_min_count": 1}  # a judgement from the first outcomes on
FAR = {"tp_anchor": 0.2, "clip_high": 5.0}  # a target beyond the rungs


def winner(n: int = 8, step: float = 0.006, specs: Any = None, **sections: Any) -> Played:
    """A position that climbs: LEADING, with momentum."""
    config = on("amplify", "intelligence", **sections)
    return scene(config, bars=[climb(step, n)], ctx=RISING, specs={"lot_step": 0.001, **(specs or {})})


def refused_target() -> Played:
    """The venue's word that it refuses the target: order 1 is the entry, 2 its stop, 3 its target."""
    return scene(on("monitor"), commands={2: [{"kind": EV_REJECT, "seq": 3, "tag": TAG_TP}]})


def judged() -> Played:
    """Calls whose labels lose: a stop at every second bar."""
    return scene(on("supervisor", supervisor=NEAR), bars=[stop_out_legs(8)], calls=legs_called(8))


POSITION: Plays = {
    (M_AMPLIFICATION, "RUNG_DROPPED"): winner,
    (M_AMPLIFICATION, "RUNG_FILLED"): lambda: winner(tpsl=FAR),
    (M_AMPLIFICATION, "RUNG_MERGED"): lambda: winner(4, specs={"lot_step": 3.0, "min_qty": 3.0}),
    (M_AMPLIFICATION, "SCALED_IN"): lambda: winner(16, tpsl=FAR),
    (M_AMPLIFICATION, "LET_RUN"): lambda: winner(16, tpsl=FAR),
    (M_AMPLIFICATION, "RISK_BUDGET"): lambda: winner(16, tpsl=FAR | {"trailing": "off"}),
    (M_AMPLIFICATION, "NOT_ELIGIBLE"): lambda: winner(16, tpsl=FAR, amplify={"max_scale_ins": 0}),
    (M_AMPLIFICATION, "SIZE_BELOW_MIN"): lambda: winner(16, tpsl=FAR, specs={"lot_step": 4.0}),
    (M_AMPLIFICATION, "MIN_NOTIONAL"): lambda: winner(16, tpsl=FAR, specs={"min_notional": 550.0}),
    (M_MONITOR, "PROTECTION_MISSING"): refused_target,
    (M_SIZER, "LEARNED"): lambda: scene(on("sizer", tpsl={"trailing": "off"}), bars=[stop_out_legs(1)]),
    (M_SIZER, "NOT_LEARNED"): lambda: scene(on("sizer"), commands={2: [{"command": CMD_EXIT}]}),
    (M_STRATEGY, "NOT_LEARNED"): lambda: scene(on("strategy"), ctx=LONGS, commands={2: [{"command": CMD_EXIT}]}),
    (M_SUPERVISOR, "LABEL_SLOTS"): lambda: scene(
        on("supervisor", supervisor={"horizon_bars": 1000}),
        bars=[flat(100.0, 40)],
        calls={(k, 0): 1 for k in range(40)},
    ),
    (M_SUPERVISOR, "UNRELIABLE"): judged,
    (M_SUPERVISOR, "MODEL_DISABLED"): judged,
    (M_SUPERVISOR, "BIASED"): judged,
}
