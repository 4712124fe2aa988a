"""``qt live``: what people type, what they see, and the one line of every mistake."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import qt
from live.real_money import CONFIRM_VARIABLE, REAL_MONEY_PHRASE, confirm_real_money

ROOT = Path(qt.__file__).parent
DEMO = str(ROOT / "configs" / "demo.yaml")
SHORT = ("--set", "data.simulated.n_bars=600")
NAMED = ("--set", "data={symbols: [BTCUSDT], timeframe: 1h}")
PATIENCE_S = 90.0


def said(*args: str, code: int = 0) -> str:
    """What a command prints; its exit code must be ``code``."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "qt.py"), "live", *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of sixty hours: an exchange, ccxt, a session, its folder."""
    folder = tmp_path_factory.mktemp("demo")
    text = said("demo", "--bars", "60", "--folder", str(folder))
    assert "audit" in text
    assert "clean" in text
    return folder / "live-demo"


def test_a_session_can_be_looked_at(demo: Path) -> None:
    found = json.loads(said("status", str(demo), "--json"))
    assert found["kind"] == "demo"
    assert found["entries"] > 200
    assert found["emergency_stop"] == "no"
    assert "equity" in said("status", str(demo))
    assert "live-demo" in said("positions", str(demo))


def test_sessions_are_listed_and_a_broken_one_hides_no_other(demo: Path, tmp_path: Path) -> None:
    assert f"no session in {tmp_path}" in " ".join(said("list", "--folder", str(tmp_path)).split())
    shutil.copytree(demo, tmp_path / "kept")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "journal.sqlite").write_bytes(b"no database")
    lines = said("list", "--folder", str(tmp_path)).splitlines()
    (kept,) = (line for line in lines if "kept" in line)
    assert "no" in kept
    assert "demo" in kept
    assert "healthy" in kept or "degraded" in kept
    assert any(line.startswith("torn:") for line in lines)


def test_an_audit_says_clean_or_what_differs(demo: Path) -> None:
    assert "clean: inputs, features" in said("audit", str(demo))
    assert json.loads(said("audit", str(demo), "--json"))["clean"] is True


def test_a_trade_of_a_session_is_explained(demo: Path) -> None:
    trades = json.loads(said("status", str(demo), "--json"))["trades"]
    assert trades > 0
    text = said("explain", str(demo), "1")
    assert "safety governor (24)" in text
    assert "verdict" in text


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("status", "nosuch"), "no such session"),
        (("explain", "nosuch", "1"), "no such session"),
        (("run", DEMO, "--testnet"), "data.symbols"),
        (("run", DEMO, "--testnet", "--replay"), "--replay is for --paper"),
        (("run", DEMO, "--paper", "--live"), "--paper and --live given"),
        (("run", DEMO, "--live", "--testnet"), "--testnet and --live given"),
        (("run", DEMO, "--paper", "--replay", "--set", "governor.mode=off"), "governor.mode"),
        (("run", DEMO, "--paper", "--replay", "--set", "live.guard_s=-1"), "live.guard_s"),
        (("run", DEMO, "--paper", "--replay", "--set", "live.nosuch=1"), "unknown key 'live.nosuch'"),
        (("run", DEMO, "--live"), "data.symbols"),
        (("run", DEMO, *NAMED, "--paper", "--set", "signals={source: random}"), "signals.source"),
        (("run", DEMO, *NAMED, "--paper", "--set", "signals={source: tape}"), "models.folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(args: tuple[str, ...], line: str, tmp_path: Path) -> None:
    text = said(*args, *(("--folder", str(tmp_path)) if args[0] == "run" else ()), code=2)
    assert line in text
    assert len(text.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []  # refused before anything is compiled or written


def test_keys_come_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_BINANCE_TESTNET_KEY", raising=False)
    text = said("run", DEMO, "--testnet", *NAMED, "--folder", str(tmp_path), code=2)
    assert "QT_BINANCE_TESTNET_KEY is not set" in text


def test_real_money_needs_the_phrase(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys are looked for first; without the phrase, letter for letter, nothing starts."""
    run = ("run", DEMO, "--live", *NAMED, "--folder", str(tmp_path))
    for name in ("QT_BINANCE_KEY", "QT_BINANCE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CONFIRM_VARIABLE, REAL_MONEY_PHRASE)
    assert "QT_BINANCE_KEY is not set" in said(*run, code=2)
    monkeypatch.setenv("QT_BINANCE_KEY", "k" * 64)
    monkeypatch.setenv("QT_BINANCE_SECRET", "s" * 64)
    for phrase in ("yes", "", REAL_MONEY_PHRASE.lower()):
        monkeypatch.setenv(CONFIRM_VARIABLE, phrase)
        assert CONFIRM_VARIABLE in said(*run, code=2)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(CONFIRM_VARIABLE, REAL_MONEY_PHRASE)
    confirm_real_money()  # goes on; no test asks the exchange


class Running:
    """A paper session in a process of its own, slow enough to be talked to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "demo"
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "qt.py"), "live", "run", DEMO, "--paper", "--replay", "--speed", "20",
             *SHORT, "--folder", str(folder)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for_bars(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                if json.loads(said("status", str(self.folder), "--json"))["entries"] > 20:
                    return
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.2)
        raise AssertionError("the session takes no bars")


@pytest.fixture
def running(tmp_path: Path) -> "Running":  # type: ignore[misc]
    session = Running(tmp_path)
    try:
        session.wait_for_bars()
        yield session  # type: ignore[misc]
    finally:
        session.process.kill()
        session.process.communicate()


def test_commands_are_heard_and_stop_ends_it(running: Running) -> None:
    folder = str(running.folder)
    assert "heard" in said("tell", folder, "pause")
    assert "heard" in said("emergency-stop", folder)
    assert "unknown symbol" in said("tell", folder, "exit", "--symbol", "NOSUCH", code=2)
    assert "reason" in said("reset", folder, " ", code=2)
    assert "heard" in said("reset", folder, "a test of the stop")
    assert "stopping" in said("stop", folder)
    _, errors = running.process.communicate(timeout=PATIENCE_S)
    assert running.process.returncode == 0
    assert "state saved" in errors
    found = json.loads(said("status", folder, "--json"))
    assert found["emergency_stop"] == "no"
    assert "not running" in said("stop", folder, code=2)
    assert "clean" in said("audit", folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_it_goes_on(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    _, errors = running.process.communicate(timeout=PATIENCE_S)
    assert running.process.returncode == 0
    assert "state saved" in errors
    text = said("run", DEMO, "--paper", "--replay", *SHORT, "--folder", str(running.folder.parent))
    assert re.search(r"goes on: \d+ entries done again", text)
    assert "the feed is at its end" in text


def test_help_is_instant_and_light() -> None:
    code = (
        "import sys, qt; qt.main(['live', '--help']); "
        "print(sorted(m for m in ('numba', 'pandas', 'ccxt') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().endswith("[]")
