"""A simulated market: seeded, made-up prices with the habits of crypto perpetuals. Always labelled simulated.

One common factor with regimes (range, up, down, crash) drives all symbols; volatility of the factor and of each symbol
is the exponential of a sum of autoregressions with half-lives from hours to weeks (long memory, hence clustering); bar
returns are normal given a volatility that is itself mixed by an inverse gamma draw (fat tails, Student's t). Each bar
is walked in sub-steps, and open, high, low and close are read off the walk, so they agree with each other and with the
finer bars cut from the same walk. Cont (2001), "Empirical properties of asset returns", is the list of habits aimed at.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.errors import DataError
from qt_core.io.simulate_contracts import simulated_contracts
from qt_core.io.simulate_paths import (
    Floats,
    Paths,
    SimulationParams,
    autoregression,
    factor_steps,
    make_paths,
    walk_symbols,
)
from qt_core.io.timeframes import DAY_MS, HOUR_MS
from qt_core.market import Market, make_market
from qt_core.sectors import with_sectors

START_MS = 1_609_459_200_000  # 2021-01-01
DEFAULT_PARAMS = SimulationParams()
_CHUNK_ROWS = 400_000  # sub-steps x symbols held at once, a few MB


def simulate_market(
    n_symbols: int = 20,
    n_bars: int = 26_280,
    timeframe_ms: int = HOUR_MS,
    seed: int = 0,
    *,
    start_ms: int = START_MS,
    substeps: int = 12,
    detail_timeframe_ms: "int | None" = None,
    late_listings: int = 0,
    holes: int = 0,
    params: SimulationParams = DEFAULT_PARAMS,
) -> Market:
    """Make up a market of ``SIM01USDT`` .. ``SIMnnUSDT``.

    Parameters
    ----------
    substeps : price steps inside a bar, at least 4; inside a detail bar there are at least 4 too.
    detail_timeframe_ms : attach finer bars of the same walk as ``Market.detail``; must divide ``timeframe_ms``.
    late_listings : so many of the last symbols list at some bar in the first half.
    holes : so many outages, each of 1 to 12 bars in one symbol.

    Returns
    -------
    Market
        ``simulated=True``; marks known; funding every 8 h; made-up sectors (``simulate_contracts.SECTORS`` in turn,
        unrelated to the prices); equal arguments give equal bytes.

    Raises
    ------
    DataError
        If a size is out of range.
    """
    fine = _fine_per_bar(n_symbols, n_bars, timeframe_ms, substeps, detail_timeframe_ms, late_listings)
    rng = np.random.Generator(np.random.PCG64(seed))
    paths = make_paths(rng, params, n_bars, n_symbols, timeframe_ms, start_ms)
    contracts = simulated_contracts(rng, n_symbols)
    bars = _bars(rng, params, paths, contracts.start_price, contracts.specs, fine, substeps, timeframe_ms)
    missing = _missing(rng, n_bars, n_symbols, late_listings, holes)
    funding = _funding(rng, params, bars["close"][fine - 1 :: fine], start_ms, timeframe_ms, missing)

    def build(ohlcv: dict[str, Floats], step_ms: int, detail: "Market | None") -> Market:
        time = start_ms + step_ms * np.arange(len(ohlcv["open"]), dtype=np.int64)
        gone = np.repeat(missing, len(time) // n_bars, axis=0)
        table = {k: np.where(gone, np.nan, v) for k, v in ohlcv.items()}
        return make_market(
            contracts.names,
            time,
            {k: table[k] for k in ("open", "high", "low", "close", "volume")},
            timeframe_ms=step_ms,
            mark={k: table["mark_" + k] for k in ("open", "high", "low", "close")},
            quote_volume=table["quote_volume"],
            funding=funding,
            specs=contracts.specs,
            brackets=contracts.brackets,
            detail=detail,
            simulated=True,
            source=f"simulated market, seed {seed}",
            notes=("SIMULATED: made-up prices, specs, brackets and funding",),
        )

    if fine == 1:
        return with_sectors(build(bars, timeframe_ms, None), contracts.sectors)
    detail = build(bars, timeframe_ms // fine, None)
    return with_sectors(build(_coarse(bars, fine), timeframe_ms, detail), contracts.sectors)


def _fine_per_bar(
    n_symbols: int, n_bars: int, timeframe_ms: int, substeps: int, detail_ms: "int | None", late: int
) -> int:
    checks = (
        ("n_symbols", n_symbols, 1, 99),
        ("n_bars", n_bars, 2, 10_000_000),
        ("timeframe_ms", timeframe_ms, 60_000, DAY_MS),
        ("substeps", substeps, 4, 1_000),
        ("late_listings", late, 0, n_symbols - 1),
    )
    for name, value, lo, hi in checks:
        if not lo <= value <= hi:
            raise DataError(f"simulated market: {name}={value}; {lo}..{hi} expected")
    if detail_ms is None:
        return 1
    if detail_ms <= 0 or timeframe_ms % detail_ms != 0:
        raise DataError(f"simulated market: detail_timeframe_ms={detail_ms}; a divisor of {timeframe_ms} expected")
    return timeframe_ms // detail_ms


def _bars(
    rng: np.random.Generator,
    p: SimulationParams,
    paths: Paths,
    start_price: Floats,
    specs: npt.NDArray[Any],
    fine: int,
    substeps: int,
    timeframe_ms: int,
) -> dict[str, Floats]:
    """Bars of the finest axis: ``fine`` per coarse bar."""
    n_bars, n = paths.own_vol.shape
    steps = substeps if fine == 1 else max(4, -(-substeps // fine))
    beta = np.clip(1.0 + p.beta_spread * rng.standard_normal(n), 0.5, 1.6)
    beta[0] = 0.9
    factor = factor_steps(rng, p, paths, fine * steps, timeframe_ms / HOUR_MS)
    last = np.log(start_price)
    parts: list[dict[str, Floats]] = []
    chunk = max(1, _CHUNK_ROWS // (fine * steps * n))
    for a in range(0, n_bars, chunk):
        rows = slice(a, min(n_bars, a + chunk))
        walk = last + walk_symbols(rng, factor[rows], paths.own_vol[rows], beta)
        parts.append(_read_off(walk, last, steps, specs["tick_size"]))
        last = walk[-1]
    bars = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
    bars.update(_volumes(rng, p, bars, specs["lot_step"], timeframe_ms / HOUR_MS / fine))
    bars.update(_marks(rng, p, bars))
    return bars


def _read_off(walk: Floats, last: Floats, steps: int, tick: Floats) -> dict[str, Floats]:
    """OHLC and the mean price of every ``steps`` points of a walk; each bar opens at the previous close."""
    price = np.maximum(np.round(np.exp(walk) / tick), 1.0) * tick
    points = price.reshape(-1, steps, price.shape[1])
    close = points[:, -1]
    first = np.maximum(np.round(np.exp(last) / tick), 1.0) * tick
    open_ = np.concatenate([first[None], close[:-1]])
    return {
        "open": open_,
        "high": np.maximum(points.max(axis=1), open_),
        "low": np.minimum(points.min(axis=1), open_),
        "close": close.copy(),
        "mean": (points.sum(axis=1) + open_) / (steps + 1),
    }


def _volumes(
    rng: np.random.Generator, p: SimulationParams, bars: dict[str, Floats], lot: Floats, hours: float
) -> dict[str, Floats]:
    """Base volume on the lot grid, growing with the bar's range, and quote volume at the bar's mean price."""
    mean = bars.pop("mean")
    n = mean.shape[1]
    usual_usd = 2e8 * hours * 0.80 ** np.arange(n)  # the first symbols trade most
    activity = (bars["high"] - bars["low"]) / mean / (2.0 * p.factor_volatility * np.sqrt(hours))
    noise = np.exp(p.volume_noise * rng.standard_normal(mean.shape))
    usd = usual_usd * (0.02 + activity) ** p.volume_elasticity * noise
    volume = np.maximum(np.round(usd / mean / lot), 1.0) * lot
    return {"volume": volume, "quote_volume": volume * mean}


def _marks(rng: np.random.Generator, p: SimulationParams, bars: dict[str, Floats]) -> dict[str, Floats]:
    """Marks: last prices times a slowly moving basis that is carried from close to open."""
    basis = np.exp(1e-4 * p.basis_bps * autoregression(rng.standard_normal(bars["close"].shape), 0.9))
    before = np.concatenate([basis[:1], basis[:-1]])
    mark_open, mark_close = bars["open"] * before, bars["close"] * basis
    return {
        "mark_open": mark_open,
        "mark_high": np.maximum(np.maximum(mark_open, mark_close), bars["high"] * basis),
        "mark_low": np.minimum(np.minimum(mark_open, mark_close), bars["low"] * basis),
        "mark_close": mark_close,
    }


def _coarse(bars: dict[str, Floats], fine: int) -> dict[str, Floats]:
    """Every ``fine`` bars as one."""
    out = {}
    for name, values in bars.items():
        grouped = values.reshape(-1, fine, values.shape[1])
        kind = name.removeprefix("mark_")
        if kind == "open":
            out[name] = grouped[:, 0].copy()
        elif kind == "close":
            out[name] = grouped[:, -1].copy()
        else:
            out[name] = {"high": np.max, "low": np.min}.get(kind, np.sum)(grouped, axis=1)
    return out


def _missing(rng: np.random.Generator, n_bars: int, n_symbols: int, late: int, holes: int) -> npt.NDArray[np.bool_]:
    """Bars without data ``[T, N]``: before a late listing, and in outages."""
    missing = np.zeros((n_bars, n_symbols), dtype=np.bool_)
    for i in range(n_symbols - late, n_symbols):
        missing[: int(rng.integers(n_bars // 20 + 1, n_bars // 2 + 2)), i] = True
    for _ in range(holes):
        t, i = int(rng.integers(1, n_bars)), int(rng.integers(n_symbols))
        missing[t : t + int(rng.integers(1, 13)), i] = True
    missing[-1] = False
    return missing


def _funding(
    rng: np.random.Generator,
    p: SimulationParams,
    close: Floats,
    start_ms: int,
    timeframe_ms: int,
    missing: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Settlements at 00, 08 and 16 UTC: the base rate plus a premium that follows the trailing three days' return."""
    n_bars = len(close)
    every = 8 * HOUR_MS
    end_ms = start_ms + n_bars * timeframe_ms
    time = np.arange(-(-start_ms // every) * every, end_ms, every, dtype=np.int64)
    row = (time - start_ms) // timeframe_ms  # the bar that opens at, or spans, the settlement
    known = np.maximum(row - 1, 0)  # closes known by then
    back = np.maximum(known - max(1, 3 * DAY_MS // timeframe_ms), 0)
    momentum = np.log(close[known] / close[back])
    noise = 5e-5 * autoregression(rng.standard_normal(momentum.shape), 0.8) if len(time) else momentum
    rate = np.clip(p.funding_base + p.funding_sensitivity * momentum + noise, -p.funding_cap, p.funding_cap)
    which, who = np.nonzero(~missing[row])
    return time[which], who.astype(np.int64), np.round(rate[which, who], 8)
