"""Faults in configuration files and by `--faults`: read with their lines, played, told in summary and page."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from qt_core.config import load_config
from qt_core.errors import QtError
from qt_core.faults import KINDS, FaultError, duration_ms, read_faults
from research.cli.execute import run_config
from tests.cli.conftest import write_config
from tests.data.build import files_under
from tests.parity.cases import FULL

ROOT = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = {**FULL, "data": {"simulated": {"n_symbols": 4, "n_bars": 600, "seed": 5}}}
FAULTS = """\
# an afternoon of trouble
- at: 2021-01-10T12:00
  kind: health
  verdict: critical
  for: 6h
- {at: 2021-01-12 06:30, kind: errors, count: 12, within: 20s}
- {at: 2021-01-13, kind: release}
- {at: 2021-01-15, kind: gap, for: 3h}
- {at: 2021-01-16, kind: spread, symbol: SIM01USDT, spread: 0.02, for: 1d}
- {at: 2021-01-18, kind: policy, mode: normal, max_risk: 0.01, max_positions: 5, min_confidence: 0.5}
- {at: 2021-01-20, kind: stop, reason: drill}
- {at: 2021-01-20T08:00, kind: reset, reason: drill over}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "c.yaml", CONFIG)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text(FAULTS)
    return path


def test_a_file_of_faults_is_played_and_told(call, config, script, tmp_path):
    narrow = ("--set", "msc.off_max_positions=4")  # what the policy row asks for is more
    done = call("backtest", config, "--faults", script, *narrow, "--json", "--out", tmp_path / "run")
    assert done.code == 0
    document = json.loads(done.out)
    calm = json.loads(call("backtest", config, "--json").out)
    assert document["digest"] != calm["digest"]
    assert "faults" not in calm
    told = {f["time"]: f for f in document["faults"]}
    assert told["2021-01-10T12:00Z"]["fault"] == "health critical"
    assert "emergency_stop: health" in told["2021-01-10T12:00Z"]["acted"]
    assert told["2021-01-10T18:00Z"]["fault"] == "health healthy"
    assert told["2021-01-12T06:30Z"]["fault"] == "error x 12"
    assert told["2021-01-15T00:00Z"]["fault"] == "gap begins of 4 symbols"
    assert told["2021-01-16T00:00Z"]["fault"] == "spread 0.02 of SIM01USDT"
    assert told["2021-01-18T00:00Z"]["fault"] == "policy (refused: POLICY_INVALID)"
    assert "msc_policy: POLICY_INVALID" in told["2021-01-18T00:00Z"]["acted"]
    assert any(text.startswith("universe: LOW_DEPTH") for text in told["2021-01-16T00:00Z"]["acted"])
    assert "emergency_stop: manual" in told["2021-01-20T00:00Z"]["acted"]
    assert "emergency_stop: reset" in told["2021-01-20T08:00Z"]["acted"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Faults, and who acted" in page
    assert "error x 12" in page
    shown = call("backtest", config, "--faults", script)
    assert "Faults, and who acted" in shown.out
    assert "error x 12" in shown.out


def test_a_run_keeps_its_faults_in_its_configuration(call, config, script, tmp_path):
    first = json.loads(call("backtest", config, "--faults", script, "--json", "--out", tmp_path / "run").out)
    again = json.loads(call("backtest", tmp_path / "run" / "config.yaml", "--json").out)
    assert again["digest"] == first["digest"]
    assert again["config_digest"] == first["config_digest"]
    assert again["faults"] == first["faults"]


def test_faults_may_stand_in_the_configuration_or_under_their_key(call, config, script, tmp_path):
    by_option = json.loads(call("backtest", config, "--faults", script, "--json").out)["digest"]
    inside = write_config(tmp_path / "inside.yaml", {**CONFIG, "faults": yaml.safe_load(FAULTS)})
    assert json.loads(call("backtest", inside, "--json").out)["digest"] == by_option
    keyed = tmp_path / "keyed.yaml"
    keyed.write_text("faults:\n" + "".join(f"  {line}\n" for line in FAULTS.splitlines()))
    assert json.loads(call("backtest", config, "--faults", keyed, "--json").out)["digest"] == by_option


def test_features_and_signals_know_of_a_gap(config):
    run = run_config(load_config({**CONFIG, "faults": [{"at": "2021-01-15", "kind": "gap", "for": "3h"}]}))
    hour = int((run.market.time == 1_610_668_800_000).argmax())
    assert not run.market.valid[hour : hour + 3].any()
    assert not run.context.eligible[hour : hour + 3].any()
    assert any("12 bars taken away" in note for note in run.result.notes)


def test_lookahead_is_checked_without_them(call, tmp_path):
    small = {**CONFIG, "data": {"simulated": {"n_symbols": 2, "n_bars": 260, "seed": 5}}}
    config = write_config(tmp_path / "l.yaml", {**small, "faults": [{"at": "2021-01-10", "kind": "pause"}]})
    assert call("check", "lookahead", config, "--cuts", 2).code == 0


BAD = {
    "no kind": ("{at: 2021-01-05}", "kind: None is unknown; expected one of health"),
    "another kind": ("{at: 2021-01-05, kind: helth}", "kind: 'helth' is unknown; did you mean health?"),
    "no time": ("{kind: pause}", "faults[1] (pause): at is missing"),
    "a time that is none": ("{at: soon, kind: pause}", "at: 'soon'; expected a time (UTC)"),
    "a number for a time": ("{at: 7, kind: pause}", "at: 7; expected a time (UTC)"),
    "a key too many": ("{at: 2021-01-05, kind: pause, for: 3h}", "unknown key 'for'; expected one of at, kind"),
    "a key misspelt": (
        "{at: 2021-01-05, kind: health, verdit: critical}",
        "unknown key 'verdit'; did you mean verdict?",
    ),
    "a value missing": ("{at: 2021-01-05, kind: spread}", "spread is missing; expected it beside at, kind"),
    "a verdict that is none": (
        "{at: 2021-01-05, kind: health, verdict: ill}",
        "verdict: 'ill'; expected one of healthy, degraded, critical, or a code",
    ),
    "text for a number": (
        "{at: 2021-01-05, kind: depth, depth_usd: thin}",
        "depth_usd: 'thin'; expected a finite number",
    ),
    "out of range": ("{at: 2021-01-05, kind: spread, spread: 2}", "spread: 2; expected -0.5 to 0.5"),
    "half an error": ("{at: 2021-01-05, kind: errors, count: 1.5}", "count: 1.5; expected a whole number from 1"),
    "a duration without unit": ("{at: 2021-01-05, kind: gap, for: 3}", "for: 3; expected a duration above zero"),
    "a duration of nothing": ("{at: 2021-01-05, kind: gap, for: 0h}", "for: '0h'; expected a duration above zero"),
    "a gap without end": ("{at: 2021-01-05, kind: gap}", "for is missing"),
    "nobody to close": ("{at: 2021-01-05, kind: exit}", "symbol is missing"),
    "a reset without reason": ("{at: 2021-01-05, kind: reset}", "reason is missing"),
    "an empty reason": ("{at: 2021-01-05, kind: reset, reason: ' '}", "reason: ' '; expected a few words"),
    "symbol twice": (
        "{at: 2021-01-05, kind: busy, orders: 1, symbol: A, symbols: [B]}",
        "both symbol and symbols; expected one of them",
    ),
    "symbols of numbers": ("{at: 2021-01-05, kind: vanish, symbols: [1]}", "symbols: [1]; expected a name or a list"),
    "a strategy that is none": (
        "{at: 2021-01-05, kind: policy, mode: normal, max_risk: 0, max_positions: 0, min_confidence: 0, strategies: [x]}",
        "strategies: ['x']; expected a list of trend_follow",
    ),
    "a policy mode that is none": (
        "{at: 2021-01-05, kind: policy, mode: 9, max_risk: 0.01, max_positions: 5, min_confidence: 0.5}",
        "mode: 9; expected one of defensive, normal, aggressive",
    ),
    "a policy's risk above one": (
        "{at: 2021-01-05, kind: policy, mode: normal, max_risk: 1.5, max_positions: 5, min_confidence: 0.5}",
        "max_risk: 1.5; expected 0 to 1",
    ),
    "half a position of a policy": (
        "{at: 2021-01-05, kind: policy, mode: normal, max_risk: 0.01, max_positions: 2.5, min_confidence: 0.5}",
        "max_positions: 2.5; expected a whole number from 0 to 1000",
    ),
    "a policy's confidence below zero": (
        "{at: 2021-01-05, kind: policy, mode: normal, max_risk: 0.01, max_positions: 5, min_confidence: -0.1}",
        "min_confidence: -0.1; expected 0 to 1",
    ),
    "a policy's risk that is no number": (
        "{at: 2021-01-05, kind: policy, mode: normal, max_risk: .nan, max_positions: 5, min_confidence: 0.5}",
        "max_risk: nan; expected a finite number",
    ),
    "no mapping": ("pause", "'pause'; expected keys such as at and kind"),
    "an unknown symbol": (
        "{at: 2021-01-05, kind: vanish, symbol: XUSDT}",
        "unknown symbol XUSDT; the market has SIM01USDT",
    ),
    "before the bars": (
        "{at: 2020-01-05, kind: pause}",
        "2020-01-05T00:00Z lies outside the bars; expected 2021-01-01T00:00Z",
    ),
    "after the bars": ("{at: 2031-01-05, kind: pause}", "2031-01-05T00:00Z lies outside the bars"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_entry_is_refused_by_line_and_name(name: str, call, config, tmp_path):
    entry, says = BAD[name]
    path = tmp_path / "bad.yaml"
    path.write_text(f"# comment\n- {{at: 2021-01-06, kind: halt}}\n- {entry}\n")
    done = call("backtest", config, "--faults", path, "--out", tmp_path / "run")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith(f"error: {path}:3: faults[1]")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert files_under(tmp_path) == ["bad.yaml", "c.yaml"]


def test_in_a_configuration_the_line_is_the_files(call, tmp_path):
    text = (
        yaml.safe_dump(CONFIG, sort_keys=False) + "faults:\n- {at: 2021-01-05, kind: pause}\n- {at: x, kind: pause}\n"
    )
    path = tmp_path / "c.yaml"
    path.write_text(text)
    line = len(text.splitlines())
    done = call("backtest", path)
    assert done.code == 2
    assert done.err.startswith(f"error: {path}:{line}: faults[1] (pause): at: 'x'")


@pytest.mark.parametrize(
    ("text", "says"),
    [("7", "faults: 7; expected a list"), ("pause: 1", "unknown key 'pause'"), ("- [", "not valid YAML")],
)
def test_a_file_that_is_no_list_of_faults(text: str, says: str, call, config, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    done = call("backtest", config, "--faults", path)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1


def test_a_missing_file(call, config, tmp_path):
    done = call("backtest", config, "--faults", tmp_path / "none.yaml")
    assert done.code == 2
    assert "none.yaml" in done.err


def test_the_drill_of_the_demo_is_a_script_for_its_market(call):
    done = call("backtest", ROOT / "configs" / "demo.yaml", "--faults", ROOT / "configs" / "drill.yaml", "--json")
    assert done.code == 0
    told = json.loads(done.out)["faults"]
    kinds = {entry["kind"] for entry in yaml.safe_load((ROOT / "configs" / "drill.yaml").read_text())}
    assert len(told) >= len(kinds) > 8
    acted = {text.split(":")[0] for fault in told for text in fault["acted"]}
    assert {"self_healing", "emergency_stop", "hedgefund_os", "risk_os", "universe", "msc_policy", "venue"} <= acted


def test_every_kind_is_in_the_docs():
    page = (ROOT / "docs" / "faults.md").read_text()
    for kind, rules in KINDS.items():
        assert f"| `{kind}` |" in page, kind
        for key in rules.values:
            assert f"`{key}`" in page, (kind, key)


def test_times_durations_and_order():
    assert [duration_ms(x) for x in ("30s", "90m", "6h", "1.5d", "10ms")] == [
        30_000,
        5_400_000,
        21_600_000,
        129_600_000,
        10,
    ]
    faults = read_faults(
        [{"at": "2021-01-06T00:00+02:00", "kind": "halt"}, {"at": "2021-01-05", "kind": "pause"}], "list"
    )
    assert [f.kind for f in faults] == ["pause", "halt"]
    assert faults[1].at_ms == 1_609_884_000_000  # 22:00 UTC of the day before
    assert read_faults(None, "list") == read_faults([], "list") == ()
    with pytest.raises(FaultError, match=r"list: faults\[0\]: kind: None"):
        read_faults([{}], "list")
    assert issubclass(FaultError, QtError)
