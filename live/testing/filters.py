"""What the exchange refuses of an order before it reaches the matching: the client id, numbers, filters, modes, margin."""

import re
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from live.testing import errors as e
from live.testing.account import Account
from live.testing.contracts import MULTIPLIER_DOWN, MULTIPLIER_UP, Contract
from live.testing.errors import ApiError, Refusal
from live.testing.text import flag

CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
Params = dict[str, str]
T = TypeVar("T")
STEP_TOLERANCE = Decimal("1e-9")  # of a step: what the double of a step may be off its decimals
NOT_SENT = -1
SIDES = {"BUY": 1, "SELL": -1}


def _absent(name: str, missing: "T | None") -> T:
    if missing is None:
        raise ApiError(e.MISSING, name)
    return missing


def number(params: Params, name: str, missing: "float | None" = None) -> float:
    """A decimal parameter; without ``missing`` it is mandatory."""
    text = params.get(name, "")
    if text == "":
        return _absent(name, missing)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ApiError(e.BAD_CHARACTERS, name) from None
    if not value.is_finite():
        raise ApiError(e.BAD_CHARACTERS, name)
    return float(value)


def whole(params: Params, name: str, missing: "int | None" = None) -> int:
    """An integer parameter; without ``missing`` it is mandatory."""
    text = params.get(name, "")
    if text == "":
        return _absent(name, missing)
    if not text.lstrip("-").isdigit():
        raise ApiError(e.BAD_CHARACTERS, name)
    return int(text)


def window(params: Params, now_ms: int, longest_ms: int) -> tuple[int, int]:
    """(start, end) of a history request, ms: at most ``longest_ms`` long, by default the latest such window."""
    start, end = whole(params, "startTime", NOT_SENT), whole(params, "endTime", NOT_SENT)
    if start == NOT_SENT:
        end = now_ms if end == NOT_SENT else end
        return end - longest_ms, end
    if end == NOT_SENT:
        return start, start + longest_ms
    if end < start or end - start > longest_ms:
        raise ApiError(e.BAD_WINDOW)
    return start, end


def needed(params: Params, name: str) -> str:
    """A mandatory text parameter."""
    value = params.get(name, "")
    if not value:
        raise ApiError(e.MISSING, name)
    return value


def side_of(params: Params) -> int:
    side = SIDES.get(needed(params, "side"))
    if side is None:
        raise ApiError(e.BAD_SIDE)
    return side


def check_client_id(client_id: str, taken: bool) -> None:
    if not CLIENT_ID.match(client_id):
        raise ApiError(e.BAD_CLIENT_ID)
    if taken:
        raise ApiError(e.DUPLICATE_ID)


def check_mode(params: Params, account: Account) -> None:
    """One-way orders carry BOTH or nothing; a hedge account, which nothing is matched for, takes LONG and SHORT only."""
    named = params.get("positionSide", "BOTH")
    if (named == "BOTH") == account.hedge:
        raise ApiError(e.BAD_POSITION_SIDE)
    if account.hedge:
        raise ApiError(e.UNSUPPORTED, "orders in hedge mode are not simulated")


def _off_step(text: str, step: float) -> bool:
    if step <= 0.0:
        return False
    exact = Decimal(repr(step))
    steps = Decimal(text) / exact
    return abs(steps - steps.to_integral_value()) > STEP_TOLERANCE


def _too_precise(text: str, places: int) -> bool:
    exponent = Decimal(text).normalize().as_tuple().exponent
    return isinstance(exponent, int) and -exponent > places


def check_price(c: Contract, params: Params, name: str, negative: Refusal = e.PRICE_NEGATIVE) -> float:
    """PRICE_FILTER and precision of ``params[name]``; returns the price."""
    price = number(params, name)
    if price <= 0.0:
        raise ApiError(negative)
    if price > c.max_price:
        raise ApiError(e.PRICE_TOO_HIGH)
    if _too_precise(params[name], c.price_precision):
        raise ApiError(e.PRECISION)
    if price < c.tick:
        raise ApiError(e.PRICE_TOO_LOW)
    if _off_step(params[name], c.tick):
        raise ApiError(e.TICK)
    return price


def check_quantity(c: Contract, params: Params) -> float:
    """LOT_SIZE, MARKET_LOT_SIZE and precision; returns the quantity."""
    qty = number(params, "quantity")
    if qty <= 0.0:
        raise ApiError(e.QTY_NEGATIVE)
    if _too_precise(params["quantity"], c.qty_places):
        raise ApiError(e.PRECISION)
    if qty < c.min_qty:
        raise ApiError(e.QTY_TOO_SMALL)
    if qty > c.max_qty:
        raise ApiError(e.QTY_TOO_LARGE)
    if _off_step(params["quantity"], c.step):
        raise ApiError(e.STEP)
    return qty


def check_percent(c: Contract, side: int, price: float, mark: float) -> None:
    """PERCENT_PRICE: a limit may not lie too far beyond the mark on the side where it would fill."""
    if side > 0 and price > mark * MULTIPLIER_UP:
        raise ApiError(e.ABOVE_MARK, c.near(mark * MULTIPLIER_UP))
    if side < 0 and price < mark * MULTIPLIER_DOWN:
        raise ApiError(e.BELOW_MARK, c.near(mark * MULTIPLIER_DOWN))


def check_notional(c: Contract, qty: float, price: float) -> None:
    if qty * price < c.min_notional:
        raise ApiError(e.MIN_NOTIONAL, c.min_notional)


def check_reduce(account: Account, c: Contract, side: int) -> None:
    """A reduce-only order needs something to reduce."""
    if account.position(c).qty * side >= 0.0:
        raise ApiError(e.REDUCE_ONLY)


def check_margin(account: Account, c: Contract, side: int, qty: float, price: float) -> None:
    """Free balance and the bracket's leverage for what would open at ``price``."""
    held = account.position(c).qty
    opening = qty if held * side >= 0.0 else max(0.0, qty - abs(held))
    leverage = account.leverage[c.name]
    after = opening + (abs(held) if held * side > 0.0 else 0.0)
    if opening and leverage > c.max_leverage(after * price):
        raise ApiError(e.MAX_POSITION)
    fee = account.matching.venue_params.taker_fee
    if opening * price * (1.0 / leverage + fee) > account.available:
        raise ApiError(e.NO_MARGIN)


def check_margin_type(account: Account, c: Contract) -> None:
    """The engine reckons the whole account isolated or cross; an order of the other kind would be matched wrongly."""
    if account.margin_type[c.name] != account.engine_margin_type:
        raise ApiError(
            e.UNSUPPORTED, f"{c.name} is {account.margin_type[c.name]}, the engine {account.engine_margin_type}"
        )


def reduce_only_of(params: Params) -> bool:
    return flag(params.get("reduceOnly", "false"))
