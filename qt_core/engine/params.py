"""Venue parameters: fees, slippage, fill assumptions. One sentence per assumption; the rules stand in docs/venue.md."""

from typing import NamedTuple


class VenueParams(NamedTuple):
    """Constants of the simulated venue."""

    maker_fee: float = 0.0002  # fraction of notional
    taker_fee: float = 0.0005
    liquidation_fee: float = 0.0125
    slippage: float = 0.0002  # of price, against the order, on every taker fill
    participation: float = 0.10  # of the (finest) bar's volume that one symbol's orders may take; 0 = unlimited
    through_ticks: float = 1.0  # a resting limit fills where the price trades this many ticks through it
    intrabar: int = 0  # stop and target in one bar: 0 pessimistic (stop first), 1 optimistic (target first)
    working_type: int = 0  # price that triggers stops and targets: 0 last, 1 mark
    margin_mode: int = 0  # 0 isolated, 1 cross
    cross_all_adverse: int = 0  # cross: 0 = the other positions at the bar's opening mark, 1 = at their adverse extreme
    stops_in_entry_bar: int = 1  # 0 = protection placed inside a bar works from the next bar on
    halt_max_ms: int = 604_800_000  # a symbol without bars for longer is settled at its last mark


BOUNDS = {
    "maker_fee": (-0.01, 0.1),
    "taker_fee": (0.0, 0.1),
    "liquidation_fee": (0.0, 0.5),
    "slippage": (0.0, 0.1),
    "participation": (0.0, 1.0),
    "through_ticks": (0.0, 1000.0),
    "halt_max_ms": (0, 10**13),
}
CHOICES = {
    "intrabar": ("pessimistic", "optimistic"),
    "working_type": ("last", "mark"),
    "margin_mode": ("isolated", "cross"),
    "cross_all_adverse": ("off", "on"),
    "stops_in_entry_bar": ("off", "on"),
}
