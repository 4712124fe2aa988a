"""``qt data``: exit codes, one line per error, nothing half-written, instant help."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import qt
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from research.data import exchange as exchange_module
from research.data import load_market
from tests.data.build import HOUR, START_MS, candles, files_under, write_folder
from tests.data.fake_exchange import LISTED_MS, NOW_MS, FakeExchange, Fault

SINCE = "2024-02-01"
SINCE_MS = LISTED_MS + 31 * 24 * HOUR


@pytest.fixture
def online(server: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """The commands' client, pointed at the loopback exchange."""
    client = server.client
    monkeypatch.setattr(exchange_module, "make_client", client)
    return server


def test_download_fills_a_store_that_loads(
    online: FakeExchange, store: CandleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(store.root)]
    assert qt.main(["data", "download", "BTCUSDT", "ETHUSDT", "--since", SINCE, *root]) == 0
    out, err = capsys.readouterr()
    assert "leverage brackets: left out, they need an API key (QT_BINANCE_API_KEY and QT_BINANCE_API_SECRET)" in err
    assert out.count("BTCUSDT") == 3
    assert files_under(store.root) == [
        ".lock",
        *(f"candles/1h/{s}USDT.parquet" for s in ("BTC", "ETH")),
        "catalogue.json",
        "contracts/exchange_info_2024-03-01.json",
        *(f"funding/{s}USDT.parquet" for s in ("BTC", "ETH")),
        *(f"mark/1h/{s}USDT.parquet" for s in ("BTC", "ETH")),
    ]
    market = load_market(None, root=store.root, missing_bracket="conservative")
    assert (int(market.time[0]), market.n_bars) == (SINCE_MS, (NOW_MS - SINCE_MS) // HOUR)
    assert market.mark_known.all()
    assert len(market.funding_rate) == 2 * 89
    assert market.specs["tick_size"].tolist() == [0.01, 0.01]
    assert online.count("klines") == online.count("markPriceKlines") == online.count("fundingRate") == 2
    online.requests.clear()
    assert qt.main(["data", "download", "BTCUSDT", "ETHUSDT", "--since", SINCE, *root]) == 0
    assert [name for name, _ in online.requests] == ["time", "exchangeInfo"]


def test_brackets_come_with_keys_from_the_environment_only(
    server: FakeExchange, store: CandleStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(exchange_module.API_KEY_ENV, "key-from-the-environment")
    monkeypatch.setenv(exchange_module.API_SECRET_ENV, "secret-from-the-environment")
    monkeypatch.setattr(exchange_module, "make_client", server.client)
    command = ["data", "download", "BTCUSDT", "--since", SINCE, "--kind", "brackets", "--root", str(store.root)]
    assert qt.main(command) == 0
    (asked,) = server.asked("leverageBracket")
    assert {"timestamp", "signature"} <= set(asked)
    assert abs(int(asked["timestamp"]) - NOW_MS) < 60_000  # signed by the exchange's clock, not by ours
    brackets = store.brackets()
    assert brackets is not None
    assert (brackets.as_of, sorted(brackets.contracts)) == ("2024-03-01", ["BTCUSDT", "ETHUSDT"])
    assert "secret" not in "".join(capsys.readouterr())


def test_an_unknown_symbol_ends_before_anything_is_written(
    online: FakeExchange, store: CandleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert qt.main(["data", "download", "BTCUSD", "--since", SINCE, "--root", str(store.root)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: unknown symbol BTCUSD: not among the exchange's contracts; did you mean BTCUSDT")
    assert err.count("\n") == 1
    assert out == ""
    assert [name for name, _ in online.requests] == ["time", "exchangeInfo"]
    assert not store.root.exists()


def test_a_failure_keeps_what_came_and_says_what_was_asked(
    online: FakeExchange, store: CandleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    online.script("klines", None, Fault(status=400, body='{"code":-1100,"msg":"Illegal characters found."}'))
    command = ["data", "download", "BTCUSDT", "--since", "2024-01-01", "--kind", "candles", "--root", str(store.root)]
    assert qt.main(command) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: fapiPublicGetKlines symbol=BTCUSDT startTime=")
    assert "-1100" in err
    assert err.count("\n") == 1
    assert store.entries()[SeriesKey("candles", "BTCUSDT", "1h")].rows == 1_000


def test_an_interrupt_says_how_to_go_on(
    online: FakeExchange, store: CandleStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("research.data.download.download_series", interrupt)
    assert qt.main(["data", "download", "BTCUSDT", "--since", SINCE, "--root", str(store.root)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BTCUSDT", "--since", "soon"], "time 'soon' not understood"),
        (["BTCUSDT", "--since", SINCE, "--timeframe", "7m"], "unknown timeframe '7m'"),
        (["BTCUSDT", "--since", SINCE, "--kind", "trades"], "Invalid value for '--kind'"),
        (["BTCUSDT"], "Missing option '--since'"),
        (["BTCUSDT", "--since", "2030-01-01"], "empty window 2030-01-01T00:00Z to 2024-03-01T10:30Z"),
    ],
)
def test_bad_arguments_exit_with_2(
    arguments: list[str], message: str, online: FakeExchange, store: CandleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert qt.main(["data", "download", *arguments, "--root", str(store.root)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not store.root.exists()


def test_import_list_and_verify(tmp_path: Path, store: CandleStore, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "given", {"AAAUSDT": candles()})
    root = ["--root", str(store.root)]
    assert qt.main(["data", "import", str(folder), *root]) == 0
    assert qt.main(["data", "verify", *root]) == 0
    assert "2 checked: clean" in capsys.readouterr().out
    assert qt.main(["data", "list", *root]) == 0
    assert "2021-01-02T23:00Z" in capsys.readouterr().out
    assert qt.main(["data", "list", "--json", *root]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["contracts"] == ["leverage_brackets_2026-05.parquet"]
    assert (listed["files"][0]["symbol"], listed["files"][0]["first_ms"]) == ("AAAUSDT", START_MS)


def test_verify_reports_findings_as_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = candles()
    table["volume"][3] = 0.0
    write_folder(tmp_path, {"AAAUSDT": table})
    assert qt.main(["data", "verify", str(tmp_path)]) == 1
    assert "zero volume at row 3" in capsys.readouterr().out
    assert qt.main(["data", "verify", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["exit_code"], report["checked"]) == (1, 2)
    (tmp_path / "um_1h" / "AAAUSDT.parquet").write_bytes(b"x")
    assert qt.main(["data", "verify", str(tmp_path)]) == 2
    assert qt.main(["data", "verify", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("problem", ["corrupt", "NaN"])
def test_bad_input_to_import_exits_with_2_and_writes_nothing(
    problem: str, tmp_path: Path, store: CandleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    table = candles()
    if problem == "NaN":
        table["high"][5] = float("nan")
    folder = write_folder(tmp_path / "given", {"AAAUSDT": candles(), "BBBUSDT": table})
    if problem == "corrupt":
        (folder / "um_1h" / "BBBUSDT.parquet").write_bytes(b"x")
    assert qt.main(["data", "import", str(folder), "--root", str(store.root)]) == 2
    err = capsys.readouterr().err
    assert "BBBUSDT.parquet: " in err
    assert err.count("\n") == 1
    assert not store.root.exists()


def test_help_is_instant_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, qt; qt.main(['data', 'download', '--help'])\n"
        "heavy = {'numba', 'numpy', 'pandas', 'pyarrow', 'ccxt', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--since" in done.stdout
