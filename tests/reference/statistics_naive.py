"""Plain references for research/statistics: loops over definitions, sharing no code with what they check."""

import math
from collections.abc import Sequence


def block_length(x: Sequence[float]) -> float:
    """Politis and White's rule for the stationary bootstrap, from the two papers, with complex frequency sums avoided."""
    n = len(x)
    mean = sum(x) / n

    def covariance(k: int) -> float:
        total = 0.0
        for t in range(n - abs(k)):
            total += (x[t] - mean) * (x[t + abs(k)] - mean)
        return total / n

    r0 = covariance(0)
    if r0 == 0.0 or n < 8:
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(n - 1, math.ceil(math.sqrt(n)) + run)
    limit = 2.0 * math.sqrt(math.log10(n) / n)
    m_hat = None
    for m in range(most - run + 1):
        if all(abs(covariance(m + k) / r0) < limit for k in range(1, run + 1)):
            m_hat = m
            break
    if m_hat is None:
        m_hat = max([k for k in range(1, most + 1) if abs(covariance(k) / r0) >= limit], default=1)
    big_m = min(max(1, 2 * m_hat), most)

    def window(s: float) -> float:
        s = abs(s)
        return 1.0 if s <= 0.5 else max(0.0, 2.0 * (1.0 - s))

    g = sum(window(k / big_m) * abs(k) * covariance(k) for k in range(-big_m, big_m + 1))
    spectrum = sum(window(k / big_m) * covariance(k) for k in range(-big_m, big_m + 1))
    if spectrum == 0.0:
        return 1.0
    d = 2.0 * spectrum**2
    b = (2.0 * g**2 / d) ** (1.0 / 3.0) * n ** (1.0 / 3.0)
    return float(min(max(1.0, b), max(1.0, math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))))


def resample(x: Sequence[float], starts: Sequence[int], lengths: Sequence[int]) -> list[float]:
    """Blocks glued together until as long as the series, the end of the series joined to its beginning."""
    out: list[float] = []
    for start, length in zip(starts, lengths, strict=True):
        for k in range(length):
            out.append(x[(start + k) % len(x)])
    return out[: len(x)]


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted value of each: the largest, over those no larger than it, of value times the number not yet rejected."""
    out = []
    for i, mine in enumerate(p):
        no_larger = [(v, k) for k, v in enumerate(p) if (v, k) <= (mine, i)]
        worst = 0.0
        for v, k in no_larger:
            before = sum(1 for w, j in no_larger if (w, j) < (v, k))
            worst = max(worst, v * (len(p) - before))
        out.append(min(1.0, worst))
    return out


def path_figures(returns: Sequence[float]) -> dict[str, float]:
    """Total return, annualised Sharpe ratio and largest drawdown of daily simple returns, day by day."""
    equity, peak, worst = 1.0, 1.0, 0.0
    for r in returns:
        equity *= 1.0 + r
        peak = max(peak, equity)
        worst = max(worst, 1.0 - equity / peak)
    n = len(returns)
    mean = sum(returns) / n
    sd = math.sqrt(sum((r - mean) ** 2 for r in returns) / (n - 1))
    return {
        "total_return": equity - 1.0,
        "sharpe": mean / sd * math.sqrt(365.0) if sd > 0.0 else math.nan,
        "max_drawdown": worst,
    }
