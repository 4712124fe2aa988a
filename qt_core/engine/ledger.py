"""Cash, margin, maintenance brackets and liquidation price of USDT-M perpetual positions (SPEC section 8).

Balance: ``free_usd + margin_usd`` is the wallet balance; equity adds unrealised profit. A fill that opens moves
``notional / leverage`` from free to the position's margin; one that reduces releases margin in proportion and books the
realised profit. An isolated position loses its own margin at most, a cross account its wallet at most: what is missing
beyond that is the insurance fund's, and is booked as ``insurance_usd`` so that every balance still adds up.
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel

ANY_PRICE = 1e-300  # a short that is under water at every price: each mark lies beyond this one
EDGE = 1e-12  # relative tolerance at a bracket's edge, where both brackets give the same margin


class Bracket(NamedTuple):
    """One row of the maintenance table."""

    maintenance_rate: float
    cum: float  # USD
    max_leverage: float


@kernel
def bracket_at(brackets: Any, n_brackets: int, i: int, notional: float) -> Bracket:
    """The bracket of symbol ``i`` that holds ``notional`` USD (floor exclusive, cap inclusive)."""
    k = n_brackets - 1
    while k > 0 and notional <= brackets[i, k].notional_floor:
        k -= 1
    b = brackets[i, k]
    return Bracket(b.maintenance_rate, b.cum, b.max_leverage)


@kernel
def maintenance_margin(brackets: Any, n_brackets: int, i: int, notional: float) -> float:
    """``notional * rate - cum`` in USD."""
    b = bracket_at(brackets, n_brackets, i, notional)
    return float(notional * b.maintenance_rate - b.cum)


@kernel
def liquidation_price(brackets: Any, n_brackets: int, i: int, qty: float, entry: float, backing: float) -> float:
    """Mark price at which ``backing + unrealised = maintenance margin``; 0 where a long has none.

    ``backing`` is the isolated margin, or for cross the wallet plus the others' unrealised profit less their
    maintenance. The margin function is continuous and piecewise linear in the price, so one bracket holds the root.
    """
    size = abs(qty)
    if size == 0.0:
        return 0.0
    price = 0.0
    for k in range(n_brackets):
        b = brackets[i, k]
        if qty > 0.0:
            price = (size * entry - backing - b.cum) / (size * (1.0 - b.maintenance_rate))
        else:
            price = (size * entry + backing + b.cum) / (size * (1.0 + b.maintenance_rate))
        notional = size * price
        if notional <= b.notional_cap * (1.0 + EDGE) and notional >= b.notional_floor * (1.0 - EDGE):
            break
    return max(price, 0.0 if qty > 0.0 else ANY_PRICE)


class Booked(NamedTuple):
    """What a fill did to the ledger."""

    realised_usd: float  # price profit of the part closed, before fees, without insurance
    fee_usd: float
    insurance_usd: float


@kernel
def book_open(fund: Any, v: Any, side: int, qty: float, price: float, fee: float, leverage: float) -> Booked:
    """Open or enlarge: average price, margin, fee."""
    size = abs(v.qty)
    margin = qty * price / leverage
    v.avg_price = price if size == 0.0 else (v.avg_price * size + price * qty) / (size + qty)
    v.qty += side * qty
    v.margin_usd += margin
    v.leverage = leverage
    fund.free_usd -= margin + fee
    fund.margin_usd += margin
    return Booked(0.0, fee, 0.0)


@kernel
def book_reduce(fund: Any, v: Any, qty: float, price: float, fee: float, cross: bool) -> Booked:
    """Reduce by ``qty <= |position|``: release margin in proportion, book profit, cap the loss."""
    size = abs(v.qty)
    side = 1.0 if v.qty > 0.0 else -1.0
    closed = qty >= size * (1.0 - EDGE)
    released = v.margin_usd if closed else v.margin_usd * (qty / size)
    realised = side * qty * (price - v.avg_price)
    backing = fund.free_usd + fund.margin_usd if cross else released
    insurance = max(0.0, -(backing + realised - fee))
    v.margin_usd -= released
    v.qty = 0.0 if closed else v.qty - side * qty
    fund.free_usd += released + realised - fee + insurance
    fund.margin_usd -= released
    if closed:
        v.margin_usd = 0.0
        v.avg_price = 0.0
    return Booked(realised, fee, insurance)


@kernel
def book_funding(fund: Any, v: Any, mark: float, rate: float, cross: bool) -> float:
    """Settle funding on the quantity held: longs pay a positive rate. Returns the amount received (USD, < 0 = paid).

    Paid from the free balance first, then from the position's own margin (the exchange's order), then by insurance; in
    a cross account from the whole wallet.
    """
    amount = -v.qty * mark * rate
    fund.free_usd += amount
    if cross:
        missing = max(0.0, -(fund.free_usd + fund.margin_usd))
        amount += missing
        fund.free_usd += missing
    elif fund.free_usd < 0.0:
        from_margin = min(-fund.free_usd, v.margin_usd)
        v.margin_usd -= from_margin
        fund.margin_usd -= from_margin
        fund.free_usd += from_margin
        if fund.free_usd < 0.0:
            amount -= fund.free_usd
            fund.free_usd = 0.0
    fund.funding_usd += amount
    return float(amount)
