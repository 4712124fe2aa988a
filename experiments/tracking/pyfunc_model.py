"""The script MLflow keeps beside a model and runs to load it: models from code, no pickle. Needs this package installed."""

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from qt_core.agents.panel import Panel, Rows
from qt_core.agents.registry import load_agent

STOP = "stop"


class TablePanel(Panel):
    """A panel of single rows: each row of the table is a symbol of its own."""

    forced = ""  # a network looks at no feature, so its table has none; returns and stop are the same in every schema

    @property
    def schema(self) -> str:
        return self.forced or super().schema


def panel_of(table: "pd.DataFrame", schema: str) -> tuple[Panel, Rows]:
    """The table as a panel, and its last bar's rows.

    Parameters
    ----------
    table : feature columns and ``stop`` for trees, ``lag_119`` to ``lag_0`` and ``stop`` for networks (0 is the row's own
        bar).
    """
    n = len(table)
    stop = table[STOP].to_numpy(np.float32)
    lags = [name for name in table.columns if name.startswith("lag_")]
    lags.sort(key=lambda name: -int(name.removeprefix("lag_")))
    features = [name for name in table.columns if name != STOP and name not in lags]
    bars = max(1, len(lags))
    values = np.full((bars, n, len(features)), np.nan, dtype=np.float32)
    values[-1] = table[features].to_numpy(np.float32)
    returns = table[lags].to_numpy(np.float32).T if lags else np.full((1, n), np.nan, dtype=np.float32)
    panel = TablePanel(tuple(features), values, np.ascontiguousarray(returns), np.repeat(stop[None, :], bars, axis=0))
    # a table has no parameters of d to tell; that its columns are the model's is held by MLflow's signature
    object.__setattr__(panel, "forced", schema)  # the dataclass is frozen
    return panel, Rows(np.full(n, bars - 1), np.arange(n))


class AgentModel(PythonModel):  # type: ignore[misc]  # mlflow's classes are not typed for us
    """A fitted agent behind MLflow's interface; live trading and tapes ask the agent itself."""

    def load_context(self, context: Any) -> None:
        from pathlib import Path

        self.agent: Any = load_agent(Path(context.artifacts["agent"]))

    def predict(self, context: Any, model_input: "pd.DataFrame", params: "dict[str, Any] | None" = None) -> Any:
        """Probabilities and expected log return over the horizon, a row for each row of the table."""
        panel, rows = panel_of(model_input, self.agent.schema)
        proba = self.agent.predict_proba(panel, rows)
        forecast = self.agent.forecast(panel, rows)
        columns = {"p_sell": proba[:, 0], "p_hold": proba[:, 1], "p_buy": proba[:, 2], "forecast": forecast}
        return pd.DataFrame(columns, index=model_input.index)


mlflow.models.set_model(AgentModel())
