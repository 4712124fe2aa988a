"""Account, balance and position as REST rows and as user-stream events: one function a shape."""

from typing import Any

from live.testing.account import CROSSED, Account, Position
from live.testing.contracts import QUOTE, Contract
from live.testing.order_rows import SIDES
from live.testing.text import booked, money, plain

ALIAS = "SgsR"  # account alias; the exchange draws one


def margin_name(kind: str) -> str:
    """``cross`` or ``isolated``, as rows of positions say it."""
    return "cross" if kind == CROSSED else "isolated"


def _sums(a: Account) -> dict[str, float]:
    held = a.positions()
    return {
        "initial": sum(p.initial for p in held),
        "maintenance": sum(p.maintenance for p in held),
        "unrealised": sum(p.unrealised for p in held),
    }


def _asset(a: Account, now_ms: int, version: int) -> dict[str, Any]:
    s = _sums(a)
    crossed = a.engine_margin_type == CROSSED
    row: dict[str, Any] = {
        "asset": QUOTE,
        "walletBalance": booked(a.wallet),
        "unrealizedProfit": money(s["unrealised"]),
        "marginBalance": money(a.wallet + s["unrealised"]),
        "maintMargin": money(s["maintenance"]),
        "initialMargin": money(s["initial"]),
        "positionInitialMargin": money(s["initial"]),
        "openOrderInitialMargin": money(0.0),
        "crossWalletBalance": booked(a.cross_wallet),
        "crossUnPnl": money(s["unrealised"] if crossed else 0.0),
        "availableBalance": money(a.available),
        "maxWithdrawAmount": money(a.available),
        "updateTime": now_ms,
    }
    if version == 2:
        row["marginAvailable"] = True
    return row


def account_row(a: Account, now_ms: int, version: int) -> dict[str, Any]:
    """The answer of ``account``, version 2 or 3."""
    s = _sums(a)
    crossed = a.engine_margin_type == CROSSED
    head: dict[str, Any] = {}
    if version == 2:
        head = {
            "feeTier": 0,
            "canTrade": a.may_trade,
            "canDeposit": True,
            "canWithdraw": True,
            "updateTime": 0,
            "multiAssetsMargin": a.multi_assets,
            "tradeGroupId": -1,
        }
    positions = [a.position(c) for c in a.contracts] if version == 2 else a.positions()
    return {
        **head,
        "totalInitialMargin": money(s["initial"]),
        "totalMaintMargin": money(s["maintenance"]),
        "totalWalletBalance": booked(a.wallet),
        "totalUnrealizedProfit": money(s["unrealised"]),
        "totalMarginBalance": money(a.wallet + s["unrealised"]),
        "totalPositionInitialMargin": money(s["initial"]),
        "totalOpenOrderInitialMargin": money(0.0),
        "totalCrossWalletBalance": booked(a.cross_wallet),
        "totalCrossUnPnl": money(s["unrealised"] if crossed else 0.0),
        "availableBalance": money(a.available),
        "maxWithdrawAmount": money(a.available),
        "assets": [_asset(a, now_ms, version)],
        "positions": [_account_position(a, p, version) for p in positions],
    }


def _account_position(a: Account, p: Position, version: int) -> dict[str, Any]:
    name = p.contract.name
    row: dict[str, Any] = {
        "symbol": name,
        "positionSide": "BOTH",
        "positionAmt": p.contract.qty(p.qty),
        "unrealizedProfit": money(p.unrealised),
        "initialMargin": money(p.initial),
        "maintMargin": money(p.maintenance),
        "updateTime": a.updated_ms[name],
    }
    if version == 3:
        return row | _isolated(a, p) | {"notional": money(p.notional)}
    return row | {
        "positionInitialMargin": money(p.initial),
        "openOrderInitialMargin": "0",
        "leverage": str(a.leverage[name]),
        "isolated": a.margin_type[name] != CROSSED,
        "entryPrice": plain(p.entry),
        "maxNotional": plain(p.contract.max_notional(a.leverage[name])),
        "bidNotional": "0",
        "askNotional": "0",
    }


def _isolated(a: Account, p: Position) -> dict[str, str]:
    if a.engine_margin_type == CROSSED or not p.qty:
        return {"isolatedMargin": "0", "isolatedWallet": "0"}
    return {"isolatedMargin": money(p.margin + p.unrealised), "isolatedWallet": booked(p.margin)}


