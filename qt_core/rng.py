"""Counter-based random numbers: a draw is a pure function of (seed, symbol name hash, time, purpose).

Adding or permuting symbols changes no other symbol's draws, and there is no generator state to save.
Mixing is SplitMix64's finaliser (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
"""

import numpy as np

from qt_core._jit import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_INV53 = 1.0 / 9007199254740992.0  # 2**-53

FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3
_MASK = (1 << 64) - 1


def name_hash(name: str) -> int:
    """64-bit FNV-1a hash of a symbol's name."""
    h = FNV_OFFSET
    for byte in name.encode():
        h = ((h ^ byte) * FNV_PRIME) & _MASK
    return h


@kernel
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64 finaliser: every input bit moves every output bit."""
    z = x + _GOLDEN
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@kernel
def draw(seed: np.uint64, symbol_hash: np.uint64, time_ms: int, purpose: int) -> float:
    """Uniform in [0, 1) for one (seed, symbol, time, purpose)."""
    z = mix(mix(mix(mix(seed) ^ symbol_hash) ^ np.uint64(time_ms)) ^ np.uint64(purpose))
    return float(z >> _S11) * _INV53
