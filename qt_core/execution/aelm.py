"""Module 16, execution (AELM): order type, price and life of an entry, slippage cap, route, retries.

A rule; SPEC section 3. Exits are always MARKET and do not ask here. OFF: market orders, no cap, no retry. OBSERVE and
ADVISORY: ``order`` is journalled, the caller sends a market order unless ENFORCED.

NaN policy: an unknown score is not a high one; an unknown slippage is beyond the cap; an unknown impact counts as the
whole cap; a venue with an unknown cost or depth is not routed to; without a price there is no order.
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ENFORCED,
    EXCHANGE_BUSY,
    IOC,
    LIMIT,
    MARKET,
    NO_PRICE,
    OFF,
    OK,
    POST_ONLY,
    SLIPPAGE_CAP,
    STYLE_AGGRESSIVE,
    STYLE_PATIENT,
)
from qt_core.numerics import ceil_step, floor_step, is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's where it gives a number, else ours."""

    mode: int = 3  # codes.ENFORCED
    market_score: float = 0.9  # AGGRESSIVE entries go to the market from this score on, 0..1
    slippage_cap: float = 0.0015  # 15 bps: worst price / close - 1, fraction
    patient_ticks: int = 1  # a post-only order stands this far better than the close, ticks
    work_bars: int = 3  # what is left of a market order works on for this many bars, the first included
    limit_bars: int = 1  # life of a resting limit, bars
    depth_band: float = 0.0015  # depth is what rests within this distance of the touch, fraction of price
    impact_per_volume: float = (
        0.01  # price move per share of volume taken: 100 spreads (Almgren-Chriss) of 1 bp, fraction
    )
    impact_minutes: float = 5.0  # volume that answers one order: within this time the book is full again, minutes
    depth_cover: float = 1.0  # a venue needs this multiple of the order resting, ratio
    max_retries: int = 3  # after the first attempt


BOUNDS = {
    "market_score": (0.0, 2.0),
    "slippage_cap": (0.0, 0.1),
    "patient_ticks": (0, 1000),
    "work_bars": (1, 1000),
    "limit_bars": (1, 1000),
    "depth_band": (0.0, 0.5),
    "impact_per_volume": (0.0, 10.0),
    "impact_minutes": (0.01, 1440.0),
    "depth_cover": (0.0, 100.0),
    "max_retries": (0, 100),
}
CHOICES: dict[str, tuple[str, ...]] = {}

MINUTES_PER_DAY = 1440.0
HALF = 0.5  # of the spread: what a taker pays against the middle
NO_ORDER = 0  # kind of an order that cannot be sent


class Order(NamedTuple):
    """An entry as it is sent."""

    kind: int  # codes.MARKET, LIMIT, IOC, POST_ONLY; 0 = none
    price: float  # 0 for MARKET
    bars: int  # its life
    reason: int  # OK, SLIPPAGE_CAP (sent, as a limit), NO_PRICE (not sent)


@kernel
def touch_price(side: int, price: float, tick: float) -> float:
    """``price`` on the tick, never through it: a buy down, a sell up; an unknown price stays unknown."""
    if not is_finite(price):
        return price
    return floor_step(price, tick) if side > 0 else ceil_step(price, tick)


@kernel
def cap_price(p: Params, side: int, close: float, tick: float) -> float:
    """Worst price an entry may pay, on the tick within the cap; also module 9's bound for a scale-in."""
    return touch_price(side, close * (1.0 + side * p.slippage_cap), tick)


@kernel
def patient_price(p: Params, side: int, close: float, tick: float) -> float:
    """One tick better than the close; the touch itself where that would be no price."""
    touch = touch_price(side, close, tick)
    better = touch_price(side, touch - side * p.patient_ticks * tick, tick)
    return better if better > 0.0 else touch


@kernel
def life_bars(p: Params, kind: int) -> int:
    """Bars an order works: a market order ``work_bars``, a resting limit ``limit_bars``, an IOC its first open.

    What is left of a partial fill goes on working until then; the exchange cancels an IOC's itself.
    """
    if kind == MARKET:
        return p.work_bars
    return 1 if kind == IOC else p.limit_bars


