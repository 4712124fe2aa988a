"""Numbers as the exchange prints them: decimal strings of a known number of places."""

from decimal import Decimal

MONEY_PLACES = 8
FREE_PLACES = 8  # of a symbol whose step is 0: no rounding


def places(step: float) -> int:
    """Decimal places of a price or quantity step (0.10 has one); a step of 0 has eight."""
    if step <= 0.0:
        return FREE_PLACES
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def fixed(value: float, n: int) -> str:
    """``value`` with ``n`` places, never ``-0``."""
    text = f"{value:.{n}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def money(value: float) -> str:
    """USD with eight places."""
    return fixed(value, MONEY_PLACES)


def plain(value: float) -> str:
    """Every digit of a double, without an exponent."""
    return format(Decimal(repr(float(value))), "f").removesuffix(".0") if value else "0"


def flag(text: str) -> bool:
    """A boolean parameter of a request."""
    return text.strip().lower() == "true"
