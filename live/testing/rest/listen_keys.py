"""Listen keys of the user stream."""

import hashlib
from typing import Any

from live.testing.errors import NO_LISTEN_KEY, ApiError
from live.testing.filters import Params
from live.testing.simulation import Simulation

VALID_MS = 3_600_000  # an hour of the exchange's clock, as long as that clock runs by itself
FOREVER_MS = 1 << 62  # a replay's clock leaps; there a key ends by command only


def valid(x: Simulation, key: str) -> bool:
    return x.listen_keys.get(key, -1) > x.now_ms()


def _until(x: Simulation) -> int:
    return x.now_ms() + VALID_MS if x.settings.clock == "wall" else FOREVER_MS


def current(x: Simulation) -> str:
    """The key in force, or none."""
    return next((k for k in x.listen_keys if valid(x, k)), "")


def post_key(x: Simulation, params: Params) -> dict[str, Any]:
    """The key in force, prolonged, or a new one."""
    key = current(x)
    if not key:
        x.keys_drawn += 1
        key = hashlib.sha256(f"listen key {x.keys_drawn}".encode()).hexdigest()
    x.listen_keys[key] = _until(x)
    return {"listenKey": key}


def put_key(x: Simulation, params: Params) -> dict[str, Any]:
    key = current(x)
    if not key:
        raise ApiError(NO_LISTEN_KEY)
    x.listen_keys[key] = _until(x)
    return {"listenKey": key}


def delete_key(x: Simulation, params: Params) -> dict[str, Any]:
    x.listen_keys.clear()
    return {}
