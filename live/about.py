"""What a session is, as its journal keeps it: enough to make chain and inputs again, and to refuse another bundle."""

import json
import platform
import secrets
import string
from importlib.metadata import version
from typing import Any

import numpy as np

from live.adapters.store_sqlite import SqliteStore
from live.chain import Setup
from live.errors import LiveError
from live.ids import DIGITS, RUN_LENGTH
from qt_core.config import Config, load_config
from qt_core.market import BRACKET_DT, SPEC_DT
from qt_core.state import State, Venue, schema_hash

PACKAGES = ("numpy", "numba", "llvmlite", "ccxt")
MUST_AGREE = ("symbols", "config", "seed", "bar_ms", "decision_ms", "speaker", "state", "venue", "specs", "brackets")


def new_run_id() -> str:
    """Six letters and digits nobody else has; drawn once per session."""
    return secrets.choice(string.ascii_lowercase) + "".join(secrets.choice(DIGITS) for _ in range(RUN_LENGTH - 1))


def about(setup: Setup, speaker: str) -> dict[str, Any]:
    """What must be the same at every start of the session."""
    return {
        "symbols": list(setup.symbols),
        "config": setup.config.digest(),
        "seed": setup.seed,
        "bar_ms": setup.bar_ms,
        "decision_ms": setup.decision_ms,
        "speaker": speaker,
        "state": schema_hash(State),
        "venue": schema_hash(Venue),
        "specs": np.ascontiguousarray(setup.specs).tobytes().hex(),
        "brackets": np.ascontiguousarray(setup.brackets).tobytes().hex(),
    }


def write_about(store: SqliteStore, setup: Setup, speaker: str, kind: str) -> str:
    """Note a new session; returns its run id."""
    run_id = new_run_id()
    store.begin()
    for name, value in about(setup, speaker).items():
        store.put_meta(name, value)
    config = json.loads(json.dumps(setup.config.as_dict(), default=str))
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    for name, value in {"run_id": run_id, "kind": kind, "settings": config, "source": setup.config.source}.items():
        store.put_meta(name, value)
    store.put_meta("versions", versions | {"machine": platform.machine()})
    store.commit()
    return run_id


def check_about(store: SqliteStore, setup: Setup, speaker: str, kind: str) -> str:
    """Refuse to go on with something else than the session was made of; returns its run id.

    Raises
    ------
    LiveError
        Naming what differs.
    """
    now = about(setup, speaker) | {"kind": kind}
    for name in (*MUST_AGREE, "kind"):
        was = store.meta(name)
        if was != now[name]:
            shown = "" if name in ("specs", "brackets") else f" (was {_short(was)}, is {_short(now[name])})"
            raise LiveError(
                f"{store.path}: this session was made with another {name}{shown}; the same bundle expected, or a new "
                "session (another live.name or --folder)"
            )
    return str(store.meta("run_id"))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def setup_from(store: SqliteStore) -> Setup:
    """The session's setup from its journal; learned tables lie in its first snapshot."""
    if store.meta("run_id") is None:
        raise LiveError(f"{store.path}: this session was never started; qt live run starts it")
    config: Config = load_config(store.meta("settings"))
    if config.digest() != store.meta("config"):
        raise LiveError(f"{store.path}: its configuration no longer gives the digest {store.meta('config')}")
    symbols = tuple(store.meta("symbols"))
    specs = np.frombuffer(bytes.fromhex(store.meta("specs")), dtype=SPEC_DT).copy()
    brackets = np.frombuffer(bytes.fromhex(store.meta("brackets")), dtype=BRACKET_DT).reshape(len(symbols), -1).copy()
    return Setup(symbols, specs, brackets, config, store.meta("bar_ms"), store.meta("decision_ms"), store.meta("seed"))
