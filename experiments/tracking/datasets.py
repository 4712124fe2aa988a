"""What a fit learned from and what it was judged on, as MLflow datasets with digests of every row, not of the first ones."""

import json
from typing import Any

from experiments.tracking import names
from qt_core.market import utc_text
from research.splits import Window
from research.training.dataset import Dataset

CONTEXTS = ("train", "predict")


class WindowData:
    """Digests and dataset entries of windows; each is computed once for all agents of a window."""

    def __init__(self, data: Dataset, source: dict[str, Any]) -> None:
        self.data = data
        self.source = source  # the configuration's data section, as written
        self.digests: dict[tuple[int, int], str] = {}

    def digest(self, start_ms: int, end_ms: int) -> str:
        """SHA-256 of inputs and labels of a span, 64 hex digits."""
        key = (start_ms, end_ms)
        if key not in self.digests:
            self.digests[key] = self.data.digest(*key)
        return self.digests[key]

    def whole(self, window: Window) -> str:
        """The digest from the first training row to the last prediction, as in ``FitReport.data_digest``."""
        return self.digest(window.train_ms, window.end_ms)

    def inputs(self, window: Window) -> list[Any]:
        """Entries for ``MlflowClient.log_inputs``: what a fit saw, calibration included, and what it predicted."""
        from mlflow.entities import DatasetInput, InputTag

        edges = {"train": (window.train_ms, window.predict_ms), "predict": (window.predict_ms, window.end_ms)}
        return [
            DatasetInput(self.entity(*edges[context]), tags=[InputTag("mlflow.data.context", context)])
            for context in CONTEXTS
        ]

    def entity(self, start_ms: int, end_ms: int) -> Any:
        """One span of the market as MLflow's dataset; its digest is the true one's beginning, as MLflow takes 36 letters."""
        from mlflow.entities import Dataset as Entity

        market, panel = self.data.market, self.data.panel
        a, b = (int(x) for x in self.data.close_ms.searchsorted([start_ms, end_ms]))
        digest = self.digest(start_ms, end_ms)
        columns = [{"type": "float", "name": name, "required": True} for name in panel.names]
        profile = {
            "bars": b - a, "symbols": market.n_symbols, "symbol_bars": (b - a) * market.n_symbols, "sha256": digest,
        }  # fmt: skip
        return Entity(
            name=dataset_name(self.data, start_ms, end_ms),
            digest=digest[: names.LARGEST_DIGEST],
            source_type="code",
            source=json.dumps({"tags": {"data": json.dumps(self.source, default=str)}}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps(profile),
        )


def dataset_name(data: Dataset, start_ms: int, end_ms: int) -> str:
    """``1h 21 symbols 2020-01-01 to 2021-01-01``."""
    from qt_core.io.timeframes import ms_to_timeframe

    frame = ms_to_timeframe(data.market.timeframe_ms)
    start = max(start_ms, int(data.market.time[0]))
    return f"{frame} {data.market.n_symbols} symbols {utc_text(start)[:10]} to {utc_text(end_ms)[:10]}"
