"""`qt check lookahead`: exit code 0 for the chain as it is, 1 for a planted leak."""

import dataclasses
import json

import numpy as np
import pytest

from qt_core.io import signals
from tests.cli.conftest import write_config

TINY = {"data": {"simulated": {"n_symbols": 2, "n_bars": 900, "seed": 5}}}


@pytest.fixture
def tiny_config(tmp_path):
    return write_config(tmp_path / "tiny.yaml", TINY)


def test_no_leak(call, tiny_config):
    done = call("check", "lookahead", tiny_config, "--cuts", "4")
    assert done.code == 0
    assert "SIMULATED MARKET" in done.out
    assert "4 cuts over 2021-01-01" in done.out
    assert "no look-ahead found" in done.out


def test_planted_leak_is_named_and_exits_with_1(call, tiny_config, monkeypatch):
    honest = signals.rule_tape

    def early(market, context, params=None):
        tape = honest(market, context, params)
        return dataclasses.replace(tape, proba=np.ascontiguousarray(np.roll(tape.proba, -1, axis=0)))

    monkeypatch.setattr(signals, "rule_tape", early)
    done = call("check", "lookahead", tiny_config, "--cuts", "4", "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document["ok"] is False
    assert document["simulated"] is True
    assert document["first"]
    assert "LOOK-AHEAD" in call("check", "lookahead", tiny_config, "--cuts", "4").out


@pytest.mark.parametrize("cuts", ["0", "x", "-3", "1.5"])
def test_bad_cuts_are_one_line(call, tiny_config, cuts):
    done = call("check", "lookahead", tiny_config, "--cuts", cuts)
    assert done.code == 2
    assert "nor 'all'" in done.err
    assert done.err.count("\n") == 1
