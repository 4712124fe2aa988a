"""Download through the unmodified ccxt client over a real socket: what is asked, kept, repeated, and given up."""

import time

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from research.data.download import download_series
from research.data.exchange import Exchange, ExchangeError, RetryParams, make_client
from tests.data.fake_exchange import (
    BANNED,
    CUT,
    DROP,
    HOUR,
    LISTED_MS,
    NOW_MS,
    OVERLOADED,
    TOO_MANY,
    TRUNCATE,
    FakeExchange,
    Fault,
    candle_row,
)

BTC = SeriesKey("candles", "BTCUSDT", "1h")
MARK = SeriesKey("mark", "BTCUSDT", "1h")
FUNDING = SeriesKey("funding", "BTCUSDT", "")
LAST_CLOSED_MS = NOW_MS // HOUR * HOUR - HOUR
ALL_BARS = (LAST_CLOSED_MS - LISTED_MS) // HOUR + 1


def expected_column(first_ms: int, last_ms: int, position: int) -> np.ndarray:
    """One column of the rows the server gives, by its position in a row."""
    rows = [candle_row("BTCUSDT", t, HOUR) for t in range(first_ms, last_ms + 1, HOUR)]
    return np.array([float(row[position]) for row in rows])


def test_download_keeps_what_the_exchange_sent_and_drops_the_open_bar(
    server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    report = download_series(exchange, store, BTC, LISTED_MS)
    rows = store.read(BTC)
    assert (report.rows, report.unfinished, report.total_rows) == (ALL_BARS, 1, ALL_BARS)
    assert rows["open_time"][0] == LISTED_MS
    assert rows["open_time"][-1] == LAST_CLOSED_MS
    for position, name in ((1, "open"), (2, "high"), (3, "low"), (4, "close"), (5, "volume"), (7, "quote_volume")):
        assert np.array_equal(rows[name], expected_column(LISTED_MS, LAST_CLOSED_MS, position)), name
    assert np.array_equal(rows["trades"], expected_column(LISTED_MS, LAST_CLOSED_MS, 8))
    assert server.count("klines") == report.pages == 2  # 1,451 bars in pages of 1,000
    assert server.count("time") == 1


def test_a_second_run_asks_for_nothing(server: FakeExchange, exchange: Exchange, store: CandleStore) -> None:
    for key in (BTC, MARK, FUNDING):
        download_series(exchange, store, key, LISTED_MS)
    before = len(server.requests)
    for key in (BTC, MARK, FUNDING):
        report = download_series(exchange, store, key, LISTED_MS)
        assert (report.pages, report.rows) == (0, 0)
    assert [name for name, _ in server.requests[before:]] == ["time"] * 3


def test_a_later_run_asks_only_for_the_new_bars(server: FakeExchange, exchange: Exchange, store: CandleStore) -> None:
    download_series(exchange, store, BTC, LISTED_MS)
    server.now_ms += 3 * HOUR
    server.requests.clear()
    report = download_series(exchange, store, BTC, LISTED_MS)
    assert report.rows == 3
    (asked,) = server.asked("klines")
    assert (int(asked["startTime"]), int(asked["limit"])) == (LAST_CLOSED_MS + HOUR, 4)
    assert store.read(BTC)["open_time"][-1] == LAST_CLOSED_MS + 3 * HOUR


def test_holes_and_heads_are_filled_and_nothing_else_is_asked(
    server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    day = 24 * HOUR
    download_series(exchange, store, BTC, LISTED_MS + 10 * day, LISTED_MS + 12 * day)
    download_series(exchange, store, BTC, LISTED_MS + 14 * day, LISTED_MS + 15 * day)
    server.requests.clear()
    report = download_series(exchange, store, BTC, LISTED_MS + 9 * day, LISTED_MS + 16 * day)
    starts = [int(p["startTime"]) - LISTED_MS for p in server.asked("klines")]
    assert starts == [9 * day, 12 * day, 15 * day]
    assert report.rows == (1 + 2 + 1) * 24
    assert len(store.read(BTC)["open_time"]) == 7 * 24


def test_the_time_before_the_listing_is_asked_for_once(
    server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    long_before = LISTED_MS - 5_000 * HOUR
    download_series(exchange, store, BTC, long_before)
    assert store.read(BTC)["open_time"][0] == LISTED_MS
    server.requests.clear()
    download_series(exchange, store, BTC, long_before)
    assert server.count("klines") == 0


def test_marks_and_funding(server: FakeExchange, exchange: Exchange, store: CandleStore) -> None:
    marks = download_series(exchange, store, MARK, LISTED_MS)
    funding = download_series(exchange, store, FUNDING, LISTED_MS)
    assert set(store.read(MARK)) == {"open_time", "open", "high", "low", "close"}
    rows = store.read(FUNDING)
    assert marks.rows == ALL_BARS
    assert funding.rows == len(rows["funding_time"]) == 60 * 3 + 2
    assert np.all(rows["funding_time"] % (8 * HOUR) == 2)
    assert server.count("fundingRate") == 1


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(status=429, body=TOO_MANY, headers=(("Retry-After", "7"),)), 7.0),
        (Fault(status=418, body=BANNED, headers=(("Retry-After", "60"),)), 60.0),
        (Fault(status=429, body=TOO_MANY), 1.0),  # without Retry-After: our own back-off
        (Fault(status=500, body="{}"), 1.0),
        (Fault(status=503, body=OVERLOADED), 1.0),  # plain ExchangeError in the client, yet repeatable
        (Fault(status=502, body="<html>bad gateway</html>"), 1.0),
        (Fault(status=408, body='{"code":-1007,"msg":"Timeout waiting for response from backend server."}'), 1.0),
        (TRUNCATE, 1.0),
        (CUT, 1.0),
        (DROP, 1.0),
        (Fault(status=200, body='{"code":-1001,"msg":"Internal error; unable to process your request."}'), 1.0),
    ],
)
def test_each_fault_costs_one_request_and_its_wait(
    fault: Fault, wait: float, server: FakeExchange, exchange: Exchange, store: CandleStore, waits: list[float]
) -> None:
    server.script("klines", None, fault)  # in the second page
    download_series(exchange, store, BTC, LISTED_MS)
    assert waits == [wait]
    assert server.count("klines") == 3
    assert len(store.read(BTC)["open_time"]) == ALL_BARS


