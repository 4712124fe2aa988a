"""ChainContext: the market-only columns that the decision chain reads (codes.CTX_*)."""

from dataclasses import dataclass

import numpy as np

from qt_core.arrays import aligned
from qt_core.codes import CTX_COLUMNS
from qt_core.features.frame import bars_of, params_for
from qt_core.features.params import FeatureParams
from qt_core.features.registry import N_FEATURES
from qt_core.features.state import new_state
from qt_core.features.step import update
from qt_core.market import BoolArray, FloatArray, Market


@dataclass(frozen=True)
class ChainContext:
    """Market-only inputs of the chain, known at the close of the bar they stand in.

    Attributes
    ----------
    values : ``[T, N, CTX_COLUMNS]`` float64, columns as in codes.CTX_*, NaN where unknown.
    eligible : ``[T, N]`` bool: the bar exists and ATR and ADX are warm.
    """

    values: FloatArray
    eligible: BoolArray

    def head(self, n_bars: int) -> "ChainContext":
        """The context as it was known after ``n_bars`` bars."""
        return ChainContext(np.ascontiguousarray(self.values[:n_bars]), np.ascontiguousarray(self.eligible[:n_bars]))


def chain_context(market: Market, params: FeatureParams | None = None) -> ChainContext:
    """The chain's columns for every symbol and bar, by the same pass that makes features.

    Parameters
    ----------
    market : bars and funding settlements. params : spans; None = those of the bar length.

    Raises
    ------
    ConfigError
        If the params are out of range or made for another bar length.
    """
    p = params_for(market, params)
    shape = (market.n_bars, market.n_symbols)
    values = aligned((*shape, CTX_COLUMNS))
    eligible = np.empty(shape, dtype=np.bool_)
    _, state = new_state(p, market.n_symbols)
    update(p, state, bars_of(market), np.empty((1, market.n_symbols, N_FEATURES)), values, eligible)
    return ChainContext(values, eligible)
