"""Fitted agents in a session say what the tape of their training says, bit for bit; the session is kept and audited."""

from pathlib import Path

import numpy as np
import pytest

from live.adapters.broker_paper import PaperBroker
from live.adapters.feed_replay import ReplayFeed, setup_of
from live.adapters.store_sqlite import SqliteStore
from live.audit import audit
from live.bootstrap import JOURNAL, PAPER, open_journal
from live.chain import Chain
from live.errors import LiveError
from live.inputs import AgentSpeaker, Inputs
from live.models import agents_speaker, newest_window
from live.recovery import recover
from live.session import Session
from qt_core.config import load_config
from qt_core.errors import ConfigError, DataError
from qt_core.io.tape_file import NO_MODEL
from research.training.tape import tape_of
from research.training.walk_forward import Training, train
from tests.agents.small import small_config, small_dataset, small_training, trending
from tests.parity.cases import FULL


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Four tiny models over the windows of a small market, on the real features."""
    folder = tmp_path_factory.mktemp("models")
    config = small_config({"folder": str(folder)})
    training = small_training(folder, config, small_dataset(trending(), config, real=True))
    train(training)
    return training


def last_rows(training: Training) -> tuple[int, int]:
    """Bars on which the last window's models speak: first and one past the last."""
    window = training.windows[-1]
    close = training.data.close_ms
    first, end = np.searchsorted(close, [window.predict_ms, window.end_ms])
    return int(first), min(int(end), len(close))


def test_agents_of_the_newest_window_say_what_the_tape_says(trained: Training) -> None:
    market, tape = trained.data.market, tape_of(trained)
    speaker = agents_speaker(trained.config, market.symbols, market.timeframe_ms)
    assert isinstance(speaker, AgentSpeaker)
    assert trained.windows[-1].name in speaker.label
    feed, inputs = ReplayFeed(market), Inputs(market.symbols, market.timeframe_ms, speaker)
    first, end = last_rows(trained)
    assert end - first >= 20
    spoken = 0
    for t in range(end):
        row = inputs.update(feed.bar(t))
        if t >= first:
            assert (row.available[0] == tape.available[t]).all()
            assert (row.proba[0] == tape.proba[t])[tape.available[t]].all()
            spoken += int(row.available.sum())
    assert spoken > 100


def test_a_speaker_goes_on_from_its_snapshot(trained: Training) -> None:
    market = trained.data.market
    feed = ReplayFeed(market)
    one, other = (
        Inputs(market.symbols, market.timeframe_ms, agents_speaker(trained.config, market.symbols, market.timeframe_ms))
        for _ in range(2)
    )
    for t in range(200):
        one.update(feed.bar(t))
    other.resume(one.snapshot())
    for t in range(200, 220):
        a, b = one.update(feed.bar(t)), other.update(feed.bar(t))
        assert all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a, b, strict=True))


def test_a_session_with_agents_is_journalled_recovered_and_audited(trained: Training, tmp_path: Path) -> None:
    """Their rows are the journal's in an audit without them, and made again in one with them."""
    market = trained.data.market
    config = load_config(dict(FULL) | {"models": dict(trained.config.models), "supervisor": {"horizon_bars": 8}})
    first, end = last_rows(trained)

    def session(keep: bool) -> Session:
        setup = setup_of(market, config)
        speaker = agents_speaker(trained.config, market.symbols, market.timeframe_ms)
        journal, run_id = open_journal(tmp_path, setup, speaker.label, PAPER)
        chain = Chain(setup)
        made = Session(chain, Inputs(setup.symbols, setup.decision_ms, speaker), journal, run_id, PaperBroker(chain))
        recover(made, journal)
        return made

    feed = ReplayFeed(market)
    now = session(True)
    for t in range(first - 300, first):
        now.warm(feed.bar(t))
    for t in range(first, end):
        now.bar(feed.bar(t))
        now.keeper.commit()  # type: ignore[attr-defined]
    again = session(False)
    assert again.chain.state_bytes() == now.chain.state_bytes()
    store = SqliteStore(tmp_path / JOURNAL, read_only=True)
    found = audit(store)
    assert found.clean
    assert any("not made again" in note for note in found.notes)
    speaker = agents_speaker(trained.config, market.symbols, market.timeframe_ms)
    assert audit(store, speaker).clean
    assert audit(store, speaker).notes == []


def test_what_is_no_training_is_refused(trained: Training, tmp_path: Path) -> None:
    market = trained.data.market
    for given, line in ((None, "models.folder"), (str(tmp_path / "nosuch"), "no such folder")):
        config = load_config({"models": {"folder": given} if given else {}})
        with pytest.raises(ConfigError, match=line):
            agents_speaker(config, market.symbols, market.timeframe_ms)
    with pytest.raises(LiveError, match="no trained window"):
        newest_window(tmp_path)


def test_models_of_another_schema_are_refused(trained: Training) -> None:
    market = trained.data.market
    with pytest.raises(DataError, match="schema"):
        agents_speaker(trained.config.with_values({"tpsl.atr_multiple": 9.0}), market.symbols, 4 * market.timeframe_ms)
    assert NO_MODEL == -1
