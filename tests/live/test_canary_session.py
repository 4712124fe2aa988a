"""Whatever part of a session fails and whatever it says: no key, secret, signature or listen key is written or shown."""

import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from qt_core._jit import CACHE_DIR

COMPILED = {"QT_CACHE_DIR": str(CACHE_DIR.parent)}
ROOT = Path(__file__).resolve().parents[2]
KEY = "canarykey0canarykey0canarykey0canarykey0canarykey0canarykey0wxyz"
SECRET = "canary+secret/0canary+secret/0canary+secret/0canary+secret/0canry"
SECONDS = 120


@pytest.mark.parametrize("where", ["feed", "broker", "journal", "alerts", "host"])
def test_no_defect_of_any_part_shows_a_secret(where: str, tmp_path: Path) -> None:
    folder, secrets = tmp_path / "runs", tmp_path / "secrets.json"
    known = {"QT_BINANCE_TESTNET_KEY": KEY, "QT_BINANCE_TESTNET_SECRET": SECRET}
    command = [sys.executable, "-m", "tests.live.canary_session", str(folder), where, str(secrets)]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | COMPILED | known, capture_output=True, timeout=SECONDS, check=False
    )

    said = json.loads(secrets.read_text())
    assert said["sung"] > 0, ended.stderr.decode()
    assert len(said["signatures"]) > 10
    assert len(said["listen"]) >= 1
    secret = [said["key"], said["secret"], *said["signatures"], *said["listen"]]
    secret += [urllib.parse.quote(s, safe="") for s in secret[:2]] + [urllib.parse.quote_plus(s) for s in secret[:2]]
    written = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert {"journal.sqlite", "session.jsonl"} <= written.keys()
    for name, text in {**written, "stdout": ended.stdout, "stderr": ended.stderr}.items():
        for one in secret:
            assert one.encode() not in text, f"{name} shows {one[:12]}..."
    shown = ended.stderr + b"".join(written.values())
    assert b"***" in shown  # there was something to hide
