"""The simulated exchange without its sockets: one object that holds the engine, the account, the orders and the messages
that wait to be sent. Everything here is synchronous; ``server`` and ``exchange`` carry it over the wire.
"""

from typing import Any

from live.testing.account import Account
from live.testing.candles import Candles
from live.testing.clock import ExchangeClock
from live.testing.contracts import Contract
from live.testing.errors import BAD_SYMBOL, SYMBOL_CLOSED, ApiError
from live.testing.faults import Faults
from live.testing.filters import Params, needed
from live.testing.matching import Matching
from live.testing.orders import OrderBook
from live.testing.settings import Settings
from qt_core.market import Market

TRADING, NOT_YET, SETTLING = "TRADING", "PENDING_TRADING", "SETTLING"


class Simulation:
    """State of one exchange."""

    def __init__(self, market: Market, settings: Settings) -> None:
        config = settings.checked_config()
        initial = config.params().chain.initial_equity_usd if settings.initial_usd is None else settings.initial_usd
        self.settings = settings
        self.market = market
        self.matching = Matching(market, config, settings.first_bar, initial)
        fee = config.params().venue.liquidation_fee
        self.contracts = [Contract(market, i, fee) for i in range(market.n_symbols)]
        self.by_name = {c.name: c for c in self.contracts}
        self.clock = ExchangeClock(settings.clock, self.matching.bar_open_ms())
        self.account = Account(settings, self.matching, self.contracts)
        self.orders = OrderBook()
        self.candles = Candles(self.matching)
        self.faults = Faults()
        self.listen_keys: dict[str, int] = {}  # key: valid until, ms of the exchange's clock
        self.keys_drawn = 0
        self.outbox: list[dict[str, Any]] = []  # user events, oldest first
        self.engine_events: list[Any] = []  # every event the engine gave, for tests and reports
        self.liquidations = 0

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def tell(self, event: dict[str, Any]) -> None:
        """A user event that is to be sent."""
        self.outbox.append(event)

    def contract(self, params: Params) -> Contract:
        """The contract a request names."""
        found = self.by_name.get(needed(params, "symbol"))
        if found is None:
            raise ApiError(BAD_SYMBOL)
        return found

    def status(self, c: Contract) -> str:
        """Trading status now; a fault may have set another."""
        if c.status != TRADING:
            return c.status
        if self.matching.last[c.index] != self.matching.last[c.index]:
            return NOT_YET
        gone = self.matching.bar_open_ms() >= int(self.market.specs[c.index]["delist_ms"])
        return SETTLING if gone else TRADING

    def priced(self, params: Params) -> list[Contract]:
        """The contract a request names, or all; of those, the ones that have a price."""
        known = [c for c in self.chosen(params) if self.status(c) != NOT_YET]
        if not known and params.get("symbol"):
            raise ApiError(SYMBOL_CLOSED)
        return known

    def traded(self, params: Params) -> Contract:
        """The contract a request names, which must be trading."""
        c = self.contract(params)
        if self.status(c) != TRADING:
            raise ApiError(SYMBOL_CLOSED)
        return c

    def chosen(self, params: Params) -> list[Contract]:
        """The contract a request names, or all of them."""
        return [self.contract(params)] if params.get("symbol") else self.contracts
