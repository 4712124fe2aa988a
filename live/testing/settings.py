"""What a simulated exchange is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qt_core.config import Config, load_config

KEY_LENGTH = 64  # the exchange's API keys have this many letters and digits
API_KEY = "SimulatedExchange".ljust(KEY_LENGTH, "0")
SECRET = "SimulatedSecret".ljust(KEY_LENGTH, "0")
WEIGHT_PER_MINUTE = 2400
ORDERS_PER_10S = 300
ORDERS_PER_MINUTE = 1200


@dataclass(frozen=True)
class Settings:
    """How the exchange behaves; every default is the real one's habit unless it says otherwise.

    Attributes
    ----------
    initial_usd : wallet at the start; None = the configuration's initial equity.
    venue : values over the configuration's ``venue`` section, for example ``{"participation": 0.0}``.
    first_bar : the bar that ``open_bar`` opens first; those before are history, which REST answers from.
    clock : "replay" (time stands at the bar) or "wall". strict_time : refuse timestamps outside recvWindow; in a replay
        the client's clock runs and ours stands, so the default there is no.
    check_margin : refuse at once (-2019, -2027) what the account cannot carry at the last price; the engine asks again
        when the order fills. check_trigger : refuse (-2021) a stop or target that the last price has passed; the engine
        alone would fill it at the next open.
    account_first : ACCOUNT_UPDATE before the ORDER_TRADE_UPDATE of the same fill, instead of after.
    algo_keeps_id : the market order of a triggered conditional order bears its client id, instead of one of its own.
    spread_ticks, depth_levels, level_usd : the made-up order book around the last price.
    """

    config: Config = field(default_factory=lambda: load_config({}))
    venue: Mapping[str, Any] = field(default_factory=dict)
    initial_usd: float | None = None
    first_bar: int = 1
    clock: str = "replay"
    strict_time: bool | None = None
    check_margin: bool = True
    check_trigger: bool = True
    account_first: bool = False
    algo_keeps_id: bool = True
    default_leverage: int = 20
    weight_per_minute: int = WEIGHT_PER_MINUTE
    orders_per_10s: int = ORDERS_PER_10S
    orders_per_minute: int = ORDERS_PER_MINUTE
    api_key: str = API_KEY
    secret: str = SECRET
    spread_ticks: int = 1
    depth_levels: int = 20
    level_usd: float = 10_000.0

    @property
    def checks_time(self) -> bool:
        return self.clock == "wall" if self.strict_time is None else self.strict_time

    def checked_config(self) -> Config:
        """The configuration with the venue's values in place."""
        return self.config.with_values({f"venue.{key}": value for key, value in self.venue.items()})