@kernel
def order(p: Params, style: int, score: float, side: int, close: float, expected_slippage: float, tick: float) -> Order:
    """Kind, price and life of an entry decided at ``close``; it meets the next open.

    AGGRESSIVE with a high score is MARKET, or LIMIT at the cap where it would cross more; AGGRESSIVE is LIMIT at the
    touch; NORMAL is IOC at the cap; PATIENT is POST_ONLY one tick better.
    """
    if p.mode == OFF:
        return Order(MARKET, 0.0, p.work_bars, OK)
    if not is_finite(close) or close <= 0.0:
        return Order(NO_ORDER, 0.0, 0, NO_PRICE)
    if style == STYLE_AGGRESSIVE:
        if score >= p.market_score:
            if expected_slippage <= p.slippage_cap:
                return Order(MARKET, 0.0, p.work_bars, OK)
            return Order(LIMIT, cap_price(p, side, close, tick), p.limit_bars, SLIPPAGE_CAP)
        return Order(LIMIT, touch_price(side, close, tick), p.limit_bars, OK)
    if style == STYLE_PATIENT:
        return Order(POST_ONLY, patient_price(p, side, close, tick), p.limit_bars, OK)
    return Order(IOC, cap_price(p, side, close, tick), life_bars(p, IOC), OK)


@kernel
def impact(p: Params, notional_usd: float, quote_volume_24h: float, depth_usd: float) -> float:
    """How far an order of ``notional_usd`` moves the price it pays, as a fraction.

    Where the depth is known (live), a book of even density: the order walks ``notional / depth`` of ``depth_band``; an
    order larger than what rests within the cap crosses the cap. Else the linear temporary impact of Almgren & Chriss
    (2001), "Optimal execution of portfolio transactions", section 1.3 and their calibration: one spread for every 1 % of
    the volume taken, here with a spread of 1 bp and the volume of ``impact_minutes``. Unknown: the whole cap.
    """
    if not is_finite(notional_usd):
        return p.slippage_cap
    if is_finite(depth_usd) and depth_usd > 0.0:
        return p.depth_band * notional_usd / depth_usd
    if not is_finite(quote_volume_24h) or quote_volume_24h <= 0.0 or depth_usd <= 0.0:
        return p.slippage_cap
    return p.impact_per_volume * notional_usd * MINUTES_PER_DAY / (quote_volume_24h * p.impact_minutes)


@kernel
def expected_slippage(
    p: Params, base_slippage: float, notional_usd: float, quote_volume_24h: float, depth_usd: float, spread: float
) -> float:
    """Expected worst price of a market order against the close, as a fraction: half the spread plus the impact.

    Parameters
    ----------
    base_slippage : the venue's constant fraction; stands for the half spread where ``spread`` is not known.
    quote_volume_24h : USD. depth_usd : resting within ``depth_band`` on the side taken. spread : fraction of price.
    """
    half = HALF * spread if is_finite(spread) and spread >= 0.0 else base_slippage
    return half + impact(p, notional_usd, quote_volume_24h, depth_usd)


@kernel
def route(p: Params, fee: Any, slippage: Any, depth_usd: Any, up: Any, notional_usd: float) -> int:
    """Index of the cheapest venue by fee + slippage among those up with enough depth; -1 = none; ties: the first.

    OFF: the first venue. All arrays [V]; fee and slippage as fractions; a venue of unlimited depth says inf.
    """
    best = -1
    lowest = 0.0
    for k in range(len(fee)):
        if p.mode == OFF:
            return k
        cost = fee[k] + slippage[k]
        if not up[k] or not is_finite(cost) or not depth_usd[k] >= p.depth_cover * notional_usd:
            continue
        if best < 0 or cost < lowest:
            best = k
            lowest = cost
    return best


@kernel
def retryable(reason: int) -> bool:
    """True for refusals that may pass by themselves."""
    return reason == EXCHANGE_BUSY


@kernel
def retry(p: Params, retries: int, reason: int) -> bool:
    """True where an order refused for ``reason`` is sent again; ``retries`` = how often it was already."""
    return p.mode == ENFORCED and retryable(reason) and retries < p.max_retries
