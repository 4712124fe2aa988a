"""Whole files or none: atomic writes, and reads whose errors name the file."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError

Columns: TypeAlias = dict[str, npt.NDArray[Any]]  # name -> [rows]


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place in one step.

    Whatever ends the write early (an error, Ctrl-C, a full disk) leaves ``path`` as it was and no temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; keys keep their order."""
    write_atomic(path, lambda temporary: _dump_json(temporary, value))


def _dump_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Parsed JSON; DataError naming the file if it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; a JSON file expected") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not readable as JSON ({_first_line(error)}); a JSON file expected") from error


def write_parquet(path: Path, columns: Columns, metadata: "dict[str, str] | None" = None) -> None:
    """Write columns of equal length as one parquet file, atomically; NaN in a float column stays NaN."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    if metadata:
        table = table.replace_schema_metadata(metadata)
    write_atomic(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def read_parquet(path: Path, columns: "tuple[str, ...]" = (), optional: "tuple[str, ...]" = ()) -> Columns:
    """Read a parquet file into numpy columns; nulls become NaN.

    Parameters
    ----------
    columns : names that must be there; empty = every column of the file.
    optional : names read where present.

    Raises
    ------
    DataError
        If the file is missing, is not parquet, is cut off, or lacks a column: one line naming the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as handle:
            present = handle.schema_arrow.names
            missing = [name for name in columns if name not in present]
            if missing:
                raise DataError(f"{path}: no column {', '.join(missing)}; expected {', '.join(columns)}")
            wanted = [n for n in present if not columns or n in columns or n in optional]
            table = handle.read(columns=wanted)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; a parquet file expected") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not readable as parquet ({_first_line(error)}); a whole file expected") from error
    out = {name: table.column(name).to_numpy() for name in table.column_names}
    for name in columns:
        _require_numbers(path, name, out[name])
    return out


def _require_numbers(path: Path, name: str, values: npt.NDArray[Any]) -> None:
    """Names are text, times whole ms without nulls, everything else numbers."""
    kinds = "OU" if name == "symbol" else "iu" if name.endswith("_time") else "iuf"
    if len(values) and values.dtype.kind not in kinds:
        what = "text" if name == "symbol" else "whole ms without nulls" if name.endswith("_time") else "numbers"
        raise DataError(f"{path}: column {name} holds {values.dtype}; {what} expected")


def read_metadata(path: Path) -> dict[str, str]:
    """Key-value metadata of a parquet file; empty if it has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        raw = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not readable as parquet ({_first_line(error)}); a whole file expected") from error
    return {k.decode(): v.decode() for k, v in raw.items() if k != b"ARROW:schema"}


def columns_digest(columns: Columns) -> str:
    """Digest of the values of all columns (not of the file's bytes), 16 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(columns):
        values = columns[name]
        digest.update(f"{name}:{values.dtype.kind}:{len(values)};".encode())
        data = values.astype(str) if values.dtype == object else values
        digest.update(np.ascontiguousarray(data).tobytes())
    return digest.hexdigest()[:16]


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
