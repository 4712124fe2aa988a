"""The same close decided twice on copies of the state: with one part of the risk chain, and without it."""

from typing import Any

from qt_core.codes import OK, OP_NEW, OVERRIDE, TAG_SCALE_IN
from qt_core.config import load_config
from qt_core.engine.run import step_bar
from qt_core.engine.session import Session
from qt_core.params_record import params_record
from qt_core.records import DECISION_DT, REQUEST_DT
from qt_core.state import N_DECISIONS, N_REQUESTS, Out, copy_into, copy_of, make_out
from tests.foundation import foundation
from tests.properties.binding import Met
from tests.properties.walk import Watcher, plain

Keyed = dict[tuple[int, int], tuple[int, float]]  # (0, symbol) or (1, rank), in the order asked -> (symbol, quantity)


def asked_for(out: Out) -> Keyed:
    """What one close asks to open: scale-ins by symbol, then candidates by rank (0 where one was refused)."""
    requests = plain(out.requests, REQUEST_DT)[: int(out.n[N_REQUESTS])]
    grown = requests[(requests["op"] == OP_NEW) & (requests["tag"] == TAG_SCALE_IN)]
    rows = plain(out.decisions, DECISION_DT)[: int(out.n[N_DECISIONS])]
    asked = {(0, int(r["symbol"])): (int(r["symbol"]), float(r["qty"])) for r in grown}
    for row in rows:
        passed = row["reason"] in (OK, OVERRIDE)
        asked[1, int(row["rank"])] = (int(row["symbol"]), float(row["qty"]) if passed else 0.0)
    return asked


def first_difference(bound: Keyed, free: Keyed) -> tuple[float, float] | None:
    """Quantities of the first candidate that the two closes judged differently; after it their books differ too."""
    for key in sorted(set(bound) | set(free)):
        nothing = (-1, 0.0)
        (i, a), (j, b) = bound.get(key, nothing), free.get(key, nothing)
        if key[0] == 1 and i != j:
            return None  # another candidate altogether: nothing to compare
        if a != b:
            return a, b
    return None


Changes = dict[str, Any]


class Twins(Watcher):
    """Before each decision the same close is decided on copies, with a part of the chain and without it.

    ``parts``: name -> (changes with the part, changes without it). What is asked with it is never larger.
    """

    def __init__(self, s: Session, met: Met, config: dict[str, Any], parts: dict[str, tuple[Changes, Changes]]) -> None:
        super().__init__(s)
        self.met = met
        self.state = copy_of(s.state)
        self.out = make_out(s.state.symbol.shape[0], trades=64, decisions=256, events=64, keep=(False, True, False))
        given = load_config(foundation(config))
        self.params = {
            name: tuple(params_record(given.with_values(change).params()) for change in pair)
            for name, pair in parts.items()
        }

    def asked(self, params: Any, f: int) -> Keyed:
        copy_into(self.state, self.s.state)
        self.out.n[[N_REQUESTS, N_DECISIONS]] = 0
        step_bar(params, self.state, self.s.bars, f, self.s.rows, int(self.s.bars.decision[f]), self.out)
        return asked_for(self.out)

    def on_close(self, f: int) -> None:
        for name, pair in self.params.items():
            differ = first_difference(*(self.asked(params, f) for params in pair))
            if differ is not None:
                a, b = differ
                assert a < b, f"bar {f}: {name} lets {a} through where {b} is asked without it"
                self.met[f"{name} bound"] += 1
                self.met[f"{name} refused"] += int(a == 0.0)
