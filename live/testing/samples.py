"""How a process grows: memory, tasks, open files and sockets, and the journal, sampled while it runs."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from live.runner import Runner

MB = 1 << 20
COLUMNS = ("bar", "rss_mb", "tasks", "open_files", "journal_mb", "orders_known")


class Samples:
    """Rows of ``COLUMNS``."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._process = psutil.Process()
        self.rows: list[tuple[float, ...]] = []

    def take(self, bar: int, runner: Runner) -> None:
        """One row."""
        broker: Any = runner.broker
        self.rows.append(
            (
                bar, self._process.memory_info().rss / MB, len(asyncio.all_tasks()), self._process.num_fds(),
                self._journal.stat().st_size / MB, len(broker.orders.by_id),
            )
        )  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """First, last and largest of each column, and its slope per 1,000 bars over the second half."""
        if not self.rows:
            return {}
        table = np.array(self.rows)
        half = table[len(table) // 2 :]
        out: dict[str, Any] = {"samples": len(table)}
        for k, name in enumerate(COLUMNS[1:], start=1):
            slope = float(np.polyfit(half[:, 0], half[:, k], 1)[0]) * 1000.0 if len(half) > 2 else float("nan")
            row = {"first": table[0, k], "last": table[-1, k], "most": table[:, k].max(), "per_1000_bars": slope}
            out[name] = {key: round(float(value), 3) for key, value in row.items()}
        return out
