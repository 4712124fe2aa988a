"""Download of one series: ask for what the store has not got, page by page, each page kept as it comes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from qt_core.errors import DataError
from qt_core.io.files import Columns
from qt_core.io.series import SeriesKey
from qt_core.io.spans import subtract
from qt_core.io.store import CandleStore
from qt_core.io.timeframes import HOUR_MS, MINUTE_MS
from qt_core.market import utc_text
from research.data.exchange import Exchange, ExchangeError

Progress = Callable[[int, int], None]  # (ms done, ms in all)


class Endpoint(NamedTuple):
    """How one kind of series is asked for."""

    method: str
    limit: int  # rows per page; the most rows per request weight
    columns: tuple[tuple[str, Any], ...]  # (name, position or key in a row)


_OHLC = (("open_time", 0), ("open", 1), ("high", 2), ("low", 3), ("close", 4))
ENDPOINTS = {
    "candles": Endpoint("fapiPublicGetKlines", 1_000, (*_OHLC, ("volume", 5), ("quote_volume", 7), ("trades", 8))),
    "mark": Endpoint("fapiPublicGetMarkPriceKlines", 1_000, _OHLC),
    "funding": Endpoint(
        "fapiPublicGetFundingRate", 1_000, (("funding_time", "fundingTime"), ("funding_rate", "fundingRate"))
    ),
}
INVALID_SYMBOL = -1121  # the exchange's error code
_TIME_COLUMNS = ("open_time", "funding_time")


class SeriesReport(NamedTuple):
    """What a download did."""

    key: SeriesKey
    pages: int
    rows: int  # received and kept
    unfinished: int  # received and dropped: the bar had not closed
    total_rows: int  # of the series now


def download_series(
    exchange: Exchange,
    store: CandleStore,
    key: SeriesKey,
    since_ms: int,
    until_ms: "int | None" = None,
    progress: Progress = lambda done, total: None,
    now_ms: "int | None" = None,
) -> SeriesReport:
    """Bring a series up to ``[since, until)``; ``until`` None = up to the last closed bar.

    ``now_ms`` is the exchange's time, asked for if not given; a bar that had not closed by then is dropped.
    What was received stays in the store whatever ends the download early, and is not asked for again.

    Raises
    ------
    ExchangeError
        As ``Exchange.ask``.
    DataError
        If an answer is not what was asked for, or its rows are unsound.
    """
    now_ms = exchange.server_time_ms() if now_ms is None else now_ms
    since_ms = -(-since_ms // key.step_ms) * key.step_ms
    end_ms = _last_known_end(key, now_ms, until_ms)
    require_window(since_ms, end_ms)
    gaps = subtract((since_ms, end_ms), store.asked(key))
    total = sum(b - a for a, b in gaps)
    done = pages = rows = unfinished = 0
    try:
        for start, end in gaps:
            cursor = start
            while cursor < end:
                page, dropped, reached = _page(exchange, key, cursor, end, now_ms)
                store.add_part(key, page, (cursor, reached))
                pages, rows, unfinished = pages + 1, rows + len(page[key.time_column]), unfinished + dropped
                done += reached - cursor
                cursor = reached
                progress(done, total)
    finally:
        entry = store.finish(key)
    total_rows = entry.rows if entry is not None else len(_stored_times(store, key))
    return SeriesReport(key, pages, rows, unfinished, total_rows)


def require_window(since_ms: int, end_ms: int) -> None:
    """Raise DataError if nothing lies between the two."""
    if since_ms >= end_ms:
        window = f"{utc_text(since_ms)} to {utc_text(end_ms)}"
        raise DataError(f"empty window {window}; --since before --until and before the last closed bar expected")


def _last_known_end(key: SeriesKey, now_ms: int, until_ms: "int | None") -> int:
    """End of the last bar that has closed by the exchange's clock, or ``until`` if that is earlier."""
    closed = now_ms // key.step_ms * key.step_ms
    if key.kind == "funding":  # settles on full hours, stamped some ms after and published within the minute
        closed = (now_ms - MINUTE_MS) // HOUR_MS * HOUR_MS + MINUTE_MS
    if until_ms is None:
        return closed
    return min(closed, -(-until_ms // key.step_ms) * key.step_ms)


def _page(exchange: Exchange, key: SeriesKey, start: int, end: int, now_ms: int) -> tuple[Columns, int, int]:
    """One page from ``start``: its rows, how many were dropped as unfinished, and up to where it answers."""
    endpoint = ENDPOINTS[key.kind]
    limit = min(endpoint.limit, (end - start) // key.step_ms + 1)
    params: dict[str, Any] = {"symbol": key.symbol, "startTime": start, "limit": limit}
    if key.timeframe:
        params["interval"] = key.timeframe
    page = _columns(_ask(exchange, endpoint.method, params, key.symbol), key)
    time = page[key.time_column]
    if len(time) and (int(time[0]) < start or np.any(np.diff(time) <= 0)):
        raise DataError(f"{key.kind} {key.symbol}: answer unsorted or before {utc_text(start)}; rising times expected")
    closed = time + (key.step_ms if key.timeframe else 0) <= now_ms
    wanted = closed & (time < end)
    full = len(time) >= limit
    reached = min(end, int(time[-1]) + key.step_ms) if full else end
    return {k: v[wanted] for k, v in page.items()}, int(np.sum(~closed)), reached


def _ask(exchange: Exchange, method: str, params: dict[str, Any], symbol: str) -> list[Any]:
    try:
        answer: list[Any] = exchange.ask(method, params, list)
    except ExchangeError as error:
        if error.code == INVALID_SYMBOL:
            raise DataError(f"unknown symbol {symbol} at the exchange; a name such as BTCUSDT expected") from error
        raise
    return answer


def _columns(answer: list[Any], key: SeriesKey) -> Columns:
    """Rows as columns; the exchange writes prices as text."""
    out: Columns = {}
    for name, position in ENDPOINTS[key.kind].columns:
        kind: type = np.int64 if name in _TIME_COLUMNS else np.float64
        try:
            out[name] = np.array([kind(row[position]) for row in answer], dtype=kind)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            what = f"{key.kind} {key.symbol}: answer without {name} ({error!r})"
            raise DataError(f"{what}; rows as the exchange documents them expected") from error
    return out


def _stored_times(store: CandleStore, key: SeriesKey) -> Any:
    return store.read(key)[key.time_column] if store.has(key) else ()
