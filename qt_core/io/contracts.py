"""Contract specs and leverage brackets: the exchange's own answers, parsed, checked, and put into Market's records.

Both are dated snapshots, not history: ``as_of`` says of when, and whoever uses them must say so.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.io.files import Columns, read_json, read_parquet
from qt_core.market import BRACKET_DT, MAX_BRACKETS, NEVER_MS, SPEC_DT, default_brackets

DEFAULT_MIN_NOTIONAL_USD = 5.0  # of most USDT-M contracts
_PERPETUAL_DELIVERY_MS = 4_102_444_800_000  # deliveries from 2100 on stand for "never" at the exchange
_CUM_TOLERANCE_USD = 0.05  # the exchange publishes ``cum`` rounded to cents

_LIMITS = ("notional_floor", "notional_cap", "maint_margin_ratio")
BRACKET_COLUMNS = ("symbol", "bracket", *_LIMITS, "initial_leverage", "cum")


class ContractSpec(NamedTuple):
    """One contract's trading rules; fields as in ``SPEC_DT``."""

    tick_size: float
    lot_step: float
    min_qty: float
    max_qty: float
    min_notional: float
    list_ms: int
    delist_ms: int
    sectors: tuple[str, ...]  # the exchange's underlying sub-types


class SpecTable(NamedTuple):
    """Specs by symbol and the date of the exchange's answer."""

    as_of: str  # YYYY-MM-DD, '' = unknown
    contracts: dict[str, ContractSpec]


class BracketTable(NamedTuple):
    """Brackets by symbol, each ``[k]`` of BRACKET_DT, and the snapshot's date."""

    as_of: str
    contracts: dict[str, npt.NDArray[Any]]
    where: str  # file, for messages


