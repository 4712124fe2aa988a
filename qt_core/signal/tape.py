"""SignalTape: what four models said about every symbol and bar; the only door from models into the chain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError

SELL, HOLD, BUY = 0, 1, 2
N_MODELS = 4
N_CLASSES = 3


@dataclass(frozen=True)
class SignalTape:
    """Class probabilities of four models, known at the close of the bar they stand in.

    Attributes
    ----------
    proba : ``[T, N, 4, 3]`` float32 of (SELL, HOLD, BUY); a row sums to 1 where available.
    available : ``[T, N, 4]`` bool; False = the model abstains.
    model_id : ``[T, 4]`` int64 into ``models``.
    models : one dict per model version: name, kind, train cut-off.
    """

    proba: npt.NDArray[np.float32]
    available: npt.NDArray[np.bool_]
    model_id: npt.NDArray[np.int64]
    models: tuple[dict[str, Any], ...] = ()

    def head(self, n_bars: int) -> "SignalTape":
        """The tape as it was known after ``n_bars`` bars."""
        return SignalTape(
            np.ascontiguousarray(self.proba[:n_bars]),
            np.ascontiguousarray(self.available[:n_bars]),
            np.ascontiguousarray(self.model_id[:n_bars]),
            self.models,
        )


def check_tape(tape: SignalTape, n_bars: int, n_symbols: int) -> None:
    """Refuse a tape of another shape or dtype, or with probabilities that are not probabilities.

    Raises
    ------
    DataError
        Naming the array and what was expected.
    """
    shape = (n_bars, n_symbols, N_MODELS, N_CLASSES)
    if tape.proba.shape != shape or tape.proba.dtype != np.float32 or not tape.proba.flags.c_contiguous:
        raise DataError(f"tape proba is {tape.proba.dtype}{tape.proba.shape}, expected C-ordered float32{shape}")
    if tape.available.shape != shape[:3] or tape.available.dtype != np.bool_:
        raise DataError(f"tape available is {tape.available.dtype}{tape.available.shape}, expected bool{shape[:3]}")
    if tape.model_id.shape != (n_bars, N_MODELS):
        raise DataError(f"tape model_id has shape {tape.model_id.shape}, expected {(n_bars, N_MODELS)}")
    total = tape.proba.sum(axis=3, dtype=np.float64)
    bad = tape.available & ~((np.abs(total - 1.0) < 1e-4) & (tape.proba.min(axis=3) >= 0.0))
    if bad.any():
        t, i, m = (int(x) for x in np.argwhere(bad)[0])
        raise DataError(
            f"tape row bar {t} symbol {i} model {m}: probabilities {tape.proba[t, i, m]} must be >= 0 and sum to 1"
        )
