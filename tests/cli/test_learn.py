"""`qt learn`, `qt tables` and the key `learning.tables`: what they write, keep, refuse and take up again."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core.config import load_config
from qt_core.io.qtables import read_tables, write_tables
from qt_core.tables import merge
from research.cli.execute import run_config
from research.learning import train
from tests.cli.conftest import write_config
from tests.data.build import files_under
from tests.parity.cases import FULL

ROOT = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = {**FULL, "data": {"simulated": {"n_symbols": 4, "n_bars": 1200, "seed": 5}}}
QUICK = ("--epochs", 2, "--seeds", 2)
FILES = [".qt-learn", "config.yaml", "learning.html", "results.json"]
FILES += [f"seed_{k}/{name}" for k in (0, 1) for name in ("run.json", "tables.json")] + ["tables.json"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "c.yaml", CONFIG)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder; copy what is to be changed."""
    import qt

    folder = tmp_path_factory.mktemp("learn")
    path = write_config(folder / "c.yaml", CONFIG)
    assert qt.main(["learn", str(path), *map(str, QUICK), "--out", str(folder / "out")]) == 0
    return folder / "out"


def copied(folder: Path, to: Path) -> Path:
    for name in files_under(folder):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes((folder / name).read_bytes())
    return to


def test_the_folder_holds_tables_results_and_page(learned):
    assert files_under(learned) == sorted(FILES)
    results = json.loads((learned / "results.json").read_text())
    assert results["simulated"] is True
    assert [s["seed"] for s in results["seeds"]] == [0, 1]
    assert [len(s["epochs"]) for s in results["seeds"]] == [2, 2]
    assert results["learn_span"].split(" to ")[1] < results["judge_span"].split(" to ")[0]
    assert "Prices are simulated" in results["verdict"]
    params = load_config(CONFIG).params()
    seeds = [read_tables(learned / f"seed_{k}" / "tables.json", params).tables for k in (0, 1)]
    merged = read_tables(learned / "tables.json", params).tables
    assert np.array_equal(merged.size_visits, merge(*seeds).size_visits)
    assert int(merged.size_visits.sum()) == sum(e["size_updates"] for s in results["seeds"] for e in s["epochs"]) > 50


def test_the_page_is_whole_and_labelled(learned):
    page = (learned / "learning.html").read_text()
    assert "SIMULATED MARKET" in page
    assert "{{" not in page.split('<script id="data"')[0]
    data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    assert [t["name"] for t in data["tables"]] == ["all seeds, merged", "seed 0", "seed 1"]
    for table in data["tables"]:
        for kind, actions in data["actions"].items():
            t = table[kind]
            assert len(t["states"]) == len(t["q"]) == len(t["visits"]) == len(t["greedy"]) > 0
            assert {len(row) for row in t["q"]} == {len(actions)}
            assert [[q is None for q in row] for row in t["q"]] == [[n is None for n in row] for row in t["visits"]]


def test_the_summary_says_what_was_learned_and_how_sure_that_is(call, config):
    done = call("learn", config, *QUICK)
    assert done.code == 0
    text = " ".join(done.out.split())
    for word in ("SIMULATED MARKET", "Spread over seeds", "90 % of the mean", "blank tables", "fixed size, seed 1"):
        assert word in text
    assert "19, sizes:" in text
    assert "written" not in done.out
    assert "too few seeds to quote a spread" in text
    assert "a spread over fewer than 5 seeds is not quoted; --seeds is 2" in done.err


def test_json_is_the_document_of_the_folder(call, config, learned):
    done = call("learn", config, *QUICK, "--json")
    assert done.code == 0
    assert json.loads(done.out) == json.loads((learned / "results.json").read_text())


def test_finished_seeds_are_not_run_again(call, config, learned, tmp_path, monkeypatch):
    out = copied(learned, tmp_path / "out")
    for name in ("results.json", "learning.html", "tables.json"):
        (out / name).unlink()
    done_seeds = []
    real = train.run_epoch

    def run_epoch(window, config, seed, epoch, tables):
        done_seeds.append(seed)
        return real(window, config, seed, epoch, tables)

    monkeypatch.setattr(train, "run_epoch", run_epoch)
    done = call("learn", config, *QUICK, "--out", out)
    assert done.code == 0
    assert "2 of 2 seeds are there already" in done.err
    assert done_seeds == []
    assert (out / "results.json").read_bytes() == (learned / "results.json").read_bytes()
    assert call("learn", config, "--epochs", 2, "--seeds", 3, "--out", out).code == 0
    assert done_seeds == [2, 2]


