"""Figures of a run from its equity curve and trades. numpy only; every figure is after costs.

Sharpe and Sortino are annualised from daily simple returns at 00:00 UTC with 365 days and a zero rate (crypto trades every
day). A figure that cannot be computed is NaN, never zero.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import EXIT_NAMES
from qt_core.risk import portfolio_balancer

DAY_MS = 86_400_000
DAYS_PER_YEAR = 365.0
FloatArray = npt.NDArray[np.float64]
LEVERAGE_SHARES = {"least_leverage": 0.0, "median_leverage": 0.5, "most_leverage": 1.0}  # quantiles


def daily_equity(time_ms: npt.NDArray[np.int64], equity: FloatArray, start_equity: float) -> FloatArray:
    """Start equity, then the last equity known at each 00:00 UTC and at the end of the run."""
    if len(time_ms) == 0:
        return np.array([start_equity])
    day = (time_ms - 1) // DAY_MS  # a bar closing at midnight belongs to the day it ends
    last = np.flatnonzero(np.append(np.diff(day) != 0, True))
    return np.concatenate(([start_equity], equity[last]))


def daily_returns(time_ms: npt.NDArray[np.int64], equity: FloatArray, start_equity: float) -> FloatArray:
    """Simple returns between the daily equities; zero after ruin."""
    e = daily_equity(time_ms, equity, start_equity)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = e[1:] / e[:-1] - 1.0
    return np.where(np.isfinite(r), r, 0.0)


def sharpe(returns: FloatArray) -> float:
    """Annualised mean / standard deviation (ddof 1) of daily returns; NaN below two days or without variance."""
    if len(returns) < 2:
        return float("nan")
    sd = float(np.std(returns, ddof=1))
    return float("nan") if sd == 0.0 else float(np.mean(returns)) / sd * np.sqrt(DAYS_PER_YEAR)


def sortino(returns: FloatArray) -> float:
    """Annualised mean / downside deviation about zero."""
    if len(returns) < 2:
        return float("nan")
    down = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float("nan") if down == 0.0 else float(np.mean(returns)) / down * np.sqrt(DAYS_PER_YEAR)


def max_drawdown(equity: FloatArray) -> float:
    """Largest fall from a running peak, fraction of the peak, >= 0."""
    if len(equity) == 0:
        return 0.0
    peak = np.maximum.accumulate(equity)
    return float(np.max(1.0 - equity / peak))


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


def leverage_figures(trades: npt.NDArray[Any]) -> dict[str, float]:
    """Module 8's report: all notional over all margin, and how leverage is spread over the trades; NaN without one."""
    margin, leverage = trades["margin_usd"], trades["leverage"]
    gross = float((margin * leverage).sum())
    spread = (
        np.quantile(leverage, list(LEVERAGE_SHARES.values())) if len(trades) else [float("nan")] * len(LEVERAGE_SHARES)
    )
    return {
        "mean_leverage": portfolio_balancer.mean_leverage(gross, float(margin.sum())) if len(trades) else float("nan"),
        **{name: float(value) for name, value in zip(LEVERAGE_SHARES, spread, strict=True)},
    }


def trade_figures(trades: npt.NDArray[Any]) -> dict[str, float]:
    """Counts, win rate, R and cost totals of closed trades."""
    pnl = trades["pnl_usd"]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    n = len(trades)
    out: dict[str, float] = {
        "trades": n,
        "long_trades": int(np.sum(trades["side"] > 0)),
        "short_trades": int(np.sum(trades["side"] < 0)),
        "win_rate": _ratio(len(wins), n),
        "profit_factor": _ratio(float(wins.sum()), -float(losses.sum())),
        "mean_r": float(np.mean(trades["r_multiple"])) if n else float("nan"),
        "mean_pnl_usd": _ratio(float(pnl.sum()), n),
        "best_trade_usd": float(pnl.max()) if n else float("nan"),
        "worst_trade_usd": float(pnl.min()) if n else float("nan"),
        "mean_hours": float(np.mean(trades["exit_ms"] - trades["entry_ms"])) / 3.6e6 if n else float("nan"),
        **leverage_figures(trades),
        "ambiguous_trades": int(np.sum(trades["ambiguous"] > 0)),
    }
    for code, name in enumerate(EXIT_NAMES):
        if code:
            out[f"exits_{name}"] = int(np.sum(trades["exit_reason"] == code))
    return out


def _mean_exposure(exposure: FloatArray, equity: FloatArray) -> float:
    """Mean gross notional / equity over the bars with equity left."""
    alive = equity > 0.0
    return float(np.mean(exposure[alive] / equity[alive])) if alive.any() else 0.0


def run_figures(curve: npt.NDArray[Any], start_equity: float, venue_fund: Any) -> dict[str, float]:
    """Return, risk and cost totals from the equity curve and the venue's ledger."""
    equity = np.asarray(curve["equity_usd"], dtype=np.float64)
    returns = daily_returns(np.asarray(curve["time_ms"]), equity, start_equity)
    end = float(equity[-1]) if len(equity) else start_equity
    years = len(returns) / DAYS_PER_YEAR
    grown = end / start_equity
    return {
        "start_equity_usd": start_equity,
        "end_equity_usd": end,
        "total_return": grown - 1.0,
        "annual_return": grown ** (1.0 / years) - 1.0 if years > 0.0 and grown > 0.0 else float("nan"),
        "sharpe": sharpe(returns),
        "sortino": sortino(returns),
        "max_drawdown": max_drawdown(np.concatenate(([start_equity], equity))),
        "days": float(len(returns)),
        "mean_exposure": _mean_exposure(np.asarray(curve["exposure_usd"]), equity),
        "mean_open_positions": float(np.mean(curve["n_open"])) if len(equity) else 0.0,
        "fees_usd": float(venue_fund["fee_usd"]),
        "maker_fees_usd": float(venue_fund["maker_fee_usd"]),
        "taker_fees_usd": float(venue_fund["taker_fee_usd"]),
        "funding_usd": float(venue_fund["funding_usd"]),
        "slippage_usd": float(venue_fund["slippage_usd"]),
        "insurance_usd": float(venue_fund["insurance_usd"]),
        "liquidations": int(venue_fund["n_liquidations"]),
        "ambiguous_bars": int(venue_fund["ambiguous_bars"]),
        "partial_fills": int(venue_fund["n_partial"]),
        "rejected_orders": int(venue_fund["n_rejected"]),
    }
