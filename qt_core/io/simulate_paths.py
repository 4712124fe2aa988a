"""The walk of the simulated market: regimes, volatility with long memory, fat tails, one common factor."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.io.timeframes import DAY_MS, HOUR_MS

Floats = npt.NDArray[np.float64]

RANGE, UP, DOWN, CRASH = range(4)
_NEXT_WEIGHT = (1.0, 1.0, 1.0, 0.12)  # of entering each regime: crashes are rare


class SimulationParams(NamedTuple):
    """Habits of the simulated market; each number is per hour unless it says otherwise."""

    factor_volatility: float = 0.0060  # standard deviation of the common factor's hourly log return
    idiosyncratic_ratio: float = 0.72  # a symbol's own volatility / the factor's
    beta_spread: float = 0.18  # standard deviation of the symbols' betas around 1
    half_lives_h: tuple[float, ...] = (5.0, 40.0, 400.0)  # of the components of log volatility
    log_vol_spread: tuple[float, ...] = (0.22, 0.26, 0.26)  # stationary standard deviation of each component
    own_log_vol_share: float = 0.5  # a symbol's own log volatility components, relative to the market's
    tail_degrees: float = 6.0  # degrees of freedom of Student's t of bar returns
    tail_cap: float = 4.0  # largest factor those tails put on one bar's volatility
    seasonality: float = 0.20  # amplitude of the hour-of-day pattern of log volatility
    regime_hours: tuple[float, ...] = (240.0, 200.0, 180.0, 10.0)  # mean stay in range, up, down, crash
    regime_drift: tuple[float, ...] = (0.0, 0.00030, -0.00025, -0.0030)  # log return of the factor
    regime_volatility: tuple[float, ...] = (0.85, 1.0, 1.1, 2.2)  # factor on volatility
    range_pull: float = 0.004  # share of the distance to the range's start that is undone per hour
    volume_elasticity: float = 1.1  # of volume to volatility
    volume_noise: float = 0.45  # standard deviation of log volume around that
    basis_bps: float = 2.0  # stationary standard deviation of mark against last price, bps
    funding_base: float = 0.0001  # per 8 h, the exchange's interest component
    funding_sensitivity: float = 0.004  # funding per unit of the factor's trailing 3-day log return
    funding_cap: float = 0.0075  # |rate| per 8 h


class Paths(NamedTuple):
    """Per bar: factor drift ``[T]`` and volatilities ``[T]``, ``[T, N]``."""

    drift: Floats
    factor_vol: Floats
    own_vol: Floats
    regime: npt.NDArray[np.int64]


def make_paths(
    rng: np.random.Generator, p: SimulationParams, n_bars: int, n_symbols: int, timeframe_ms: int, start_ms: int
) -> Paths:
    """Factor, regimes and volatilities of ``n_bars`` bars."""
    hours = timeframe_ms / HOUR_MS
    common = np.zeros(n_bars)
    own = np.zeros((n_bars, n_symbols))
    for half_life, spread in zip(p.half_lives_h, p.log_vol_spread, strict=True):
        decay = 0.5 ** (hours / half_life)
        walks = autoregression(rng.standard_normal((n_bars, n_symbols + 1)), decay)
        common += spread * walks[:, 0]
        own += p.own_log_vol_share * spread * walks[:, 1:]
    hour_of_day = (start_ms + timeframe_ms * np.arange(n_bars)) % DAY_MS / HOUR_MS
    common += p.seasonality * np.cos(2.0 * np.pi * (hour_of_day - 15.0) / 24.0)  # busiest around 15:00 UTC
    regime = _regimes(rng, p, n_bars, hours)
    factor_vol = p.factor_volatility * np.sqrt(hours) * np.exp(common) * np.array(p.regime_volatility)[regime]
    tails = np.sqrt((p.tail_degrees - 2.0) / rng.chisquare(p.tail_degrees, (n_bars, n_symbols + 1)))
    tails = np.minimum(tails, p.tail_cap)
    own_vol = p.idiosyncratic_ratio * factor_vol[:, None] * np.exp(own) * tails[:, 1:]
    return Paths(np.array(p.regime_drift)[regime] * hours, factor_vol * tails[:, 0], own_vol, regime)


def autoregression(shocks: Floats, decay: float) -> Floats:
    """Stationary AR(1) columns of unit variance from standard normal shocks ``[T, K]``, started in equilibrium."""
    out: Floats = shocks * np.sqrt(1.0 - decay * decay)
    out[0] = shocks[0]
    for t in range(1, len(out)):
        out[t] += decay * out[t - 1]
    return out


def _regimes(rng: np.random.Generator, p: SimulationParams, n_bars: int, hours: float) -> npt.NDArray[np.int64]:
    """Regime per bar: geometric stays, next regime uniform among the others except that crashes are rare."""
    weight = np.array(_NEXT_WEIGHT)
    out = np.zeros(n_bars, dtype=np.int64)
    now, t = RANGE, 0
    while t < n_bars:
        stay = int(rng.geometric(min(1.0, hours / p.regime_hours[now])))
        out[t : t + stay] = now
        t += stay
        chance = np.where(np.arange(4) == now, 0.0, weight)
        now = int(rng.choice(4, p=chance / chance.sum()))
    return out


def factor_steps(rng: np.random.Generator, p: SimulationParams, paths: Paths, steps: int, hours: float) -> Floats:
    """Sub-step returns of the factor ``[T, steps]``; inside a range a bar is pulled back to where the range began."""
    shocks: Floats = rng.standard_normal((len(paths.drift), steps)) * (paths.factor_vol / np.sqrt(steps))[:, None]
    moves = shocks.sum(axis=1)
    drift = paths.drift.copy()
    level = anchor = 0.0
    for t in range(len(drift)):
        if t > 0 and paths.regime[t] != paths.regime[t - 1]:
            anchor = level
        if paths.regime[t] == RANGE:
            drift[t] -= min(1.0, p.range_pull * hours) * (level - anchor)
        level += drift[t] + moves[t]
    shocks += (drift / steps)[:, None]
    return shocks


def walk_symbols(rng: np.random.Generator, factor: Floats, own_vol: Floats, beta: Floats) -> Floats:
    """Cumulated log returns ``[bars * steps, N]`` of all symbols over a chunk of bars."""
    bars, steps = factor.shape
    walk = rng.standard_normal((bars, steps, len(beta)))
    walk *= own_vol[:, None, :] / np.sqrt(steps)
    walk += factor[:, :, None] * beta
    flat = walk.reshape(bars * steps, len(beta))
    return np.cumsum(flat, axis=0, out=flat)
