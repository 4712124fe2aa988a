"""Plays in which modules say what no reason tells: classes, modes, actions, triggers. The table is in plays_values."""

from typing import Any

import numpy as np

from qt_core.codes import (
    CMD_ERROR,
    CTX_ATR_PCTILE,
    CTX_BOLLINGER_POSITION,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_DONCHIAN_WIDTH_PCTILE,
    CTX_EMA_RATIO,
    CTX_MINUS_DI,
    CTX_PLUS_DI,
    CTX_RANGE_POSITION,
    CTX_RSI,
)
from qt_core.state import memory_of
from tests.modules.plays import (
    ONE,
    UNSAFE,
    changed,
    legs_called,
    many,
    put_probabilities,
    scene,
    stop_out_legs,
)
from tests.modules.plays_position import NEAR
from tests.modules.plays_safety import WIDE_STOP
from tests.modules.scene import FREE, HOUR_MS, START_MS, Played, Scene, flat, on

SHORTS = {
    CTX_EMA_RATIO: -0.01, CTX_PLUS_DI: 10.0, CTX_MINUS_DI: 30.0, CTX_BOLLINGER_POSITION: 0.9, CTX_RSI: 70.0,
    CTX_DONCHIAN_HIGH: 110.0, CTX_DONCHIAN_LOW: 100.0, CTX_RANGE_POSITION: 0.9,
}  # fmt: skip
BROKEN_OUT = {CTX_DONCHIAN_HIGH: 99.0, CTX_DONCHIAN_LOW: 95.0, CTX_DONCHIAN_WIDTH_PCTILE: 0.1}
LOW, HIGH, WEAK, STRONG = 0.1, 0.9, 10.0, 30.0  # ATR percentile, ADX
DAY = 24


def market(atr_percentile: float = 0.5, adx: float = 22.0, **more: Any) -> Played:
    return scene(on("orchestrator", "sizer"), atr_percentile=atr_percentile, adx=adx, **more)


def legs(name: str, bars: list[Any], n: int = 12) -> Played:
    """``n`` trades that all lose, or all win."""
    return scene(on(name, tpsl={"trailing": "off"}, sizer={"epsilon": 0.0}), bars=[bars], calls=legs_called(n))


def filled_up(name: str, mode: str = "observe") -> Played:
    """Five positions of 200 USD margin in an account of 1,000 USD: every class of exposure."""
    config = on(**UNSAFE, chain={"initial_equity_usd": 1000.0}, venue=FREE)
    config["modules"][name] = mode
    return many(5, config, correlation=0.0)


def sized(confidence: float) -> Played:
    """A call of that probability under a threshold that lets it through; the rest says HOLD."""
    config = on("sizer", ensemble={"threshold": 0.15})
    rows = put_probabilities(((0.0, 1.0 - confidence, confidence),) * 4)
    return changed(Scene(bars=[flat(100.0, 4)], calls=ONE, config=config), rows)


def best_action(action: int) -> Played:
    """The Q-table says that this cell is the best in every state."""

    def change(s: Any) -> None:
        memory_of(s.state)["q_size"][0, :, action] = 1.0

    return changed(Scene(bars=[flat(100.0, 4)], calls=ONE, config=on("sizer", sizer={"epsilon": 0.0})), change)


def best_strategy(k: int, ctx: dict[int, float], side: int = 1, **strategy: Any) -> Played:
    """The Q-table says that this strategy is the best in every state."""

    def change(s: Any) -> None:
        memory_of(s.state)["q_strategy"][0, :, k] = 1.0

    config = on("strategy", strategy={"epsilon": 0.0, **strategy})
    return changed(Scene(bars=[flat(100.0, 4)], calls={(0, 0): side}, config=config, ctx=ctx), change)


def apart_then_together() -> Played:
    """Five longs that were uncorrelated move as one from the next day on."""
    config = on("balancer", balancer={"max_side_share": 1.0})
    together = [0.0] * (DAY - 1) + [0.9] * 5  # the close of bar 23 is 00:00 of the next day
    return many(5, config, bars=flat(100.0, DAY + 4), correlation=together)


def shrunken_account() -> Played:
    """Two positions of one sector at its limit; a third of another sector loses 12 % of the account."""
    config = on("balancer", **UNSAFE, chain={"initial_equity_usd": 1000.0}, tpsl=WIDE_STOP, venue=FREE)
    fall = [*flat(100.0, 6), (100.0, 100.0, 80.0, 80.0), *flat(80.0, 3)]
    return scene(
        config, bars=[flat(100.0, 10)] * 2 + [fall], calls={(0, 0): 1, (2, 1): 1, (4, 2): 1}, correlation=0.0,
        specs={"sector": [1, 1, 2]},
    )  # fmt: skip


def held(*names: str, n: int = 28, **more: Any) -> Played:
    """A position in a market that stands still."""
    return scene(on(*names), bars=[flat(100.0, n)], **more)


def outlier() -> Played:
    """A bar five times the ATR that reaches neither stop nor target."""
    bars = [*flat(100.0, 2), (100.0, 101.0, 100.0, 101.0), *flat(101.0, 2)]
    return scene(on("intelligence"), bars=[bars], atr=0.002)


def retrained(names: tuple[str, ...] = (), supervisor: Any = None, **retraining: Any) -> Played:
    """Triggers without a pause; calls that lose give the supervisor its numbers."""
    config = on(
        "retraining", *names, retraining={"pause_ms": 0, **retraining}, supervisor=supervisor or {},
        chain={"calibration_refresh": 1},
    )  # fmt: skip
    percentile = np.where(np.arange(19) < 4, 0.5, 0.9)[:, None]  # NORMAL, then HIGH
    return scene(config, bars=[stop_out_legs(8)], calls=legs_called(8), ctx={CTX_ATR_PCTILE: percentile})


def errors_in_a_bar() -> Played:
    """Eleven errors within a minute in the middle of a bar."""
    errors = [{"command": CMD_ERROR, "time_ms": START_MS + HOUR_MS + 1_000 * k} for k in range(11)]
    return scene(on("ess", risk={"mode": "off"}), commands={1: errors})


def without_feed() -> Played:
    """A bar that no symbol has."""
    return scene(on("ess"), bars=[[*flat(100.0, 2), (np.nan,) * 4, *flat(100.0, 2)]] * 2)


def supervised() -> Played:
    """Models found unreliable by an enforced supervisor: the hedge-fund OS hears of it a bar later."""
    return scene(on("supervisor", "hfos", supervisor=NEAR), bars=[stop_out_legs(8)], calls=legs_called(8))


def ranked(confidence: float, ctx: dict[int, float]) -> Played:
    return scene(on("ranker"), confidence=confidence, ctx=ctx)


def math(mode: str = "advisory", **sections: Any) -> Played:
    return scene(on(**{"mathematician": {"mode": mode, **sections.pop("own", {})}, **sections}))
