"""Calibration of three class scores by a temperature and two biases: vector scaling with one slope.

FACTS measured it better than temperature alone and than isotonic regression per class, which loses its order when the three
are brought to sum 1 again. Source: Guo et al. (2017), "On Calibration of Modern Neural Networks", section 4.2.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.market import FloatArray, IntArray

MAX_STEPS = 50
# What is believed before any row is seen: scores as they are, give or take. Two months of labels that overlap and share one
# market hold few independent outcomes; without this the biases would follow the mood of those months.
PRIOR_DEVIATION = (0.5, 0.1, 0.1)  # of slope, bias_sell, bias_buy
SLOPES = (1e-3, 10.0)  # the range of 1 / temperature


class Calibration(NamedTuple):
    """``p = softmax(slope * score + (bias_sell, 0, bias_buy))``."""

    slope: float = 1.0  # 1 / temperature
    bias_sell: float = 0.0
    bias_buy: float = 0.0


def probabilities(c: Calibration, score: FloatArray) -> npt.NDArray[np.float32]:
    """Class probabilities ``[n, 3]`` of scores ``[n, 3]`` (log probabilities up to a constant per row).

    Every operation is by element, so a row's result does not depend on what stands beside it.
    """
    sell = c.slope * score[:, 0] + c.bias_sell
    hold = c.slope * score[:, 1]
    buy = c.slope * score[:, 2] + c.bias_buy
    top = np.maximum(np.maximum(sell, hold), buy)
    e_sell, e_hold, e_buy = np.exp(sell - top), np.exp(hold - top), np.exp(buy - top)
    total = e_sell + e_hold + e_buy
    out = np.empty(score.shape, dtype=np.float32)
    out[:, 0], out[:, 1], out[:, 2] = e_sell / total, e_hold / total, e_buy / total
    return out


def fit(score: FloatArray, label: IntArray, weight: FloatArray) -> Calibration:
    """The most probable calibration of ``[n, 3]`` scores under a normal prior around the identity; by Newton's method.

    Parameters
    ----------
    weight : ``[n]``, independent outcomes each row stands for; with no rows the prior's mean is returned.
    """
    if len(score) == 0:
        return Calibration()
    design = np.zeros((len(score), 3, 3))  # row, class, parameter
    design[:, :, 0] = score - score[:, 1:2]
    design[:, 0, 1] = 1.0
    design[:, 2, 2] = 1.0
    x = start = np.array([1.0, 0.0, 0.0])
    hit = np.eye(3)[label]
    trust = 1.0 / np.square(PRIOR_DEVIATION)
    loss = _loss(design, hit, weight, x, start)
    for _ in range(MAX_STEPS):
        p = _softmax(design @ x)
        mean = np.einsum("nc,nck->nk", p, design)
        gradient = np.einsum("n,nc,nck->k", weight, p - hit, design) + trust * (x - start)
        second = np.einsum("n,nc,nck,ncl->kl", weight, p, design, design) - np.einsum("n,nk,nl->kl", weight, mean, mean)
        step = np.linalg.solve(second + np.diag(trust), gradient)
        size = 1.0
        while size > 1e-6 and _loss(design, hit, weight, x - size * step, start) > loss:
            size *= 0.5
        x = x - size * step
        before, loss = loss, _loss(design, hit, weight, x, start)
        if before - loss <= 1e-10 * max(1.0, abs(before)):
            break
    if not x[0] >= SLOPES[0]:  # scores that say the opposite, or nothing: only the class shares are kept
        return _shares(label, weight)
    return Calibration(min(float(x[0]), SLOPES[1]), float(x[1]), float(x[2]))


def _shares(label: IntArray, weight: FloatArray) -> Calibration:
    """Nearly constant probabilities: the weighted class shares, with one row's weight added to each."""
    share = np.bincount(label, weights=weight, minlength=3) + 1.0
    return Calibration(SLOPES[0], float(np.log(share[0] / share[1])), float(np.log(share[2] / share[1])))


def _softmax(z: FloatArray) -> FloatArray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    out: FloatArray = e / e.sum(axis=1, keepdims=True)
    return out


def _loss(design: FloatArray, hit: FloatArray, weight: FloatArray, x: FloatArray, start: FloatArray) -> float:
    trust = 1.0 / np.square(PRIOR_DEVIATION)
    z = design @ x
    top = z.max(axis=1)
    log_p = (z * hit).sum(axis=1) - top - np.log(np.exp(z - top[:, None]).sum(axis=1))
    return float(-(weight * log_p).sum() + 0.5 * (trust * (x - start) ** 2).sum())