def test_back_off_doubles_and_gives_up(
    server: FakeExchange, exchange: Exchange, store: CandleStore, waits: list[float]
) -> None:
    server.script("klines", *[Fault(status=500)] * 8)
    with pytest.raises(ExchangeError, match="gave up after 8 attempts"):
        download_series(exchange, store, BTC, LISTED_MS)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert server.count("klines") == 8
    assert not store.series()


def test_a_long_ban_is_reported_not_waited_for(
    server: FakeExchange, exchange: Exchange, store: CandleStore, waits: list[float]
) -> None:
    server.script("klines", Fault(status=418, body=BANNED, headers=(("Retry-After", "86400"),)))
    with pytest.raises(ExchangeError, match="not repeated"):
        download_series(exchange, store, BTC, LISTED_MS)
    assert waits == []
    assert server.count("klines") == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, body='{"code":-1102,"msg":"Mandatory parameter was not sent."}'),
        Fault(status=403, body="<html>forbidden</html>"),
        Fault(status=404, body="<html>not found</html>"),
        Fault(status=451, body='{"code":0,"msg":"Service unavailable from a restricted location"}'),
    ],
)
def test_what_a_repeat_cannot_mend_is_asked_once(
    fault: Fault, server: FakeExchange, exchange: Exchange, store: CandleStore, waits: list[float]
) -> None:
    server.script("klines", fault)
    with pytest.raises(ExchangeError, match="not repeated"):
        download_series(exchange, store, BTC, LISTED_MS)
    assert (server.count("klines"), waits) == (1, [])


def test_an_unknown_symbol_is_asked_for_once_and_nothing_is_written(
    server: FakeExchange, exchange: Exchange, store: CandleStore, waits: list[float]
) -> None:
    with pytest.raises(DataError, match=r"^unknown symbol FOOUSDT at the exchange; a name such as BTCUSDT expected$"):
        download_series(exchange, store, SeriesKey("candles", "FOOUSDT", "1h"), LISTED_MS)
    assert (server.count("klines"), waits) == (1, [])
    assert not store.root.exists()


