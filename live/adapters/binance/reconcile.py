"""The account asked by REST: what rests, what is held, and what happened while nobody listened, under the stream's own
keys.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from live.adapters.binance.budget import ENTRY
from live.adapters.binance.frames import Fill, from_trade, side_of
from live.adapters.binance.orders import Orders
from live.adapters.binance.session import (
    ACCOUNT,
    INCOME,
    OPEN_ALGO,
    OPEN_ORDERS,
    ORDER,
    POSITIONS,
    TRADES,
    CallFailed,
    Endpoint,
    Session,
)
from live.ids import read_id
from live.ports import AccountView, OrderView, PositionView
from qt_core.codes import IOC, LIMIT, MARKET, POST_ONLY, STOP, TAG_NONE, TAKE_PROFIT, TRAILING

KINDS = {
    "MARKET": MARKET,
    "LIMIT": LIMIT,
    "STOP_MARKET": STOP,
    "STOP": STOP,
    "TAKE_PROFIT_MARKET": TAKE_PROFIT,
    "TAKE_PROFIT": TAKE_PROFIT,
    "TRAILING_STOP_MARKET": TRAILING,
}
IN_FORCE_KINDS = {"GTX": POST_ONLY, "IOC": IOC}
WEEK_MS = 7 * 24 * 3_600_000 - 1  # the widest span that userTrades answers
HISTORY_MS = 26 * WEEK_MS  # what the exchange keeps of an account's trades


class Asker:
    """Asks and reads. Positions and orders of other symbols than the session's are counted, not given."""

    def __init__(self, session: Session, orders: Orders, index: Mapping[str, int], page: int) -> None:
        self.session, self.orders, self.index, self.page = session, orders, index, page
        self.other_symbols = 0

    async def _ask(self, endpoint: Endpoint, params: "dict[str, Any] | None" = None) -> Any:
        """Before backfill and the like: who does not know of a trade leaves a position without its stop."""
        return await self.session.call(endpoint, params, ENTRY)

    async def account(self, leverage: Mapping[int, float]) -> AccountView:
        """Balance, positions and resting orders of both kinds.

        Raises
        ------
        CallFailed
            Where one of the four questions is not answered.
        """
        account = await self._ask(ACCOUNT)
        positions = await self._ask(POSITIONS)
        plain = await self._ask(OPEN_ORDERS)
        algo = await self._ask(OPEN_ALGO)
        wallet = next((float(a["walletBalance"]) for a in account["assets"] if a["asset"] == "USDT"), 0.0)
        held = [p for row in positions if (p := self._position(row, leverage)) is not None]
        resting = [o for row in [*plain, *algo] if (o := self._order(row)) is not None]
        return AccountView(self.session.clock.now_ms(), wallet, tuple(held), tuple(resting))

    def _position(self, row: Mapping[str, Any], leverage: Mapping[int, float]) -> "PositionView | None":
        qty = float(row["positionAmt"])
        i = self.index.get(row["symbol"])
        if qty == 0.0 or i is None:
            self.other_symbols += qty != 0.0
            return None
        margin = float(row.get("isolatedWallet") or 0.0) or abs(float(row.get("initialMargin") or 0.0))
        return PositionView(i, qty, float(row["entryPrice"]), margin, leverage.get(i, 1.0))

    def _order(self, row: Mapping[str, Any]) -> "OrderView | None":
        i = self.index.get(row["symbol"])
        if i is None:
            self.other_symbols += 1
            return None
        algo = "algoId" in row
        client_id = row["clientAlgoId" if algo else "clientOrderId"]
        said = read_id(client_id) if self.orders.ours(client_id) else None
        kind = KINDS.get(row["orderType" if algo else "type"], MARKET)
        return OrderView(
            client_id=client_id,
            venue_id=str(row["algoId" if algo else "orderId"]),
            symbol=i,
            seq=said.seq if said else 0,
            kind=IN_FORCE_KINDS.get(row.get("timeInForce", ""), kind) if kind == LIMIT else kind,
            side=side_of(row["side"]),
            tag=said.tag if said else TAG_NONE,
            qty=float(row["quantity" if algo else "origQty"]),
            filled=0.0 if algo else float(row["executedQty"]),
            price=float(row.get("price") or 0.0),
            trigger=float(row.get("triggerPrice") or row.get("stopPrice") or 0.0),
            reduce_only=int(bool(row.get("reduceOnly"))),
        )

    async def order_trades(self, symbol: str, order_id: str, client_id: str = "") -> list[Fill]:
        """Every trade of one order, with what the order asked for where the exchange still knows it."""
        rows = await self._ask(TRADES, {"symbol": symbol, "orderId": order_id, "limit": self.page})
        trades = [from_trade(row, client_id) for row in rows if str(row["orderId"]) == order_id]
        if not trades:
            return []
        order = await self.order(symbol, order_id)
        if order is None:
            return trades
        asked, reduces = float(order["origQty"]), int(bool(order.get("reduceOnly")))
        name = order["clientOrderId"]
        return [from_trade(row, name)._replace(asked=asked, reduce_only=reduces) for row in rows]

    async def order(self, symbol: str, order_id: str) -> "Mapping[str, Any] | None":
        """One order by the exchange's number; None where it has been forgotten."""
        try:
            row = await self._ask(ORDER, {"symbol": symbol, "orderId": order_id})
        except CallFailed:
            return None
        return row if isinstance(row, Mapping) and "clientOrderId" in row else None

    async def trades_since(self, symbol: str, since_ms: int) -> list[Mapping[str, Any]]:
        """Rows of userTrades from a time on, page by page."""
        start, now_ms = since_ms, self.session.clock.now_ms()
        while now_ms - start > WEEK_MS:  # a span is a week at most; from the first trade on numbers lead further
            params = {"symbol": symbol, "startTime": start, "endTime": start + WEEK_MS, "limit": self.page}
            if answer := await self._ask(TRADES, params):
                return list(answer) + await self._trades_after(symbol, int(answer[-1]["id"]))
            start += WEEK_MS
        answer = await self._ask(TRADES, {"symbol": symbol, "startTime": start, "limit": self.page})
        if len(answer) < self.page:
            return list(answer)
        return list(answer) + await self._trades_after(symbol, int(answer[-1]["id"]))

    async def _trades_after(self, symbol: str, trade_id: int) -> list[Mapping[str, Any]]:
        """All rows later than a trade, page by page."""
        rows: list[Mapping[str, Any]] = []
        while True:
            answer = await self._ask(TRADES, {"symbol": symbol, "fromId": trade_id + 1, "limit": self.page})
            rows += answer
            if len(answer) < self.page:
                return rows
            trade_id = int(answer[-1]["id"])

    async def funding_since(self, since_ms: int) -> list[tuple[str, int, float]]:
        """Settlements from a time on: symbol, time, USD received; oldest first."""
        out: list[tuple[str, int, float]] = []
        start = since_ms
        while True:
            params = {"incomeType": "FUNDING_FEE", "startTime": start, "limit": self.page}
            rows = await self._ask(INCOME, params)
            fresh = [(r["symbol"], int(r["time"]), float(r["income"])) for r in rows if r["asset"] == "USDT"]
            out += [row for row in fresh if row not in out]
            if len(rows) < self.page or int(rows[-1]["time"]) == start:
                return sorted(out, key=lambda row: row[1])
            start = int(rows[-1]["time"])

    def active_symbols(self, open_seqs: Iterable[int], view: AccountView, held: Iterable[int]) -> list[str]:
        """Symbols where something may have been missed: positions now or before, and orders that were open."""
        seqs = set(open_seqs)
        touched = {p.symbol for p in view.positions} | set(held)
        touched |= {o.symbol for o in view.orders} | {k.symbol for k in self.orders.by_id.values() if k.seq in seqs}
        touched |= {k.symbol for k in self.orders.open()}
        return sorted(name for name, i in self.index.items() if i in touched)
