"""Small hand-made files for the data tests."""

from pathlib import Path

import numpy as np

from qt_core.io.files import Columns, write_parquet

HOUR = 3_600_000
START_MS = 1_609_459_200_000  # 2021-01-01


def candles(n: int = 48, start_ms: int = START_MS, step_ms: int = HOUR, price: float = 100.0) -> Columns:
    """Sound candles with two decimals: a slow wave around ``price``."""
    t = np.arange(n, dtype=np.int64)
    close = np.round(price * (1.0 + 0.01 * np.sin(t / 5.0)), 2)
    open_ = np.append(close[0], close[:-1])
    return {
        "open_time": start_ms + step_ms * t,
        "open": open_,
        "high": np.round(np.maximum(open_, close) + 0.25, 2),
        "low": np.round(np.minimum(open_, close) - 0.25, 2),
        "close": close,
        "volume": np.round(5.0 + 0.1 * (t % 7), 1),
    }


def split_bars(coarse: Columns, parts: int, step_ms: int = HOUR) -> Columns:
    """Finer bars that add up to the coarse ones: the first holds the high, the second the low."""
    n = len(coarse["open_time"])
    mid = np.round((coarse["high"] + coarse["low"]) / 2.0, 3)
    open_, high, low, close = (np.repeat(mid[:, None], parts, axis=1) for _ in range(4))
    open_[:, 0], high[:, 0], low[:, 1], close[:, -1] = coarse["open"], coarse["high"], coarse["low"], coarse["close"]
    low[:, 0] = np.minimum(open_[:, 0], close[:, 0])
    high[:, -1], low[:, -1] = np.maximum(high[:, -1], close[:, -1]), np.minimum(low[:, -1], close[:, -1])
    time = coarse["open_time"][:, None] + step_ms // parts * np.arange(parts)
    volume = np.repeat(coarse["volume"][:, None] / parts, parts, axis=1)
    grids = {"open_time": time, "open": open_, "high": high, "low": low, "close": close, "volume": volume}
    return {name: grid.reshape(n * parts) for name, grid in grids.items()}


def funding(n: int = 6, start_ms: int = START_MS, jitter_ms: int = 0) -> Columns:
    """Settlements every 8 h."""
    t = np.arange(n, dtype=np.int64)
    return {"funding_time": start_ms + 8 * HOUR * t + jitter_ms, "funding_rate": 1e-4 * (t % 3 - 1)}


def write_brackets(path: Path, symbols: tuple[str, ...], cum: float = 35.0) -> None:
    """Two brackets per symbol; they chain where ``cum`` is 35."""
    n = len(symbols)
    columns: Columns = {
        "symbol": np.repeat(np.array(symbols, dtype=object), 2),
        "bracket": np.tile([1, 2], n),
        "notional_floor": np.tile([0.0, 10_000.0], n),
        "notional_cap": np.tile([10_000.0, 80_000.0], n),
        "maint_margin_ratio": np.tile([0.0065, 0.01], n),
        "initial_leverage": np.tile([75.0, 50.0], n),
        "cum": np.tile([0.0, cum], n),
    }
    write_parquet(path, columns)


def write_folder(root: Path, tables: dict[str, Columns], timeframe: str = "1h") -> Path:
    """A folder laid out by kind and timeframe, with brackets of all its symbols."""
    for symbol, columns in tables.items():
        write_parquet(root / f"um_{timeframe}" / f"{symbol}.parquet", columns)
    write_brackets(root / "fixtures" / "leverage_brackets_2026-05.parquet", tuple(tables))
    return root


def write_funding(root: Path, tables: dict[str, Columns]) -> None:
    """``um_funding/funding_rates.parquet`` of several symbols."""
    joined: Columns = {
        name: np.concatenate([t[name] for t in tables.values()]) for name in ("funding_time", "funding_rate")
    }
    joined["symbol"] = np.concatenate([np.full(len(t["funding_time"]), s, dtype=object) for s, t in tables.items()])
    write_parquet(root / "um_funding" / "funding_rates.parquet", joined)


def files_under(root: Path) -> list[str]:
    """Every file below a folder, hidden ones included."""
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
