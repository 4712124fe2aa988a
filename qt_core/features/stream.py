"""Features as bars arrive: one state, fed row by row or in blocks of any length, with the same results."""

from qt_core.features.frame import new_rows
from qt_core.features.params import FeatureParams
from qt_core.features.state import new_state, restore, snapshot
from qt_core.features.step import Bars, Rows, update
from qt_core.features.work import new_work


class FeatureStream:
    """The features of a fixed list of symbols, carried from call to call.

    Parameters
    ----------
    params : spans. symbols : names in the order of the columns.
    """

    def __init__(self, params: FeatureParams, symbols: tuple[str, ...]) -> None:
        self.params = params
        self.symbols = symbols
        self._buffer, self._state = new_state(params, len(symbols))
        self._work = new_work(params, len(symbols))

    def update(self, bars: Bars, features: bool = True, context: bool = True) -> Rows:
        """Rows of the next bars; live passes one bar at a time.

        ``bars`` follow the ones before without a break (a missing bar is a row with ``valid`` False), columns C-ordered
        ``[T, N]``; the funding rows are those settled since the last call, up to the last bar's close.
        """
        rows = new_rows(bars.close.shape[0], len(self.symbols), features, context)
        update(self.params, self._state, self._work, bars, rows)
        return rows

    def snapshot(self) -> bytes:
        """Everything :meth:`resume` needs to go on from here."""
        return snapshot(self._buffer, self.params, self.symbols)

    def resume(self, data: bytes) -> None:
        """Take over the state of a snapshot.

        Raises
        ------
        DataError
            If it was taken with other params, symbols or layout; the stream is then unchanged.
        """
        self._buffer, self._state = restore(data, self.params, self.symbols)
