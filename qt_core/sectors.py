"""Sectors of a Market's symbols: the exchange's underlying sub-type, a file's, or unknown (SPEC section 8, module 8).

``specs["sector"]`` is 1 + index into ``Market.sectors``, which is sorted; a symbol of unknown sector has an id that no other
symbol has, so that unknown symbols never share a sector's limit. Ids mean something within one market only.
"""

from collections.abc import Mapping
from dataclasses import replace

from qt_core.errors import DataError
from qt_core.market import Market
from qt_core.market_build import OWN_SECTOR, own_sectors


def with_sectors(market: Market, sectors: Mapping[str, str]) -> Market:
    """The market with these sectors instead of the ones it had.

    Parameters
    ----------
    sectors : sector name by symbol, such as ``{"BTCUSDT": "PoW"}``. Symbols that are not in it, or have an empty name, are
        unknown; symbols that are not in the market are passed over, so that one table serves every market.

    Raises
    ------
    DataError
        If there are more different sectors than ids.
    """
    known = {symbol: sectors[symbol] for symbol in market.symbols if sectors.get(symbol)}
    names = tuple(sorted(set(known.values())))
    if len(names) >= OWN_SECTOR:
        raise DataError(f"{len(names)} different sectors; fewer than {OWN_SECTOR} expected")
    specs = market.specs.copy()
    specs["sector"] = [1 + names.index(known[s]) if s in known else 0 for s in market.symbols]
    detail = None if market.detail is None else with_sectors(market.detail, sectors)
    return replace(market, specs=own_sectors(specs), sectors=names, detail=detail)


def sector_names(market: Market) -> tuple[str, ...]:
    """Sector of every symbol, "" where unknown."""
    ids = market.specs["sector"].tolist()
    return tuple(market.sectors[k - 1] if k <= len(market.sectors) else "" for k in ids)
