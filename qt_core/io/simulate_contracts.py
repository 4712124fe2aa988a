"""Made-up contracts of the simulated market: start prices, ticks, lots and leverage brackets of realistic size."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.io.contracts import DEFAULT_MIN_NOTIONAL_USD, make_brackets, pad_brackets
from qt_core.market import default_specs

Floats = npt.NDArray[np.float64]

_TICK_SHARE = 2e-5  # a tick is about this share of the price: 0.2 bps
_LOT_USD = 1.0  # a lot is worth about this much, at most ten times less
SECTORS = ("PoW", "Layer-1", "DeFi", "Layer-2", "Meme")  # names as the exchange has them; prices know nothing of them
_MAJORS = 2  # contracts with the large brackets and minimum of the biggest ones
_MAJOR_MIN_NOTIONAL_USD = 20.0

# (notional cap in USD, maintenance rate, maximum leverage), rising; the shape of the exchange's own tables
_MAJOR_TIERS = (
    (300_000.0, 0.004, 125.0),
    (800_000.0, 0.005, 100.0),
    (3_000_000.0, 0.0065, 75.0),
    (12_000_000.0, 0.01, 50.0),
    (70_000_000.0, 0.02, 25.0),
    (230_000_000.0, 0.05, 10.0),
    (480_000_000.0, 0.10, 5.0),
    (1_200_000_000.0, 0.15, 3.0),
)
_MINOR_TIERS = (
    (10_000.0, 0.0065, 75.0),
    (80_000.0, 0.01, 50.0),
    (300_000.0, 0.02, 25.0),
    (600_000.0, 0.05, 10.0),
    (1_500_000.0, 0.10, 5.0),
    (3_000_000.0, 0.125, 4.0),
    (9_000_000.0, 0.25, 2.0),
    (15_000_000.0, 0.50, 1.0),
)


class SimulatedContracts(NamedTuple):
    """Contracts of N symbols, in name order."""

    names: tuple[str, ...]
    start_price: Floats  # [N] USD
    specs: npt.NDArray[Any]  # [N] of SPEC_DT
    brackets: npt.NDArray[Any]  # [N, MAX_BRACKETS] of BRACKET_DT
    sectors: dict[str, str]  # by name, made up: SECTORS in turn


def simulated_contracts(rng: np.random.Generator, n_symbols: int) -> SimulatedContracts:
    """Names SIM01USDT .. SIMnnUSDT; the first two are large and dear, the rest between 0.05 and 500 USD."""
    price = np.exp(rng.uniform(np.log(0.05), np.log(500.0), n_symbols))
    price[: min(2, n_symbols)] = (30_000.0, 1_500.0)[: min(2, n_symbols)]
    specs = default_specs(n_symbols)
    specs["tick_size"] = _power_of_ten(price * _TICK_SHARE)
    specs["lot_step"] = _power_of_ten(_LOT_USD / price)
    specs["min_qty"] = specs["lot_step"]
    specs["max_qty"] = np.round(2_000_000.0 / price / specs["lot_step"]) * specs["lot_step"]
    specs["min_notional"] = DEFAULT_MIN_NOTIONAL_USD
    specs["min_notional"][:_MAJORS] = _MAJOR_MIN_NOTIONAL_USD
    tiers = [_MAJOR_TIERS if i < _MAJORS else _MINOR_TIERS for i in range(n_symbols)]
    names = tuple(f"SIM{i + 1:02d}USDT" for i in range(n_symbols))
    return SimulatedContracts(
        names=names,
        start_price=np.round(price / specs["tick_size"]) * specs["tick_size"],
        specs=specs,
        brackets=np.stack([pad_brackets(make_brackets(t)) for t in tiers]),
        sectors={name: SECTORS[i % len(SECTORS)] for i, name in enumerate(names)},
    )


def _power_of_ten(x: Floats) -> Floats:
    return np.asarray(10.0 ** np.minimum(np.floor(np.log10(x)), 0.0), dtype=np.float64)
