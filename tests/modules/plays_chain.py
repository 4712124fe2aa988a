"""Plays that reach the reasons of signals, selection, sizing and execution: (module, reason) -> play."""

from typing import Any

import numpy as np

from qt_core.codes import (
    CMD_DEPTH,
    CMD_HALT,
    CMD_OVERRIDE,
    CMD_PAUSE,
    CMD_POLICY,
    CTX_QUOTE_VOLUME_24H,
    M_AELM,
    M_ENGINE,
    M_ENSEMBLE,
    M_GOVERNOR,
    M_MATHEMATICIAN,
    M_RISK_OS,
    M_SELECTION,
    M_SIZER,
    M_STRATEGY,
    M_TPSL,
    M_UNIVERSE,
    M_VENUE,
)
from tests.modules.plays import (
    AFTER,
    EVENT,
    FALL,
    LIQUID,
    LONGS,
    ONE,
    QUIET,
    UNSAFE,
    Plays,
    changed,
    legs_called,
    put_probabilities,
    refused_while_busy,
    scene,
    stop_out_legs,
)
from tests.modules.scene import FREE, Played, Scene, flat, on

FIRST_ALONE = (None, (0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0))


def invalid_signal() -> Played:
    """A probability that is none, as a live model might send it; a tape is refused with one."""
    return changed(Scene(bars=QUIET, calls=ONE), put_probabilities((None, None, (np.nan, 0.1, 0.8))))


def sum_of_two() -> Played:
    """A model whose three probabilities sum to two abstains; the others still act."""
    odd = put_probabilities((None, None, None, (0.2, 0.2, 1.6)))
    return changed(Scene(bars=QUIET, calls=ONE, config=on("engine")), odd)


def observed_vote() -> Played:
    """An ensemble that only observes: the first model acts alone, where the vote of all would hold."""
    config = {"ensemble": {"mode": "observe"}}
    return changed(Scene(bars=QUIET, calls=ONE, config=config), put_probabilities(FIRST_ALONE))


def losing_streak() -> Played:
    """Six stops in a row, each after a call at the close before it."""
    return scene({"tpsl": {"trailing": "off"}}, bars=[stop_out_legs(6)], calls=legs_called(7))


def narrow_universe() -> Played:
    """One active place for three symbols: the ones that are not ranked may not act at the next bar."""
    config = on("universe", universe={"active_normal": 1})
    return scene(config, bars=QUIET * 3, calls={(0, 0): 1, (1, 1): 1, (1, 2): 1}, ctx=LIQUID)


def universe(sections: dict[str, Any] | None = None, **more: Any) -> Played:
    return scene(on("universe", **(sections or {})), **{"ctx": LIQUID, **more})


def styled(style: str, bars: list[Any] | None = None, **more: Any) -> Played:
    """An entry in a style that the policy table asks for."""
    table = {"normal/moderate/normal": {"style": style}}
    config = on("aelm", "orchestrator", orchestrator={"table": table})
    return scene(config, bars=[flat(100.0, 4) if bars is None else bars], **more)


def allowed_strategy(**strategy: Any) -> Played:
    """Every strategy allows a long here; it is stopped out."""
    config = on("strategy", strategy=strategy, tpsl={"trailing": "off"})
    return scene(config, bars=[stop_out_legs(1)], ctx=LONGS)


