"""The signals a configuration asks for: a tape of models, the four rules, or random sides: a control no skill explains.

``signals.source: random`` is for control runs only. Its sides are drawn, so whatever a chain earns or loses on them is the
chain's doing: costs, exits, sizes and limits, never the forecast.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.config import Config
from qt_core.errors import ConfigError
from qt_core.features.context import ChainContext
from qt_core.io.inputs import given_keys, path_beside, rule_params
from qt_core.io.tape_file import read_about, read_tape
from qt_core.market import Market
from qt_core.rng import name_hash
from qt_core.signal.rules import rule_tape
from qt_core.signal.tape import BUY, HOLD, N_CLASSES, N_MODELS, SELL, SignalTape

SOURCES = ("rules", "random", "tape")
LEAST_CONFIDENCE = 0.34  # above a third the drawn side is the largest of the three classes
PURPOSES = (0xC0_01, 0xC0_02, 0xC0_03)  # of the three draws: does it act, which side, how sure

Build = Callable[[Market, ChainContext], SignalTape]


class RandomParams(NamedTuple):
    """What ``signals.random`` may set."""

    seed: int = 0
    rate: float = 0.10  # expected share of symbol-bars with a side
    low: float = 0.50  # confidence of a side is uniform from low ..
    high: float = 0.90  # .. to high


BOUNDS = {"seed": (0, 2**63 - 1), "rate": (0.0, 1.0), "low": (LEAST_CONFIDENCE, 1.0), "high": (LEAST_CONFIDENCE, 1.0)}


def signal_source(config: Config, shift: int = 0) -> Build:
    """What makes the tape of ``config`` from a market and its context; every value is checked here, before any work.

    Parameters
    ----------
    shift : added to the seed of random signals, so that several tapes can be drawn; the rules know no seed.

    Raises
    ------
    ConfigError, DataError
        Naming the key, or the tape's file, and what was expected.
    """
    where, source = config.source, config.signals.get("source", "rules")
    if source not in SOURCES:
        raise ConfigError(f"{where}: signals.source: {source!r}; expected {', '.join(SOURCES[:-1])} or {SOURCES[-1]}")
    if source == "tape":
        path = tape_path(config)
        check_horizon(config, path)
        read_about(path)
        return lambda market, _context: read_tape(path, market)
    if source == "random":
        drawn = random_params(config)
        drawn = drawn._replace(seed=drawn.seed + shift)
        return lambda market, _context: random_tape(market, drawn)
    rules = rule_params(config)
    return lambda market, context: rule_tape(market, context, rules)


def tape_path(config: Config) -> Path:
    """The file that ``signals.tape`` names, beside the configuration or where ``qt`` is called.

    Raises
    ------
    ConfigError
        If it is missing from the section or there is no such file.
    """
    where, given = config.source, config.signals.get("tape")
    if not isinstance(given, str) or not given:
        raise ConfigError(f"{where}: signals.tape: {given!r}; expected the path of a file written by qt tape")
    path = path_beside(given, "signals.tape", where)
    if not path.is_file():
        raise ConfigError(f"{where}: signals.tape: {given}: no such file; expected one written by qt tape")
    return path


def check_horizon(config: Config, path: Path) -> None:
    """Refuse a tape whose models were taught labels of another horizon than module 12 judges by.

    Raises
    ------
    ConfigError
        Naming both.
    """
    made, judged = read_about(path).get("horizon_bars"), config.params().supervisor.horizon_bars
    if made is not None and made != judged:
        raise ConfigError(
            f"{config.source}: supervisor.horizon_bars: {judged}; expected {made}, the horizon {path.name} was made for"
        )


def is_random(config: Config) -> bool:
    """True where the signals are drawn: such a run is a control, and says so."""
    return bool(config.signals.get("source", "rules") == "random")


def random_params(config: Config) -> RandomParams:
    """``signals.random`` over the defaults.

    Raises
    ------
    ConfigError
        Naming the key and what was expected.
    """
    where, given = config.source, given_keys(config, "random", RandomParams._fields)
    for key, value in given.items():
        least, most = BOUNDS[key]
        kind = int if key == "seed" else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
            what = "a whole number" if key == "seed" else "a number"
            raise ConfigError(f"{where}: signals.random.{key}: {value!r}; expected {what} from {least} to {most}")
    p = RandomParams(**given)
    if p.low > p.high:
        raise ConfigError(f"{where}: signals.random: low {p.low} above high {p.high}; expected low <= high")
    return p


def random_tape(market: Market, p: RandomParams) -> SignalTape:
    """Random sides on about ``rate`` of the symbol-bars, all four models saying the same; else they abstain.

    A draw is a pure function of (seed, symbol's name, bar time): neither the window nor the other symbols change it. What
    the side leaves of probability is shared equally by the two other classes. Missing bars have no side.
    """
    acts, buys, sure = (_uniform(market, p.seed, purpose) for purpose in PURPOSES)
    acting = (acts < p.rate) & market.valid
    confidence = p.low + (p.high - p.low) * sure
    rest = (1.0 - confidence) / 2.0
    three = np.empty((*acting.shape, N_CLASSES), dtype=np.float32)
    three[..., HOLD] = np.where(acting, rest, 1.0)
    three[..., BUY] = np.where(acting, np.where(buys < 0.5, confidence, rest), 0.0)
    three[..., SELL] = np.where(acting, np.where(buys < 0.5, rest, confidence), 0.0)
    proba = np.ascontiguousarray(np.broadcast_to(three[:, :, None, :], (*acting.shape, N_MODELS, N_CLASSES)))
    available = np.ascontiguousarray(np.broadcast_to(acting[:, :, None], (*acting.shape, N_MODELS)))
    models = tuple({"name": f"random_{m}", "kind": "control", "train_cutoff_ms": None} for m in range(N_MODELS))
    model_id = np.tile(np.arange(N_MODELS, dtype=np.int64), (market.n_bars, 1))
    return SignalTape(proba, available, model_id, models)


def _uniform(market: Market, seed: int, purpose: int) -> npt.NDArray[np.float64]:
    """Uniforms in [0, 1), ``[T, N]``: ``qt_core.rng.draw`` for every bar and symbol at once."""
    names = np.array([name_hash(name) for name in market.symbols], dtype=np.uint64)
    with np.errstate(over="ignore"):  # wrapping is what the hash is made of
        key = _mixed(_mixed(np.array([seed], dtype=np.uint64)) ^ names)[None, :]
        key = _mixed(_mixed(key ^ market.time.astype(np.uint64)[:, None]) ^ np.uint64(purpose))
    drawn: npt.NDArray[np.float64] = (key >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser, as ``qt_core.rng.mix``."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
