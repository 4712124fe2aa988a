"""A market, its tape and its context cut into a window to learn on and a later one to judge by."""

from dataclasses import dataclass

import numpy as np

from qt_core.errors import DataError
from qt_core.features.context import ChainContext
from qt_core.market import Market, span_text, utc_text
from qt_core.signal.tape import SignalTape

LEARN_SHARE = 2 / 3  # of the bars, where no date is given
MIN_BARS = 48  # of either window


@dataclass(frozen=True)
class Window:
    """Consecutive decision bars of a market with everything a run over them needs."""

    market: Market
    tape: SignalTape
    context: ChainContext

    @property
    def span(self) -> tuple[int, int]:
        """Open of the first bar and close of the last, int64 ms UTC."""
        return int(self.market.time[0]), int(self.market.time[-1]) + self.market.timeframe_ms

    def text(self) -> str:
        """First and last bar, for people."""
        return span_text(self.market)


def default_until(market: Market) -> int:
    """The open of the bar at which two thirds of the bars have passed."""
    return int(market.time[int(market.n_bars * LEARN_SHARE)])


def split(market: Market, tape: SignalTape, context: ChainContext, until_ms: int) -> tuple[Window, Window]:
    """Bars that close by ``until_ms``, and the bars after it.

    Context and signals are those of the whole market: what stands in a row was known at its bar, so the later window
    begins warm, and nothing of it reaches the earlier one.

    Raises
    ------
    DataError
        If either window would have fewer than two days of hourly bars (48 bars).
    """
    at = int(np.searchsorted(market.time, until_ms))
    for n, name in ((at, "learn on"), (market.n_bars - at, "judge by")):
        if n < MIN_BARS:
            raise DataError(
                f"until {utc_text(until_ms)}: {n} bars to {name}; expected at least {MIN_BARS} on either side, "
                f"the bars cover {span_text(market)}"
            )
    first, second = (cut(market, tape, context, a, b) for a, b in ((0, at), (at, market.n_bars)))
    assert first.span[1] <= second.span[0], "what is judged by must lie after what is learned on"
    return first, second


def cut(market: Market, tape: SignalTape, context: ChainContext, a: int, b: int) -> Window:
    """Bars ``a`` to ``b`` of a run, its end excluded."""
    start, end = int(market.time[a]), int(market.time[b - 1]) + market.timeframe_ms
    rows = slice(a, b)
    return Window(
        market.window(start, end),
        SignalTape(
            np.ascontiguousarray(tape.proba[rows]),
            np.ascontiguousarray(tape.available[rows]),
            np.ascontiguousarray(tape.model_id[rows]),
            tape.models,
        ),
        ChainContext(
            np.ascontiguousarray(context.values[rows]),
            np.ascontiguousarray(context.eligible[rows]),
            context.correlation,
            np.ascontiguousarray(context.correlation_row[rows]),
        ),
    )
