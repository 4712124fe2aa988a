"""Live inference says, bar by bar, what the tape says: through holes, a restart, and without neuralforecast."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qt_core.agents.inference import Inference, load_slots
from qt_core.agents.registry import AGENTS
from qt_core.errors import DataError
from qt_core.features.context import chain_context
from qt_core.features.frame import bars_of
from qt_core.features.params import default_params
from tests.agents.small import HOUR, START, fit_small, rows_ready, small_config, small_dataset, trending
from tests.features.build import with_holes
from tests.features.test_streaming import block

ROOT = Path(__file__).resolve().parents[2]
N = 1300
HOLES = [(0, 1100, 1101), (1, 0, 100), (1, 1150, 1160), (2, 1040, 1070), (2, 1200, 1203)]


@pytest.fixture(scope="module")
def market():
    """Holes before and among the bars that are predicted; one symbol listed late."""
    return with_holes(trending(N), HOLES)


@pytest.fixture(scope="module")
def real(market):
    return small_dataset(market, real=True)


@pytest.fixture(scope="module")
def fitted(real):
    return {name: fit_small(name, real) for name in AGENTS}


@pytest.fixture(scope="module")
def folders(fitted, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, agent in fitted.items():
        agent.save(root / name, {})
    return {name: root / name for name in fitted}


def live_of(agents, market):
    return Inference(tuple(agents), default_params(HOUR), market.symbols, small_config())


@pytest.fixture(scope="module")
def answers(folders, market):
    """Every bar's answer of the loaded agents; killed and resumed at bar 1055, inside a hole."""
    bars, agents = bars_of(market), load_slots(tuple(folders.values()))
    live, rows = live_of(agents, market), []
    for t in range(N):
        if t == 1055:
            kept = live.snapshot()
            live = live_of(load_slots(tuple(folders.values())), market)
            live.resume(kept)
        rows.append(live.update(block(bars, t, t + 1, HOUR)))
    return rows


@pytest.mark.parametrize("slot", range(4))
def test_live_answers_are_the_rows_of_the_panel_to_the_bit(slot, answers, fitted, real):
    agent = list(fitted.values())[slot]
    ready = agent.ready(real.panel)
    assert not ready[1100:1110].all()  # the holes silence
    assert ready[1000:].mean() > 0.5
    live = np.concatenate([row.available for row in answers])[..., slot]
    assert np.array_equal(live, ready)
    rows = rows_ready(agent, real.panel, 0)
    said, _ = agent.answer(real.panel, rows)
    assert said.std() > 0.01
    proba = np.concatenate([row.proba for row in answers])[rows.t, rows.i, slot]
    assert proba.tobytes() == said.tobytes()


def test_context_rows_are_those_of_the_chain(answers, market):
    context = chain_context(market)
    assert np.concatenate([row.context for row in answers]).tobytes() == context.values.tobytes()
    assert np.array_equal(np.concatenate([row.eligible for row in answers]), context.eligible)


def test_several_bars_at_once_answer_the_last(answers, folders, market):
    bars, agents = bars_of(market), load_slots(tuple(folders.values()))
    live, at = live_of(agents, market), 0
    for end in (1000, 1001, 1042, 1043, 1111, 1250):
        row = live.update(block(bars, at, end, HOUR))
        for name, part in row._asdict().items():
            assert part.tobytes() == getattr(answers[end - 1], name).tobytes(), (end, name)
        at = end


def test_an_empty_slot_abstains_and_changes_nothing(answers, folders, market):
    bars, agents = bars_of(market), load_slots((folders["xgb"], None, folders["nhits"]))
    row = live_of(agents, market).update(block(bars, 0, 1250, HOUR))
    assert not row.available[..., [1, 3]].any()
    for slot, other in ((0, 0), (2, 2)):
        assert row.proba[..., slot, :].tobytes() == answers[1249].proba[..., other, :].tobytes()
    nobody = live_of((), market).update(block(bars, 0, 300, HOUR))
    assert not nobody.available.any()


def test_an_agent_of_another_schema_is_refused(agents, market):
    with pytest.raises(DataError, match=r"xgb: fitted on feature schema .*; live features are"):
        live_of([agents["xgb"]], market)


def test_a_snapshot_of_others_is_refused(folders, market):
    live = live_of(load_slots((folders["nhits"],)), market)
    kept = live.snapshot()
    with pytest.raises(DataError, match="snapshot of other symbols or windows"):
        live_of(load_slots((folders["patchtst"],)), market).resume(kept)
    with pytest.raises(DataError, match="snapshot of other symbols or windows"):
        live.resume({**kept, "symbols": ("A", "B", "C")})


def test_loading_and_predicting_live_does_not_import_the_training_library(folders):
    text = f"""
import sys
from pathlib import Path
import numpy as np
from qt_core.agents.inference import Inference, load_slots
from qt_core.features.params import default_params
from qt_core.features.step import Bars
from qt_core.config import load_config
agents = load_slots(tuple(map(Path, {tuple(str(p) for p in folders.values())!r})))
live = Inference(agents, default_params({HOUR}), ("A", "B"), load_config({{}}))
rng = np.random.default_rng(0)
n = 260
close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal((n, 2)), axis=0))
time = {START} + {HOUR} * np.arange(n)
none = np.empty(0, dtype=np.int64)
volume = np.full((n, 2), 1e6)
row = live.update(Bars(time, close, close * 1.001, close * 0.999, close, volume, volume * close,
                       np.ones((n, 2), dtype=bool), none, none, np.empty(0)))
assert row.available.all(), row.available
heavy = [m for m in ("neuralforecast", "ray", "pytorch_lightning", "mlflow", "research") if m in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
