"""Public endpoints: time, contracts, candles, prices, depth, funding. Nothing later than now is told."""

from typing import Any

import numpy as np

from live.testing import errors as e
from live.testing.candles import DEFAULT_LIMIT, LAST, MARK, MAX_LIMIT, rest_row
from live.testing.contracts import QUOTE, Contract
from live.testing.depth import book_row, snapshot
from live.testing.errors import ApiError
from live.testing.filters import Params, needed, whole
from live.testing.simulation import Simulation
from live.testing.text import booked, exact, money, rounded
from qt_core.io.timeframes import DAY_MS, HOUR_MS

FUNDING_EVERY_MS = 8 * HOUR_MS
RATE_PLACES = 8
FAR_MS = 1 << 62
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
FUNDING_LIMIT, FUNDING_MAX = 100, 1000


def ping(x: Simulation, params: Params) -> dict[str, Any]:
    return {}


def server_time(x: Simulation, params: Params) -> dict[str, Any]:
    return {"serverTime": x.now_ms()}


def exchange_info(x: Simulation, params: Params) -> dict[str, Any]:
    limits = (
        ("MINUTE", 1, x.settings.weight_per_minute, "REQUEST_WEIGHT"),
        ("MINUTE", 1, x.settings.orders_per_minute, "ORDERS"),
        ("SECOND", 10, x.settings.orders_per_10s, "ORDERS"),
    )
    keys = ("interval", "intervalNum", "limit", "rateLimitType")
    return {
        "timezone": "UTC",
        "serverTime": x.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": [dict(zip(keys, row, strict=True)) for row in limits],
        "exchangeFilters": [],
        "assets": [{"asset": QUOTE, "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [c.info() | {"status": x.status(c)} for c in x.contracts],
    }


def _candles(x: Simulation, params: Params, prices: tuple[int, ...]) -> list[list[Any]]:
    c = x.contract(params)
    length = x.candles.interval_ms(needed(params, "interval"))
    limit = whole(params, "limit", DEFAULT_LIMIT)
    if not 0 < limit <= MAX_LIMIT:
        raise ApiError(e.BAD_DATA, "limit")
    start, end = whole(params, "startTime", -1), whole(params, "endTime", FAR_MS)
    return [rest_row(k, c, prices is MARK) for k in x.candles.rows(c.index, length, start, end, limit, prices)]


def klines(x: Simulation, params: Params) -> list[list[Any]]:
    return _candles(x, params, LAST)


def mark_klines(x: Simulation, params: Params) -> list[list[Any]]:
    return _candles(x, params, MARK)


def premium_row(x: Simulation, c: Contract) -> dict[str, Any]:
    """Mark, index (the last price stands in) and the last funding rate of one contract."""
    rate = x.matching.last_rate(c.index)
    now = x.matching.bar_open_ms()
    mark, last = (booked(float(v[c.index])) for v in (x.matching.mark, x.matching.last))
    return {
        "symbol": c.name,
        "markPrice": mark,
        "indexPrice": last,
        "estimatedSettlePrice": mark,
        "lastFundingRate": exact(rate, RATE_PLACES),
        "interestRate": "0.00010000",
        "nextFundingTime": (now // FUNDING_EVERY_MS + 1) * FUNDING_EVERY_MS,
        "time": x.now_ms(),
    }


def premium_index(x: Simulation, params: Params) -> Any:
    return _rows(x, params, lambda c: premium_row(x, c))


def funding_rate(x: Simulation, params: Params) -> list[dict[str, Any]]:
    chosen = {c.index: c for c in x.chosen(params)}
    start, end = whole(params, "startTime", -1), whole(params, "endTime", FAR_MS)
    limit = min(whole(params, "limit", FUNDING_LIMIT), FUNDING_MAX)
    rows = []
    times = x.market.funding_time_ms
    first, stop = np.searchsorted(times, [start, min(end, x.matching.bar_open_ms()) + 1])
    for k in range(int(first), int(stop)):
        time_ms, i = int(times[k]), int(x.market.funding_symbol[k])
        if i in chosen:
            mark = x.candles.one(i, time_ms, x.matching.bars.bar_ms, MARK)
            rows.append(
                {
                    "symbol": chosen[i].name,
                    "fundingTime": time_ms,
                    "fundingRate": exact(float(x.market.funding_rate[k]), RATE_PLACES),
                    "markPrice": booked(mark.open) if mark is not None else "",
                }
            )
    return rows[:limit] if start >= 0 else rows[-limit:]


def funding_info(x: Simulation, params: Params) -> list[dict[str, Any]]:
    return [
        {
            "symbol": c.name,
            "adjustedFundingRateCap": "0.03000000",
            "adjustedFundingRateFloor": "-0.03000000",
            "fundingIntervalHours": FUNDING_EVERY_MS // HOUR_MS,
            "disclaimer": False,
        }
        for c in x.contracts
    ]


def depth(x: Simulation, params: Params) -> dict[str, Any]:
    limit = whole(params, "limit", DEFAULT_LIMIT)
    if limit not in DEPTH_LIMITS:
        raise ApiError(e.BAD_DATA, "limit")
    needed(params, "symbol")
    return snapshot(x, x.priced(params)[0], limit)


def _rows(x: Simulation, params: Params, row: Any) -> Any:
    rows = [row(c) for c in x.priced(params)]
    return rows[0] if params.get("symbol") else rows


def book_ticker(x: Simulation, params: Params) -> Any:
    return _rows(x, params, lambda c: book_row(x, c))


def ticker_price(x: Simulation, params: Params) -> Any:
    def row(c: Contract) -> dict[str, Any]:
        return {"symbol": c.name, "price": c.price(float(x.matching.last[c.index])), "time": x.now_ms()}

    return _rows(x, params, row)


def ticker_day(x: Simulation, params: Params) -> Any:
    """The last 24 hours of closed bars."""

    def row(c: Contract) -> dict[str, Any]:
        end = x.matching.bar_open_ms()
        day = x.candles.one(c.index, end - DAY_MS, DAY_MS)
        last = float(x.matching.last[c.index])
        first = day.open if day else last
        volume, quote = (day.volume, day.quote) if day else (0.0, 0.0)
        change = last - first
        return {
            "symbol": c.name,
            "priceChange": c.near(change),
            "priceChangePercent": rounded(100.0 * change / first, 3),
            "weightedAvgPrice": c.near(quote / volume if volume else last),
            "lastPrice": c.price(last),
            "lastQty": c.qty(c.min_qty),
            "openPrice": c.price(first),
            "highPrice": c.price(day.high if day else last),
            "lowPrice": c.price(day.low if day else last),
            "volume": c.qty(volume),
            "quoteVolume": money(quote),
            "openTime": end - DAY_MS,
            "closeTime": end - 1,
            "firstId": 0,
            "lastId": 0,
            "count": 0,
        }

    return _rows(x, params, row)
