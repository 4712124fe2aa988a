"""Arrays that start on a cache line, for tables whose rows are read one by one."""

import numpy as np
import numpy.typing as npt

CACHE_LINE = 64  # bytes


def aligned(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """A float64 array that starts on a cache line."""
    size = int(np.prod(shape)) * 8
    raw = np.empty(size + CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(np.float64).reshape(shape)
