"""The folder of a learning run: one sub-folder a seed, written when the seed is done, so that an interrupted run goes on."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qt_core._jit import source_hash
from qt_core.config import Config
from qt_core.errors import DataError
from qt_core.io.files import read_json, write_atomic, write_json
from qt_core.io.qtables import read_tables, write_tables
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from qt_core.tables import QTables, digest_of, meaning_of
from research.learning.train import Epoch, Judged, Learned, SeedRun
from research.report.folder import uninterrupted

FORMAT = "qt-learn/1"
MARKER = ".qt-learn"
_OURS = {MARKER, "tables.json", "results.json", "learning.html", "config.yaml"}


def fingerprint(config: Config, market: Market, tape: SignalTape, epochs: int, until_ms: int, tables: QTables) -> str:
    """Hash of everything a seed's outcome depends on, code included, 16 hex digits."""
    digest = hashlib.sha256()
    parts = [config.digest(), list(market.symbols), epochs, until_ms, digest_of(tables, meaning_of(config.params()))]
    digest.update(json.dumps([*parts, source_hash()]).encode())
    for values in (market.time, market.close, market.high, market.low, market.valid, tape.proba, tape.available):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]


def check_folder(out: Path) -> None:
    """Refuse what must not be written into; nothing is changed.

    Raises
    ------
    DataError
        If ``out`` is a file, holds anything that no learning run wrote, or lies where nothing may be written.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; a new folder, an empty one or an earlier learning run expected")
    found = {p.name for p in out.iterdir()} if out.is_dir() else set()
    foreign = sorted(n for n in found - _OURS if not n.startswith("seed_"))
    if found and (MARKER not in found or foreign):
        raise DataError(
            f"{out}: holds {(foreign or sorted(found))[0]}, which no learning run wrote; a new folder, an empty one or an "
            "earlier learning run expected"
        )
    parent = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(f"{parent}: may not be written; a folder that may be expected")


class LearnFolder:
    """A folder that belongs to one set of settings, data and code."""

    def __init__(self, out: Path, key: str) -> None:
        self.out, self.key = out, key

    def check(self) -> None:
        """Refuse a folder that belongs to something else; nothing is written before the first seed is done.

        Raises
        ------
        DataError
            If it belongs to other settings, data or code.
        """
        check_folder(self.out)
        marker = self.out / MARKER
        if marker.exists():
            found = read_json(marker)
            if not isinstance(found, dict) or (found.get("format"), found.get("key")) != (FORMAT, self.key):
                raise DataError(
                    f"{self.out}: holds a learning run of other settings, data or code; expected another folder, or the same"
                )

    def _mark(self) -> None:
        write_json(self.out / MARKER, {"format": FORMAT, "key": self.key})

    def finished(self, seeds: Sequence[int], params: Any) -> dict[int, SeedRun]:
        """Outcomes of the seeds that are done.

        Raises
        ------
        DataError, TableError
            If a file of one is damaged.
        """
        return {seed: self._read(seed, params) for seed in seeds if (self._of(seed) / "run.json").exists()}

    def _of(self, seed: int) -> Path:
        return self.out / f"seed_{seed}"

    def write_seed(self, run: SeedRun, params: Any) -> None:
        """Tables first, then the figures: with these the seed is done. Ctrl-C waits for the moment it takes."""
        with uninterrupted():
            self._mark()
            self._write_seed(run, params)

    def _write_seed(self, run: SeedRun, params: Any) -> None:
        folder = self._of(run.seed)
        digest = write_tables(folder / "tables.json", run.tables, params, {"seed": run.seed, "epochs": len(run.epochs)})
        document = {
            "format": FORMAT,
            "seed": run.seed,
            "tables_digest": digest,
            "epochs": [_plain(epoch._asdict()) for epoch in run.epochs],
            "learned": _judged(run.learned),
            "fixed": _judged(run.fixed),
        }
        write_json(folder / "run.json", document)

    def _read(self, seed: int, params: Any) -> SeedRun:
        path = self._of(seed) / "run.json"
        document = read_json(path)
        tables = read_tables(self._of(seed) / "tables.json", params)
        try:
            if document["tables_digest"] != tables.digest:
                raise DataError(f"{path}: of other tables than those beside it; delete the folder {path.parent}")
            epochs = tuple(Epoch(**_numbers(epoch)) for epoch in document["epochs"])
            return SeedRun(seed, tables.tables, epochs, *(_read_judged(document[k]) for k in ("learned", "fixed")))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path}: not a seed of {FORMAT}; delete the folder {path.parent}") from error

    def write_all(self, learned: Learned, results: Mapping[str, Any], page: str, resolved: str) -> None:
        """What all seeds together gave: merged tables, results, configuration, the page last."""
        note = {"seeds": [s.seed for s in learned.seeds], "learned_on": learned.learn_span}
        with uninterrupted():
            self._mark()
            write_tables(self.out / "tables.json", learned.merged, learned.config.params(), note)
            write_json(self.out / "results.json", results)
            write_atomic(self.out / "config.yaml", lambda path: _text(path, resolved))
            write_atomic(self.out / "learning.html", lambda path: _text(path, page))


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: None."""
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in values.items()}


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: float("nan") if v is None else v for k, v in values.items()}


def _judged(judged: Judged) -> dict[str, Any]:
    return {"figures": _plain(judged.figures), "daily": judged.daily.tolist()}


def _read_judged(document: Mapping[str, Any]) -> Judged:
    return Judged(_numbers(document["figures"]), np.array(document["daily"], dtype=np.float64))
