"""``/sim``: the control object's commands over HTTP, for an exchange that runs as a process of its own."""

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from live.testing.exchange import Exchange

# POST /sim/<name> with a JSON object of arguments
COMMANDS = (
    "plan",
    "disconnect",
    "mute",
    "expire_listen_key",
    "hold_candles",
    "release_candles",
    "miss_candles",
    "set_status",
    "set_venue",
    "skew_clock",
    "maintenance",
    "futures_permission",
    "hedge_mode",
    "open_bar",
    "step",
    "close_bar",
    "advance",
    "heard",
    "run",
    "pause",
)


def state(exchange: "Exchange") -> dict[str, Any]:
    """Where the exchange stands, for a driver in another process."""
    x = exchange.sim
    return {
        "now_ms": x.now_ms(),
        "bar": x.matching.f,
        "in_bar": x.matching.in_bar,
        "bars": x.matching.n_bars,
        "wallet_usd": x.account.wallet,
        "positions": {p.contract.name: p.qty for p in x.account.positions()},
        "open_orders": [o.client_id for o in x.orders.open_orders()],
        "open_algos": [a.client_id for a in x.orders.open_algos()],
        "trades": len(x.account.trades),
        "requests": len(exchange.server.requests),
        "connections": [c.category for c in exchange.sockets.open],
        "happened": exchange.happened,
        "defects": [repr(error) for error in exchange.server.defects],
    }


def add_control(app: web.Application, exchange: "Exchange") -> None:
    """Routes of the control endpoint."""

    async def tell_state(request: web.Request) -> web.Response:
        return web.json_response(state(exchange))

    async def command(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in COMMANDS:
            raise web.HTTPNotFound(text=f"no command {name}; expected one of {', '.join(COMMANDS)}")
        arguments = await request.json() if request.can_read_body else {}
        try:
            result = getattr(exchange, name)(**arguments)
            if asyncio.iscoroutine(result):
                result = await result
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise web.HTTPBadRequest(text=f"{name}: {error}") from error
        return web.json_response({"result": result, **state(exchange)})

    app.router.add_get("/sim/state", tell_state)
    app.router.add_post("/sim/{name}", command)
