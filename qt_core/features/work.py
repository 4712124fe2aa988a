"""Scratch of one pass: a tile of bars of one symbol as contiguous rows, one row per quantity.

The kernels of a family read and write whole rows over a *run* of ``m`` consecutive valid bars, columns 0 .. m-1. Work
belongs to the caller, carries nothing from call to call, and never changes a result.
"""

from typing import NamedTuple

import numpy as np

from qt_core.features.params import FeatureParams
from qt_core.features.registry import N_FEATURES, registry
from qt_core.features.state import longest_lag
from qt_core.market import FloatArray, IntArray

TILE = 64  # bars of one symbol done in a row, so that its state and rows stay in the nearest cache

# Rows 0 .. N_FEATURES-1 are the features. Behind them the context's own columns ...
(R_CHANNEL_HIGH, R_CHANNEL_LOW, R_MOMENTUM) = range(N_FEATURES, N_FEATURES + 3)
N_OUTPUTS = N_FEATURES + 3
# ... the inputs, the previous bar's values, what several families share, and scratch.
(
    R_OPEN,
    R_HIGH,
    R_LOW,
    R_CLOSE,
    R_VOLUME,
    R_QUOTE,
    R_TYPICAL,
    R_INV_CLOSE,
    R_PREV_HIGH,
    R_PREV_LOW,
    R_PREV_CLOSE,
    R_PREV_TYPICAL,
    R_A,
    R_B,
    R_C,
    R_D,
    R_E,
) = range(N_OUTPUTS, N_OUTPUTS + 17)
N_ROWS = N_OUTPUTS + 17


class Work(NamedTuple):
    """Made by :func:`new_work`; N = symbols."""

    rows: FloatArray  # [N_ROWS, TILE]
    past: FloatArray  # [longest window + TILE] history and run side by side
    hour: FloatArray  # [TILE]
    weekday: FloatArray  # [TILE]
    funding: FloatArray  # [TILE, N] last settled rate at each bar's close
    sampled: IntArray  # [TILE] 1 where the 30-day statistics take a sample
    warm_up: IntArray  # [N_OUTPUTS + 2] bars until a row is known; the longest of them; until every seed is over


def new_work(params: FeatureParams, n_symbols: int) -> Work:
    """Scratch for ``n_symbols``, with the registry's warm-ups."""
    warm_up = [spec.warm_up for spec in registry(params)]
    warm_up += [params.donchian_span + 1, params.donchian_span + 1, params.momentum_span + 1]
    seeded = max(params.rsi_span + 1, params.macd_slow + params.macd_signal, 2 * params.atr_span, params.ema_long)
    history = max(longest_lag(params), params.cci_span - 1)
    return Work(
        np.empty((N_ROWS, TILE)),
        np.empty(history + TILE),
        np.empty(TILE),
        np.empty(TILE),
        np.empty((TILE, n_symbols)),
        np.empty(TILE, dtype=np.int64),
        np.array([*warm_up, max(warm_up), seeded], dtype=np.int64),
    )
