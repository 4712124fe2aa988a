"""All controls over many seeds: kept one by one, so that an interrupted study goes on; judged against what was promised."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from qt_core.agents.registry import agent_class
from qt_core.errors import DataError
from qt_core.io.files import read_json, write_json
from research.controls.run import KINDS, Outcome, control_config, run_control
from research.controls.worlds import WorldParams
from research.training.settings import settings_of
from research.training.verdict import Verdict

FORMAT = "qt-controls/2"
FOUND, FALSE_ALARM = 0.90, 0.05  # least share of planted edges found, largest share of edges seen where there is none
BEATS_PRIOR = 0.90  # least share of planted seeds in which a model beats the class shares


class Promise(NamedTuple):
    """One line of the judgement."""

    what: str
    kept_by: int
    of: int
    expected: str
    kept: bool


WORLDS_VERSION = 2  # of what a kind means and how it is judged; 2: shuffled labels are judged without the planted drift


def settings_key() -> list[Any]:
    """What an outcome depends on beside kind and seed."""
    config = control_config()
    slots = settings_of(config).slots
    return [
        WORLDS_VERSION,
        dict(config.models),
        list(WorldParams()),
        [[name, agent_class(name).VERSION] for name in slots],
    ]


def run_study(
    seeds: Sequence[int],
    path: "Path | None" = None,
    workers: int = 1,
    say: Callable[[str], None] = lambda text: None,
    progress: "Callable[[int, int], None] | None" = None,
) -> list[Outcome]:
    """Every kind with every seed; with ``path`` what is there is not run again, and each outcome is written at once.

    ``workers`` processes, one thread each; what comes out does not depend on how many.

    Raises
    ------
    DataError
        If ``path`` holds outcomes of other settings.
    """
    done = {} if path is None or not path.exists() else _read(path)
    jobs = [(kind, seed) for seed in seeds for kind in KINDS]
    for outcome in _run_all([job for job in jobs if job not in done], workers):
        done[outcome.kind, outcome.seed] = outcome
        say(line_of(outcome))
        if path is not None:
            write_json(path, document([done[j] for j in sorted(done)]))
        if progress is not None:
            progress(len(done), max(len(jobs), len(done)))
    return [done[job] for job in jobs]


def _run_all(jobs: list[tuple[str, int]], workers: int) -> Iterator[Outcome]:
    """Outcomes as they come; those not begun are dropped when nobody waits for them any more."""
    if workers == 1:
        yield from (run_control(*job) for job in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run_control, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def line_of(o: Outcome) -> str:
    """One line for people who watch."""
    v = o.looks["all"]["raw"]
    return f"{o.kind} {o.seed}: gross Sharpe {v.sharpe:.2f} ({v.low:.2f} to {v.high:.2f}), {'edge' if o.edge else 'no edge'}"


def promises(outcomes: Sequence[Outcome]) -> list[Promise]:
    """What the pipeline promises of its controls, and whether these outcomes keep it."""
    by_kind = {kind: [o for o in outcomes if o.kind == kind] for kind in KINDS}
    planted = by_kind["planted"]
    rows = [_at_least("planted edge found", sum(o.edge for o in planted), len(planted), FOUND)]
    for kind in KINDS[1:]:
        quiet = sum(not o.edge for o in by_kind[kind])
        rows.append(
            _at_least(f"{kind.replace('_', ' ')}: no edge reported", quiet, len(by_kind[kind]), 1.0 - FALSE_ALARM)
        )
    for name in planted[0].skill if planted else ():
        better = sum(o.skill[name] > 0.0 for o in planted)
        rows.append(_at_least(f"planted: {name} beats the class shares", better, len(planted), BEATS_PRIOR))
    for name in planted[0].direction if planted else ():
        better = sum(o.direction[name] > 0.0 for o in planted)
        rows.append(_at_least(f"planted: {name} knows BUY from SELL", better, len(planted), BEATS_PRIOR))
    return rows


def _at_least(what: str, count: int, of: int, share: float) -> Promise:
    return Promise(what, count, of, f"at least {share:.0%}", of > 0 and count >= share * of - 1e-9)


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Outcomes as JSON that ``run_study`` reads again."""
    rows = [{**o._asdict(), "looks": {k: _plain(v) for k, v in o.looks.items()}} for o in outcomes]
    text = json.dumps({"format": FORMAT, "settings": settings_key(), "outcomes": rows})
    plain: dict[str, Any] = json.loads(text.replace("NaN", "null"))
    return plain


def _read(path: Path) -> dict[tuple[str, int], Outcome]:
    return {(o.kind, o.seed): o for o in read_outcomes(path)}


def read_outcomes(path: Path) -> list[Outcome]:
    """The outcomes of a file that ``run_study`` wrote under today's settings.

    Raises
    ------
    DataError
        If it holds something else, or outcomes of other settings.
    """
    raw = read_json(path)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DataError(f"{path}: no outcomes of {FORMAT}; another file expected")
    if raw["settings"] != json.loads(json.dumps(settings_key())):
        raise DataError(f"{path}: outcomes of other settings; another file, or none, expected")
    return [_outcome(row) for row in raw["outcomes"]]


def _outcome(row: dict[str, Any]) -> Outcome:
    found = {
        maker: {name: Verdict(**{k: _number(x) for k, x in v.items()}) for name, v in of.items()}
        for maker, of in row["looks"].items()
    }
    skill, direction = ({k: float(_number(v)) for k, v in row[part].items()} for part in ("skill", "direction"))
    return Outcome(row["kind"], row["seed"], _number(row["oracle_sharpe"]), skill, direction, found, row["actionable"])


def _plain(of: dict[str, Verdict]) -> dict[str, Any]:
    return {name: v._asdict() for name, v in of.items()}


def _number(x: Any) -> Any:
    return float("nan") if x is None else x
