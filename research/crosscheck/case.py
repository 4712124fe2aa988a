"""The neutral question every engine is asked, and the neutral shape of its answer.

A case is one symbol: bars, entry sides known at each bar's close, a quantity per bar, and a stop and a target as
fractions of the *fill* price. Rules that hold for everyone: a side at the close of bar ``t`` is a market entry at the
open of ``t + 1`` when flat at that close; a side while a position is open is ignored; both fills pay the fee rate; no
slippage, no rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError

STOP, TARGET, END = 0, 1, 2
REASON_NAMES = ("stop", "target", "end")

TRADE_DT = np.dtype(
    [
        ("entry_bar", "i8"),  # bar whose open filled the entry
        ("exit_bar", "i8"),
        ("side", "i8"),  # +1 long, -1 short
        ("entry_price", "f8"),
        ("exit_price", "f8"),  # last close for END
        ("size", "f8"),  # base units
        ("pnl", "f8"),  # USD, net of both fees
        ("reason", "i8"),  # STOP, TARGET, END (still open after the last bar)
    ]
)
Trades: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One symbol's bars and signals.

    Attributes
    ----------
    time : ``[T]`` int64 ms UTC bar open. open, high, low, close : ``[T]`` prices, finite and positive.
    side : ``[T]`` int8 in -1, 0, +1, known at the bar's close. quantity : ``[T]`` base units of an entry signalled
    there.
    stop_fraction, target_fraction : distance from the fill price. fee_rate : fraction of notional per fill.
    """

    symbol: str
    time: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    side: npt.NDArray[np.int8]
    quantity: npt.NDArray[np.float64]
    stop_fraction: float
    target_fraction: float
    fee_rate: float

    @property
    def n_bars(self) -> int:
        return int(self.time.shape[0])


Peer: TypeAlias = Callable[..., list[Trades]]


def check_cases(cases: Sequence[Case]) -> None:
    """Refuse a case no engine could answer.

    Raises
    ------
    DataError
        Naming the symbol, the column and what was expected.
    """
    if not cases:
        raise DataError("no cases: at least one symbol expected")
    for case in cases:
        for name in ("open", "high", "low", "close", "side", "quantity"):
            if getattr(case, name).shape != case.time.shape:
                raise DataError(
                    f"{case.symbol}: column {name} has shape {getattr(case, name).shape}, expected {case.time.shape}"
                )
        for name in ("open", "high", "low", "close"):
            bad = np.flatnonzero(~(getattr(case, name) > 0.0))
            if len(bad):
                raise DataError(
                    f"{case.symbol} bar {int(bad[0])}: {name} is not a positive price; complete bars expected"
                )
        if np.any((case.side != 0) & ~(case.quantity > 0.0)):
            raise DataError(f"{case.symbol}: quantity must be above 0 wherever side is not 0")
        if not (0.0 < case.stop_fraction < 1.0 and 0.0 < case.target_fraction < 1.0):
            raise DataError(f"{case.symbol}: stop and target fractions must lie in (0, 1)")


def as_trades(rows: Sequence[tuple[Any, ...]]) -> Trades:
    """Rows in TRADE_DT order -> structured array sorted by entry bar."""
    out = np.array(list(rows), dtype=TRADE_DT)
    return out[np.argsort(out["entry_bar"], kind="stable")]


def net_pnl(side: float, entry: float, exit_: float, size: float, fee_rate: float) -> float:
    """Profit of a round trip in USD after both fees."""
    return side * (exit_ - entry) * size - fee_rate * size * entry - fee_rate * size * exit_


def reason_of(side: float, entry: float, exit_: float) -> int:
    """STOP or TARGET of a closed trade: a stop lies on the losing side of the fill, a target on the winning side."""
    return STOP if side * (exit_ - entry) < 0.0 else TARGET


def open_trade(case: Case, entry_bar: int, side: int, entry: float, size: float) -> tuple[Any, ...]:
    """The row of a trade still open after the last bar: marked at the last close, both fees charged."""
    last = float(case.close[-1])
    pnl = net_pnl(side, entry, last, size, case.fee_rate)
    return (entry_bar, case.n_bars - 1, side, entry, last, size, pnl, END)


def closed(trades: Trades) -> Trades:
    """The stopped and targeted trades."""
    return trades[trades["reason"] != END]
