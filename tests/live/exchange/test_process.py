"""The exchange as a process of its own: a trader comes, dies, and finds its order again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.live.exchange.support import client_of, play

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "live.testing", "--symbols-made", "2", "--bars-made", "30", "--first-bar", "5"]


def test_an_order_outlives_its_client() -> None:
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    hello = json.loads(process.stdout.readline())

    async def scene() -> None:
        first = client_of(hello["urls"])
        await first.load_markets()
        pair = first.symbols[0]
        await first.set_margin_mode("isolated", pair)
        await first.create_order(pair, "limit", "buy", 1.0, 27_000.0, {"clientOrderId": "kept"})
        await first.close()
        second = client_of(hello["urls"])
        await second.load_markets()
        assert [o["clientOrderId"] for o in await second.fetch_open_orders(pair)] == ["kept"]
        async with second.session.post(f"{hello['url']}/sim/advance") as answer:
            state = await answer.json()
        assert (state["bar"], state["open_orders"]) == (5, ["kept"])
        await second.close()

    try:
        play(scene)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_its_help_says_what_it_is() -> None:
    said = subprocess.run([*COMMAND[:3], "--help"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "Simulated exchange" in said.stdout


def test_a_wrong_market_is_one_line() -> None:
    wrong = subprocess.run([*COMMAND, "--timeframe", "7m"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "7m" in wrong.stderr