def test_a_folder_of_other_settings_is_left_alone(call, config, learned, tmp_path):
    out = copied(learned, tmp_path / "out")
    before = {name: (out / name).read_bytes() for name in files_under(out)}
    for change in (("--epochs", 3), ("--set", "sizer.alpha=0.3"), ("--until", "2021-01-25")):
        done = call("learn", config, "--seeds", 2, "--epochs", 2, *change, "--out", out)
        assert done.code == 2
        assert done.err.splitlines()[-1] == (
            f"error: {out}: holds a learning run of other settings, data or code; expected another folder, or the same"
        )
    assert {name: (out / name).read_bytes() for name in files_under(out)} == before


def test_a_damaged_seed_is_named(call, config, learned, tmp_path):
    out = copied(learned, tmp_path / "out")
    for text, says in (("{", "run.json: not readable as JSON"), ("{}", "run.json: not a seed of qt-learn/1")):
        (out / "seed_1" / "run.json").write_text(text)
        done = call("learn", config, *QUICK, "--out", out)
        assert done.code == 2
        assert says in done.err.splitlines()[-1]
    copied(learned, out)
    (out / "seed_1" / "tables.json").write_bytes((out / "seed_0" / "tables.json").read_bytes())
    done = call("learn", config, *QUICK, "--out", out)
    assert done.code == 2
    assert "seed_1/run.json: of other tables than those beside it" in done.err


