"""Feature rows of a market: the dataset models are trained on."""

from dataclasses import dataclass

import numpy as np

from qt_core.arrays import aligned
from qt_core.codes import CTX_COLUMNS
from qt_core.errors import ConfigError
from qt_core.features.params import FeatureParams, check_params, default_params
from qt_core.features.registry import N_FEATURES, feature_names
from qt_core.features.state import new_state
from qt_core.features.step import Bars, Rows, update
from qt_core.features.work import new_work
from qt_core.market import FloatArray, Market


@dataclass(frozen=True)
class FeatureFrame:
    """Indicators known at the close of the bar they stand in.

    Attributes
    ----------
    names : column names, F of them. values : ``[T, N, F]`` float64, NaN where unknown or the bar is missing.
    """

    names: tuple[str, ...]
    values: FloatArray

    def head(self, n_bars: int) -> "FeatureFrame":
        """The frame as it was known after ``n_bars`` bars."""
        return FeatureFrame(self.names, np.ascontiguousarray(self.values[:n_bars]))


def bars_of(market: Market) -> Bars:
    """The market's columns in the layout the kernels are compiled for."""
    return Bars(*(np.ascontiguousarray(getattr(market, name)) for name in Bars._fields))


def new_rows(n_bars: int, n_symbols: int, features: bool, context: bool) -> Rows:
    """Output arrays for ``update``, without rows where not wanted."""
    kept, read = n_bars if features else 0, n_bars if context else 0
    return Rows(
        aligned((kept, n_symbols, N_FEATURES)),
        aligned((read, n_symbols, CTX_COLUMNS)),
        np.empty((read, n_symbols), dtype=np.bool_),
    )


def params_for(market: Market, params: FeatureParams | None) -> FeatureParams:
    """Return ``params`` checked against the market, or the default ones of its bar length.

    Raises
    ------
    ConfigError
        If the params are out of range or made for another bar length.
    """
    if params is None:
        return default_params(market.timeframe_ms)
    if params.timeframe_ms != market.timeframe_ms:
        raise ConfigError(
            f"features.timeframe_ms = {params.timeframe_ms}: the market has bars of {market.timeframe_ms} ms"
        )
    return check_params(params)


def run_market(market: Market, params: FeatureParams, features: bool, context: bool) -> Rows:
    """One pass over a market from an empty state."""
    n = market.n_symbols
    rows = new_rows(market.n_bars, n, features, context)
    update(params, new_state(params, n)[1], new_work(params, n), bars_of(market), rows)
    return rows


def compute_features(market: Market, params: FeatureParams | None = None) -> FeatureFrame:
    """Every indicator of the registry for every symbol and bar, in one pass.

    Parameters
    ----------
    market : bars and funding settlements. params : spans; None = :func:`default_params` of the bar length.

    Raises
    ------
    ConfigError
        See :func:`params_for`.
    """
    p = params_for(market, params)
    return FeatureFrame(feature_names(p), run_market(market, p, True, False).features)
