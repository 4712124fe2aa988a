"""Bad input: exit code 2, one line that names the file, key or bar and what was expected, and nothing written."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import write_config
from tests.data.build import HOUR, candles, files_under, write_brackets, write_folder

ROOT = Path(__file__).resolve().parents[2]
DATA: dict[str, Any] = {"folder": "candles", "symbols": ["AUSDT", "BUSDT"], "timeframe": "1h"}


def spoil(column: str, row: int, value: float) -> Callable[[Path], None]:
    """A candle file of BUSDT with one value replaced."""

    def action(folder: Path) -> None:
        table = candles()
        table[column] = table[column].astype(np.float64)
        table[column][row] = value
        write_folder(folder, {"AUSDT": candles(), "BUSDT": table})

    return action


def retime(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """A candle file of BUSDT with other open times."""

    def action(folder: Path) -> None:
        table = candles()
        change(table["open_time"])
        write_folder(folder, {"AUSDT": candles(), "BUSDT": table})

    return action


def duplicate(time: Any) -> None:
    time[7] = time[6]


def unsort(time: Any) -> None:
    time[7], time[6] = time[6], time[7]


def two_hours_apart(time: Any) -> None:
    time[:] = time[0] + 2 * HOUR * np.arange(len(time))


def shifted(time: Any) -> None:
    time += 1000


def corrupt(folder: Path) -> None:
    sound(folder)
    path = folder / "um_1h" / "BUSDT.parquet"
    path.write_bytes(path.read_bytes()[:-40])


def without_bracket(folder: Path) -> None:
    sound(folder)
    write_brackets(folder / "fixtures" / "leverage_brackets_2026-05.parquet", ("AUSDT",))


def sound(folder: Path) -> None:
    write_folder(folder, {"AUSDT": candles(), "BUSDT": candles(price=20.0)})


BAD_FILES = {
    "NaN price": (spoil("close", 7, np.nan), ["BUSDT.parquet", "NaN price", "row 7", "2021-01-01T07:00Z", "expected"]),
    "negative price": (spoil("low", 7, -1.0), ["BUSDT.parquet", "price not positive", "row 7", "expected"]),
    "high below low": (spoil("high", 7, 1.0), ["BUSDT.parquet", "high below low", "row 7", "expected"]),
    "duplicated time": (retime(duplicate), ["BUSDT.parquet", "duplicated time", "row 7", "expected"]),
    "unsorted time": (retime(unsort), ["BUSDT.parquet", "unsorted time", "row 7", "expected"]),
    "mixed timeframe": (retime(two_hours_apart), ["BUSDT.parquet", "mixed timeframe", "expected"]),
    "misaligned time": (retime(shifted), ["BUSDT.parquet", "misaligned time", "expected"]),
    "corrupt parquet": (corrupt, ["BUSDT.parquet", "not readable as parquet", "expected"]),
    "missing bracket": (without_bracket, ["leverage_brackets", "BUSDT", "expected"]),
}
BAD_CONFIGS = {
    "unknown symbol": ({"data": {**DATA, "symbols": ["AUSDT", "XUSDT"]}}, ["XUSDT", "AUSDT"]),
    "empty window": ({"data": {**DATA, "start": "2030-01-01", "end": "2031-01-01"}}, ["empty window", "2021-01-01"]),
    "unknown timeframe": ({"data": {**DATA, "timeframe": "7h"}}, ["7h"]),
    "no such folder": ({"data": {**DATA, "folder": "nowhere"}}, ["nowhere", "expected"]),
    "two folders": ({"data": {**DATA, "root": "candles"}}, ["root", "folder", "expected"]),
    "unset variable": ({"data": {**DATA, "folder": "${QT_NO_SUCH}/x"}}, ["bad.yaml", "data.folder", "QT_NO_SUCH"]),
    "symbols of numbers": ({"data": {**DATA, "symbols": [1]}}, ["bad.yaml", "data.symbols", "expected"]),
    "unknown stand-in": (
        {"data": {**DATA, "missing_bracket": "any"}},
        ["bad.yaml", "data.missing_bracket", "conservative"],
    ),
    "unknown section": ({"data": DATA, "tspl": {}}, ["bad.yaml", "unknown key 'tspl'", "did you mean 'tpsl'"]),
    "unknown key": ({"data": DATA, "risk": {"max_levrage": 3}}, ["bad.yaml", "risk.max_levrage", "max_leverage"]),
    "out of range": ({"data": DATA, "tpsl": {"sl_anchor": 9}}, ["bad.yaml", "tpsl.sl_anchor", "9", "expected"]),
    "wrong type": ({"data": DATA, "risk": {"max_positions": "many"}}, ["bad.yaml", "risk.max_positions", "expected"]),
    "unknown source": ({"data": DATA, "signals": {"source": "models"}}, ["bad.yaml", "signals.source", "expected"]),
    "unknown threshold": ({"data": DATA, "signals": {"rules": {"x": 1}}}, ["bad.yaml", "signals.rules.x", "expected"]),
    "bad simulation": ({"data": {"simulated": {"n_bars": "x"}}}, ["bad.yaml", "data.simulated.n_bars", "expected"]),
    "unknown simulation": ({"data": {"simulated": {"bars": 9}}}, ["bad.yaml", "data.simulated.bars", "n_bars"]),
}
BAD_CHANGES = {
    "no equals sign": ("tpsl.sl_anchor", ["--set tpsl.sl_anchor", "expected SECTION.KEY=VALUE"]),
    "unknown key": ("tpsl.anchor=1", ["bad.yaml with --set", "tpsl.anchor", "tp_anchor"]),
    "out of range": ("chain.max_candidates=99", ["bad.yaml with --set", "chain.max_candidates", "expected 1 to 32"]),
    "not YAML": ("tpsl.sl_anchor=[", ["--set tpsl.sl_anchor=[", "YAML"]),
    "through a value": ("seed.x=1", ["--set seed.x=1", "not a section"]),
}


def must_refuse(call: Any, tmp_path: Path, expected: list[str], *more: str) -> None:
    before = files_under(tmp_path)
    done = call("backtest", tmp_path / "bad.yaml", "--out", tmp_path / "out" / "run", *more)
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    for fragment in expected:
        assert fragment in done.err
    assert files_under(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", BAD_FILES)
def test_unsound_file(name, call, tmp_path):
    prepare, expected = BAD_FILES[name]
    prepare(tmp_path / "candles")
    write_config(tmp_path / "bad.yaml", {"data": DATA})
    must_refuse(call, tmp_path, expected)


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_unsound_configuration(name, call, tmp_path):
    content, expected = BAD_CONFIGS[name]
    sound(tmp_path / "candles")
    write_config(tmp_path / "bad.yaml", content)
    must_refuse(call, tmp_path, expected)


@pytest.mark.parametrize("name", BAD_CHANGES)
def test_unsound_change(name, call, tmp_path):
    change, expected = BAD_CHANGES[name]
    sound(tmp_path / "candles")
    write_config(tmp_path / "bad.yaml", {"data": DATA})
    must_refuse(call, tmp_path, expected, "--set", change)


def test_missing_and_unreadable_configuration(call, tmp_path):
    must_refuse(call, tmp_path, ["bad.yaml", "cannot be read"])
    (tmp_path / "bad.yaml").write_text("data: [")
    must_refuse(call, tmp_path, ["bad.yaml", "not valid YAML"])
    (tmp_path / "bad.yaml").write_text("- 1")
    must_refuse(call, tmp_path, ["bad.yaml", "expected keys and values"])


def test_the_process_exits_with_2_and_one_line(tmp_path):
    corrupt(tmp_path / "candles")
    write_config(tmp_path / "bad.yaml", {"data": DATA})
    command = [sys.executable, str(ROOT / "qt.py"), "backtest", "bad.yaml", "--json", "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "BUSDT.parquet" in done.stderr
    assert not (tmp_path / "run").exists()


def test_missing_bracket_has_a_named_stand_in_where_asked_for(call, tmp_path):
    without_bracket(tmp_path / "candles")
    config = write_config(tmp_path / "good.yaml", {"data": {**DATA, "missing_bracket": "conservative"}})
    done = call("backtest", config)
    assert done.code == 0
    assert "no leverage bracket of BUSDT" in " ".join(done.out.split())


def test_sound_files_beside_the_configuration_are_found(call, tmp_path, monkeypatch):
    sound(tmp_path / "a" / "candles")
    config = write_config(tmp_path / "a" / "good.yaml", {"data": {**DATA, "folder": "${QT_FOLDER:-candles}"}})
    assert call("backtest", config).code == 0
    sound(tmp_path / "b")
    monkeypatch.setenv("QT_FOLDER", str(tmp_path / "b"))
    done = call("backtest", config, "--set", "data.symbols=all")
    assert done.code == 0
    assert "2 symbols" in done.out
    assert "b 1h" in done.out
