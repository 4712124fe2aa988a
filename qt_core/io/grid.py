"""Small helpers of the loaders: rows of one symbol each put on a common time axis, and lists of names for people."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qt_core.io.files import Columns


def grid(
    tables: dict[str, Columns], names: Sequence[str], column: str, axis: npt.NDArray[np.int64], timeframe_ms: int
) -> npt.NDArray[np.float64]:
    """``[T, N]`` of one column, NaN where a symbol has no row or no such column.

    Parameters
    ----------
    axis : ``[T]`` evenly spaced open times in steps of ``timeframe_ms``; rows outside it are left out.
    """
    out = np.full((len(axis), len(names)), np.nan)
    for i, name in enumerate(names):
        rows = tables.get(name, {})
        if column in rows:
            slot = (rows["open_time"] - axis[0]) // timeframe_ms
            inside = (slot >= 0) & (slot < len(axis))
            out[slot[inside], i] = rows[column][inside]
    return out


def name_list(names: Sequence[str], limit: int = 12) -> str:
    """``A, B, C and 5 more``."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
