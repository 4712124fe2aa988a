"""Whatever is sent, the answer is the exchange's: nothing breaks inside."""

from typing import Any

import numpy as np

from live.testing.rest.routes import ROUTES
from tests.engine.tables import GONE, QUIET
from tests.live.exchange.support import PAIR, SYMBOL, play, quiet_market, running
from tests.live.exchange.test_refusals import ask

NAMES = (
    *("symbol", "side", "type", "algoType", "quantity", "price", "triggerPrice", "timeInForce", "reduceOnly"),
    *("closePosition", "positionSide", "workingType", "newClientOrderId", "clientAlgoId", "orderId", "algoId"),
    *(
        "origClientOrderId",
        "callbackRate",
        "activatePrice",
        "goodTillDate",
        "interval",
        "limit",
        "startTime",
        "endTime",
    ),
    *("fromId", "leverage", "marginType", "dualSidePosition", "incomeType", "page", "recvWindow"),
)
WORDS = (
    *(
        SYMBOL,
        "BBBUSDT",
        "NONE",
        "BUY",
        "SELL",
        "LIMIT",
        "MARKET",
        "STOP_MARKET",
        "TRAILING_STOP_MARKET",
        "CONDITIONAL",
    ),
    *(
        "GTC",
        "GTX",
        "GTD",
        "FOK",
        "true",
        "false",
        "BOTH",
        "LONG",
        "ISOLATED",
        "CROSSED",
        "MARK_PRICE",
        "1h",
        "7m",
        "1M",
    ),
    *("", "0", "1", "-1", "5", "100", "1000", "0.001", "99.5", "1e3", "1e400", "NaN", "Infinity", "1_0", "0x10", "one"),
    *("8000000001", "1000000000001", "1704067200000", "99999999999999999999", "ä", "'", "%s", "{}", "\x00"),
)
N_REQUESTS = 800
FITTING = {
    "symbol": (SYMBOL, "BBBUSDT"),
    "side": ("BUY", "SELL"),
    "type": ("LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"),
    "algoType": ("CONDITIONAL",),
    "quantity": ("1", "0.5"),
    "price": ("99.0", "101.0"),
    "triggerPrice": ("95.0", "105.0"),
    "timeInForce": ("GTC", "IOC", "GTX"),
    "interval": ("1h", "4h"),
    "callbackRate": ("1", "2.5"),
    "positionSide": ("BOTH",),
    "reduceOnly": ("false", "true"),
    "workingType": ("CONTRACT_PRICE",),
}
SENSE = 0.95  # share of parameters that fit their name


def test_random_requests_break_nothing() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    routes = sorted(ROUTES)
    trading = [where for where in routes if ROUTES[where].is_order]
    market = quiet_market(extra={SYMBOL: [QUIET] * 40, "BBBUSDT": [GONE] * 20 + [QUIET] * 20}, min_notional=5.0)

    def draw(options: tuple[str, ...]) -> str:
        return str(options[int(rng.integers(len(options)))])

    def parameters() -> dict[str, str]:
        chosen = [name for name in NAMES if rng.random() < (0.95 if name in FITTING else 0.1)]
        return {n: draw(FITTING[n]) if n in FITTING and rng.random() < SENSE else draw(WORDS) for n in chosen}

    async def scene() -> None:
        limits: dict[str, Any] = {"weight_per_minute": 10**9, "orders_per_10s": 10**9, "orders_per_minute": 10**9}
        async with running(market, **limits) as (exchange, client):
            seen: dict[int, int] = {}
            for k in range(N_REQUESTS):
                chosen = trading if k % 2 else routes
                method, path = chosen[int(rng.integers(len(chosen)))]
                status, body = await ask(exchange, client, method, path, parameters())
                seen[status] = seen.get(status, 0) + 1
                if status != 200:
                    assert set(body) == {"code", "msg"}
                exchange.sim.account.hedge = False  # else one request would end all trading
                if k % 40 == 39 and exchange.has_next:
                    await exchange.advance()
            assert exchange.server.defects == []
            assert seen[200] > 100
            assert seen[400] > 300
            assert len(exchange.sim.orders.orders) > 5
            assert len(exchange.sim.account.trades) > 2
            await client.fetch_positions([PAIR])

    play(scene)
