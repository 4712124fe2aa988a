"""The account: positions as the engine holds them, settings the client made, and what REST tells of trades and income."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from live.testing.contracts import QUOTE, Contract
from live.testing.matching import Matching
from live.testing.settings import Settings
from live.testing.text import booked

ISOLATED, CROSSED = "ISOLATED", "CROSSED"
FIRST_TRADE_ID, FIRST_TRANSFER_ID = 700_000_001, 9_000_000_001
MARGIN_CALL_SHARE = 0.8  # of a position's margin that the maintenance margin may take before the exchange warns


class Position(NamedTuple):
    """One position now. Money USD, quantities base units."""

    contract: Contract
    qty: float
    entry: float
    mark: float
    margin: float
    leverage: float
    liquidation: float

    @property
    def notional(self) -> float:
        return self.qty * self.mark

    @property
    def unrealised(self) -> float:
        return self.qty * (self.mark - self.entry) if self.qty else 0.0

    @property
    def maintenance(self) -> float:
        return self.contract.maintenance_usd(abs(self.notional))

    @property
    def initial(self) -> float:
        """Initial margin at the mark."""
        return abs(self.notional) / self.leverage if self.leverage else 0.0


@dataclass
class Trade:
    """One fill, as ``userTrades`` tells it."""

    id: int
    order_id: int
    contract: Contract
    side: int
    price: float
    qty: float
    fee: float
    realised: float
    maker: bool
    time_ms: int


class Account:
    """Wallet, positions, modes and ledgers of the one account there is."""

    def __init__(self, settings: Settings, matching: Matching, contracts: list[Contract]) -> None:
        self.matching = matching
        self.contracts = contracts
        self.leverage = dict.fromkeys((c.name for c in contracts), settings.default_leverage)
        self.margin_type = dict.fromkeys((c.name for c in contracts), CROSSED)
        self.hedge = False
        self.multi_assets = False
        self.may_trade = True
        self.trades: list[Trade] = []
        self.income: list[dict[str, Any]] = []
        self.traded = self.transfers = 0  # how many there have been
        self.realised = dict.fromkeys((c.name for c in contracts), 0.0)  # before fees, accumulated
        self.updated_ms = dict.fromkeys((c.name for c in contracts), 0)
        self.last_wallet = self.wallet

    @property
    def engine_margin_type(self) -> str:
        """The margin type the engine reckons with, for the whole account."""
        return CROSSED if self.matching.venue_params.margin_mode == 1 else ISOLATED

    @property
    def free(self) -> float:
        return float(self.matching.fund["free_usd"])

    @property
    def wallet(self) -> float:
        fund = self.matching.fund
        return float(fund["free_usd"] + fund["margin_usd"])

    @property
    def available(self) -> float:
        """What new positions may use; a cross account counts unrealised profit and loss."""
        extra = self.unrealised if self.engine_margin_type == CROSSED else 0.0
        return self.free + extra

    @property
    def unrealised(self) -> float:
        return sum(p.unrealised for p in self.positions())

    @property
    def cross_wallet(self) -> float:
        """The wallet without what isolated positions hold."""
        return self.wallet if self.engine_margin_type == CROSSED else self.free

    def position(self, contract: Contract) -> Position:
        v = self.matching.symbol(contract.index)
        qty = float(v["qty"])
        known = float(self.matching.mark[contract.index])
        mark = known if known == known else 0.0  # a contract without a bar so far
        leverage = float(v["leverage"]) if qty else float(self.leverage[contract.name])
        liquidation = float(v["liquidation_price"]) if qty else 0.0
        return Position(contract, qty, float(v["avg_price"]), mark, float(v["margin_usd"]), leverage, liquidation)

    def positions(self) -> list[Position]:
        """Open positions, in name order."""
        n = int(self.matching.fund["n_active"])
        held = (self.position(self.contracts[int(i)]) for i in self.matching.venue.active[:n])
        return [p for p in held if p.qty != 0.0]

    def add_trade(self, **fields: Any) -> Trade:
        trade = Trade(id=FIRST_TRADE_ID + self.traded, **fields)
        self.traded += 1
        self.trades.append(trade)
        self.realised[trade.contract.name] += trade.realised
        if trade.realised:
            self.add_income(trade.contract.name, "REALIZED_PNL", trade.realised, trade.time_ms, str(trade.id))
        if trade.fee:
            self.add_income(trade.contract.name, "COMMISSION", -trade.fee, trade.time_ms, str(trade.id))
        return trade

    def add_income(self, symbol: str, kind: str, usd: float, time_ms: int, trade_id: str = "") -> None:
        self.income.append(
            {
                "symbol": symbol,
                "incomeType": kind,
                "income": booked(usd),
                "asset": QUOTE,
                "info": trade_id or kind,
                "time": time_ms,
                "tranId": str(FIRST_TRANSFER_ID + self.transfers),
                "tradeId": trade_id,
            }
        )
        self.transfers += 1

    def forget(self, before_ms: int) -> None:
        """Let go of trades and income older than a time."""
        self.trades = [t for t in self.trades if t.time_ms >= before_ms]
        self.income = [row for row in self.income if row["time"] >= before_ms]

    def called(self) -> list[Position]:
        """Positions whose maintenance margin takes most of what is left of their margin."""
        return [
            p for p in self.positions() if p.margin and p.maintenance > MARGIN_CALL_SHARE * (p.margin + p.unrealised)
        ]
