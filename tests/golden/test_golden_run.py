"""The pinned run gives its counts, its money and, on the wheel set it was pinned on, its digest."""

import json

import pytest

from qt_core.engine.result import Result
from tests.golden.golden_run import FILE, facts, run_golden, wheel_set
from tests.parity.cases import CONFIGS

PINNED = json.loads(FILE.read_text())
HOW = "if the change is meant: python -m tests.golden.golden_run --write, in a commit that says why"


@pytest.fixture(scope="module")
def runs() -> dict[str, Result]:
    return run_golden()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("what", ["counts", "exits", "reasons"])
def test_counts(runs: dict[str, Result], name: str, what: str):
    assert facts(runs[name])[what] == PINNED["runs"][name][what], HOW


@pytest.mark.parametrize("name", CONFIGS)
def test_money(runs: dict[str, Result], name: str):
    assert facts(runs[name])["money"] == pytest.approx(PINNED["runs"][name]["money"], rel=1e-9, abs=1e-9), HOW


@pytest.mark.parametrize("name", CONFIGS)
def test_digest_on_the_wheel_set_it_was_taken_on(runs: dict[str, Result], name: str):
    digests = PINNED["digests"].get(wheel_set())
    if digests is None:
        pytest.skip(f"no digest was taken on {wheel_set()}; bytes are promised per wheel set and machine type only")
    assert runs[name].digest() == digests[name], HOW


def test_the_golden_run_trades_enough_to_be_worth_pinning():
    counts = {name: PINNED["runs"][name]["counts"] for name in CONFIGS}
    assert counts["foundation"]["trades"] >= 150
    assert counts["full"]["trades"] >= 100
    for name in ("foundation", "full"):
        assert min(counts[name]["long_trades"], counts[name]["short_trades"]) >= 40
    assert counts["stress"]["partial_fills"] > 0
    assert sum(c["liquidations"] for c in counts.values()) > 0
