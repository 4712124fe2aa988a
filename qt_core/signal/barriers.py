"""Stop distances and triple-barrier labels of a whole market: modules 14's and 12's own rules, applied to every row.

Models are trained on these labels and module 12 judges them by the same ones, so there is one definition: what a
prediction at the close of a bar comes to is ``supervisor.resolve``, and its distance d is ``dynamic_tpsl.measured`` (SPEC
section 2, labels). Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", section 3.4.
"""

from typing import Any

import numpy as np

from qt_core._jit import entry
from qt_core.codes import TPSL_NONE
from qt_core.context import regime
from qt_core.numerics import is_finite
from qt_core.position import dynamic_tpsl
from qt_core.signal import supervisor

UNKNOWN = -1  # label of a row that has none: no bar, no distance, or not yet at its end


@entry
def stop_distances(tpsl: Any, regimes: Any, atr_pct: Any, atr_pctile: Any, out: Any) -> None:
    """Module 14's stop distance of every row into ``out`` ``[T, N]`` float64, a price fraction; NaN where ATR is unknown.

    Parameters
    ----------
    tpsl, regimes : Params of dynamic_tpsl and regime. atr_pct, atr_pctile : ``[T, N]`` float64, as the features give them.
    """
    for t in range(atr_pct.shape[0]):
        for i in range(atr_pct.shape[1]):
            if not is_finite(atr_pct[t, i]) or atr_pct[t, i] <= 0.0:
                out[t, i] = np.nan
                continue
            vol = regime.volatility_class(regimes, atr_pctile[t, i])
            out[t, i] = dynamic_tpsl.measured(tpsl, atr_pct[t, i], vol, TPSL_NONE).sl_fraction


@entry
def triple_barrier(p: Any, px: Any, valid: Any, stop: Any, label: Any, end: Any, r: Any) -> None:
    """What BUY and SELL at each close come to.

    Parameters
    ----------
    p : supervisor's Params. px : ``[T, N, 3]`` float64 of high, low, close. valid : ``[T, N]`` bool.
    stop : ``[T, N]`` float64, distance d. Outputs, ``[T, N]``: label int8 of SELL 0, HOLD 1, BUY 2 or UNKNOWN; end int64,
    row at whose close the label is known; r float32 ``[T, N, 2]``, R of a long and of a short, NaN where unknown.

    The end is that of the side which was decided last: only then is it known that neither, or which, was right.
    """
    n_bars = px.shape[0]
    for i in range(px.shape[1]):
        for t in range(n_bars):
            label[t, i] = UNKNOWN
            end[t, i] = -1
            r[t, i, 0] = np.nan
            r[t, i, 1] = np.nan
            if not valid[t, i] or not stop[t, i] > 0.0:
                continue
            known = 0
            hit = 0
            last = 0
            for s in range(2):
                side = 1 - 2 * s
                for k in range(t + 1, min(t + p.horizon_bars, n_bars - 1) + 1):
                    expired = k - t >= p.horizon_bars
                    o = supervisor.resolve(
                        p, side, px[t, i, 2], stop[t, i], px[k, i, 0], px[k, i, 1], px[k, i, 2], expired
                    )
                    if o.done == supervisor.PENDING:
                        continue
                    if o.done == supervisor.RESOLVED:
                        known += 1
                        hit += side * o.hit
                        r[t, i, s] = o.r
                        last = max(last, k)
                    break
            if known == 2:
                label[t, i] = 1 + hit
                end[t, i] = last