def test_a_foreign_folder_is_refused_before_anything_is_loaded(call, config, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    done = call("learn", config, "--out", out)
    assert done.code == 2
    assert "notes.txt, which no learning run wrote" in done.err
    assert done.err.count("\n") == 1
    assert files_under(out) == ["notes.txt"]
    done = call("learn", config, "--out", config)
    assert "is a file" in done.err


REFUSED = {
    "nothing learns": (
        ("--set", "sizer.learning=frozen", "--set", "strategy.learning=shadow"),
        "sizer.learning and strategy.learning: neither module learns; expected on for one of them",
    ),
    "a date that is none": (("--until", "soon"), "time 'soon' not understood"),
    "nothing to judge by": (("--until", "2030-01-01"), "0 bars to judge by; expected at least 48"),
    "nothing to learn on": (("--until", "2021-01-01"), "0 bars to learn on; expected at least 48"),
    "no epoch": (("--epochs", "0"), "--epochs"),
    "faults": (("--set", 'faults=[{"at": "2021-01-05", "kind": "pause"}]'), "faults: expected none"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_line_and_nothing_is_written(name, call, config, tmp_path):
    options, says = REFUSED[name]
    done = call("learn", config, *options, "--out", tmp_path / "out")
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert files_under(tmp_path) == ["c.yaml"]


SLOW = """
import sys, time, qt
import research.learning.train as train
real = train.run_epoch
def slow(window, config, seed, epoch, tables):
    if seed == SLOW_SEED:
        print("AT WORK", file=sys.stderr, flush=True)
        time.sleep(60)
    return real(window, config, seed, epoch, tables)
train.run_epoch = slow
sys.exit(qt.main(sys.argv[1:]))
"""


def interrupted(config: Path, out: Path, seed: int) -> str:
    """What `qt learn` says when Ctrl-C comes while a seed is at work."""
    program = SLOW.replace("SLOW_SEED", str(seed))
    command = [sys.executable, "-c", program, "learn", str(config), *map(str, QUICK), "--out", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(line.strip() == "AT WORK" for line in process.stderr)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    return rest


def test_ctrl_c_before_a_seed_is_done_leaves_nothing(config, tmp_path):
    assert interrupted(config, tmp_path / "out", 0) == "interrupted; nothing was written\n"
    assert files_under(tmp_path) == ["c.yaml"]


def test_ctrl_c_keeps_the_seeds_that_are_done(config, tmp_path, learned):
    out = tmp_path / "out"
    rest = interrupted(config, out, 1)
    assert f"interrupted; 1 of 2 seeds are kept in {out}, the same command goes on from there" in rest
    assert files_under(out) == [".qt-learn", "seed_0/run.json", "seed_0/tables.json"]
    assert (out / "seed_0" / "tables.json").read_bytes() == (learned / "seed_0" / "tables.json").read_bytes()


# --- tables -------------------------------------------------------------------------------------------------------------


def test_show_names_states_and_their_best_action(call, learned):
    done = call("tables", "show", learned / "tables.json")
    assert done.code == 0
    assert "19, sizes (reward points)" in done.out
    assert "21, strategies (R)" in done.out
    assert read_tables(learned / "tables.json").digest in done.out


def test_compare_says_how_far_two_seeds_agree(call, learned):
    done = call("tables", "compare", learned / "seed_0" / "tables.json", learned / "seed_1" / "tables.json")
    assert done.code == 0
    assert "in both; correlation of their Q" in done.out
    assert "largest differences" in done.out
    same = call("tables", "compare", learned / "tables.json", learned / "tables.json")
    assert "correlation of their Q 1.000" in same.out
    assert "same best action in 100.0%" in same.out


def test_merge_writes_what_learn_merged(call, learned, tmp_path):
    out = tmp_path / "m.json"
    done = call("tables", "merge", *(learned / f"seed_{k}" / "tables.json" for k in (0, 1)), "--out", out)
    assert done.code == 0
    assert read_tables(out).digest == read_tables(learned / "tables.json").digest


def test_unsound_files_are_one_line(call, learned, tmp_path):
    (tmp_path / "cut.json").write_text((learned / "tables.json").read_text()[:-50])
    for command in ("show", "compare", "merge"):
        files = [tmp_path / "cut.json"] * (2 if command == "compare" else 1)
        more = ("--out", tmp_path / "out.json") if command == "merge" else ()
        done = call("tables", command, *files, *more)
        assert done.code == 2
        assert "cut.json: not readable as JSON" in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


# --- a backtest that begins with tables ---------------------------------------------------------------------------------


def with_tables(tmp_path: Path, name: str) -> Path:
    return write_config(tmp_path / "with.yaml", {**CONFIG, "learning": {"tables": name}})


def test_a_backtest_begins_with_the_tables_of_its_configuration(call, config, learned, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.json").write_bytes((learned / "tables.json").read_bytes())
    path = with_tables(tmp_path, "sub/t.json")  # from the configuration's folder
    done = call("backtest", path, "--json", "--out", tmp_path / "run")
    assert done.code == 0
    document = json.loads(done.out)
    blank = json.loads(call("backtest", config, "--json").out)
    assert document["digest"] != blank["digest"]
    assert document["tables_digest"] == read_tables(learned / "tables.json").digest
    by_hand = run_config(load_config(path))
    assert by_hand.result.digest() == document["digest"]
    (tmp_path / "sub" / "t.json").unlink()
    again = call("backtest", tmp_path / "run" / "config.yaml", "--json")  # the run keeps its own copy
    assert json.loads(again.out)["digest"] == document["digest"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((), "nowhere.json: no such file"),
        (("--set", "learning.tables=7"), "learning.tables: 7; expected the path of a file"),
        (("--set", "learning.table=x"), "unknown key 'learning.table'"),
        (("--set", "learning.tables=${QT_NO_SUCH}/t.json"), "learning.tables: environment variable QT_NO_SUCH"),
    ],
)
def test_tables_that_cannot_be_had_are_refused(change, says, call, tmp_path):
    done = call("backtest", with_tables(tmp_path, "nowhere.json"), *change, "--out", tmp_path / "run")
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert files_under(tmp_path) == ["with.yaml"]


def test_tables_of_other_edges_are_refused(call, learned, tmp_path):
    params = load_config(CONFIG).with_values({"sizer.confidence_high": 0.6}).params()
    write_tables(tmp_path / "t.json", read_tables(learned / "tables.json").tables, params)
    done = call("backtest", with_tables(tmp_path, "t.json"))
    assert done.code == 2
    assert "t.json: learned with sizer.confidence_high 0.6; expected 0.5" in done.err
