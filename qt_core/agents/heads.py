"""What a network's last layer says: three classes and a return, or a distribution that is turned into three classes.

``classes`` is the default: on first-touch labels it was measured better than any distribution head. ``student`` forecasts
Student's t for the return over the horizon; its classes are the chances that a Brownian motion of that mean and variance
touches the one barrier before the other within the horizon (eigenfunction expansion, Cox and Miller 1965, section 5.7).
Outputs and targets are in stop distances d.
"""

from typing import Any, Protocol

import numpy as np

from qt_core.agents.panel import Float32Array
from qt_core.market import FloatArray

NAMES = ("classes", "student")
FORECAST_WEIGHT = 0.1  # of the forecast's loss beside the classes'; the signal comes first
LEAST_CHANCE = 1e-6
TERMS = 64  # of the expansion
# Range of the standard deviation over the horizon, stop distances. Below it the expansion's terms, up to exp(2 / sigma^2),
# cancel to noise: at 0.2 a chance of 0.5 came out as 0.
SIGMA = (0.3, 20.0)
_STOP, _WIN = 1.0, 2.0  # barriers, stop distances; the label's


class Head(Protocol):
    """A last layer."""

    outputs: int

    def start(self, share: FloatArray) -> FloatArray:
        """Outputs of a network that knows nothing but the class shares ``[3]``, ``[outputs]``."""
        ...

    def loss(self, out: Any, label: Any, weight: Any, forward: Any) -> Any:
        """Mean weighted loss of network outputs ``[n, outputs]`` (torch)."""
        ...

    def monitor(self, out: Any, label: Any, weight: Any, forward: Any) -> Any:
        """The loss that early stopping goes by: of the classes alone where there are classes."""
        ...

    def score(self, out: Float32Array) -> FloatArray:
        """Log probabilities up to a constant per row, ``[n, 3]``."""
        ...

    def forecast(self, out: Float32Array) -> FloatArray:
        """Expected return over the horizon, stop distances, ``[n]``."""
        ...


class ClassHead:
    """Three logits and one return."""

    outputs = 4

    def start(self, share: FloatArray) -> FloatArray:
        """Log shares, and a return of 0."""
        return np.append(np.log(np.maximum(share, LEAST_CHANCE)), 0.0)

    def loss(self, out: Any, label: Any, weight: Any, forward: Any) -> Any:
        """Cross-entropy, and a tenth of the smooth absolute error of the return where it is known."""
        import torch
        from torch.nn import functional

        entropy = functional.cross_entropy(out[:, :3], label, reduction="none")
        known = torch.isfinite(forward)
        error = functional.smooth_l1_loss(out[:, 3], torch.where(known, forward, out[:, 3].detach()), reduction="none")
        return ((entropy + FORECAST_WEIGHT * error) * weight).mean()

    def monitor(self, out: Any, label: Any, weight: Any, forward: Any) -> Any:
        """Weighted log loss."""
        from torch.nn import functional

        return (functional.cross_entropy(out[:, :3], label, reduction="none") * weight).mean()

    def score(self, out: Float32Array) -> FloatArray:
        """The logits."""
        return out[:, :3].astype(np.float64)

    def forecast(self, out: Float32Array) -> FloatArray:
        """The fourth output."""
        return out[:, 3].astype(np.float64)


class StudentHead:
    """Degrees of freedom, location and scale of the return over the horizon."""

    outputs = 3

    def start(self, share: FloatArray) -> FloatArray:
        """A wide distribution around 0."""
        return np.array([1.0, 0.0, 1.0])

    def loss(self, out: Any, label: Any, weight: Any, forward: Any) -> Any:
        """Negative log likelihood where the return is known."""
        import torch
        from torch.distributions import StudentT
        from torch.nn import functional

        known = torch.isfinite(forward)
        law = StudentT(2.1 + functional.softplus(out[:, 0]), out[:, 1], functional.softplus(out[:, 2]) + 1e-3)
        density: Any = law.log_prob(  # type: ignore[no-untyped-call]
            torch.where(known, forward, torch.zeros_like(forward))
        )
        return -(density * weight * known).sum() / known.sum().clamp(min=1)

    def monitor(self, out: Any, label: Any, weight: Any, forward: Any) -> Any:
        """The loss itself."""
        return self.loss(out, label, weight, forward)

    def score(self, out: Float32Array) -> FloatArray:
        """Log chances of SELL, HOLD and BUY by first touch."""
        x = out.astype(np.float64)
        df = 2.1 + np.logaddexp(0.0, x[:, 0])
        sigma = (np.logaddexp(0.0, x[:, 2]) + 1e-3) * np.sqrt(df / (df - 2.0))
        sigma = np.clip(sigma, *SIGMA)
        buy = first_touch(x[:, 1], sigma, _WIN, _STOP)
        sell = first_touch(-x[:, 1], sigma, _WIN, _STOP)
        chances = np.stack([sell, 1.0 - sell - buy, buy], axis=1)
        return np.log(np.maximum(chances, LEAST_CHANCE))

    def forecast(self, out: Float32Array) -> FloatArray:
        """The location."""
        return out[:, 1].astype(np.float64)


def first_touch(mean: FloatArray, sigma: FloatArray, win: float, stop: float) -> FloatArray:
    """Chance that a Brownian motion from 0 touches ``win`` before ``-stop`` within unit time.

    Parameters
    ----------
    mean, sigma : ``[n]``, drift and standard deviation over unit time. win, stop : distances, > 0.
    """
    width, variance = win + stop, sigma**2
    drift = np.where(np.abs(mean) < 1e-9, 1e-9, mean)
    tilt = np.clip(2.0 * drift / variance, -200.0, 200.0)
    ever = np.expm1(-tilt * stop) / np.expm1(-tilt * width)
    tail = np.zeros_like(ever)
    for n in range(1, TERMS + 1):
        decay = drift**2 / (2.0 * variance) + (n * np.pi / width) ** 2 * variance / 2.0
        tail += (-1.0) ** (n + 1) * n * np.sin(n * np.pi * stop / width) * np.exp(-decay) / decay
    tail *= np.exp(np.clip(drift * win / variance, -700.0, 300.0)) * np.pi * variance / width**2
    return np.clip(ever - tail, 0.0, 1.0)


HEADS: dict[str, Any] = {"classes": ClassHead, "student": StudentHead}
