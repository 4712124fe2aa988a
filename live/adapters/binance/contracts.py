"""Contract specs and leverage brackets as the exchange states them, for a session that begins."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from live.adapters.binance.opening import asked
from live.adapters.binance.session import INFO, Endpoint, Session
from live.errors import LiveError
from qt_core.io.contracts import bracket_table, make_brackets, pad_brackets, parse_exchange_info, spec_row
from qt_core.io.market_contracts import CONSERVATIVE_TIERS
from qt_core.market_build import own_sectors

BRACKETS = Endpoint("fapiPrivateGetLeverageBracket", 1)
COLUMNS = {
    "bracket": "bracket",
    "notional_floor": "notionalFloor",
    "notional_cap": "notionalCap",
    "maint_margin_ratio": "maintMarginRatio",
    "cum": "cum",
    "initial_leverage": "initialLeverage",
}


class Contracts(NamedTuple):
    """``specs`` ``[N]`` of market.SPEC_DT and ``brackets`` ``[N, MAX_BRACKETS]`` of BRACKET_DT, by symbol."""

    specs: npt.NDArray[Any]
    brackets: npt.NDArray[Any]


async def fetch_contracts(session: Session, symbols: Sequence[str]) -> Contracts:
    """Ask for specs and brackets.

    Raises
    ------
    LiveError
        Naming the symbol that the exchange does not have, or has no brackets for.
    """
    rows, sectors = await fetch_specs(session, symbols)
    tiers = bracket_table(_columns(await asked(session, BRACKETS)), "now", "binance: leverageBracket").contracts
    without = [s for s in symbols if s not in tiers]
    if without:
        raise LiveError(f"binance: no leverage brackets of {', '.join(without[:5])}; the exchange's own expected")
    return contracts_of(symbols, rows, sectors, tiers)


async def fetch_specs(session: Session, symbols: Sequence[str]) -> "tuple[npt.NDArray[Any], Mapping[str, str]]":
    """Specs ``[N]`` and sectors by symbol; a public question.

    Raises
    ------
    LiveError
        Naming the symbol that the exchange does not have.
    """
    table = parse_exchange_info(await asked(session, INFO), "binance: exchangeInfo")
    unknown = [s for s in symbols if s not in table.contracts]
    if unknown:
        raise LiveError(f"binance: no contract {', '.join(unknown[:5])}; symbols of USDT-M perpetuals expected")
    sectors = {s: table.contracts[s].sectors[0] for s in symbols if table.contracts[s].sectors}
    return np.concatenate([spec_row(table.contracts[s]) for s in symbols]), sectors


def contracts_of(
    symbols: Sequence[str], specs: npt.NDArray[Any], sectors: Mapping[str, str], tiers: Mapping[str, npt.NDArray[Any]]
) -> Contracts:
    """Specs with sectors and the number of brackets; a symbol without brackets gets small caps and high rates."""
    fallback = make_brackets(CONSERVATIVE_TIERS)
    rows = [tiers.get(s, fallback) for s in symbols]
    specs["n_brackets"] = [len(r) for r in rows]
    names = sorted(set(sectors.values()))
    specs["sector"] = [1 + names.index(sectors[s]) if s in sectors else 0 for s in symbols]  # as qt_core.sectors
    return Contracts(own_sectors(specs), np.stack([pad_brackets(r) for r in rows]))


def _columns(answer: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    rows = [(entry["symbol"], b) for entry in answer for b in entry["brackets"]]
    columns: dict[str, npt.NDArray[Any]] = {"symbol": np.array([name for name, _ in rows])}
    for ours, theirs in COLUMNS.items():
        columns[ours] = np.array([float(b[theirs]) for _, b in rows])
    return columns
