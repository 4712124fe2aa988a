"""What the page's charts draw, small enough to stand inside the page: thinned curves, candles, every trade.

Arrays travel as base64 of little-endian numbers; the page turns them back into typed arrays. Candles are whole ticks,
stored as differences and deflated, which makes four bytes of sixteen: an hour stays an hour for 20 symbols x 3 years.
"""

import base64
import math
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import EXIT_NAMES
from qt_core.engine.result import Result
from qt_core.market import Market

CURVE_POINTS = 4_000  # groups of bars in the equity chart, two points each
PANEL_POINTS = 1_000  # groups in the panels below it
MAX_CANDLES = 600_000  # of all symbols together; about 6 bytes each
MISSING = -(2**31)  # in the row of highs: no such candle
GROUPS = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168, 336, 720)  # bars per drawn candle

Array = npt.NDArray[Any]


def encode(values: Array, kind: str) -> str:
    """Base64 of ``values`` as numpy type ``kind`` (little-endian)."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<" + kind).tobytes()).decode("ascii")


def deflate(raw: bytes) -> str:
    """Base64 of zlib-compressed bytes."""
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def page_data(result: Result, market: Market) -> dict[str, Any]:
    """Everything the page's script reads."""
    group = candles_per_group(market.n_bars, market.n_symbols)
    return {
        "curve": curve_data(result.curve),
        "step_s": group * market.timeframe_ms // 1000,
        "first_s": int(market.time[0]) // 1000,
        "exits": list(EXIT_NAMES),
        "symbols": [symbol_data(result, market, i, group) for i in range(market.n_symbols)],
    }


def thinning_notes(n_bars: int, n_symbols: int) -> list[str]:
    """What is drawn coarser than it was computed, in words; empty where nothing is."""
    notes = []
    if n_bars > PANEL_POINTS:
        notes.append(
            f"equity: {CURVE_POINTS:,} groups of bars, each with its lowest and highest value; {PANEL_POINTS:,} groups "
            "below it: the worst drawdown, the mean exposure and number of open positions"
        )
    group = candles_per_group(n_bars, n_symbols)
    if group > 1:
        notes.append(f"prices: {group} bars to one candle; trades are drawn where and when they happened, all of them")
    return notes


