"""SignalTape: what four models said about every symbol and bar; the only door from models into the chain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core._jit import entry
from qt_core.errors import DataError

SELL, HOLD, BUY = 0, 1, 2
N_MODELS = 4
N_CLASSES = 3
SLOT_NAMES = ("XGBoost", "LightGBM", "N-HiTS", "PatchTST")  # modules 2 to 5


SUM_TOLERANCE = 1e-4  # of a float32 row of three


@entry
def _first_bad(proba: Any, available: Any) -> int:
    """First available row that is negative, not finite or does not sum to 1; -1 if none."""
    for k in range(available.shape[0]):
        if available[k]:
            a, b, c = proba[k, 0], proba[k, 1], proba[k, 2]
            if not (a >= 0.0 and b >= 0.0 and c >= 0.0 and abs(a + b + c - 1.0) < SUM_TOLERANCE):
                return k
    return -1


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
    if tape.__dict__.get("_checked"):
        return
    row = int(_first_bad(tape.proba.reshape(-1, N_CLASSES), tape.available.reshape(-1)))
    if row >= 0:
        t, i, m = (int(x) for x in np.unravel_index(row, tape.available.shape))
        raise DataError(
            f"tape row bar {t} symbol {i} model {m}: probabilities {tape.proba[t, i, m]} must be >= 0 and sum to 1"
        )
    tape.__dict__["_checked"] = True  # frozen: not a field, so replace() does not carry it over


def model_names(tape: SignalTape) -> tuple[str, ...]:
    """Names of the four models in their slots, of the first bar's versions."""
    names = [str(m.get("name", "")) for m in tape.models]
    ids = tape.model_id[0] if len(tape.model_id) else ()
    found = [names[k] for k in ids if 0 <= k < len(names)]
    return tuple(found) if len(found) == N_MODELS and all(found) else SLOT_NAMES
