"""Raw messages of the exchange read into facts: pure functions, no state. Field letters as the exchange documents them.

REST rows are read into the same facts, so that what is asked later and what the stream says meet under one key.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

FORCED_NO, FORCED_LIQUIDATION, FORCED_ADL, FORCED_SETTLEMENT = range(4)
FILLING = ("TRADE", "CALCULATED")  # execution types that fill
OVER = ("CANCELED", "EXPIRED", "REJECTED", "EXPIRED_IN_MATCH")  # order states without another fill to come
UNKNOWN_TOTAL = float("nan")

Raw = Mapping[str, Any]


class Fill(NamedTuple):
    """One trade of one of our orders."""

    symbol: str
    order_id: str
    client_id: str
    trade_id: int
    time_ms: int
    side: int
    qty: float
    price: float
    maker: int
    fee: float
    fee_asset: str
    realised: float  # USD
    total: float  # of the order filled after this trade; NaN: not said
    asked: float  # quantity of the order; NaN: not said
    reduce_only: int
    forced: int  # FORCED_*

    @property
    def key(self) -> str:
        return trade_key(self.symbol, self.trade_id, self.order_id, self.total)


class End(NamedTuple):
    """An order that is over without being filled wholly."""

    symbol: str
    order_id: str
    client_id: str
    time_ms: int
    side: int
    status: str
    time_in_force: str
    total: float  # filled before
    asked: float
    conditional: bool
    text: str = ""  # why, where the exchange says it

    @property
    def key(self) -> str:
        return end_key(self.symbol, self.client_id)


class Conditional(NamedTuple):
    """A conditional order's state; once triggered it has an order in the matching engine."""

    symbol: str
    client_id: str
    algo_id: str
    status: str
    order_id: str  # of the matching engine; empty before
    time_ms: int
    side: int
    asked: float


class Held(NamedTuple):
    """A position as an account message states it."""

    symbol: str
    qty: float
    entry: float
    isolated_wallet: float


class Money(NamedTuple):
    """An account message: balance and the positions that changed."""

    time_ms: int
    cause: str  # ORDER, FUNDING_FEE, DEPOSIT ...
    wallet: float  # USDT, NaN: not in it
    change: float  # without profit and commission
    positions: tuple[Held, ...]


class KeyExpired(NamedTuple):
    """The listen key is dead: nothing more comes on this connection."""

    time_ms: int


Fact = Fill | End | Conditional | Money | KeyExpired


def trade_key(symbol: str, trade_id: int, order_id: str = "", total: float = 0.0) -> str:
    """What makes a trade unique; a forced trade may come without an id of its own."""
    return f"{symbol}:trade:{trade_id}" if trade_id else f"{symbol}:forced:{order_id}:{total:.12g}"


def end_key(symbol: str, client_id: str) -> str:
    """What makes the end of an order unique."""
    return f"{symbol}:end:{client_id}"


HOUR_MS = 3_600_000


def funding_key(symbol: str, time_ms: int) -> str:
    """One settlement: stream and REST date it some milliseconds apart, but never half an hour."""
    return f"funding:{symbol}:{(time_ms + HOUR_MS // 2) // HOUR_MS * HOUR_MS}"


def read(message: Raw, asset: str = "USDT") -> "Fact | None":
    """The fact a user-stream message states, or None."""
    data = message["data"] if "stream" in message and isinstance(message.get("data"), dict) else message
    kind = data.get("e")
    if kind == "ORDER_TRADE_UPDATE":
        return _order(data["o"], int(data["T"]))
    if kind == "ALGO_UPDATE":
        return _algo(data["o"], int(data["T"]))
    if kind == "ACCOUNT_UPDATE":
        return _money(data["a"], int(data["T"]), asset)
    if kind == "listenKeyExpired":
        return KeyExpired(int(data.get("E", 0)))
    return None


def side_of(text: str) -> int:
    """+1 for BUY, -1 for SELL."""
    return 1 if text == "BUY" else -1


def forced_of(client_id: str, order_type: str = "") -> int:
    """Whether the exchange closed by itself, and how."""
    if client_id.startswith("settlement_autoclose"):
        return FORCED_SETTLEMENT
    if client_id.startswith("adl_autoclose"):
        return FORCED_ADL
    return FORCED_LIQUIDATION if client_id.startswith("autoclose") or order_type == "LIQUIDATION" else FORCED_NO


