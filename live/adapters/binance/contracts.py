"""Contract specs and leverage brackets as the exchange states them, for a session that begins."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from live.adapters.binance.opening import asked
from live.adapters.binance.session import INFO, Endpoint, Session
from live.errors import LiveError
from qt_core.io.contracts import bracket_table, pad_brackets, parse_exchange_info, spec_row
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
    table = parse_exchange_info(await asked(session, INFO), "binance: exchangeInfo")
    unknown = [s for s in symbols if s not in table.contracts]
    if unknown:
        raise LiveError(f"binance: no contract {', '.join(unknown[:5])}; symbols of USDT-M perpetuals expected")
    tiers = bracket_table(_columns(await asked(session, BRACKETS)), "now", "binance: leverageBracket").contracts
    without = [s for s in symbols if s not in tiers]
    if without:
        raise LiveError(f"binance: no leverage brackets of {', '.join(without[:5])}; the exchange's own expected")
    specs = np.concatenate([spec_row(table.contracts[s]) for s in symbols])
    specs["n_brackets"] = [len(tiers[s]) for s in symbols]
    sectors = {s: table.contracts[s].sectors[0] for s in symbols if table.contracts[s].sectors}
    names = sorted(set(sectors.values()))
    specs["sector"] = [1 + names.index(sectors[s]) if s in sectors else 0 for s in symbols]  # as qt_core.sectors
    specs = own_sectors(specs)
    return Contracts(specs, np.stack([pad_brackets(tiers[s]) for s in symbols]))


def _columns(answer: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    rows = [(entry["symbol"], b) for entry in answer for b in entry["brackets"]]
    columns: dict[str, npt.NDArray[Any]] = {"symbol": np.array([name for name, _ in rows])}
    for ours, theirs in COLUMNS.items():
        columns[ours] = np.array([float(b[theirs]) for _, b in rows])
    return columns
