"""A download process that is stopped: what it received is whole, and the next one asks only for the rest."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from research.data.download import download_series
from research.data.exchange import Exchange
from tests.data.build import files_under
from tests.data.fake_exchange import LISTED_MS, NOW_MS, FakeExchange

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
import qt
from research.data import exchange
from tests.data.fake_exchange import FakeExchange
client = FakeExchange(url=sys.argv[1]).client()
client.enableRateLimit = True
exchange.make_client = lambda: client
command = ["data", "download", "BTCUSDT", "--since", "2024-01-01", "--timeframe", "5m", "--kind", "candles"]
sys.exit(qt.main([*command, "--root", sys.argv[2]]))
"""
KEY = SeriesKey("candles", "BTCUSDT", "5m")
STEP_MS = 300_000
ALL_BARS = (NOW_MS - LISTED_MS) // STEP_MS


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_process_leaves_whole_pages_and_the_next_goes_on(
    number: signal.Signals, code: int, server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    arguments = [sys.executable, "-c", PROGRAM, server.url, str(store.root)]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60.0
        while server.count("klines") < 4 and time.monotonic() < deadline:  # 250 ms from page to page
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait() == code
    kept = len(store.read(KEY)["open_time"])
    assert kept in (3_000, 4_000)
    before = server.count("klines")
    download_series(exchange, store, KEY, LISTED_MS)
    assert server.count("klines") - before == -(-(ALL_BARS - kept) // 1_000)
    assert len(store.read(KEY)["open_time"]) == ALL_BARS
    assert files_under(store.root) == [".lock", "candles/5m/BTCUSDT.parquet", "catalogue.json"]
