"""ChainContext: what the decision chain reads of the market alone: columns (codes.CTX_*) and daily correlations."""

from dataclasses import dataclass, field

import numpy as np

from qt_core.errors import DataError
from qt_core.features.correlation import CorrelationParams, Float32Array, n_pairs
from qt_core.features.correlation_stream import correlate
from qt_core.features.frame import params_for, run_market
from qt_core.features.params import FeatureParams
from qt_core.market import BoolArray, FloatArray, IntArray, Market


@dataclass(frozen=True)
class ChainContext:
    """Market-only inputs of the chain, known at the close of the bar they stand in.

    Attributes
    ----------
    values : ``[T, N, CTX_COLUMNS]`` float64, columns as in codes.CTX_*, NaN where unknown.
    eligible : ``[T, N]`` bool: the bar exists and ATR and ADX are warm.
    correlation : ``[D, P]`` float32, P = N (N - 1) / 2: a packed lower triangle per day, see ``correlation.packed_index``;
        NaN where unknown. Without one (not given) D = 0 and every correlation is unknown.
    correlation_row : ``[T]`` int64: the row in force at each bar's close, made at or before it; -1 before the first.
    """

    values: FloatArray
    eligible: BoolArray
    correlation: Float32Array = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    correlation_row: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        n_bars, n_symbols = self.eligible.shape
        shape = (self.correlation.shape[0], n_pairs(n_symbols))
        if self.correlation_row.size == 0:  # not given
            object.__setattr__(self, "correlation", np.empty((0, shape[1]), dtype=np.float32))
            object.__setattr__(self, "correlation_row", np.full(n_bars, -1, dtype=np.int64))
        elif self.correlation.shape != shape or self.correlation_row.shape != (n_bars,):
            raise DataError(
                f"correlation of shape {self.correlation.shape} with {self.correlation_row.shape[0]} row numbers; "
                f"{shape} with {n_bars} expected"
            )

    def head(self, n_bars: int) -> "ChainContext":
        """The context as it was known after ``n_bars`` bars."""
        row = np.ascontiguousarray(self.correlation_row[:n_bars])
        made = int(row.max(initial=-1)) + 1
        return ChainContext(
            np.ascontiguousarray(self.values[:n_bars]),
            np.ascontiguousarray(self.eligible[:n_bars]),
            np.ascontiguousarray(self.correlation[:made]),
            row,
        )


def chain_context(
    market: Market, params: FeatureParams | None = None, correlation: CorrelationParams | None = None
) -> ChainContext:
    """The chain's columns and correlations for every symbol and bar, by the same passes that serve live rows.

    Parameters
    ----------
    market : bars and funding settlements. params : spans; None = those of the bar length. correlation : the same.

    Raises
    ------
    ConfigError
        If the params are out of range or made for another bar length.
    """
    rows = run_market(market, params_for(market, params), False, True)
    return ChainContext(rows.context, rows.eligible, *correlate(market, correlation))
