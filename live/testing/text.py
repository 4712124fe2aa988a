"""Numbers as decimal strings of a known number of places.

The exchange rounds; here a price, a quantity or a booked sum that its places would not hold is printed with every digit it
has, so that what a session hears over the wire can be compared with a backtest byte by byte.
"""

from decimal import Decimal

MONEY_PLACES = 8
FREE_PLACES = 8  # of a symbol whose step is 0: no rounding


def places(step: float) -> int:
    """Decimal places of a price or quantity step (0.10 has one); a step of 0 has eight."""
    if step <= 0.0:
        return FREE_PLACES
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def rounded(value: float, n: int) -> str:
    """``value`` with ``n`` places, never ``-0``."""
    text = f"{value:.{n}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def exact(value: float, n: int) -> str:
    """The same where it reads back as ``value``, else every digit."""
    text = rounded(value, n)
    return text if float(text) == value else plain(value)


def money(value: float) -> str:
    """USD that follows from others (unrealised profit, margin at the mark): eight places."""
    return rounded(value, MONEY_PLACES)


def booked(value: float) -> str:
    """USD that stands in the ledger (wallet, fee, realised profit, funding): eight places, or every digit."""
    return exact(value, MONEY_PLACES)


def plain(value: float) -> str:
    """Every digit of a double, without an exponent."""
    return format(Decimal(repr(float(value))), "f").removesuffix(".0") if value else "0"


def flag(text: str) -> bool:
    """A boolean parameter of a request."""
    return text.strip().lower() == "true"
