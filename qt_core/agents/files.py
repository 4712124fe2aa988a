"""Files of a fitted agent: data formats only (no pickle), each with its digest in one manifest, all or nothing."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qt_core.errors import DataError
from qt_core.io.files import read_json, write_json

MANIFEST = "manifest.json"
FORMAT = "qt-agent/2"
ALLOWED = (".ubj", ".txt", ".safetensors", ".json")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_agent(folder: Path, write: Callable[[Path], None], manifest: dict[str, Any]) -> None:
    """Let ``write`` fill a temporary folder, add the manifest with every file's digest, and move it into place.

    Whatever ends it early leaves an earlier ``folder`` as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        _written(folder, lambda: write(temporary))
        files = {path.name: file_digest(path) for path in sorted(temporary.iterdir())}
        body = {"format": FORMAT, **manifest, "files": files}
        write_json(temporary / MANIFEST, {**body, "digest": body_digest(body)})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _written(folder: Path, write: Callable[[], None]) -> None:
    """Libraries say in many ways that a disk is full; people are told in one."""
    try:
        write()
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"{folder}: the model cannot be written ({str(error).strip().splitlines()[-1][:160]})"
        ) from error


def body_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own digest: calibration and parameters are part of the model."""
    body = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder whose files are all there, unchanged and of formats that run no code.

    Raises
    ------
    DataError
        Naming the file and what was expected.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder}: no {MANIFEST}; the folder of a fitted agent expected")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: format {_get(manifest, 'format')!r}; {FORMAT!r} expected")
    if manifest.get("digest") != body_digest(manifest):
        raise DataError(f"{path}: changed since it was written (its digest differs); the manifest as trained expected")
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise DataError(f"{path}: names no files; a digest for every file of the model expected")
    foreign = sorted({p.name for p in folder.iterdir()} - set(files) - {MANIFEST})
    if foreign:
        raise DataError(f"{folder / foreign[0]}: not in the manifest; only the files it names expected")
    for name, digest in files.items():
        _check_file(folder, str(name), str(digest))
    return manifest


def _check_file(folder: Path, name: str, digest: str) -> None:
    if Path(name).name != name or Path(name).suffix not in ALLOWED:
        raise DataError(f"{folder / MANIFEST}: file {name!r}; a plain name ending in {', '.join(ALLOWED)} expected")
    path = folder / name
    if not path.is_file():
        raise DataError(f"{path}: missing, though the manifest names it; the whole folder expected")
    if file_digest(path) != digest:
        raise DataError(f"{path}: changed since it was written (SHA-256 differs); the file as trained expected")


def _get(manifest: Any, key: str) -> Any:
    return manifest.get(key) if isinstance(manifest, dict) else None