def _order(o: Raw, time_ms: int) -> "Fact | None":
    if o["x"] in FILLING and float(o["l"]) > 0.0:
        return Fill(
            symbol=o["s"],
            order_id=str(o["i"]),
            client_id=o["c"],
            trade_id=int(o.get("t", 0)),
            time_ms=int(o.get("T", time_ms)),
            side=side_of(o["S"]),
            qty=float(o["l"]),
            price=float(o["L"]),
            maker=int(bool(o.get("m"))),
            fee=float(o.get("n") or 0.0),
            fee_asset=o.get("N") or "USDT",
            realised=float(o.get("rp") or 0.0),
            total=float(o["z"]),
            asked=float(o["q"]),
            reduce_only=int(bool(o.get("R"))),
            forced=forced_of(o["c"], o.get("o", "")),
        )
    if o["X"] in OVER:
        return End(
            symbol=o["s"],
            order_id=str(o["i"]),
            client_id=o["c"],
            time_ms=int(o.get("T", time_ms)),
            side=side_of(o["S"]),
            status=o["X"],
            time_in_force=o.get("f", ""),
            total=float(o["z"]),
            asked=float(o["q"]),
            conditional=False,
        )
    return None


def _algo(o: Raw, time_ms: int) -> "Fact | None":
    status, order_id = o["X"], str(o.get("ai") or "")
    if status in OVER and not order_id:
        return End(
            symbol=o["s"],
            order_id="",
            client_id=o["caid"],
            time_ms=time_ms,
            side=side_of(o["S"]),
            status=status,
            time_in_force=o.get("f", ""),
            total=0.0,
            asked=float(o["q"]),
            conditional=True,
            text=o.get("rm") or "",
        )
    return Conditional(o["s"], o["caid"], str(o["aid"]), status, order_id, time_ms, side_of(o["S"]), float(o["q"]))


def _money(a: Raw, time_ms: int, asset: str) -> Money:
    wallet, change = float("nan"), 0.0
    for balance in a.get("B", ()):
        if balance["a"] == asset:
            wallet, change = float(balance["wb"]), float(balance.get("bc") or 0.0)
    held = tuple(
        Held(p["s"], float(p["pa"]), float(p["ep"]), float(p.get("iw") or 0.0))
        for p in a.get("P", ())
        if p.get("ps", "BOTH") == "BOTH"
    )
    return Money(time_ms, a.get("m", ""), wallet, change, held)


def from_trade(row: Raw, client_id: str = "", total: float = UNKNOWN_TOTAL, asked: float = UNKNOWN_TOTAL) -> Fill:
    """A row of userTrades; it names the order, but not the client's id nor what the order asked for."""
    return Fill(
        symbol=row["symbol"],
        order_id=str(row["orderId"]),
        client_id=client_id,
        trade_id=int(row["id"]),
        time_ms=int(row["time"]),
        side=side_of(row["side"]),
        qty=float(row["qty"]),
        price=float(row["price"]),
        maker=int(bool(row["maker"])),
        fee=abs(float(row["commission"])),
        fee_asset=row["commissionAsset"],
        realised=float(row["realizedPnl"]),
        total=total,
        asked=asked,
        reduce_only=0,
        forced=forced_of(client_id),
    )


def from_order(row: Raw) -> "End | None":
    """A row of openOrders, allOrders or order; None while it may still fill, and where it is filled wholly."""
    if row["status"] not in OVER:
        return None
    return End(
        symbol=row["symbol"],
        order_id=str(row["orderId"]),
        client_id=row["clientOrderId"],
        time_ms=int(row.get("updateTime") or row.get("time") or 0),
        side=side_of(row["side"]),
        status=row["status"],
        time_in_force=row.get("timeInForce", ""),
        total=float(row["executedQty"]),
        asked=float(row["origQty"]),
        conditional=False,
    )


def from_algo(row: Raw) -> "End | Conditional":
    """A row of openAlgoOrders, allAlgoOrders or algoOrder."""
    order_id, status = str(row.get("actualOrderId") or ""), row["algoStatus"]
    time_ms = int(row.get("updateTime") or row.get("createTime") or 0)
    side, asked = side_of(row["side"]), float(row.get("quantity") or 0.0)
    if status in OVER and not order_id:
        return End(
            row["symbol"], "", row["clientAlgoId"], time_ms, side, status, row.get("timeInForce", ""), 0.0, asked, True
        )
    return Conditional(row["symbol"], row["clientAlgoId"], str(row["algoId"]), status, order_id, time_ms, side, asked)
