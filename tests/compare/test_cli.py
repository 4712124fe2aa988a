"""`qt compare` on a small simulated market: what it prints and writes, and what it refuses, before it works for minutes."""

import json

import numpy as np
import pytest
import yaml

from qt_core.io.inputs import load_config_market, read_config
from qt_core.io.tape_file import write_tape
from qt_core.metrics import DAY_MS
from qt_core.signal.tape import N_MODELS, SignalTape
from research.compare.study import CHANCE_SEEDS
from tests.cli.conftest import Done, call  # noqa: F401  a fixture

ARMS = ["ensemble", "xgb", "lgbm", "rules", "random", "buy and hold"]
FIGURES = ("annual_return", "sharpe", "max_drawdown", "turnover", "trades", "edge_bps", "total_return")
FIRST = 300  # bar of the tape's first word


def written(folder, acting=0.1, slots=("xgb", "lgbm")):
    """A configuration and a tape of two made-up models that act on a share of the rows."""
    raw = {
        "data": {"simulated": {"n_symbols": 3, "n_bars": 1200, "seed": 2}, "timeframe": "1h"},
        "signals": {"source": "tape", "tape": str(folder / "tape.parquet")},
        "ensemble": {"threshold": 0.5},
        "models": {"slots": ["xgb", "lgbm"], "windows": {"first_predict": "2021-01-10"}},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(raw))
    market = load_config_market(read_config(path))
    rng = np.random.default_rng(0)
    shape = (market.n_bars, 3, N_MODELS)
    available = np.zeros(shape, dtype=bool)
    available[FIRST:, :, : len(slots)] = True
    proba = np.zeros((*shape, 3), dtype=np.float32)
    proba[..., 1] = 1.0
    acts, side = rng.random(shape[:2]) < acting, 2 * rng.integers(0, 2, shape[:2])
    for k in range(2):
        proba[acts, k] = np.eye(3, dtype=np.float32)[side[acts]] * 0.8 + np.float32(0.2 / 3)
    model_id = np.full((market.n_bars, N_MODELS), -1, dtype=np.int64)
    model_id[:, : len(slots)] = np.arange(len(slots))
    models = tuple(
        {"name": n, "kind": "trained", "id": f"{n}-1", "train_cutoff_ms": int(market.time[0])} for n in slots
    )
    write_tape(folder / "tape.parquet", SignalTape(proba, available, model_id, models), market, slots)
    return path, market


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return written(tmp_path_factory.mktemp("compare"))


