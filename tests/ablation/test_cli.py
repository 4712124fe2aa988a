"""`qt ablate`: what it prints and writes, how it goes on, and what it refuses."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from qt_core.config import load_config
from qt_core.io.qtables import write_tables
from qt_core.tables import blank_tables, meaning_of
from research.ablation.store import DOCUMENTS, MARKER
from tests.ablation.worlds import PLANTED
from tests.cli.conftest import call, write_config  # noqa: F401  a fixture
from tests.data.build import files_under

ROOT = Path(__file__).resolve().parents[2]
SMALL = {**PLANTED, "data": {"simulated": {"n_symbols": 3, "n_bars": 1500, "seed": 5}}}
FEW = ("--modules", "tpsl,risk,health,safety", "--seeds", 2, "--resamples", 300)


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path / "small.yaml", {**SMALL, "health": {"mode": "enforced"}})


def test_table_names_what_costs_what_is_unsafe_and_what_never_acted(call, config):  # noqa: F811
    done = call("ablate", config, *FEW)
    assert done.code == 0, done.err
    assert "SIMULATED MARKET" in done.out
    assert "CONTROL: RANDOM SIGNALS" in done.out
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.split()}
    assert "costs" in lines["tpsl"]
    assert "UNSAFE" in lines["risk"]
    assert "UNSAFE" in lines["safety"]
    assert "never acted: health" in done.out


def test_json_csv_and_page_say_the_same(call, config, tmp_path):  # noqa: F811
    out = tmp_path / "deep" / "out"
    done = call("ablate", config, *FEW, "--out", out, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (out / "ablation.json").read_text() == done.out
    assert sorted(p.name for p in out.iterdir()) == sorted([MARKER, "runs", *DOCUMENTS])
    assert document["seeds"] == [0, 1]
    assert document["comparisons"] == 4
    assert document["control"]
    rows = {r["name"]: r for r in document["rows"]}
    assert rows["tpsl"]["verdict"] == "costs"
    assert rows["tpsl"]["total_return"]["high"] < 0.0
    assert rows["risk"]["unsafe"] == ["risk"]
    assert rows["risk"]["number"] == 17
    assert rows["health"]["status"] == "never acted"
    lines = {r["name"]: r for r in csv.DictReader((out / "ablation.csv").open())}
    assert set(lines) == set(rows)
    for name, row in rows.items():
        for figure in ("total_return", "sharpe", "edge_bps", "max_drawdown", "turnover", "trades"):
            assert float(lines[name][f"{figure}_difference"]) == row[figure]["difference"]
    page = (out / "ablation.html").read_text()
    assert "CONTROL: RANDOM SIGNALS" in page
    assert "Cost: tpsl" in page
    assert "Never acted: health" in page
    assert page.count("Plotly.newPlot(") == 2
    assert "<script src" not in page  # nothing from the network


def test_the_same_command_goes_on_and_more_seeds_make_only_what_is_new(call, config, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    first = call("ablate", config, *FEW, "--out", out, "--json")
    made = {p: p.stat().st_mtime_ns for p in (out / "runs").iterdir()}
    again = call("ablate", config, *FEW, "--out", out, "--json")
    assert again.out == first.out
    assert {p: p.stat().st_mtime_ns for p in (out / "runs").iterdir()} == made
    more = call("ablate", config, *FEW[:2], "--seeds", 3, "--resamples", 300, "--out", out)
    assert more.code == 0
    after = {p: p.stat().st_mtime_ns for p in (out / "runs").iterdir()}
    assert {p: after[p] for p in made} == made
    assert len(after) == len(made) * 3 // 2


def refused(call, *expected, config, more=()):  # noqa: F811
    done = call("ablate", config, *more)
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    for fragment in expected:
        assert fragment in done.err


def test_bad_input_is_one_line_and_nothing_is_written(call, config, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    refused(call, "'tspl'", "did you mean 'tpsl'", config=config, more=("--modules", "tspl", "--out", out))
    refused(call, "engine", "expected some of", config=config, more=("--modules", "engine", "--out", out))
    refused(call, "signals.random.rate", config=config, more=("--set", "signals.random.rate=7", "--out", out))
    refused(
        call,
        "no trade",
        config=config,
        more=("--set", "signals.random.rate=0.0", "--modules", "tpsl", "--out", out / "x"),
    )
    refused(call, "cannot be read", config=tmp_path / "none.yaml")
    assert files_under(tmp_path) == ["small.yaml"]


def test_a_folder_of_something_else_is_refused(call, config, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    refused(call, "notes.txt", "no ablation wrote", config=config, more=("--out", out))
    (out / "notes.txt").unlink()
    (out / ".qt-run").write_text("qt-run/1\n")
    refused(call, ".qt-run", "no ablation wrote", config=config, more=("--out", out))
    refused(call, "is a file", config=config, more=("--out", config))


def test_a_folder_of_another_ablation_is_refused_and_left_alone(call, config, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    assert call("ablate", config, *FEW, "--out", out).code == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = ("--out", out, "--modules", "tpsl", "--set", "tpsl.tp_anchor=0.04")
    refused(call, "another configuration", "expected", config=config, more=other)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_faults_of_the_configuration_are_suffered_in_both_arms(call, config, tmp_path):  # noqa: F811
    raw = yaml.safe_load(config.read_text())
    raw["faults"] = [{"at": "2021-01-10", "kind": "health", "verdict": "critical", "for": "30d"}]
    faulty = write_config(tmp_path / "faulty.yaml", raw)
    few = ("--modules", "health", "--seeds", 1, "--resamples", 100, "--json")
    (calm,), (struck,) = (json.loads(call("ablate", c, *few).out)["rows"] for c in (config, faulty))
    assert calm["status"] == "never acted"
    assert struck["status"] == "compared"
    assert struck["trades"]["on"] < struck["trades"]["off"]  # what is critical stops trading, where somebody listens


def test_learned_tables_of_the_configuration_are_begun_with(call, config, tmp_path):  # noqa: F811
    raw = yaml.safe_load(config.read_text())
    raw["sizer"] = {"mode": "enforced", "epsilon": 0.0, "learning": "frozen"}
    params = load_config(raw).params()
    tables = blank_tables()
    tables.size_q[:, 0] = 1.0  # the smallest size is always the best
    write_tables(tmp_path / "tables.json", tables._replace(size_visits=tables.size_visits + 1), meaning_of(params))
    few = ("--modules", "sizer", "--seeds", 1, "--resamples", 100, "--json")
    turnover = {}
    for name, learning in (("blank", {}), ("learned", {"tables": "tables.json"})):
        path = write_config(tmp_path / f"{name}.yaml", {**raw, "learning": learning})
        turnover[name] = json.loads(call("ablate", path, *few).out)["full"]["turnover"]["mean"]
    assert 0.0 < turnover["learned"] < 0.5 * turnover["blank"]


SLOW = """
import sys, time, qt
import research.ablation.runs as runs
real, n = runs.run_once, [0]
def slow(*a, **k):
    n[0] += 1
    if n[0] == 4:
        print("RUNNING", file=sys.stderr, flush=True)
        for _ in range(600):
            time.sleep(0.1)
            a[-1](0, 1)  # the progress call, through which a run learns that it is not wanted any more
    return real(*a, **k)
runs.run_once = slow
sys.exit(qt.main(sys.argv[1:]))
"""


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(call, config, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    arguments = ["ablate", str(config), *map(str, FEW), "--out", str(out), "--threads", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for text in process.stderr:
            if text.strip() == "RUNNING":
                break
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        code = process.wait(timeout=60)
        assert process.stdout.read() == ""
    assert code == 130
    assert rest.strip() == f"interrupted; finished runs are kept in {out}: the same command goes on from there"
    kept = {p: p.stat().st_mtime_ns for p in (out / "runs").iterdir()}
    assert len(kept) == 3
    assert sorted(p.name for p in out.iterdir()) == [MARKER, "runs"]
    done = call(*arguments)
    assert done.code == 0, done.err
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert sorted(p.name for p in out.iterdir()) == sorted([MARKER, "runs", *DOCUMENTS])


def test_the_control_has_the_markets_of_the_majors():
    majors, control = (yaml.safe_load((ROOT / "configs" / f"{n}_1h.yaml").read_text()) for n in ("majors", "control"))
    assert control["data"] == majors["data"]
    assert {k: v for k, v in control.items() if k != "signals"} == {k: v for k, v in majors.items() if k != "signals"}
    assert control["signals"]["source"] == "random"
