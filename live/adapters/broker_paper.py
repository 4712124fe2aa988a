"""Paper trading: the engine's own venue, bar by bar, so that a paper session is the backtest on the same bars."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import numpy as np

from live.chain import Chain
from live.ports import AccountView, Intent, OrderView, PositionView, VenueEvent
from qt_core import records as rec
from qt_core.codes import EMPTY, EVENT_NAMES
from qt_core.engine.run import step_begin, step_end, step_match, step_submit
from qt_core.state import Venue, copy_into, make_venue, raw_bytes, restore, snapshot


class PaperBroker:
    """The simulated venue of one chain; it reads the chain's bar and takes the requests the chain has just made.

    Unlike an exchange it acts inside the runner's step: ``play`` yields what happens in the bar, and after each event was
    heard ``take`` hands over what the chain asks for, at the very moment a backtest would.
    """

    label = "paper"

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.venue: Venue = make_venue(chain.setup.n_symbols, float(chain.fund["wallet_usd"]))
        self._count = 0

    # --- a bar ---------------------------------------------------------------------------------------------------------
    def play(self) -> Iterator[VenueEvent]:
        """Everything that happens in the chain's bar, one event at a time."""
        c = self._chain
        step_begin(c.params, self.venue, c.bars, 0)
        while step_match(c.params, self.venue, c.bars, 0, c.out):
            row = np.asarray(c.out.event).view(rec.EVENT_DT)[0].copy()
            self._count += 1
            yield VenueEvent(self._key(row), row)
        step_end(self.venue, c.bars, 0)

    def _key(self, row: np.void) -> str:
        name = self._chain.setup.symbols[int(row["symbol"])]
        return f"{name}:{EVENT_NAMES[int(row['kind'])]}:{int(row['time_ms'])}:{int(row['seq'])}:{self._count}"

    def take(self) -> None:
        """The chain's requests go to the venue."""
        c = self._chain
        step_submit(c.params, self.venue, c.bars, 0, c.out)

    # --- the port ------------------------------------------------------------------------------------------------------
    async def open(self) -> AccountView:
        return await self.account()

    async def submit(self, intents: Sequence[Intent], ask_first: bool = False) -> None:
        """Nothing is left to send: ``take`` has handed it over."""

    async def events(self) -> AsyncIterator[VenueEvent]:
        """None between bars."""
        nothing: tuple[VenueEvent, ...] = ()
        for event in nothing:
            yield event

    level = True  # its venue is the session's own: nothing is ever missed

    def suspect(self) -> None:
        """Nothing to ask for."""

    def accept(self, view: AccountView) -> None:
        """Its books are the venue's."""

    async def missed(self, since_ms: int, open_seqs: Sequence[int]) -> Sequence[VenueEvent]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""

    async def account(self) -> AccountView:
        fund = np.asarray(self.venue.fund).view(rec.VENUE_FUND_DT)[0]
        wallet = float(fund["free_usd"] + fund["margin_usd"])
        return AccountView(int(self._chain.fund["now_ms"]), wallet, self._positions(), self._orders())

    def _positions(self) -> tuple[PositionView, ...]:
        rows = np.asarray(self.venue.symbol).view(rec.VENUE_SYMBOL_DT)
        return tuple(
            PositionView(i, float(r["qty"]), float(r["avg_price"]), float(r["margin_usd"]), float(r["leverage"]))
            for i, r in enumerate(rows)
            if r["qty"] != 0.0
        )

    def _orders(self) -> tuple[OrderView, ...]:
        rows = np.asarray(self.venue.orders).view(rec.ORDER_DT)
        return tuple(order_view(i, o) for i, of_symbol in enumerate(rows) for o in of_symbol if o["status"] != EMPTY)

    # --- recovery ------------------------------------------------------------------------------------------------------
    def snapshot(self) -> bytes:
        """The venue, and how many events it has told."""
        return self._count.to_bytes(8, "little") + snapshot(self.venue, self._chain.setup.symbols)

    def resume(self, blob: bytes) -> None:
        """Take over a snapshot of the same symbols."""
        self._count = int.from_bytes(blob[:8], "little")
        copy_into(self.venue, restore(Venue, blob[8:], self._chain.setup.symbols))

    def venue_bytes(self) -> bytes:
        """The venue as bytes."""
        return raw_bytes(self.venue)


def order_view(symbol: int, o: np.void) -> OrderView:
    """A slot of the venue (ORDER_DT)."""
    whole: dict[str, Any] = {k: int(o[k]) for k in ("seq", "kind", "side", "tag", "reduce_only")}
    number: dict[str, Any] = {k: float(o[k]) for k in ("qty", "filled", "price", "trigger")}
    return OrderView(client_id="", venue_id=str(whole["seq"]), symbol=symbol, **whole, **number)
