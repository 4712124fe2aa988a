"""Fixtures of the data tests: a loopback exchange, a client of it, a store in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qt_core.io.store import CandleStore
from research.data.exchange import API_KEY_ENV, API_SECRET_ENV, Exchange
from tests.data.fake_exchange import FakeExchange, Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeExchange]:
    """A loopback exchange; no API keys in the environment."""
    monkeypatch.delenv(API_KEY_ENV, raising=False)
    monkeypatch.delenv(API_SECRET_ENV, raising=False)
    with Server() as state:
        yield state


@pytest.fixture
def waits() -> list[float]:
    """Seconds that the exchange client asked to sleep for."""
    return []


@pytest.fixture
def exchange(server: FakeExchange, waits: list[float]) -> Exchange:
    """The real client, pointed at the loopback exchange, that notes its waits instead of sleeping."""
    return Exchange(server.client(), sleep=waits.append, clock=lambda: 30.0)


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    """An empty store."""
    return CandleStore(tmp_path / "store")