def test_pages_received_before_a_failure_are_kept_and_not_asked_for_again(
    server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    server.script("klines", None, Fault(status=400, body='{"code":-1100,"msg":"Illegal characters."}'))
    with pytest.raises(ExchangeError):
        download_series(exchange, store, BTC, LISTED_MS)
    assert len(store.read(BTC)["open_time"]) == 1_000
    assert not store.unfinished()
    server.requests.clear()
    download_series(exchange, store, BTC, LISTED_MS)
    (asked,) = server.asked("klines")
    assert int(asked["startTime"]) == LISTED_MS + 1_000 * HOUR
    assert len(store.read(BTC)["open_time"]) == ALL_BARS


def test_a_killed_download_goes_on_from_its_pages(
    server: FakeExchange, exchange: Exchange, store: CandleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script("klines", None, Fault(status=400))
    with monkeypatch.context() as patch:
        patch.setattr(CandleStore, "finish", lambda *_args: None)  # a kill leaves no time to merge
        with pytest.raises(ExchangeError):
            download_series(exchange, store, BTC, LISTED_MS)
    assert store.unfinished() == (BTC,)
    assert len(store.read(BTC)["open_time"]) == 1_000
    server.requests.clear()
    download_series(exchange, store, BTC, LISTED_MS)
    assert server.count("klines") == 1
    assert not store.unfinished()
    assert len(store.read(BTC)["open_time"]) == ALL_BARS


def test_an_interrupt_keeps_whole_pages_and_leaves_no_temporary_file(exchange: Exchange, store: CandleStore) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_series(exchange, store, BTC, LISTED_MS, progress=interrupt)
    assert len(store.read(BTC)["open_time"]) == 1_000
    files = sorted(p.relative_to(store.root).as_posix() for p in store.root.rglob("*") if p.is_file())
    assert files == [".lock", "candles/1h/BTCUSDT.parquet", "catalogue.json"]


def test_progress_ends_at_its_total(exchange: Exchange, store: CandleStore) -> None:
    seen: list[tuple[int, int]] = []
    download_series(exchange, store, BTC, LISTED_MS, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1_000 * HOUR, ALL_BARS * HOUR), (ALL_BARS * HOUR, ALL_BARS * HOUR)]


def test_an_empty_window_is_refused(server: FakeExchange, exchange: Exchange, store: CandleStore) -> None:
    with pytest.raises(DataError, match="empty window"):
        download_series(exchange, store, BTC, LISTED_MS, LISTED_MS)
    with pytest.raises(DataError, match="empty window"):
        download_series(exchange, store, BTC, NOW_MS + HOUR)
    assert server.count("klines") == 0
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (2, "NaN", "NaN price at row 5"),
        (4, "-1", "price not positive at row 5"),
        (2, "1.0", "high below low at row 5"),
        (0, LISTED_MS + 4 * HOUR, "unsorted or before"),
        (1, "abc", "answer without open"),
    ],
)
def test_unsound_rows_are_refused_and_not_written(
    position: int, value: object, message: str, server: FakeExchange, exchange: Exchange, store: CandleStore
) -> None:
    rows = [candle_row("BTCUSDT", LISTED_MS + i * HOUR, HOUR) for i in range(20)]
    rows[5][position] = value
    server.recorded["klines"] = rows
    with pytest.raises(DataError, match=message):
        download_series(exchange, store, BTC, LISTED_MS)
    assert not store.series()


def test_nearly_used_weight_makes_it_wait_for_the_next_minute(
    server: FakeExchange, exchange: Exchange, store: CandleStore, waits: list[float]
) -> None:
    server.weight_header = "2300"
    download_series(exchange, store, BTC, LISTED_MS)
    assert waits == [30.0] * 3  # after the time and each of two pages; the clock stands at :30


def test_the_client_paces_itself(server: FakeExchange) -> None:
    client = server.client()
    client.enableRateLimit = make_client().enableRateLimit
    exchange = Exchange(client, RetryParams(attempts=1))
    start = time.monotonic()
    for _ in range(3):
        exchange.ask("fapiPublicGetKlines", {"symbol": "BTCUSDT", "interval": "1h", "limit": 100}, list)
    assert time.monotonic() - start > 0.19  # weight 2 at 50 ms each, the first one free
