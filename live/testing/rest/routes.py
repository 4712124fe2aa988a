"""Every endpoint: method, path, what it does, what it weighs, who may ask."""

from collections.abc import Callable
from typing import Any, NamedTuple

from live.testing.filters import Params
from live.testing.rest import account, algo, listen_keys, market, orders
from live.testing.simulation import Simulation

PUBLIC, KEYED, SIGNED = "public", "keyed", "signed"
Handler = Callable[[Simulation, Params], Any]
Weight = Callable[[Params], int]


class Endpoint(NamedTuple):
    """One endpoint."""

    handler: Handler
    weight: Weight
    security: str
    is_order: bool = False  # counts in the order limits


def always(weight: int) -> Weight:
    return lambda params: weight


def by_symbol(one: int, every: int) -> Weight:
    """Cheap for one symbol, dear for all."""
    return lambda params: one if params.get("symbol") else every


def by_limit(*steps: tuple[int, int]) -> Weight:
    """Weight by the number of rows asked for: (up to, weight) rising."""

    def weigh(params: Params) -> int:
        text = params.get("limit", "")
        asked = int(text) if text.isdigit() else 500
        return next((w for top, w in steps if asked <= top), steps[-1][1])

    return weigh


CANDLES = by_limit((99, 1), (499, 2), (1000, 5), (1500, 10))
DEPTH = by_limit((50, 2), (100, 5), (500, 10), (1000, 20))

_PUBLIC: dict[str, tuple[Handler, Weight]] = {
    "/fapi/v1/ping": (market.ping, always(1)),
    "/fapi/v1/time": (market.server_time, always(1)),
    "/fapi/v1/exchangeInfo": (market.exchange_info, always(1)),
    "/fapi/v1/klines": (market.klines, CANDLES),
    "/fapi/v1/markPriceKlines": (market.mark_klines, CANDLES),
    "/fapi/v1/premiumIndex": (market.premium_index, by_symbol(1, 10)),
    "/fapi/v1/fundingRate": (market.funding_rate, always(1)),
    "/fapi/v1/fundingInfo": (market.funding_info, always(1)),
    "/fapi/v1/depth": (market.depth, DEPTH),
    "/fapi/v1/ticker/bookTicker": (market.book_ticker, by_symbol(2, 5)),
    "/fapi/v1/ticker/price": (market.ticker_price, by_symbol(1, 2)),
    "/fapi/v2/ticker/price": (market.ticker_price, by_symbol(1, 2)),
    "/fapi/v1/ticker/24hr": (market.ticker_day, by_symbol(1, 40)),
}
_SIGNED: dict[tuple[str, str], tuple[Handler, Weight]] = {
    ("GET", "/fapi/v2/account"): (account.account_v2, always(5)),
    ("GET", "/fapi/v3/account"): (account.account_v3, always(5)),
    ("GET", "/fapi/v2/balance"): (account.balance, always(5)),
    ("GET", "/fapi/v3/balance"): (account.balance, always(5)),
    ("GET", "/fapi/v1/accountConfig"): (account.account_config, always(5)),
    ("GET", "/fapi/v1/symbolConfig"): (account.symbol_config, always(5)),
    ("GET", "/fapi/v2/positionRisk"): (account.position_risk_v2, always(5)),
    ("GET", "/fapi/v3/positionRisk"): (account.position_risk_v3, always(5)),
    ("GET", "/fapi/v1/leverageBracket"): (account.leverage_bracket, always(1)),
    ("GET", "/fapi/v1/commissionRate"): (account.commission_rate, always(20)),
    ("GET", "/fapi/v1/positionSide/dual"): (account.get_position_side, always(30)),
    ("POST", "/fapi/v1/positionSide/dual"): (account.set_position_side, always(1)),
    ("GET", "/fapi/v1/multiAssetsMargin"): (account.get_multi_assets, always(30)),
    ("POST", "/fapi/v1/marginType"): (account.set_margin_type, always(1)),
    ("POST", "/fapi/v1/leverage"): (account.set_leverage, always(1)),
    ("GET", "/fapi/v1/userTrades"): (account.user_trades, always(5)),
    ("GET", "/fapi/v1/income"): (account.income, always(30)),
    ("GET", "/fapi/v1/order"): (orders.get_order, always(1)),
    ("GET", "/fapi/v1/openOrder"): (orders.get_open_order, always(1)),
    ("GET", "/fapi/v1/openOrders"): (orders.open_orders, by_symbol(1, 40)),
    ("GET", "/fapi/v1/allOrders"): (orders.all_orders, always(5)),
    ("DELETE", "/fapi/v1/order"): (orders.delete_order, always(1)),
    ("DELETE", "/fapi/v1/allOpenOrders"): (orders.delete_all, always(1)),
    ("POST", "/fapi/v1/batchOrders"): (orders.batch_orders, always(5)),
    ("GET", "/fapi/v1/algoOrder"): (algo.get_algo, always(1)),
    ("GET", "/fapi/v1/openAlgoOrders"): (algo.open_algos, by_symbol(1, 40)),
    ("GET", "/fapi/v1/allAlgoOrders"): (algo.all_algos, always(5)),
    ("DELETE", "/fapi/v1/algoOrder"): (algo.delete_algo, always(1)),
    ("DELETE", "/fapi/v1/algoOpenOrders"): (algo.delete_all, always(1)),
}
_ORDERS: dict[tuple[str, str], tuple[Handler, Weight]] = {
    ("POST", "/fapi/v1/order"): (orders.post_order, always(0)),
    ("PUT", "/fapi/v1/order"): (orders.put_order, always(1)),
    ("POST", "/fapi/v1/algoOrder"): (algo.post_algo, always(0)),
}
_KEYED: dict[tuple[str, str], tuple[Handler, Weight]] = {
    ("POST", "/fapi/v1/listenKey"): (listen_keys.post_key, always(1)),
    ("PUT", "/fapi/v1/listenKey"): (listen_keys.put_key, always(1)),
    ("DELETE", "/fapi/v1/listenKey"): (listen_keys.delete_key, always(1)),
}

ROUTES: dict[tuple[str, str], Endpoint] = {
    **{("GET", path): Endpoint(*row, PUBLIC) for path, row in _PUBLIC.items()},
    **{where: Endpoint(*row, SIGNED) for where, row in _SIGNED.items()},
    **{where: Endpoint(*row, SIGNED, is_order=True) for where, row in _ORDERS.items()},
    **{where: Endpoint(*row, KEYED) for where, row in _KEYED.items()},
}
