"""Account, balance, positions, modes, trades, income."""

from typing import Any

from live.testing import errors as e
from live.testing.account import CROSSED, ISOLATED
from live.testing.account_rows import account_event, account_row, balance_rows, leverage_event, risk_row, trade_rows
from live.testing.errors import ApiError
from live.testing.filters import Params, needed, whole, window
from live.testing.simulation import Simulation
from live.testing.text import flag, plain, rounded
from qt_core.io.timeframes import DAY_MS

DONE: dict[str, Any] = {"code": 200, "msg": "success"}
MAX_LEVERAGE = 125
TRADES_LIMIT, TRADES_MAX = 500, 1000
INCOME_LIMIT, INCOME_MAX = 100, 1000
FAR_MS = 1 << 62
WEEK_MS = 7 * DAY_MS
FEE_PLACES = 6


def account_v2(x: Simulation, params: Params) -> dict[str, Any]:
    return account_row(x.account, x.now_ms(), 2)


def account_v3(x: Simulation, params: Params) -> dict[str, Any]:
    return account_row(x.account, x.now_ms(), 3)


def account_config(x: Simulation, params: Params) -> dict[str, Any]:
    return {
        "feeTier": 0,
        "canTrade": x.account.may_trade,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": x.account.hedge,
        "updateTime": 0,
        "multiAssetsMargin": x.account.multi_assets,
        "tradeGroupId": -1,
    }


def symbol_config(x: Simulation, params: Params) -> list[dict[str, Any]]:
    a = x.account
    return [
        {
            "symbol": c.name,
            "marginType": a.margin_type[c.name],
            "isAutoAddMargin": "false",
            "leverage": a.leverage[c.name],
            "maxNotionalValue": plain(c.max_notional(a.leverage[c.name])),
        }
        for c in x.chosen(params)
    ]


def balance(x: Simulation, params: Params) -> list[dict[str, Any]]:
    return balance_rows(x.account, x.now_ms())


def position_risk_v2(x: Simulation, params: Params) -> list[dict[str, Any]]:
    return [risk_row(x.account, x.account.position(c), 2) for c in x.chosen(params)]


def position_risk_v3(x: Simulation, params: Params) -> list[dict[str, Any]]:
    """Only symbols with a position or an open order, as the exchange does since version 3."""
    busy = {o.symbol for o in x.orders.open_orders()} | {a.symbol for a in x.orders.open_algos()}
    held = (x.account.position(c) for c in x.chosen(params))
    return [risk_row(x.account, p, 3) for p in held if p.qty or p.contract.name in busy]


def leverage_bracket(x: Simulation, params: Params) -> list[dict[str, Any]]:
    return [{"symbol": c.name, "notionalCoef": 1.0, "brackets": c.bracket_rows()} for c in x.chosen(params)]


def commission_rate(x: Simulation, params: Params) -> dict[str, Any]:
    venue = x.matching.venue_params
    return {
        "symbol": x.contract(params).name,
        "makerCommissionRate": rounded(venue.maker_fee, FEE_PLACES),
        "takerCommissionRate": rounded(venue.taker_fee, FEE_PLACES),
    }


def get_position_side(x: Simulation, params: Params) -> dict[str, Any]:
    return {"dualSidePosition": x.account.hedge}


def set_position_side(x: Simulation, params: Params) -> dict[str, Any]:
    hedge = flag(needed(params, "dualSidePosition"))
    if hedge == x.account.hedge:
        raise ApiError(e.SAME_POSITION_SIDE)
    if any(x.orders.open_orders()) or any(x.orders.open_algos()):
        raise ApiError(e.SIDE_OPEN_ORDERS)
    if x.account.positions():
        raise ApiError(e.SIDE_POSITION)
    x.account.hedge = hedge
    return DONE


def get_multi_assets(x: Simulation, params: Params) -> dict[str, Any]:
    return {"multiAssetsMargin": x.account.multi_assets}


def set_margin_type(x: Simulation, params: Params) -> dict[str, Any]:
    c, kind = x.contract(params), needed(params, "marginType")
    if kind not in (ISOLATED, CROSSED):
        raise ApiError(e.BAD_DATA, "marginType")
    if kind == x.account.margin_type[c.name]:
        raise ApiError(e.SAME_MARGIN_TYPE)
    if any(x.orders.open_orders(c.name)) or any(x.orders.open_algos(c.name)):
        raise ApiError(e.MARGIN_OPEN_ORDERS)
    if x.account.position(c).qty:
        raise ApiError(e.MARGIN_POSITION)
    x.account.margin_type[c.name] = kind
    x.tell(account_event(x.account, "MARGIN_TYPE_CHANGE", [c], 0.0, x.now_ms()))
    return DONE


def set_leverage(x: Simulation, params: Params) -> dict[str, Any]:
    """Another leverage for the orders that follow; a position keeps the margin it was opened with."""
    c, leverage = x.contract(params), whole(params, "leverage")
    held = abs(x.account.position(c).notional)
    if not 1 <= leverage <= min(MAX_LEVERAGE, c.max_leverage(held)):
        raise ApiError(e.BAD_LEVERAGE, leverage)
    isolated = x.account.margin_type[c.name] == ISOLATED
    if held and isolated and leverage < x.account.leverage[c.name]:
        raise ApiError(e.LEVERAGE_DOWN)
    x.account.leverage[c.name] = leverage
    x.tell(leverage_event(c.name, leverage, x.now_ms()))
    return {"leverage": leverage, "maxNotionalValue": plain(c.max_notional(leverage)), "symbol": c.name}


def user_trades(x: Simulation, params: Params) -> list[dict[str, Any]]:
    """Fills of a symbol, oldest first; by time at most a week, by default the last one."""
    rows = trade_rows(x.account, x.contract(params).name)
    limit = min(whole(params, "limit", TRADES_LIMIT), TRADES_MAX)
    if "fromId" in params:
        return [r for r in rows if r["id"] >= whole(params, "fromId")][:limit]
    if "orderId" in params:
        rows = [r for r in rows if r["orderId"] == whole(params, "orderId")]
    start, end = window(params, x.now_ms(), WEEK_MS)
    rows = [r for r in rows if start <= r["time"] <= end]
    return rows[:limit] if "startTime" in params else rows[-limit:]


def income(x: Simulation, params: Params) -> list[dict[str, Any]]:
    """Profit, fees and funding, oldest first."""
    start, end = whole(params, "startTime", -1), whole(params, "endTime", FAR_MS)
    symbol, kind = params.get("symbol", ""), params.get("incomeType", "")
    limit = min(whole(params, "limit", INCOME_LIMIT), INCOME_MAX)
    rows = [
        r
        for r in x.account.income
        if symbol in ("", r["symbol"]) and kind in ("", r["incomeType"]) and start <= r["time"] <= end
    ]
    page = whole(params, "page", 1) - 1
    return rows[page * limit :][:limit] if start >= 0 or page else rows[-limit:]
