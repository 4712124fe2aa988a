"""Deterministic entry sides: a hash of (seed, symbol name, bar time), so window and symbol order change none."""

import hashlib

import numpy as np
import numpy.typing as npt

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def hashed_sides(symbol: str, time: npt.NDArray[np.int64], rate: float, seed: int) -> npt.NDArray[np.int8]:
    """Sides of one symbol: +1 and -1 with probability ``rate / 2`` each, else 0.

    Parameters
    ----------
    time : ``[T]`` int64 ms bar open times. rate : expected share of bars with a side, 0..1.
    """
    name = np.frombuffer(hashlib.blake2b(symbol.encode(), digest_size=8).digest(), dtype=np.uint64)[0]
    with np.errstate(over="ignore"):  # wrapping is what the hash is made of
        key = _mixed(time.astype(np.uint64) * _GAMMA + name + np.uint64(seed) * _MIX_1)
    uniform = (key >> np.uint64(11)).astype(np.float64) * 2.0**-53
    out = np.zeros(len(time), dtype=np.int8)
    out[uniform < rate / 2.0] = 1
    out[uniform >= 1.0 - rate / 2.0] = -1
    return out