def test_json_page_and_table(call, small, tmp_path):  # noqa: F811
    path, market = small
    out = tmp_path / "deep" / "out"
    done: Done = call("compare", path, "--seeds", 2, "--out", out, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert json.loads((out / "compare.json").read_text()) == document
    assert sorted(p.name for p in out.iterdir()) == ["compare.html", "compare.json"]
    assert document["format"] == "qt-compare/2"
    assert set(document) == {
        "format", "market", "first_day", "days", "config_digest", "config", "models", "found_half_the_time", "lines",
    }  # fmt: skip
    days = sorted({int(t) // DAY_MS for t in market.time[FIRST:]})
    assert (document["first_day"], document["days"]) == (days[0], len(days))  # only bars on which a model speaks
    assert document["config_digest"] == read_config(path).digest()
    assert [m["id"] for m in document["models"]] == ["xgb-1", "lgbm-1"]
    lines = {x["name"]: x for x in document["lines"]}
    assert list(lines) == ARMS
    for name, line in lines.items():
        assert line["seeds"] == {"buy and hold": 1, "random": CHANCE_SEEDS}.get(name, 2)
        assert len(line["curve"]) == len(days) + 1
        assert line["curve"][0] == 1.0
        assert line["fees_usd"] > 0.0
        assert line["slippage_usd"] >= 0.0
        for figure in FIGURES:
            f = line[figure]
            assert set(f) == {"value", "low", "high"}
            assert f["low"] is None or f["low"] <= f["high"]
        assert len(line["gross"]) == (4 if name in ARMS[:3] else 0)
        assert (line["against_random"] is None) == (name in ("random", "buy and hold"))
        if line["against_random"] is not None:
            assert 0.0 <= line["against_random"]["p"] <= 1.0
            assert line["against_random"]["turnover"] == pytest.approx(line["turnover"]["value"], rel=0.3)
    gap = lines["ensemble"]["annual_return"]["value"] - lines["random"]["annual_return"]["value"]
    assert lines["ensemble"]["against_random"]["value"] == pytest.approx(gap)
    # the two models say the same, so alone and together they are the same; random sides turn over about as much
    assert lines["xgb"] == {**lines["lgbm"], "name": "xgb"}
    assert lines["random"]["turnover"]["value"] == pytest.approx(lines["ensemble"]["turnover"]["value"], rel=0.3)
    page = (out / "compare.html").read_text()
    assert page.count("Plotly.newPlot(") >= 1
    assert "<script src" not in page  # nothing from the network
    assert all(f"<td>{name}</td>" in page for name in ARMS)
    table: Done = call("compare", path, "--seeds", 1, "--out", out)  # an earlier comparison may be overwritten
    assert table.code == 0, table.err
    assert "written: " in table.out
    for name in ARMS:
        assert name in table.out


def test_models_that_never_act(call, tmp_path):  # noqa: F811
    path, _ = written(tmp_path, acting=0.0)
    done: Done = call("compare", path, "--seeds", 1, "--json", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    lines = {x["name"]: x for x in document["lines"]}
    assert "random" not in lines  # nothing to be compared with
    for name in ("ensemble", "xgb", "lgbm"):
        assert lines[name]["against_random"] is None
        assert lines[name]["trades"]["value"] == 0.0
        assert lines[name]["turnover"]["value"] == 0.0
        assert lines[name]["fees_usd"] == 0.0
        assert set(lines[name]["curve"]) == {1.0}
    assert not any(v["edge"] for v in lines["xgb"]["gross"].values())
    assert lines["xgb"]["gross"]["raw"]["sharpe"] is None
    assert lines["buy and hold"]["trades"]["value"] > 0
    assert "No model" in (tmp_path / "out" / "compare.html").read_text()
    assert call("compare", path, "--seeds", 1).code == 0


def refused(call, path, *args):  # noqa: F811
    done: Done = call("compare", path, "--seeds", 1, *args)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    return done.err


def test_a_folder_of_something_else_is_refused_at_once(call, small, tmp_path):  # noqa: F811
    path, _ = small
    (tmp_path / "thesis.doc").write_text("x")
    assert "holds thesis.doc; a new folder, an empty one or an earlier comparison expected" in refused(
        call, path, "--out", tmp_path
    )
    for out in (tmp_path / "thesis.doc", tmp_path / "thesis.doc" / "deep"):
        assert "thesis.doc" in refused(call, path, "--out", out)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_what_is_no_comparison_of_a_tape_is_refused(call, small):  # noqa: F811
    path, _ = small
    assert "signals.source: 'rules'; expected tape" in refused(call, path, "--set", "signals.source=rules")
    assert "no such file; expected one written by qt tape" in refused(call, path, "--set", "signals.tape=none.parquet")
    assert "--seeds" in refused(call, path, "--seeds", 0)


def test_names_that_are_not_the_tapes_are_refused(call, small):  # noqa: F811
    """Each line would bear another model's name."""
    path, _ = small
    err = refused(call, path, "--set", "models.slots=[lgbm, xgb]")
    assert "models.slots: lgbm, xgb; the tape has xgb, lgbm, the same expected" in err


def test_too_few_bars_are_refused(call, small):  # noqa: F811
    path, _ = small
    err = refused(call, path, "--set", "data.end=2021-01-14")
    assert "models speak on 12 bars; expected at least 48" in err
