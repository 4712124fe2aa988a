"""The loopback exchange answers in the shape of the recorded answers, and recorded answers go through the download."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core.io.contracts import parse_exchange_info
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from research.data.download import download_series
from research.data.exchange import Exchange
from tests.data.fake_exchange import FakeExchange, candle_row, contract, funding_row


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> dict[str, Any]:
    """Recorded answers by path."""
    path = shared_data / "fixtures" / "gocryptotrader" / "binance_fapi_http.json"
    answers: dict[str, Any] = json.loads(path.read_text())
    return answers


def kinds(value: Any) -> Any:
    """The types inside a value."""
    if isinstance(value, dict):
        return {k: kinds(v) for k, v in value.items()}
    if isinstance(value, list):
        return [kinds(v) for v in value]
    return type(value)


def test_klines_and_errors_have_the_recorded_shape(recorded: dict[str, Any]) -> None:
    row = recorded["/fapi/v1/klines"]["GET"][0]["data"][0]
    assert kinds(candle_row("LTCUSDT", row[0], 300_000)) == kinds(row)
    assert candle_row("LTCUSDT", row[0], 300_000)[6] == row[6]  # close time
    error = recorded["/fapi/v1/ticker/24hr"]["GET"][0]["data"]
    state = FakeExchange()
    assert state.answer("klines", {"symbol": "FOOUSDT"}) == (400, error)


def test_funding_has_the_recorded_shape(recorded: dict[str, Any]) -> None:
    row = recorded["/fapi/v1/fundingRate"]["GET"][0]["data"][0]
    ours = kinds(funding_row("LTCUSDT", 1))
    assert {k: ours[k] for k in row} == kinds(row)


def test_contracts_have_the_recorded_shape(recorded: dict[str, Any]) -> None:
    (theirs,) = [s for s in recorded["/fapi/v1/exchangeInfo"]["GET"][0]["data"]["symbols"] if s["symbol"] == "BTCUSDT"]
    ours = contract("BTCUSDT")
    assert {k: kinds(ours[k]) for k in ours if k != "filters"} == {k: kinds(theirs[k]) for k in ours if k != "filters"}
    filters = {f["filterType"]: kinds(f) for f in theirs["filters"]}
    assert all(filters[f["filterType"]] == kinds(f) for f in ours["filters"])


def test_recorded_specs_are_understood(recorded: dict[str, Any]) -> None:
    table = parse_exchange_info(recorded["/fapi/v1/exchangeInfo"]["GET"][0]["data"], "recording")
    btc = table.contracts["BTCUSDT"]
    assert btc[:6] == (0.1, 0.001, 0.001, 120.0, 100.0, 1_569_398_400_000)
    assert (len(table.contracts), btc.sectors, table.as_of) == (25, ("PoW",), "2025-08-07")


def test_recorded_klines_go_through_the_download(
    recorded: dict[str, Any], server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    rows = recorded["/fapi/v1/klines"]["GET"][0]["data"]
    server.recorded["klines"] = rows
    server.now_ms = rows[-1][6]  # one ms before the last bar closes
    key = SeriesKey("candles", "LTCUSDT", "5m")
    report = download_series(exchange, store, key, rows[0][0])
    stored = store.read(key)
    assert (report.rows, report.unfinished) == (len(rows) - 1, 1)
    assert stored["close"].tolist() == [float(row[4]) for row in rows[:-1]]
    assert stored["quote_volume"].tolist() == [float(row[7]) for row in rows[:-1]]
    assert np.array_equal(stored["open_time"], [row[0] for row in rows[:-1]])
