"""Triple-barrier labels with end times, and what they say of a sample's weight. SPEC section 2, labels.

A row is a symbol at the close of a bar. Its label says which of BUY and SELL would have been right, its end when that was
known; everything that keeps the future out of training (purging, uniqueness) is made of those ends.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.config import Config
from qt_core.features.frame import FeatureFrame
from qt_core.market import FloatArray, IntArray, Market
from qt_core.signal.barriers import UNKNOWN, stop_distances, triple_barrier

NAMES = ("SELL", "HOLD", "BUY")


@dataclass(frozen=True)
class Labels:
    """Labels of every bar and symbol, ``[T, N]``.

    Attributes
    ----------
    label : int8, SELL 0, HOLD 1, BUY 2; -1 where there is none.
    end_ms : close of the bar at which the label was known, int64 ms UTC; -1 where there is none.
    known_ms : the same for label *and* forward return, which always takes the whole horizon; purging goes by this.
    stop : distance d, price fraction; NaN where ATR is unknown.
    r : ``[T, N, 2]`` float32, R of a long and of a short that is held to the barriers or the horizon, before costs.
    forward : log return over the horizon, float64; NaN where a bar is missing.
    horizon_bars : bars until a label expires.
    """

    label: npt.NDArray[np.int8]
    end_ms: IntArray
    known_ms: IntArray
    stop: FloatArray
    r: npt.NDArray[np.float32]
    forward: FloatArray
    horizon_bars: int


def stops_of(config: Config, frame: FeatureFrame) -> FloatArray:
    """Module 14's stop distance d of every row, ``[T, N]``; NaN where ATR is unknown."""
    columns = {
        name.rpartition("_")[0] if name.startswith("atr_pct_") else name: k for k, name in enumerate(frame.names)
    }
    p = config.params()
    atr, pctile = (np.ascontiguousarray(frame.values[..., columns[name]]) for name in ("atr_pct", "atr_pctile"))
    out = np.empty_like(atr)
    stop_distances(p.tpsl, p.regime, atr, pctile, out)
    return out


def make_labels(market: Market, stop: FloatArray, config: Config) -> Labels:
    """Labels of a market under module 12's barriers: BUY if +reward x d comes before -d within the horizon, SELL the mirror.

    Parameters
    ----------
    stop : ``[T, N]`` distances d. config : its ``supervisor`` section holds reward and horizon, so that models are trained
        on what module 12 will judge them by.

    A bar that touches both barriers counts as stopped. A row has no label where its bar or d is missing, where the bar at
    the horizon is missing before a barrier was touched, or where the market ends first.
    """
    p = config.params().supervisor
    shape = market.close.shape
    label, end = np.empty(shape, dtype=np.int8), np.empty(shape, dtype=np.int64)
    r = np.empty((*shape, 2), dtype=np.float32)
    px = np.ascontiguousarray(np.stack([market.high, market.low, market.close], axis=-1))
    triple_barrier(p, px, market.valid, np.ascontiguousarray(stop), label, end, r)
    close_ms = market.time + market.timeframe_ms
    known = label != UNKNOWN
    end_ms = np.where(known, close_ms[np.maximum(end, 0)], -1)
    h = p.horizon_bars
    forward = np.full(shape, np.nan)
    if market.n_bars > h:
        forward[:-h] = np.log(market.close[h:] / market.close[:-h])
    known_ms = np.where(known, (close_ms + h * market.timeframe_ms)[:, None], -1)
    return Labels(label, end_ms, known_ms, stop, r, forward, h)


def uniqueness(t: IntArray, i: IntArray, end: IntArray, n_bars: int, n_symbols: int) -> FloatArray:
    """Average uniqueness of samples, 0..1: the mean over a label's life of 1 / labels of its symbol alive at that bar.

    Parameters
    ----------
    t, i : ``[n]`` row and symbol of each sample. end : ``[n]`` row at whose close its label is known, > t.

    A label lives from the bar after its own to its end, both included. Source: Lopez de Prado (2018), section 4.4.
    """
    alive = np.zeros((n_bars + 1, n_symbols))
    np.add.at(alive, (t + 1, i), 1.0)
    np.add.at(alive, (np.minimum(end + 1, n_bars), i), -1.0)
    alive = np.cumsum(alive, axis=0)[:n_bars]
    share = np.divide(1.0, alive, out=np.zeros_like(alive), where=alive > 0.5)
    total = np.vstack([np.zeros((1, n_symbols)), np.cumsum(share, axis=0)])
    return (total[end + 1, i] - total[t + 1, i]) / (end - t)


def class_balance(label: npt.NDArray[Any]) -> dict[str, float]:
    """Share of each class among the rows that have a label; 0 of nothing."""
    known = label[label != UNKNOWN]
    return {name: float(np.mean(known == k)) if len(known) else 0.0 for k, name in enumerate(NAMES)}