def balance_rows(a: Account, now_ms: int) -> list[dict[str, Any]]:
    """The answer of ``balance``."""
    crossed = a.engine_margin_type == CROSSED
    return [
        {
            "accountAlias": ALIAS,
            "asset": QUOTE,
            "balance": booked(a.wallet),
            "crossWalletBalance": booked(a.cross_wallet),
            "crossUnPnl": money(a.unrealised if crossed else 0.0),
            "availableBalance": money(a.available),
            "maxWithdrawAmount": money(a.available),
            "marginAvailable": True,
            "updateTime": now_ms,
        }
    ]


def risk_row(a: Account, p: Position, version: int) -> dict[str, Any]:
    """One row of ``positionRisk``, version 2 or 3."""
    c = p.contract
    row: dict[str, Any] = {
        "symbol": c.name,
        "positionSide": "BOTH",
        "positionAmt": c.qty(p.qty),
        "entryPrice": plain(p.entry),
        "breakEvenPrice": plain(p.entry),
        "markPrice": money(p.mark),
        "unRealizedProfit": money(p.unrealised),
        "liquidationPrice": plain(p.liquidation),
        "notional": money(p.notional) if p.qty else "0",
        **_isolated(a, p),
        "updateTime": a.updated_ms[c.name],
    }
    if version == 2:
        row |= {
            "leverage": str(a.leverage[c.name]),
            "maxNotionalValue": plain(c.max_notional(a.leverage[c.name])),
            "marginType": margin_name(a.margin_type[c.name]),
            "isAutoAddMargin": "false",
        }
    else:
        row |= {
            "marginAsset": QUOTE,
            "initialMargin": money(p.initial),
            "maintMargin": money(p.maintenance),
            "positionInitialMargin": money(p.initial),
            "openOrderInitialMargin": "0",
            "adl": 1,
            "bidNotional": "0",
            "askNotional": "0",
        }
    return row


def trade_rows(a: Account, symbol: str) -> list[dict[str, Any]]:
    """Every row of ``userTrades`` of a symbol, oldest first."""
    return [
        {
            "symbol": t.contract.name,
            "id": t.id,
            "orderId": t.order_id,
            "side": SIDES[t.side],
            "price": t.contract.price(t.price),
            "qty": t.contract.qty(t.qty),
            "realizedPnl": booked(t.realised),
            "quoteQty": money(t.price * t.qty),
            "commission": booked(t.fee),
            "commissionAsset": QUOTE,
            "time": t.time_ms,
            "positionSide": "BOTH",
            "buyer": t.side > 0,
            "maker": t.maker,
        }
        for t in a.trades
        if symbol in ("", t.contract.name)
    ]


def account_event(a: Account, why: str, touched: list[Contract], change: float, time_ms: int) -> dict[str, Any]:
    """An ACCOUNT_UPDATE: the wallet, and the positions that were touched. ``change``: USD beside profit and commission."""
    isolated = a.engine_margin_type != CROSSED
    rows = []
    for c in touched:
        p = a.position(c)
        rows.append(
            {
                "s": c.name,
                "pa": c.qty(p.qty),
                "ep": plain(p.entry),
                "bep": plain(p.entry),
                "cr": booked(a.realised[c.name]),
                "up": money(p.unrealised),
                "mt": margin_name(a.margin_type[c.name]),
                "iw": booked(p.margin if isolated else 0.0),
                "ps": "BOTH",
            }
        )
    balance = {"a": QUOTE, "wb": booked(a.wallet), "cw": booked(a.cross_wallet), "bc": booked(change)}
    return {"e": "ACCOUNT_UPDATE", "E": time_ms, "T": time_ms, "a": {"m": why, "B": [balance], "P": rows}}


def leverage_event(symbol: str, leverage: int, now_ms: int) -> dict[str, Any]:
    """An ACCOUNT_CONFIG_UPDATE of one symbol's leverage."""
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ac": {"s": symbol, "l": leverage}}


def margin_call_event(a: Account, held: list[Position], now_ms: int) -> dict[str, Any]:
    """A MARGIN_CALL."""
    kind = a.engine_margin_type
    rows = [
        {
            "s": p.contract.name,
            "ps": "BOTH",
            "pa": p.contract.qty(p.qty),
            "mt": kind,
            "iw": money(0.0 if kind == CROSSED else p.margin),
            "mp": money(p.mark),
            "up": money(p.unrealised),
            "mm": money(p.maintenance),
        }
        for p in held
    ]
    return {"e": "MARGIN_CALL", "E": now_ms, "cw": booked(a.cross_wallet), "p": rows}
