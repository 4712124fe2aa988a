"""From a market to labelled rows: one panel and one set of labels for all windows, samples cut from them per span."""

import hashlib
from dataclasses import dataclass

import numpy as np

from qt_core.agents.base import Samples
from qt_core.agents.panel import Panel, Rows, distance_of, make_panel
from qt_core.config import Config
from qt_core.features.frame import compute_features
from qt_core.market import BoolArray, FloatArray, IntArray, Market
from research.labels import Labels, make_labels, stops_of, uniqueness
from research.splits import Window, rows_of


@dataclass(frozen=True)
class Dataset:
    """What all models of all windows are made of."""

    market: Market
    panel: Panel
    labels: Labels
    close_ms: IntArray  # [T] close of each bar
    breadth: float = 1.5  # independent bets among the symbols of one bar

    def samples(self, window: Window, span: str, ready: BoolArray, embargo_ms: int) -> Samples:
        """Labelled rows of a span that a model can use, weighted by uniqueness (mean 1)."""
        labels = self.labels
        usable = rows_of(window, span, self.close_ms, labels.known_ms, embargo_ms) & ready & (labels.label >= 0)
        return self.of(*np.nonzero(usable))

    def of(self, t: IntArray, i: IntArray) -> Samples:
        """Samples of some rows that have labels; their weights know of no label but theirs."""
        labels = self.labels
        if len(t) == 0:
            none: FloatArray = np.empty(0)
            return Samples(Rows(t, i), np.empty(0, dtype=np.int64), none, none, 0.0)
        end = np.searchsorted(self.close_ms, labels.end_ms[t, i])
        weight = uniqueness(t, i, end, self.market.n_bars, self.market.n_symbols)
        forward = labels.forward[t, i] / labels.stop[t, i]
        per_bar = len(t) / len(np.unique(t))
        effective = float(weight.sum()) / per_bar * min(self.breadth, per_bar)
        return Samples(Rows(t, i), labels.label[t, i].astype(np.int64), weight / weight.mean(), forward, effective)

    def digest(self, start_ms: int, end_ms: int) -> str:
        """SHA-256 of every input and label of the bars that close in ``[start, end)``, 64 hex digits."""
        a, b = (int(x) for x in np.searchsorted(self.close_ms, [start_ms, end_ms]))
        digest = hashlib.sha256("|".join((*self.market.symbols, self.panel.schema)).encode())
        known = self.labels.known_ms[a:b] <= end_ms
        label = np.where(known, self.labels.label[a:b], np.int8(-1))
        for values in (
            self.close_ms[a:b],
            self.panel.features[a:b],
            self.panel.returns[a:b],
            self.panel.stop[a:b],
            label,
        ):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


def make_dataset(market: Market, config: Config, breadth: float = 1.5) -> Dataset:
    """Features, panel and labels of a market."""
    frame = compute_features(market)
    stop = stops_of(config, frame)
    panel = make_panel(frame.names, frame.values, market.close, stop, distance_of(config.params()))
    labels = make_labels(market, stop, config)
    return Dataset(market, panel, labels, market.time + market.timeframe_ms, breadth)
