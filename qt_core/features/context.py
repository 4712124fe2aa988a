"""ChainContext: the market-only columns that the decision chain reads (codes.CTX_*)."""

from dataclasses import dataclass

import numpy as np

from qt_core.features.frame import params_for, run_market
from qt_core.features.params import FeatureParams
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
    rows = run_market(market, params_for(market, params), False, True)
    return ChainContext(rows.context, rows.eligible)