CHAIN: Plays = {
    (M_SELECTION, "NOT_ELIGIBLE"): lambda: scene(ineligible=((0, 0),)),
    (M_SELECTION, "HELD"): lambda: scene(calls={(0, 0): 1, (1, 0): 1}),
    (M_SELECTION, "NOT_SELECTED"): lambda: scene(
        {"chain": {"max_candidates": 1, "journal_top": 1}}, bars=QUIET * 2, calls={(0, 0): 1, (0, 1): 1}
    ),
    (M_ENSEMBLE, "BELOW_CONFIDENCE"): observed_vote,
    (M_ENGINE, "INVALID_SIGNAL"): invalid_signal,
    (M_ENGINE, "PROBABILITY_SUM"): sum_of_two,
    (M_UNIVERSE, "NOT_ACTIVE"): narrow_universe,
    (M_UNIVERSE, "DENIED"): lambda: universe({"symbols": {"deny": ["S0"]}}),
    (M_UNIVERSE, "LOW_VOLUME"): lambda: universe(ctx={**LIQUID, CTX_QUOTE_VOLUME_24H: 4e5}),
    (M_UNIVERSE, "VOLUME_UNKNOWN"): lambda: universe(ctx={}),
    (M_UNIVERSE, "LOW_DEPTH"): lambda: universe(calls=AFTER, commands={1: [{"command": CMD_DEPTH, "value": 100.0}]}),
    (M_STRATEGY, "STRATEGY_SIDE"): lambda: scene(on("strategy")),
    (M_STRATEGY, "STRATEGY_NOT_ALLOWED"): lambda: scene(
        on("strategy", "msc"),
        calls=AFTER,
        commands={1: [{"command": CMD_POLICY, "reason": 1, "value": 0.01, "qty": 5.0, "price": 0.45, "seq": 0}]},
    ),
    (M_STRATEGY, "EXPLORED"): lambda: allowed_strategy(epsilon=1.0),
    (M_STRATEGY, "LEARNED"): lambda: allowed_strategy(epsilon=0.0),
    (M_SIZER, "EXPLORED"): lambda: scene(on("sizer", sizer={"epsilon": 1.0})),
    (M_MATHEMATICIAN, "SHRUNK"): lambda: scene(on("mathematician", chain={"neutral_multiplier": 2.0})),
    (M_RISK_OS, "SIZE_BELOW_MIN"): lambda: scene({"chain": {"base_margin_usd": 5.0}}),
    (M_RISK_OS, "MIN_NOTIONAL"): lambda: scene(specs={"min_notional": 700.0}),
    (M_RISK_OS, "MAX_POSITIONS"): lambda: scene(
        {"risk": {"max_positions": 1}}, bars=QUIET * 2, calls={(0, 0): 1, (0, 1): 1}
    ),
    (M_RISK_OS, "HALTED"): lambda: scene(calls=AFTER, commands={1: [{"command": CMD_HALT}]}),
    (M_RISK_OS, "PAUSED"): lambda: scene(calls=AFTER, commands={1: [{"command": CMD_PAUSE}]}),
    (M_RISK_OS, "MARGIN_USE"): lambda: scene({"risk": {"max_margin_use": 0.0005}}),
    (M_RISK_OS, "LEVERAGE"): lambda: scene(brackets={"max_leverage": 0.5}),
    (M_RISK_OS, "STREAK_SCALED"): losing_streak,
    (M_GOVERNOR, "DAY_DRAWDOWN"): lambda: scene(
        {"risk": {"mode": "off"}, "chain": {"initial_equity_usd": 2000.0}},
        bars=[[*flat(100.0, 2), *flat(60.0, 3)]],
        calls={(0, 0): 1, (3, 0): 1},
    ),
    (M_GOVERNOR, "LOSS_AT_STOP"): lambda: scene({"risk": {"mode": "off"}, "chain": {"initial_equity_usd": 600.0}}),
    (M_GOVERNOR, "LEVERAGE"): lambda: scene({"governor": {"max_leverage": 2.0}}),
    (M_GOVERNOR, "MARGIN_LIMIT"): lambda: scene({"governor": {"max_margin_usd": 100.0}}),
    (M_GOVERNOR, "SIZE_BELOW_MIN"): lambda: scene({"governor": {"min_margin_usd": 250.0}}),
    (M_GOVERNOR, "OVERRIDE"): lambda: scene(
        {"governor": {"max_margin_usd": 100.0}}, calls=AFTER, commands={1: [{"command": CMD_OVERRIDE}]}
    ),
    (M_TPSL, "ANCHOR_USED"): scene,
    (M_AELM, "SLIPPAGE_CAP"): lambda: styled("aggressive", confidence=0.95),  # nobody knows the depth
    (M_AELM, "RETRIED"): lambda: scene(on("aelm"), commands={1: [refused_while_busy()]}),
    (M_VENUE, "EXCHANGE_BUSY"): lambda: scene(on("aelm"), commands={1: [refused_while_busy()]}),
    (M_VENUE, "POST_ONLY_CROSS"): lambda: styled("patient", [*flat(100.0, 1), *flat(99.0, 3)]),
    (M_VENUE, "IOC_UNFILLED"): lambda: styled("normal", [*flat(100.0, 1), *flat(101.0, 3)]),
    (M_VENUE, "CANCELLED"): lambda: scene(volume=20.0, commands={2: [{"command": CMD_HALT}]}),
    (M_VENUE, "INSUFFICIENT_MARGIN"): lambda: scene({**UNSAFE, "chain": {"initial_equity_usd": 150.0}}),
    (M_VENUE, "BRACKET_LEVERAGE"): lambda: scene({**UNSAFE, "chain": {"neutral_leverage": 60.0}}),
    (M_VENUE, "EXPIRED"): lambda: scene({"chain": {"entry_work_bars": 1}}, volume=20.0),
    (M_VENUE, "ENTRY_CLOSED"): lambda: scene(
        {"chain": {"entry_work_bars": 3}, "tpsl": {"trailing": "off"}},
        bars=[[*flat(100.0, 3), *flat(97.0, 3)]],
        volume=20.0,
    ),
    (EVENT, "LIQUIDATED"): lambda: scene(
        {**UNSAFE, "chain": {"neutral_leverage": 20.0}, "tpsl": {"sl_anchor": 0.3}, "venue": FREE}, bars=FALL
    ),
    (EVENT, "SETTLED"): lambda: scene(
        {"venue": {"halt_max_ms": 0}},
        bars=[[*flat(100.0, 2), *[(np.nan,) * 4] * 2, *flat(100.0, 1)], flat(100.0, 5)],
    ),
}
