"""``python -m live.testing``: the simulated exchange as a process of its own, so that a trader can be killed beside it.

Prints one line of JSON (address, key, secret) when it listens, and ends with SIGTERM or Ctrl-C.
"""

import asyncio
import json
import signal

import click

from live.testing.exchange import Exchange
from live.testing.settings import Settings
from qt_core.config import load_config
from qt_core.errors import QtError
from qt_core.io.load import load_market
from qt_core.market import Market


async def serve(exchange: Exchange, port: int, speed: float) -> None:
    """Serve until a signal comes; ``speed`` bars a second, 0 = bars move by command only."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    await exchange.start(port)
    settings = exchange.sim.settings
    hello = {"url": exchange.url, "api_key": settings.api_key, "secret": settings.secret, "urls": exchange.ccxt_urls}
    print(json.dumps(hello), flush=True)
    if speed > 0.0:
        exchange.run(speed)
    await done.wait()
    await exchange.stop()


def market_of(
    data: str | None, symbols: tuple[str, ...], timeframe: str, start: str, end: str, made_up: tuple[int, int, int]
) -> Market:
    """From a data folder, or made up: (number of symbols, bars, seed)."""
    if data is not None:
        return load_market(symbols or None, timeframe, start or None, end or None, root=data)
    n_symbols, n_bars, seed = made_up
    arguments = {"n_symbols": n_symbols, "n_bars": n_bars, "seed": seed}
    return load_market(symbols or None, timeframe, simulated=arguments)


@click.command(context_settings={"show_default": True})
@click.option("--port", default=0, help="0 takes a free one.")
@click.option("--data", default=None, help="Folder of candles; without it the market is made up.")
@click.option("--symbol", "symbols", multiple=True, help="Contract; may be repeated.")
@click.option("--timeframe", default="1h", help="Length of the bars.")
@click.option("--start", default="", help="First bar of a data folder's market, ISO time.")
@click.option("--end", default="", help="End of it.")
@click.option("--symbols-made", default=5, help="Contracts of a made-up market.")
@click.option("--bars-made", default=1000, help="Bars of a made-up market.")
@click.option("--seed", default=0, help="Seed of a made-up market.")
@click.option("--first-bar", default=1, help="Bars before this one are history.")
@click.option("--speed", default=0.0, help="Bars a second; 0: by POST /sim/advance only.")
@click.option("--clock", type=click.Choice(["replay", "wall"]), default="replay", help="Whose time /time tells.")
@click.option("--initial", type=float, default=None, help="Wallet in USD; default: the configuration's.")
@click.option("--config", default=None, help="Configuration; its section venue matches, default values without.")
def main(
    port: int,
    data: str | None,
    symbols: tuple[str, ...],
    timeframe: str,
    start: str,
    end: str,
    symbols_made: int,
    bars_made: int,
    seed: int,
    first_bar: int,
    speed: float,
    clock: str,
    initial: float | None,
    config: str | None,
) -> None:
    """Simulated exchange in the dialect of Binance USDT-M futures."""
    try:
        market = market_of(data, symbols, timeframe, start, end, (symbols_made, bars_made, seed))
        settings = Settings(config=load_config(config or {}), first_bar=first_bar, clock=clock, initial_usd=initial)
    except QtError as error:
        raise click.ClickException(str(error)) from error
    asyncio.run(serve(Exchange(market, settings), port, speed))


if __name__ == "__main__":
    main()
