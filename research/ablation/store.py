"""The folder of an ablation: finished runs that a second call need not make again, and the documents made from them."""

import contextlib
import hashlib
import io
import json
import os
import shutil
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from qt_core.errors import DataError
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from research.ablation.outcome import DAILY, Outcome

MARKER = ".qt-ablation"  # its presence says: this folder was written by us; its text, for which study
RUNS = "runs"
DOCUMENTS = ("ablation.json", "ablation.csv", "ablation.html")
FORMAT = "qt-ablation/1"


class RunStore:
    """Finished runs by key, in memory only where no folder is given."""

    def __init__(self, out: "Path | None", study: str) -> None:
        self.out, self.study = out, study
        self._made: list[Path] = []  # folders that were not there before, the innermost first

    def open(self) -> None:
        """Make the folder, or go on in the one of the same study.

        Raises
        ------
        DataError
            If it belongs to another study.
        """
        if self.out is None:
            return
        marker = self.out / MARKER
        label = f"{FORMAT} {self.study}"
        if marker.is_file() and marker.read_text(encoding="utf-8").strip() != label:
            raise DataError(
                f"{self.out}: holds the ablation of another configuration, of other data or of an older version; "
                "a new folder, an empty one or the same ablation's expected"
            )
        folders = (self.out / RUNS, self.out, *self.out.absolute().parents)
        self._made = [p for p in folders if not p.exists()]
        (self.out / RUNS).mkdir(parents=True, exist_ok=True)
        write_file(marker, f"{label}\n".encode())

    def load(self, key: str) -> "Outcome | None":
        """The run with this key; None where it was not made, or not wholly written."""
        if self.out is None:
            return None
        try:
            with np.load(self._path(key), allow_pickle=False) as kept:
                values = {f.name: kept[f.name] for f in fields(Outcome)}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        return Outcome(**{k: v if k in DAILY else v.item() for k, v in values.items()})

    def save(self, key: str, outcome: Outcome) -> None:
        """Keep a finished run."""
        if self.out is None:
            return
        values: dict[str, Any] = asdict(outcome)
        values["digest"] = np.uint64(outcome.digest)  # beyond a signed number's range
        buffer = io.BytesIO()
        np.savez(buffer, **values)
        write_file(self._path(key), buffer.getvalue())

    def undo(self) -> None:
        """Take back what ``open`` and ``save`` wrote, where the folder is new: after input that turned out bad."""
        if self.out is None or self.out not in self._made:
            return
        shutil.rmtree(self.out)
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _path(self, key: str) -> Path:
        assert self.out is not None
        return self.out / RUNS / f"{key}.npz"


def check_folder(out: Path) -> None:
    """Refuse a folder that cannot or must not be written, before any work.

    Raises
    ------
    DataError
        If ``out`` is a file, holds what no ablation wrote, or lies where nothing may be written.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; a new folder, an empty one or an earlier ablation expected")
    found = {p.name for p in out.iterdir()} if out.is_dir() else set()
    foreign = sorted(found - {MARKER, RUNS, *DOCUMENTS}) or (sorted(found) if found and MARKER not in found else [])
    if foreign:
        raise DataError(
            f"{out}: holds {foreign[0]}, which no ablation wrote; a new folder, an empty one or an earlier ablation expected"
        )
    parent = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(f"{parent}: may not be written; a folder that may be expected")


def write_file(path: Path, content: bytes) -> None:
    """Write all of a file or none of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def market_digest(market: Market) -> str:
    """Hash of every number and name of a market, 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (market, market.detail):
        if part is None:
            continue
        for f in fields(Market):
            value = getattr(part, f.name)
            if isinstance(value, np.ndarray):
                digest.update(f.name.encode() + str(value.shape).encode())
                digest.update(np.ascontiguousarray(value).data)
        digest.update(json.dumps([part.symbols, part.timeframe_ms, part.sectors]).encode())
    return digest.hexdigest()


def tape_digest(tape: SignalTape) -> str:
    """Hash of every probability of a tape, 16 hex digits; made once and kept with the tape."""
    kept: str | None = tape.__dict__.get("_digest")
    if kept is None:
        digest = hashlib.blake2b(digest_size=8)
        for array in (tape.proba, tape.available):
            digest.update(np.ascontiguousarray(array).data)
        kept = tape.__dict__["_digest"] = digest.hexdigest()  # frozen: not a field, so replace() does not carry it over
    return kept


def key_of(*parts: object) -> str:
    """One name for what a run depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
