"""What a model sees: feature rows, returns and stop distances of N symbols, known at the close of the bar they stand in.

Research makes a panel of years of bars, live one of the last few; an agent cannot tell which it was given.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.market import BoolArray, FloatArray, IntArray
from qt_core.pipeline import Params

Float32Array = npt.NDArray[np.float32]

# Not shown to models: its level is a matter of listing date and market cap, and drifts; liquidity_ratio carries the change.
LEFT_OUT = ("quote_volume_24h",)
# May be missing in a row that is otherwise whole: contracts without funding history. Trees take NaN as a value of its own.
OPTIONAL = ("funding_rate",)


class Rows(NamedTuple):
    """Some rows of a panel."""

    t: IntArray  # [n] bar
    i: IntArray  # [n] symbol


@dataclass(frozen=True)
class Panel:
    """Inputs of all models.

    Attributes
    ----------
    names : names of the feature columns, F of them, spans included. features : ``[T, N, F]`` float32, NaN where unknown.
    returns : ``[lead + T, N]`` float32, log return from the bar before; NaN where either bar is missing.
    stop : ``[T, N]`` float32, module 14's stop distance d, price fraction; NaN where ATR is unknown.
    """

    names: tuple[str, ...]
    features: Float32Array
    returns: Float32Array
    stop: Float32Array
    distance: str = ""  # digest of the parameters d is made by; "" = not told
    lead: int = (
        0  # rows of returns before the first row of features: live has one row of features and a window of returns
    )

    @property
    def schema(self) -> str:
        """Digest of what the columns mean; a model is refused on a panel of another schema."""
        return schema_of(self.names, self.distance)

    def window(self, rows: Rows, length: int) -> Float32Array:
        """Returns of the ``length`` bars up to and with each row's own, ``[n, length]``; rows before the first are NaN."""
        back = np.arange(length - 1, -1, -1)
        at = rows.t[:, None] + self.lead - back[None, :]
        out: Float32Array = self.returns[np.maximum(at, 0), rows.i[:, None]]
        out[at < 0] = np.nan
        return out

    def complete(self) -> BoolArray:
        """Rows with every feature that must be there, ``[T, N]``."""
        must = [k for k, name in enumerate(self.names) if name not in OPTIONAL]
        known: BoolArray = np.isfinite(self.features[..., must]).all(axis=-1) & (self.stop > 0.0)
        return known

    def unbroken(self, length: int) -> BoolArray:
        """Rows whose last ``length`` returns are all known, and d with them, ``[T, N]``."""
        known = np.isfinite(self.returns)
        total = np.vstack([np.zeros((1, known.shape[1]), dtype=np.int64), np.cumsum(known, axis=0)])
        full = np.zeros(known.shape, dtype=np.bool_)
        if len(known) >= length:
            full[length - 1 :] = total[length:] - total[:-length] == length
        unbroken: BoolArray = full[self.lead :] & (self.stop > 0.0)
        return unbroken


def distance_of(params: Params) -> str:
    """Digest of what makes the stop distance d, by which networks scale what they see: modules 14's and the regime's
    parameters, 16 hex digits.
    """
    return hashlib.sha256(repr((tuple(params.tpsl), tuple(params.regime))).encode()).hexdigest()[:16]


def schema_of(names: tuple[str, ...], distance: str = "") -> str:
    """Digest of the columns' names and of how returns and distances are defined, 16 hex digits."""
    text = "|".join((*names, "returns: log close/close", "stop: module 14 without class", distance, "panel/2"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shown(names: tuple[str, ...]) -> list[int]:
    """Columns of a feature frame that models see, in order."""
    return [k for k, name in enumerate(names) if name not in LEFT_OUT]


def make_panel(
    names: tuple[str, ...], values: FloatArray, close: FloatArray, stop: FloatArray, distance: str = ""
) -> Panel:
    """A panel of feature rows ``[T, N, F_all]``, closes ``[lead + T, N]`` and distances ``[T, N]``, all float64.

    The first close has no return. Everything is rounded to float32 here, in research as in live.
    """
    keep = shown(names)
    returns = np.full(close.shape, np.nan, dtype=np.float32)
    returns[1:] = np.log(close[1:] / close[:-1])
    return Panel(
        tuple(names[k] for k in keep),
        np.ascontiguousarray(values[..., keep], dtype=np.float32),
        returns,
        stop.astype(np.float32),
        distance,
        len(close) - len(values),
    )