def parse_exchange_info(answer: Any, where: str) -> SpecTable:
    """Specs from a ``/fapi/v1/exchangeInfo`` answer.

    Raises
    ------
    DataError
        If the answer has not the exchange's shape, naming ``where`` and the symbol.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("symbols"), list):
        raise DataError(f"{where}: no list of symbols; an exchangeInfo answer expected")
    contracts = {}
    for entry in answer["symbols"]:
        name = str(entry.get("symbol", "?")) if isinstance(entry, dict) else "?"
        try:
            contracts[name] = _parse_contract(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where}: symbol {name}: {error!r}; filters as in exchangeInfo expected") from error
    server_ms = answer.get("serverTime")
    as_of = str(np.datetime64(int(server_ms), "ms").astype("datetime64[D]")) if server_ms else ""
    return SpecTable(as_of, contracts)


def _parse_contract(entry: dict[str, Any]) -> ContractSpec:
    filters = {f["filterType"]: f for f in entry["filters"]}
    lot = filters["LOT_SIZE"]
    market = filters.get("MARKET_LOT_SIZE", lot)
    delivery = int(entry.get("deliveryDate", NEVER_MS))
    return ContractSpec(
        tick_size=float(filters["PRICE_FILTER"]["tickSize"]),
        lot_step=max(float(lot["stepSize"]), float(market["stepSize"])),
        min_qty=max(float(lot["minQty"]), float(market["minQty"])),
        max_qty=float(market["maxQty"]) or float(lot["maxQty"]),
        min_notional=float(filters.get("MIN_NOTIONAL", {}).get("notional", DEFAULT_MIN_NOTIONAL_USD)),
        list_ms=int(entry.get("onboardDate", 0)),
        delist_ms=int(NEVER_MS) if delivery >= _PERPETUAL_DELIVERY_MS else delivery,
        sectors=tuple(str(s) for s in entry.get("underlyingSubType", ())),
    )


def exchange_info_answer(path: Path) -> Any:
    """The answer in a stored exchangeInfo file, or in a recording of answers under their path and method."""
    answer = read_json(path)
    if isinstance(answer, dict) and "/fapi/v1/exchangeInfo" in answer:
        try:
            answer = answer["/fapi/v1/exchangeInfo"]["GET"][0]["data"]
        except (KeyError, IndexError, TypeError) as error:
            raise DataError(f"{path}: exchangeInfo recording without data; GET answers expected") from error
    return answer


def read_exchange_info(path: Path) -> SpecTable:
    """Specs from a stored exchangeInfo answer; see ``parse_exchange_info``."""
    return parse_exchange_info(exchange_info_answer(path), str(path))


def read_brackets(path: Path) -> BracketTable:
    """Leverage brackets from a parquet snapshot named ``leverage_brackets_<date>.parquet``; checked."""
    columns = read_parquet(path, BRACKET_COLUMNS)
    return bracket_table(columns, path.stem.removeprefix("leverage_brackets_"), str(path))


def bracket_table(columns: Columns, as_of: str, where: str) -> BracketTable:
    """Brackets by symbol from rows of BRACKET_COLUMNS in any order.

    Raises
    ------
    DataError
        If floors and caps do not chain, or ``cum`` does not follow from floors and rates; names file and symbol.
    """
    symbol = columns["symbol"].astype(str)
    rank = np.lexsort((columns["bracket"], symbol))
    rows = np.zeros(len(rank), dtype=BRACKET_DT)
    for field, column in zip(BRACKET_DT.names or (), (*_LIMITS, "cum", "initial_leverage"), strict=True):
        rows[field] = columns[column][rank]
    names, starts = np.unique(symbol[rank], return_index=True)
    contracts = {str(n): part for n, part in zip(names, np.split(rows, starts[1:]), strict=True)}
    for name, part in contracts.items():
        _check_brackets(where, name, part)
    return BracketTable(as_of, contracts, where)


def _check_brackets(where: str, name: str, rows: npt.NDArray[Any]) -> None:
    floor, cap, rate, cum = (rows[f] for f in ("notional_floor", "notional_cap", "maintenance_rate", "cum"))
    if len(rows) > MAX_BRACKETS:
        raise DataError(f"{where}: {name} has {len(rows)} brackets; at most {MAX_BRACKETS} expected")
    chained = floor[0] == 0.0 and np.all(floor[1:] == cap[:-1]) and np.all(cap > floor)
    if not chained or not np.all((rate > 0.0) & (rate < 1.0)) or not np.all(rows["max_leverage"] >= 1.0):
        raise DataError(f"{where}: {name} brackets do not chain from 0; floor = previous cap, rate in (0, 1) expected")
    expected = np.cumsum(np.append(0.0, floor[1:] * np.diff(rate)))
    wrong = np.flatnonzero(np.abs(cum - expected) > _CUM_TOLERANCE_USD + 1e-9 * np.abs(expected))
    if len(wrong):
        k = int(wrong[0])
        raise DataError(
            f"{where}: {name} bracket {k + 1} has cum {cum[k]:.2f}; {expected[k]:.2f} expected from its floors"
        )


def spec_row(spec: ContractSpec) -> npt.NDArray[Any]:
    """One SPEC_DT record ``[1]``."""
    row = np.zeros(1, dtype=SPEC_DT)
    for name in ("tick_size", "lot_step", "min_qty", "max_qty", "min_notional", "list_ms", "delist_ms"):
        row[name] = getattr(spec, name)
    row["n_brackets"] = 1
    return row


def make_brackets(tiers: tuple[tuple[float, float, float], ...]) -> npt.NDArray[Any]:
    """Brackets ``[k]`` from rising (notional cap USD, maintenance rate, maximum leverage) rows, starting at 0."""
    cap, rate, leverage = (np.array(c) for c in zip(*tiers, strict=True))
    rows = np.zeros(len(tiers), dtype=BRACKET_DT)
    rows["notional_floor"] = np.append(0.0, cap[:-1])
    rows["notional_cap"] = cap
    rows["maintenance_rate"] = rate
    rows["cum"] = np.cumsum(np.append(0.0, cap[:-1] * np.diff(rate)))  # makes maintenance margin continuous
    rows["max_leverage"] = leverage
    return rows


def pad_brackets(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``[MAX_BRACKETS]`` records: the given rows, then unused ones (floor and cap infinite, last rate repeated)."""
    out: npt.NDArray[Any] = default_brackets(1)[0]
    out["maintenance_rate"] = rows["maintenance_rate"][-1]
    out["max_leverage"] = rows["max_leverage"][-1]
    out["cum"] = rows["cum"][-1]
    out[: len(rows)] = rows
    return out
