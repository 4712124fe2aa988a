"""Specs and brackets of the symbols of a Market: the exchange's where known, inferred from the data where not."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.io.checks import PRICES
from qt_core.io.contracts import (
    DEFAULT_MIN_NOTIONAL_USD,
    BracketTable,
    ContractSpec,
    SpecTable,
    make_brackets,
    pad_brackets,
    spec_row,
)
from qt_core.io.files import Columns
from qt_core.io.grid import name_list
from qt_core.io.source import MarketSource
from qt_core.market import NEVER_MS

# (notional cap in USD, maintenance rate, maximum leverage) of a contract whose brackets are not known: small caps, high
# rates, as the exchange gives its least traded contracts
CONSERVATIVE_TIERS = (
    (5_000.0, 0.02, 20.0),
    (25_000.0, 0.05, 10.0),
    (100_000.0, 0.10, 5.0),
    (250_000.0, 0.125, 4.0),
    (1_000_000.0, 0.25, 2.0),
    (5_000_000.0, 0.50, 1.0),
)
_MAX_DECIMALS = 10
_REL_TOLERANCE = 1e-12  # of a value that should be a whole number of steps: a few ulp of float64


class MarketContracts(NamedTuple):
    """``specs`` ``[N]`` and ``brackets`` ``[N, MAX_BRACKETS]`` in the order asked for, and a report's notes."""

    specs: npt.NDArray[Any]
    brackets: npt.NDArray[Any]
    notes: tuple[str, ...]
    sectors: dict[str, str]  # by symbol, where known: the first of the exchange's sub-types


def market_contracts(
    names: Sequence[str], candles: dict[str, Columns], source: MarketSource, missing_bracket: str = "error"
) -> MarketContracts:
    """Specs and brackets of ``names``.

    Raises
    ------
    DataError
        If a symbol has no bracket and ``missing_bracket`` is "error", naming file and symbol.
    """
    table = source.specs()
    specs, spec_notes = _specs(names, candles, table)
    brackets, bracket_notes = _brackets(names, source.brackets(), source.label, missing_bracket)
    return MarketContracts(specs, brackets, bracket_notes + spec_notes, _sectors(names, table))


def _specs(
    names: Sequence[str], candles: dict[str, Columns], table: "SpecTable | None"
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    known = {} if table is None else table.contracts
    inferred = [name for name in names if name not in known]
    rows = [spec_row(known.get(name) or infer_spec(candles[name])) for name in names]
    for name, row in zip(names, rows, strict=True):
        if name in known:  # a candle before the announced listing proves the contract traded by then
            row["list_ms"] = min(int(row["list_ms"][0]), int(candles[name]["open_time"][0]))
    notes: tuple[str, ...] = ()
    if table is not None and len(inferred) < len(names):
        notes += (f"contract specs are a snapshot as of {table.as_of}, not history",)
    if inferred:
        notes += (f"tick and lot inferred from the decimals of the data: {name_list(inferred)}",)
    return np.concatenate(rows), notes


def _sectors(names: Sequence[str], table: "SpecTable | None") -> dict[str, str]:
    known = {} if table is None else table.contracts
    return {name: known[name].sectors[0] for name in names if name in known and known[name].sectors}


def infer_spec(columns: Columns) -> ContractSpec:
    """Tick and lot as the power of ten that all prices and volumes are multiples of; nothing else can be inferred."""
    tick = min(decimal_step(columns[k]) for k in PRICES)
    lot = decimal_step(columns["volume"])
    return ContractSpec(tick, lot, lot, float("inf"), DEFAULT_MIN_NOTIONAL_USD, 0, int(NEVER_MS), ())


def decimal_step(values: npt.NDArray[Any]) -> float:
    """Largest power of ten, at most 1, that every finite value is a multiple of; 0 if it would be below 1e-10."""
    x = values[np.isfinite(values)]
    for decimals in range(_MAX_DECIMALS + 1):
        scaled = x * 10.0**decimals
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-9 + _REL_TOLERANCE * np.abs(scaled)):
            return float(10.0**-decimals)
    return 0.0


def _brackets(
    names: Sequence[str], table: "BracketTable | None", label: str, missing_bracket: str
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    if missing_bracket not in ("error", "conservative"):
        raise DataError(f"missing_bracket={missing_bracket!r}; 'error' or 'conservative' expected")
    known = {} if table is None else table.contracts
    missing = [name for name in names if name not in known]
    if missing and missing_bracket == "error":
        where = label if table is None else table.where
        raise DataError(f"{where}: no leverage bracket of {name_list(missing)}; a bracket per symbol expected")
    notes: tuple[str, ...] = ()
    if table is not None and len(missing) < len(names):
        notes += (f"leverage brackets are a snapshot as of {table.as_of}, not history",)
    if missing:
        notes += (f"no leverage bracket of {name_list(missing)}: a made-up conservative table stands in",)
    fallback = make_brackets(CONSERVATIVE_TIERS)
    return np.stack([pad_brackets(known.get(name, fallback)) for name in names]), notes
