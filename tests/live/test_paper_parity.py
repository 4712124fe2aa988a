"""A paper session, bar by bar through the event loop and the journal, is the backtest on the same bars, byte for byte."""

from pathlib import Path
from typing import Any

import pytest

from qt_core.config import load_config
from qt_core.engine import session as engine_session
from qt_core.engine.session import backtest
from tests.live.paper import assert_same, left, of_result, run_paper
from tests.parity.cases import CONFIGS, FULL, Case, real_case, simulated_case


def compare(case: Case, raw: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run both; the session must not call the backtester's loop."""
    config = load_config(raw)
    expected = of_result(backtest(case.market, case.tape, config, context=case.context))

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a session must not run the backtester")

    for name in ("backtest", "advance", "run"):
        monkeypatch.setattr(engine_session, name, never)
    found = left(run_paper(config, case.market, folder))
    assert_same(expected, found)
    return found


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_paper_is_the_backtest(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compare(simulated_case(), dict(CONFIGS[name]), tmp_path, monkeypatch)
    assert len(found["trades"]) > 20


def test_paper_on_finer_bars_is_the_backtest_with_detail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compare(simulated_case(4, 300, detail=True), dict(FULL), tmp_path, monkeypatch)
    assert len(found["trades"]) > 10


def test_paper_on_real_candles_is_the_backtest(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compare(real_case(shared_data), dict(FULL), tmp_path, monkeypatch)
    assert len(found["trades"]) > 100


def test_paper_on_real_minutes_is_the_backtest_with_detail(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = real_case(shared_data, detail=True)
    assert case.market.detail is not None
    compare(case, dict(FULL), tmp_path, monkeypatch)
