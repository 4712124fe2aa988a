"""Short plays for the chain: literal bars, a call or two, a command. What comes of them: reasons and values."""

from collections.abc import Callable
from typing import Any

from qt_core.codes import (
    CTX_BOLLINGER_POSITION,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_EMA_RATIO,
    CTX_LIQUIDITY_RATIO,
    CTX_MINUS_DI,
    CTX_MOMENTUM,
    CTX_PLUS_DI,
    CTX_QUOTE_VOLUME_24H,
    CTX_RANGE_POSITION,
    CTX_RSI,
    EV_REJECT,
    EXCHANGE_BUSY,
)
from qt_core.engine.session import Session
from tests.modules.scene import Bar, Played, Scene, flat, play

Plays = dict[tuple[int, str], Callable[[], Played]]
EVENT = 0  # stands for the module of a reason that an event of the venue carries
UNSAFE = {"risk": {"mode": "off"}, "governor": {"mode": "off"}}
ONE = {(0, 0): 1}
AFTER = {(1, 0): 1}  # a call at the close after a command spoken before bar 1
QUIET: list[list[Bar]] = [flat(100.0, 4)]
FALL: list[list[Bar]] = [[*flat(100.0, 2), (100.0, 100.0, 60.0, 60.0), *flat(60.0, 2)]]
LIQUID = {CTX_QUOTE_VOLUME_24H: 1e9, CTX_LIQUIDITY_RATIO: 1.0}
RISING = {CTX_MOMENTUM: 0.05}
LONGS = {  # a row in which every strategy allows a long
    CTX_EMA_RATIO: 0.01, CTX_PLUS_DI: 30.0, CTX_MINUS_DI: 10.0, CTX_BOLLINGER_POSITION: 0.1, CTX_RSI: 30.0,
    CTX_DONCHIAN_HIGH: 100.0, CTX_DONCHIAN_LOW: 90.0, CTX_RANGE_POSITION: 0.1,
}  # fmt: skip


def scene(config: dict[str, Any] | None = None, **more: Any) -> Played:
    """A call at the first close, four quiet bars, and what the case adds."""
    given = {"bars": QUIET, "calls": ONE, "config": config or {}, **more}
    return Scene(**given).play()


def many(n: int, config: dict[str, Any], bars: list[Bar] | None = None, side: int = 1, **more: Any) -> Played:
    """The same bars for ``n`` symbols, called one bar after the other, each filled before the next is looked at."""
    bars = flat(100.0, 2 * n + 2) if bars is None else bars
    return scene(config, bars=[bars] * n, calls={(2 * k, k): side for k in range(n)}, **more)


def changed(scene_: Scene, change: Any) -> Played:
    """Play after ``change`` has been made to the session's rows."""
    s = scene_.session()
    change(s)
    return play(s)


def climb(step: float, n: int, first: float = 100.0) -> list[Bar]:
    """Two flat bars, then ``n`` bars each ``step`` (fraction) above the one before; a close keeps half a step of room."""
    bars, price = flat(first, 2), first
    for _ in range(n):
        new = price * (1.0 + step)
        bars.append((price, new, min(price, new), new))
        price = new
    return bars


def put_probabilities(rows: tuple[Any, ...], t: int = 0) -> Any:
    """A change that gives the models' rows (SELL, HOLD, BUY) at bar ``t``; None leaves one as called."""

    def change(s: Session) -> None:
        for m, row in enumerate(rows):
            if row is not None:
                s.rows.proba[t, 0, m] = row

    return change


def refused_while_busy(seq: int = 1) -> dict[str, Any]:
    """The venue's word that an order was refused because it had too much to do."""
    return {"kind": EV_REJECT, "seq": seq, "reason": EXCHANGE_BUSY, "tag": 1, "qty": 6.0}


def stop_out_legs(n: int) -> list[Bar]:
    """``n`` times: a bar that hits the stop of what was bought at the close before, then back to 100."""
    legs = [[(100.0, 100.0, 98.0, 98.0), *flat(100.0, 1)] for _ in range(n)]
    return [*flat(100.0, 1), *(b for leg in legs for b in leg), *flat(100.0, 2)]


def win_legs(n: int) -> list[Bar]:
    """``n`` times: a bar that reaches the target of what was bought at the close before, then back to 100."""
    legs = [[(100.0, 104.0, 100.0, 104.0), *flat(100.0, 1)] for _ in range(n)]
    return [*flat(100.0, 1), *(b for leg in legs for b in leg), *flat(100.0, 2)]


def legs_called(n: int) -> dict[tuple[int, int], int]:
    """The calls that go with legs: at every close before one."""
    return {(2 * k, 0): 1 for k in range(n)}
