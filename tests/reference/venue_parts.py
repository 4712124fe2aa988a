"""Parts of the plain venue: a bar, its rules, an order, a position, rounding in decimals."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from qt_core.codes import STOP
from tests.engine.asks import Ask

NOISE = 9  # decimals beyond which a price or quantity is noise


def to_step(x: float, step: float, up: bool) -> float:
    """Multiple of ``step`` at or above (below) ``x``, in decimals."""
    n = Decimal(repr(round(x, NOISE))) / Decimal(repr(step))
    return float(n.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * Decimal(repr(step)))


@dataclass(frozen=True)
class Bar:
    open: float
    high: float
    low: float
    close: float
    volume: float
    mark_open: float
    mark_high: float
    mark_low: float
    mark_close: float


@dataclass(frozen=True)
class Rules:
    tick: float = 0.1
    lot: float = 0.001
    min_notional: float = 0.0
    maker: float = 0.0002
    taker: float = 0.0005
    liquidation: float = 0.0125
    slippage: float = 0.0002
    participation: float = 0.1
    through_ticks: float = 1.0
    optimistic: bool = False
    halt_max_bars: float = 168.0
    brackets: tuple[tuple[float, float, float], ...] = ((0.0, 0.01, 50.0),)  # floor, rate, leverage


@dataclass
class Order:
    ask: Ask
    price: float
    left: float
    dies: float  # bar at whose cancel step it ends
    state: str = "new"  # new: has not met an open; resting; triggered; cancelled
    slot: int = 0  # the lowest one that was free; among equals the lower slot goes first


@dataclass
class Position:
    qty: float = 0.0
    cost: float = 0.0  # signed quantity times price
    margin: float = 0.0
    limit_bar: int = -1  # bar inside which a limit last opened or enlarged it
    last_bar: int = -1  # last bar there was
    last_mark: float = 0.0
    used: float = 0.0  # volume taken in this bar


def rises(o: Order) -> bool:
    """True for orders that a rising price reaches: buy stops and sell targets."""
    return (o.ask.qty > 0) == (o.ask.kind == STOP)


def beyond(o: Order, price: float) -> bool:
    return price >= o.price if rises(o) else price <= o.price
