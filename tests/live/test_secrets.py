"""Keys: where they may come from, and that nothing which is written down shows them."""

import copy
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from live.errors import LiveError
from live.secrets import Keys, Secret, guard_logging, load_keys, scrub

CANARY = "canary0key0that0must0never0be0seen"


def test_a_secret_shows_nothing_by_itself():
    secret = Secret(CANARY)
    percent = "%s" % (secret,)  # noqa: UP031
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr(Keys(secret, secret)), percent):
        assert CANARY not in text
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(secret)
    assert not hasattr(secret, "__dict__")
    assert secret.reveal() == CANARY
    assert not Secret("")


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QT_BINANCE_KEY", CANARY)
    monkeypatch.delenv("QT_BINANCE_SECRET", raising=False)
    monkeypatch.delenv("QT_BINANCE_TESTNET_KEY", raising=False)
    with pytest.raises(LiveError, match="QT_BINANCE_SECRET is not set"):
        load_keys(testnet=False)
    with pytest.raises(LiveError, match="QT_BINANCE_TESTNET_KEY"):  # never the real ones instead
        load_keys(testnet=True)
    monkeypatch.setenv("QT_BINANCE_SECRET", CANARY[::-1])
    assert load_keys(testnet=False).secret.reveal() == CANARY[::-1]


def test_a_key_file_must_be_its_owners_alone(tmp_path: Path):
    path = tmp_path / "keys"
    path.write_text(f"# demo\nQT_BINANCE_TESTNET_KEY={CANARY}\nQT_BINANCE_TESTNET_SECRET = {CANARY}x\n")
    path.chmod(0o644)
    with pytest.raises(LiveError, match="mode 0644; expected"):
        load_keys(True, path)
    path.chmod(0o600)
    assert load_keys(True, path).secret.reveal() == CANARY + "x"
    with pytest.raises(LiveError, match="cannot read"):
        load_keys(True, tmp_path / "none")
    with pytest.raises(LiveError, match="plain file"):
        load_keys(True, tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_user_is_refused(tmp_path: Path):
    path = tmp_path / "keys"
    path.write_text(f"QT_BINANCE_KEY={CANARY}\nQT_BINANCE_SECRET={CANARY}\n")
    path.chmod(0o600)
    os.chown(path, 12345, -1)
    with pytest.raises(LiveError, match="belongs to user 12345"):
        load_keys(False, path)


def test_texts_are_scrubbed_of_secrets_signatures_and_listen_keys():
    Secret(CANARY)
    text = scrub(f"GET https://x/fapi/v1/order?symbol=A&signature=00ffee&x=1 X-MBX-APIKEY: {CANARY} ws?listenKey=abc9")
    assert text == "GET https://x/fapi/v1/order?symbol=A&signature=***&x=1 X-MBX-APIKEY: *** ws?listenKey=***"
    assert scrub("{'listenKey': 'abc9', 'X-MBX-APIKEY': 'k1'}") == "{'listenKey': '***', 'X-MBX-APIKEY': '***'}"


def test_no_log_record_of_any_logger_carries_a_secret(caplog: pytest.LogCaptureFixture):
    Secret(CANARY)
    before = logging.getLogRecordFactory()
    guard_logging()
    guard_logging()
    try:
        log = logging.getLogger("ccxt.somewhere")
        with caplog.at_level(logging.DEBUG):
            log.debug("%s %s, Request: %s %s", "POST", f"/order?signature=abc{CANARY}", {"X-MBX-APIKEY": CANARY}, None)
            log.error("wrong number of arguments %s", CANARY, 2)  # noqa: PLE1205
            try:
                raise RuntimeError(f"inner {CANARY}") from KeyError(CANARY)
            except RuntimeError:
                log.exception("failed")
        assert CANARY not in caplog.text
        assert "RuntimeError: inner ***" in caplog.text
        assert all(CANARY not in str(vars(r)) for r in caplog.records)
    finally:
        logging.setLogRecordFactory(before)


DYING = f"""
import logging, sys, builtins
from live.secrets import guard_logging
guard_logging()
logging.basicConfig()
class Late:
    def __del__(self, log=logging.getLogger("late"), error=RuntimeError):
        try:
            raise error("{CANARY}")
        except error as e:
            log.error("too late %s", "{CANARY}", exc_info=e)
builtins.keep = Late()
"""


def test_what_is_logged_while_the_interpreter_ends_neither_fails_nor_shows_anything():
    ended = subprocess.run([sys.executable, "-c", DYING], capture_output=True, text=True, timeout=60, check=True)
    assert "Exception ignored" not in ended.stderr
    assert CANARY not in ended.stderr
    assert "could not be searched" in ended.stderr
