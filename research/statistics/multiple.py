"""Many comparisons at once: among twenty modules that do nothing, one looks as if it did at the 5 % level."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def holm(p_values: FloatArray) -> FloatArray:
    """P-values adjusted by Holm (1979), "A simple sequentially rejective multiple test procedure", same order.

    Whoever calls all rows with an adjusted value <= a real is wrong about any row with probability <= a, whatever depends
    on what. A NaN (no test could be made) stays NaN but counts as a comparison, which only makes the others larger.
    """
    p = np.asarray(p_values, dtype=np.float64)
    ranked = np.argsort(p, kind="stable")  # NaN last
    factor = len(p) - np.arange(len(p))
    with np.errstate(invalid="ignore"):
        stepped = np.minimum(1.0, np.maximum.accumulate(p[ranked] * factor))
    out = np.empty(len(p))
    out[ranked] = stepped
    return out
