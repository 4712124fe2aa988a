"""Returns by calendar month (UTC) from an equity curve."""

from typing import Any

import numpy as np
import numpy.typing as npt


def monthly_returns(curve: npt.NDArray[Any], start_equity: float) -> dict[int, dict[int, float]]:
    """``{year: {month: simple return}}`` of every month the run touches, part months included.

    A bar that closes at midnight belongs to the month it ends.
    """
    if len(curve) == 0:
        return {}
    months = (curve["time_ms"] - 1).astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    last = np.flatnonzero(np.append(np.diff(months) != 0, True))
    equity = np.concatenate(([start_equity], curve["equity_usd"][last]))
    out: dict[int, dict[int, float]] = {}
    for k, row in enumerate(last):
        year, month = divmod(int(months[row]), 12)
        before = float(equity[k])
        out.setdefault(1970 + year, {})[month + 1] = float(equity[k + 1]) / before - 1.0 if before > 0.0 else 0.0
    return out


def year_return(months: dict[int, float]) -> float:
    """The months of one year compounded."""
    return float(np.prod([1.0 + r for r in months.values()])) - 1.0
