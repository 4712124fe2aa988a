"""Module 16 on the recorded order book: a session is told spread and depth before its decisions, and orders otherwise."""

import asyncio
import dataclasses
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from live.adapters.binance.session import Session as Connection
from live.adapters.binance.settings import ConnectionSettings
from live.adapters.book import spread_and_depth
from live.adapters.books import Books
from live.audit import audit
from live.bootstrap import start_paper_replay
from live.entries import COMMAND, event_of, unpack
from live.runner import Machine
from live.watch import BookWatch, band_of
from qt_core import records as rec
from qt_core.codes import CMD_DEPTH, CMD_SPREAD, LIMIT, MARKET, OP_NEW, TAG_ENTRY
from qt_core.config import Config, load_config
from qt_core.engine.script import Command
from qt_core.io.simulate import simulate_market
from qt_core.market import Market
from tests.parity.cases import FULL

RECORDED = "ws/binance_usdm_btcusdt_20240808.jsonl.gz"
BARS, TOLD_FROM, FRAMES = 320, 240, 1_000  # bars; the book is told from this one on, and moves by so many frames a bar
BEFORE_CLOSE_MS = 5_000
# Aggressive entries go to the market where they would cross less than half a basis point: the constant guess of a
# backtest says more, the recorded book of this contract says far less.
CROSSING = {"aelm": {"market_score": 0.0, "slippage_cap": 0.00005}}


def frames(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            message = json.loads(line.split(" ", 1)[1])
            yield message.get("data", message)


class Clock:
    """Exchange time, set by the test to shortly before each close."""

    def __init__(self) -> None:
        self.time_ms = 0

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep_until(self, time_ms: int) -> None:
        self.time_ms = time_ms


def bitcoin(market: Market) -> Market:
    """The made-up market with its first contract under the recorded one's name."""
    return dataclasses.replace(market, symbols=("BTCUSDT", *market.symbols[1:]))


def config_of(name: str) -> Config:
    return load_config({**FULL, **CROSSING, "live": {"name": name}})


async def play(market: Market, folder: Path, name: str, recorded: "Path | None") -> dict[str, Any]:
    """A paper session; with a recording its book stands beside every decision."""
    started = start_paper_replay(config_of(name), folder, market=market)
    runner, connection = started.runner, Connection(ConnectionSettings(rest_url="http://127.0.0.1:9"))
    books, clock = Books(connection, market.symbols, [0], 1_000, 1_000, 1_000), Clock()
    band = band_of(runner.session.setup.config.params())

    def spread(i: int) -> Any:
        depth = books.depth(i)
        return None if depth is None else spread_and_depth(depth.bids, depth.asks, band)

    async def forward(command: Command) -> None:
        await runner.take(Machine(command.command, dict(command.fields)))

    watch, told = BookWatch(runner.session.setup, clock, spread, forward), []
    stream = frames(recorded) if recorded is not None else iter(())
    k = 0
    async for bar in runner.feed.bars(-1):
        if k >= TOLD_FROM and recorded is not None:
            hear(books, stream)
            clock.time_ms = bar.open_ms + market.timeframe_ms - BEFORE_CLOSE_MS
            told.append(spread(0))
            await watch.look()
        await runner.take(bar)
        k += 1
    runner.snapshot()
    runner.journal.commit()
    store = runner.journal.store
    requests = np.frombuffer(b"".join(d for _, d in store.effects("requests")), dtype=rec.REQUEST_DT)
    commands = [event_of(unpack(e.payload)) for e in store.entries_of(COMMAND)]
    found = {"requests": requests, "commands": commands, "told": told, "clean": audit(store).clean}
    store.close()
    started.lock.close()
    await connection.close()
    return found


def hear(books: Books, stream: Iterator[dict[str, Any]]) -> None:
    """The next frames; the recorded snapshot where it stands among them."""
    for _, data in zip(range(FRAMES), stream, strict=False):
        if "lastUpdateId" in data:
            books.books[0].on_snapshot(data["lastUpdateId"], data["bids"], data["asks"])
        else:
            books.hear(data)


def entries(found: dict[str, Any], time_ms: int) -> list[int]:
    """Kinds of the entries of the recorded contract from a time on."""
    r = found["requests"]
    chosen = (r["op"] == OP_NEW) & (r["tag"] == TAG_ENTRY) & (r["symbol"] == 0) & (r["time_ms"] > time_ms)
    return [int(kind) for kind in r["kind"][chosen]]


def test_the_journal_shows_the_book_and_orders_follow_it(tmp_path: Path, require_shared: Callable[[str], Path]) -> None:
    market = bitcoin(simulate_market(4, BARS, seed=5))
    without = asyncio.run(play(market, tmp_path, "without", None))
    seen = asyncio.run(play(market, tmp_path, "with", require_shared(RECORDED)))
    begin = int(market.time[TOLD_FROM])

    heard = {c: [float(e["value"]) for e in seen["commands"] if e["command"] == c] for c in (CMD_SPREAD, CMD_DEPTH)}
    assert heard[CMD_SPREAD] == [float(s.spread) for s in seen["told"]]
    assert heard[CMD_DEPTH] == [float(s.depth_usd) for s in seen["told"] if np.isfinite(s.depth_usd)]
    assert len(heard[CMD_DEPTH]) > 50
    assert min(heard[CMD_DEPTH]) > 100_000.0
    assert max(heard[CMD_SPREAD]) < 0.001

    assert without["commands"] == []
    assert MARKET not in entries(without, begin)
    assert LIMIT in entries(without, begin)
    assert MARKET in entries(seen, begin)
    assert without["clean"]
    assert seen["clean"]