def candles_per_group(n_bars: int, n_symbols: int) -> int:
    """Bars per drawn candle, so that all symbols together stay below MAX_CANDLES."""
    return next((g for g in GROUPS if -(-n_bars // g) * n_symbols <= MAX_CANDLES), GROUPS[-1])


def curve_data(curve: Array) -> dict[str, str]:
    """Equity (extremes kept), worst drawdown, mean exposure / equity and open positions; times in seconds."""
    time_s = curve["time_ms"] // 1000
    equity = curve["equity_usd"].astype(np.float64)
    peak = np.maximum.accumulate(equity)
    keep = extremes(equity, bucket_starts(len(curve), CURVE_POINTS))
    starts = bucket_starts(len(curve), PANEL_POINTS)
    sizes = np.diff(np.append(starts, len(curve)))
    exposure = curve["exposure_usd"] / np.maximum(equity, 1e-9)
    return {
        "time": encode(time_s[keep], "i4"),
        "equity": encode(equity[keep], "f8"),
        "group_time": encode(time_s[starts], "i4"),
        "drawdown": encode(np.maximum.reduceat(1.0 - equity / peak, starts), "f4"),
        "exposure": encode(np.add.reduceat(exposure, starts) / sizes, "f4"),
        "open": encode(np.add.reduceat(curve["n_open"], starts) / sizes, "f4"),
    }


def bucket_starts(n: int, buckets: int) -> npt.NDArray[np.int64]:
    """First index of each of at most ``buckets`` groups of nearly equal size."""
    return np.unique(np.linspace(0, n, min(n, buckets), endpoint=False).astype(np.int64))


def extremes(values: npt.NDArray[np.float64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ascending indices of each group's lowest and highest value, and of the first and the last of all."""
    n = len(values)
    if len(starts) == n:
        return np.arange(n)
    ends = np.append(starts[1:], n)
    low = [int(a + np.argmin(values[a:b])) for a, b in zip(starts, ends, strict=True)]
    high = [int(a + np.argmax(values[a:b])) for a, b in zip(starts, ends, strict=True)]
    return np.unique([0, *low, *high, n - 1])


def symbol_data(result: Result, market: Market, i: int, group: int) -> dict[str, Any]:
    """Grouped candles and all trades of one symbol."""
    bars = grouped_candles(market, i, group)
    unit = price_unit(float(market.specs["tick_size"][i]), bars["high"])
    trades = np.concatenate([result.trades, result.open_positions])
    mine = trades[trades["symbol"] == i]
    return {
        "name": market.symbols[i],
        "unit": unit,
        "bars": deflate(candle_bytes(bars, unit)),
        "trades": {
            "id": encode(mine["trade_id"], "i4"),
            "side": encode(mine["side"], "i1"),
            "entry_s": encode(mine["entry_ms"] // 1000, "i4"),
            "exit_s": encode(mine["exit_ms"] // 1000, "i4"),
            "entry": encode(mine["entry_price"], "f8"),
            "exit": encode(mine["exit_price"], "f8"),
            "pnl": encode(mine["pnl_usd"], "f4"),
            "r": encode(mine["r_multiple"], "f4"),
            "reason": encode(mine["exit_reason"], "i1"),
        },
    }


def grouped_candles(market: Market, i: int, group: int) -> dict[str, npt.NDArray[np.float64]]:
    """Open, high, low and close of every ``group`` bars from the first one on; NaN where none of them exists."""
    n_groups = -(-market.n_bars // group)
    table = {}
    for name in ("open", "high", "low", "close"):
        padded = np.full(n_groups * group, np.nan)
        padded[: market.n_bars] = getattr(market, name)[:, i]
        table[name] = padded.reshape(n_groups, group)
    there = np.isfinite(table["close"])
    rows = np.arange(n_groups)
    first, last = there.argmax(axis=1), group - 1 - there[:, ::-1].argmax(axis=1)
    empty = ~there.any(axis=1)
    high = np.where(there, table["high"], -np.inf).max(axis=1)
    low = np.where(there, table["low"], np.inf).min(axis=1)
    return {
        "open": table["open"][rows, first],
        "high": np.where(empty, np.nan, high),
        "low": np.where(empty, np.nan, low),
        "close": table["close"][rows, last],
    }


def price_unit(tick: float, high: npt.NDArray[np.float64]) -> float:
    """Step of the drawn prices: the tick, or a millionth of the price where there is none or it is finer than that."""
    top = float(np.nanmax(high)) if np.isfinite(high).any() else 1.0
    return max(tick, 10.0 ** math.floor(math.log10(top)) * 1e-6)


def candle_bytes(bars: dict[str, npt.NDArray[np.float64]], unit: float) -> bytes:
    """Four int32 rows of steps of ``unit``, sorted by byte: open - close before, close - open, and the two wicks."""
    gone = ~np.isfinite(bars["close"])
    o, h, lo, c = (np.round(np.where(gone, 0.0, bars[k]) / unit) for k in ("open", "high", "low", "close"))
    before = np.append(0.0, _carried(c, gone)[:-1])
    rows = np.stack([o - before, c - o, h - np.maximum(o, c), np.minimum(o, c) - lo]).astype(np.int64)
    rows[:, gone] = np.array([[0], [0], [MISSING], [0]])
    raw = np.clip(rows, MISSING, 2**31 - 1).astype("<i4").view(np.uint8).reshape(4, -1, 4)
    return np.ascontiguousarray(raw.transpose(0, 2, 1)).tobytes()


def _carried(values: npt.NDArray[np.float64], gone: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Each value that is gone replaced by the last one that is not; 0 before the first."""
    last = np.maximum.accumulate(np.where(gone, -1, np.arange(len(values))))
    return np.where(last >= 0, values[np.maximum(last, 0)], 0.0)
