"""Download of contract specs and leverage brackets: dated snapshots of the exchange's own answers."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from qt_core.errors import DataError
from qt_core.io.contracts import BRACKET_COLUMNS, SpecTable, bracket_table, parse_exchange_info
from qt_core.io.files import Columns, write_json, write_parquet
from qt_core.io.store import CONTRACTS, CandleStore
from research.data.exchange import Exchange

_BRACKET_KEYS = ("bracket", "notionalFloor", "notionalCap", "maintMarginRatio", "initialLeverage", "cum")


def ask_exchange_info(exchange: Exchange) -> tuple[Any, SpecTable]:
    """The raw exchangeInfo answer and what it says; nothing is written."""
    answer = exchange.ask("fapiPublicGetExchangeInfo", {}, dict)
    return answer, parse_exchange_info(answer, "exchangeInfo")


def keep_exchange_info(store: CandleStore, answer: Any, table: SpecTable) -> Path:
    """Write an exchangeInfo answer into the store as ``contracts/exchange_info_<date>.json``."""
    path = store.root / CONTRACTS / f"exchange_info_{table.as_of}.json"
    write_json(path, answer)
    return path


def download_brackets(exchange: Exchange, store: CandleStore) -> "Path | None":
    """Write all leverage brackets as ``contracts/leverage_brackets_<date>.parquet``; None without an API key.

    Raises
    ------
    ExchangeError
        If the exchange refuses the key.
    DataError
        If the answer is not a table of brackets that chain.
    """
    if not exchange.has_keys:
        return None
    server_ms = exchange.server_time_ms()
    # a signed question carries a time; a clock that is off would have it refused
    exchange.client.options["timeDifference"] = int(time.time() * 1000) - server_ms
    answer = exchange.ask("fapiPrivateGetLeverageBracket", {}, list)
    as_of = str(np.datetime64(server_ms, "ms").astype("datetime64[D]"))
    columns = _bracket_columns(answer)
    bracket_table(columns, as_of, "leverageBracket")
    path = store.root / CONTRACTS / f"leverage_brackets_{as_of}.parquet"
    write_parquet(path, columns)
    return path


def _bracket_columns(answer: list[Any]) -> Columns:
    try:
        rows = [(entry["symbol"], *(b[k] for k in _BRACKET_KEYS)) for entry in answer for b in entry["brackets"]]
        numbers = np.array([[float(v) for v in row[1:]] for row in rows]).reshape(-1, len(_BRACKET_KEYS))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"leverageBracket answer: {error!r}; symbols with their brackets expected") from error
    columns: Columns = {"symbol": np.array([str(row[0]) for row in rows], dtype=object)}
    columns.update({name: numbers[:, i] for i, name in enumerate(BRACKET_COLUMNS[1:])})
    columns["bracket"] = columns["bracket"].astype(np.int64)
    return columns
