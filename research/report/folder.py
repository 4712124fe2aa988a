"""The folder of a run: written whole or not at all, refused where it would overwrite what is not ours, read back."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qt_core.errors import DataError

if TYPE_CHECKING:
    from qt_core.engine.result import Result
    from qt_core.explain.journal import Journal
    from qt_core.io.qtables import TableFile
    from qt_core.market import Market
    from research.report.frames import RunFrames

MARKER = ".qt-run"  # its presence says: this folder was written by us
TABLES = ("trades", "equity", "decisions", "events")
_OURS = {MARKER, "config.yaml", "tables.json", "summary.json", "report.html", *(f"{name}.parquet" for name in TABLES)}


def check_target(out: Path) -> None:
    """Refuse a folder that cannot or must not be written.

    Raises
    ------
    DataError
        If ``out`` is a file, holds anything that a run did not write, or lies where nothing may be written.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; a new folder, an empty one or an earlier run expected")
    found = {p.name for p in out.iterdir()} if out.is_dir() else set()
    if found and (MARKER not in found or found - _OURS):
        foreign = sorted(found - _OURS) or sorted(found)
        raise DataError(
            f"{out}: holds {foreign[0]}, which no run wrote; a new folder, an empty one or an earlier run expected"
        )
    parent = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(f"{parent}: may not be written; a folder that may be expected")


def write_run(
    out: Path,
    result: "Result",
    market: "Market",
    summary: dict[str, Any],
    *,
    journal: bool = True,
    tables: "TableFile | None" = None,
) -> None:
    """Write the whole run into a temporary folder beside ``out``, then move it into place in one step.

    Parameters
    ----------
    market : of the run, for the prices on the page. summary : of ``research.report.summarise``. journal : False leaves
        out decisions and events, which were not kept. tables : what modules 19 and 21 began with; copied.
    """
    check_target(out)
    with _temporary(out.absolute()) as folder:
        _write_tables(folder, result, journal)
        _write_texts(folder, result, summary, tables)
        from research.report.page import report_page

        (folder / "report.html").write_text(report_page(result, market, summary), encoding="utf-8")
        (folder / MARKER).write_text(f"{summary['format']}\n", encoding="utf-8")
        with uninterrupted():
            _swap(folder, out.absolute())


def _write_tables(folder: Path, result: "Result", journal: bool) -> None:
    from research.report.frames import run_frames

    frames = run_frames(result, journal)
    for name in TABLES if journal else TABLES[:2]:
        getattr(frames, name).to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")


def _write_texts(folder: Path, result: "Result", summary: dict[str, Any], tables: "TableFile | None") -> None:
    import yaml

    config = result.config.as_dict()
    if tables is not None:  # the run's own copy, so that its configuration repeats it wherever the folder goes
        from qt_core.io.qtables import write_tables

        write_tables(folder / "tables.json", tables.tables, tables.meaning, tables.note)
        config["learning"] = {"tables": "tables.json"}
    resolved = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(
        f"# as run; from {Path(result.config.source).name}\n{resolved}", encoding="utf-8"
    )
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def _temporary(out: Path) -> Iterator[Path]:
    """Make a folder beside ``out``, gone at the end if it was not moved, with any parent made for it."""
    made = [p for p in out.parents if not p.exists()]
    folder = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        folder.mkdir(parents=True)
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def _swap(folder: Path, out: Path) -> None:
    """Put ``folder`` in the place of ``out``; an earlier run there goes away only after it."""
    if not out.exists():
        folder.rename(out)
        return
    old = folder.with_suffix(".old")
    out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back for the moment between two renames."""
    before: set[Any] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def read_run(folder: Path) -> "RunFrames":
    """The tables and the configuration of a folder that ``write_run`` wrote.

    Raises
    ------
    DataError
        If the folder is no run, is of another format, or a file of it is missing or unreadable.
    """
    from qt_core.config import load_config
    from research.report.frames import RunFrames
    from research.report.summary import FORMAT

    marker = folder / MARKER
    if not marker.is_file():
        raise DataError(f"{folder}: no run there; a folder written by qt backtest --out expected")
    if marker.read_text(encoding="utf-8").strip() != FORMAT:
        raise DataError(f"{folder}: a run of another format; {FORMAT} expected, so run the backtest again")
    summary = _readable(folder / "summary.json", lambda path: json.loads(path.read_text(encoding="utf-8")))
    journal = (folder / "events.parquet").exists()
    tables = {name: _read_table(folder / f"{name}.parquet", journal or name in TABLES[:2]) for name in TABLES}
    return RunFrames(
        **tables,
        config=load_config(folder / "config.yaml"),
        symbols=tuple(summary["symbols"]),
        simulated=bool(summary["simulated"]),
        journal=journal,
        models=tuple(summary["models"]),
    )


def read_journal(folder: Path) -> "Journal":
    """The journal of such a folder, for explanations.

    Raises
    ------
    DataError
        As ``read_run``, and where a table is of another version.
    """
    from research.report.rows import journal_of

    frames = read_run(folder)
    try:
        return journal_of(frames)
    except KeyError as error:
        raise DataError(f"{folder}: {error} is not known in this version; run the backtest again") from error


def _read_table(path: Path, expected: bool) -> Any:
    import pandas as pd

    return _readable(path, pd.read_parquet) if expected else pd.DataFrame()


def _readable(path: Path, read: Callable[[Path], Any]) -> Any:
    """``read(path)``, with whatever goes wrong said in one line."""
    try:
        return read(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; run the backtest again") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}); run the backtest again") from error
