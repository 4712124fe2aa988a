"""Inputs of a decision, made bar by bar: features and correlations by the streaming kernels, the models' word by one of

three speakers: the four rules, fitted agents (``qt_core.agents.inference``), or the rows of a tape in a replay.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from live.chain import DecisionRow
from live.ports import ClosedBar
from qt_core.agents.inference import TapeRow
from qt_core.errors import DataError
from qt_core.features.correlation import correlation_params
from qt_core.features.correlation_stream import CorrelationStream
from qt_core.features.params import default_params
from qt_core.features.step import Bars
from qt_core.features.stream import FeatureStream
from qt_core.signal.rules import Params as RuleParams
from qt_core.signal.rules import rule_rows
from qt_core.signal.tape import N_CLASSES, N_MODELS, SignalTape

PX_COLUMNS = ("open", "high", "low", "close")  # the first four of codes.PX_*


class Speaker(Protocol):
    """Features and the models' word; see ``live.ports.Models``."""

    label: str

    def update(self, bars: Bars) -> TapeRow: ...

    def snapshot(self) -> bytes: ...

    def resume(self, blob: bytes) -> None: ...


class RuleSpeaker:
    """The four fixed rules in the four slots."""

    label = "rules"

    def __init__(self, symbols: tuple[str, ...], timeframe_ms: int, params: RuleParams) -> None:
        self._stream = FeatureStream(default_params(timeframe_ms), symbols)
        self._params = params

    def update(self, bars: Bars) -> TapeRow:
        _, context, eligible = self._stream.update(bars, features=False)
        n = bars.close.shape[1]
        proba, available = np.empty((1, n, N_MODELS, N_CLASSES), np.float32), np.empty((1, n, N_MODELS), np.bool_)
        rule_rows(self._params, context, eligible, bars.close, proba, available)
        return TapeRow(proba, available, context, eligible)

    def snapshot(self) -> bytes:
        return framed(self._stream.snapshot())

    def resume(self, blob: bytes) -> None:
        self._stream.resume(unframed(blob)[0])


class SilentSpeaker:
    """Features alone: for audits of sessions whose models are not at hand."""

    label = "features"

    def __init__(self, symbols: tuple[str, ...], timeframe_ms: int) -> None:
        self._stream = FeatureStream(default_params(timeframe_ms), symbols)

    def update(self, bars: Bars) -> TapeRow:
        return _unsaid(self._stream, bars)

    def snapshot(self) -> bytes:
        return framed(self._stream.snapshot())

    def resume(self, blob: bytes) -> None:
        self._stream.resume(unframed(blob)[0])


def _unsaid(stream: FeatureStream, bars: Bars) -> TapeRow:
    """Features of a bar on which every model abstains."""
    _, context, eligible = stream.update(bars, features=False)
    n = bars.close.shape[1]
    proba = np.zeros((1, n, N_MODELS, N_CLASSES), np.float32)
    return TapeRow(proba, np.zeros((1, n, N_MODELS), np.bool_), context, eligible)


class TapeSpeaker:
    """What a tape says of the bar, for replays of its market; other bars are abstentions."""

    def __init__(
        self, symbols: tuple[str, ...], timeframe_ms: int, tape: SignalTape, time: Any, label: str = "tape"
    ) -> None:
        self.label = label
        self._stream = FeatureStream(default_params(timeframe_ms), symbols)
        self._tape, self._row = tape, {int(t): k for k, t in enumerate(time)}

    def update(self, bars: Bars) -> TapeRow:
        row = _unsaid(self._stream, bars)
        t = self._row.get(int(bars.time[0]))
        if t is None:
            return row
        proba = np.ascontiguousarray(self._tape.proba[t : t + 1])
        available = np.ascontiguousarray(self._tape.available[t : t + 1])
        return TapeRow(proba, available, row.context, row.eligible)

    def snapshot(self) -> bytes:
        return framed(self._stream.snapshot())

    def resume(self, blob: bytes) -> None:
        self._stream.resume(unframed(blob)[0])


class AgentSpeaker:
    """Fitted agents; their snapshot holds features and the rolling closes."""

    def __init__(self, inference: Any, label: str) -> None:
        self.label = label
        self._inference = inference

    def update(self, bars: Bars) -> TapeRow:
        row: TapeRow = self._inference.update(bars)
        return row

    def snapshot(self) -> bytes:
        data = self._inference.snapshot()
        return framed(data["features"], data["close"])

    def resume(self, blob: bytes) -> None:
        features, close = unframed(blob)
        self._inference.resume({"symbols": self._inference.symbols, "features": features, "close": close})


def framed(features: bytes, rest: bytes = b"") -> bytes:
    """A speaker's snapshot: the features' state, which every speaker reads, and what is its own."""
    return len(features).to_bytes(8, "little") + features + rest


def unframed(blob: bytes) -> tuple[bytes, bytes]:
    """The two parts of ``framed``."""
    cut = 8 + int.from_bytes(blob[:8], "little")
    return blob[8:cut], blob[cut:]


class Inputs:
    """The rows a decision reads, made at the close of each decision bar.

    Parameters
    ----------
    symbols : sorted. timeframe_ms : of the decision bars. speaker : see above.
    """

    def __init__(self, symbols: tuple[str, ...], timeframe_ms: int, speaker: Speaker) -> None:
        self.speaker = speaker
        self._correlations = CorrelationStream(correlation_params(timeframe_ms), symbols)

    def update(self, bar: ClosedBar) -> DecisionRow:
        """The row at the close of the next decision bar; a missing bar is one with ``valid`` False."""
        bars = one_row(bar)
        said = self.speaker.update(bars)
        c = self._correlations.update(bars.time, bars.close, bars.valid)
        return DecisionRow(
            np.ascontiguousarray(said.proba, dtype=np.float32),
            said.available,
            said.context,
            said.eligible,
            c.rows,
            c.row,
        )

    def snapshot(self) -> dict[str, bytes]:
        """What ``resume`` needs."""
        return {"speaker": self.speaker.snapshot(), "correlations": self._correlations.snapshot()}

    def resume(self, parts: dict[str, bytes]) -> None:
        """Go on from a snapshot.

        Raises
        ------
        DataError
            If it was taken with other symbols, spans or models.
        """
        self.speaker.resume(parts["speaker"])
        self._correlations.resume(parts["correlations"])


def one_row(bar: ClosedBar) -> Bars:
    """A closed bar as the feature kernels take it."""
    if not bar.px.flags.c_contiguous:
        raise DataError("prices of a closed bar must be C-ordered")
    columns = {name: np.ascontiguousarray(bar.px[None, :, k]) for k, name in enumerate(PX_COLUMNS)}
    ints: Callable[[Any], Any] = lambda values: np.array(list(values), dtype=np.int64)  # noqa: E731
    return Bars(
        time=np.array([bar.open_ms], dtype=np.int64),
        **columns,
        volume=np.ascontiguousarray(bar.volume[None]),
        quote_volume=np.ascontiguousarray(bar.quote_volume[None]),
        valid=np.ascontiguousarray(bar.valid[None]),
        funding_time_ms=ints(s.time_ms for s in bar.settled),
        funding_symbol=ints(s.symbol for s in bar.settled),
        funding_rate=np.array([s.rate for s in bar.settled], dtype=np.float64),
    )
