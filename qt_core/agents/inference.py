"""Module 1's live inference: the fitted agents answer one bar for N symbols from streaming features and a rolling window.

It is the research panel's own code over the last few bars: ``make_panel`` and ``predict_proba`` cannot tell which they were
given, and a test holds tape and live rows equal bit for bit. neuralforecast is not imported.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qt_core.agents.base import Agent
from qt_core.agents.panel import Float32Array, Rows, distance_of, make_panel
from qt_core.agents.registry import load_agent
from qt_core.config import Config
from qt_core.errors import DataError
from qt_core.features.params import FeatureParams
from qt_core.features.registry import F_ATR_PCT, F_ATR_PCTILE, feature_names
from qt_core.features.step import Bars
from qt_core.features.stream import FeatureStream
from qt_core.market import BoolArray, FloatArray, IntArray
from qt_core.signal.barriers import stop_distances
from qt_core.signal.tape import N_CLASSES, N_MODELS


class TapeRow(NamedTuple):
    """What the models say at one close, in the layout of one bar of a SignalTape."""

    proba: Float32Array  # [1, N, 4, 3]
    available: BoolArray  # [1, N, 4]
    context: FloatArray  # [1, N, CTX_COLUMNS], the chain's columns of the same bar
    eligible: BoolArray  # [1, N]


class Inference:
    """Agents in the four slots of a tape, fed bar by bar.

    Parameters
    ----------
    agents : by slot; None = that slot abstains. params : feature spans. symbols : in the order of the columns. config : its
        ``tpsl`` and ``regime`` sections scale the stop distance.

    Raises
    ------
    DataError
        If an agent was fitted on another feature schema.
    """

    def __init__(
        self, agents: "tuple[Agent | None, ...]", params: FeatureParams, symbols: tuple[str, ...], config: Config
    ) -> None:
        self.agents = (*agents, *(None,) * (N_MODELS - len(agents)))
        self.symbols = symbols
        self._config = config.params()
        self._names, self._distance = feature_names(params), distance_of(self._config)
        self._stream = FeatureStream(params, symbols)
        length = max((agent.warmup for agent in agents if agent is not None), default=1) + 1
        self._close = np.full((length, len(symbols)), np.nan)  # the last one is the newest
        self._check_schema()

    def _check_schema(self) -> None:
        n = len(self.symbols)
        empty = np.full((1, n), np.nan)
        values = np.full((1, n, len(self._names)), np.nan)
        schema = make_panel(self._names, values, empty, empty, self._distance).schema
        for agent in self.agents:
            found = getattr(agent, "schema", schema)
            if agent is not None and found != schema:
                raise DataError(f"{agent.NAME}: fitted on feature schema {found}; live features are {schema}")

    def update(self, bars: Bars) -> TapeRow:
        """The next bar (or several, of which the last is answered): features, window, and every agent's word.

        ``bars`` as ``FeatureStream.update`` takes them; a missing bar is a row with ``valid`` False.
        """
        rows = self._stream.update(bars)
        close = np.where(bars.valid, bars.close, np.nan)
        self._close = np.vstack([self._close, close])[-len(self._close) :]
        proba, available = self._answer(rows.features[-1])
        return TapeRow(proba, available, rows.context[-1:], rows.eligible[-1:])

    def _answer(self, features: FloatArray) -> tuple[Float32Array, BoolArray]:
        n = len(self.symbols)
        panel = make_panel(self._names, features[None], self._close, self._stops(features), self._distance)
        proba = np.zeros((1, n, N_MODELS, N_CLASSES), dtype=np.float32)
        available = np.zeros((1, n, N_MODELS), dtype=np.bool_)
        for slot, agent in enumerate(self.agents):
            if agent is None:
                continue
            speaks: IntArray = np.flatnonzero(agent.ready(panel)[-1])
            if len(speaks):
                rows = Rows(np.zeros(len(speaks), dtype=np.int64), speaks)
                proba[0, speaks, slot] = agent.predict_proba(panel, rows)
                available[0, speaks, slot] = True
        return proba, available

    def _stops(self, features: FloatArray) -> FloatArray:
        """Stop distance of the newest row, ``[1, N]``."""
        out: FloatArray = np.empty((1, features.shape[0]))
        atr, pctile = (np.ascontiguousarray(features[None, :, k]) for k in (F_ATR_PCT, F_ATR_PCTILE))
        stop_distances(self._config.tpsl, self._config.regime, atr, pctile, out)
        return out

    def snapshot(self) -> dict[str, Any]:
        """What ``resume`` needs to go on from here: feature state and rolling closes."""
        return {"features": self._stream.snapshot(), "close": self._close.tobytes(), "symbols": self.symbols}

    def resume(self, data: dict[str, Any]) -> None:
        """Take over a snapshot of the same symbols and spans.

        Raises
        ------
        DataError
            If it was taken with others.
        """
        if tuple(data["symbols"]) != self.symbols or len(data["close"]) != self._close.nbytes:
            raise DataError("snapshot of other symbols or windows; one taken by the same models expected")
        self._stream.resume(data["features"])
        self._close = np.frombuffer(data["close"]).reshape(self._close.shape).copy()


def load_slots(folders: "tuple[Path | None, ...]") -> "tuple[Agent | None, ...]":
    """The agents saved in some folders, by slot; None stays None."""
    return tuple(None if folder is None else load_agent(folder) for folder in folders)
