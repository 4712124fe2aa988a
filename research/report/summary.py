"""A Result as one JSON-able document: what `qt backtest --json` prints and ``summary.json`` holds."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core import __version__
from qt_core.engine.result import Result
from qt_core.market import utc_text
from qt_core.metrics import daily_returns, trade_figures
from research.report import chain
from research.report.interval import sharpe_interval

FORMAT = "qt-run/2"
RULES_NOTE = "Signals: four rules with fixed thresholds. Nothing in them is learned."
TAPE_NOTE = "Signals: models trained before the bars they speak on; docs/models.md."
RANDOM_NOTE = "CONTROL: the signals are random sides. Nothing here is a forecast, and none of it can be skill."
LEARNS_NOTE = " {names} learn{s} from the trades of this run."
BAND_FIGURES = (
    "total_return",
    "annual_return",
    "sharpe",
    "max_drawdown",
    "trades",
    "win_rate",
    "profit_factor",
    "mean_r",
    "ambiguous_bars",
)


def summarise(
    result: Result,
    *,
    seconds: "dict[str, float] | None" = None,
    symbol_bars: "int | None" = None,
    band: "dict[str, Result] | None" = None,
) -> dict[str, Any]:
    """Everything the summary says, as plain Python values; NaN and infinity are None.

    Parameters
    ----------
    seconds : what each step took, ``run`` among them. symbol_bars : bars the engine walked, times symbols; with
        ``run`` it gives the speed. band : results under other fill assumptions, by name.
    """
    returns = _returns(result)
    interval = sharpe_interval(returns, seed=result.seed)
    out = {
        "format": FORMAT,
        "version": __version__,
        "simulated": result.simulated,
        "unsafe": list(result.unsafe),
        "window": _window(result),
        "symbols": list(result.symbols),
        "source": result.source,
        "notes": list(result.notes),
        "config": result.config.as_dict(),
        "config_digest": result.config.digest(),
        "seed": result.seed,
        "digest": result.digest(),
        "metrics": dict(result.metrics),
        "sharpe_interval": interval._asdict(),
        "exits": result.exits(),
        "costs": costs(result),
        "vetoes": [
            {"module": v.module, "reason": v.reason, "count": v.times, "what": v.what, "code": v.number}
            for v in result.vetoes()
        ],
        "emergency_stop": chain.emergency_stop(result),
        "modules": chain.modules(result),
        "strategies": chain.strategies(result),
        "ladder": chain.ladder(result),
        "learning": chain.learning(result),
        "tallies": result.tallies(),
        "models": list(result.models),
        "per_symbol": per_symbol(result),
        "modules_off": [m["name"] for m in chain.modules(result) if m["mode"] == chain.NOT_USED],
        "signals_note": signals_note(result),
        "verdict": verdict(result, interval.low, interval.high),
        "seconds": dict(seconds or {}),
        "band": {name: {k: r.metrics[k] for k in BAND_FIGURES} for name, r in (band or {}).items()},
    }
    run_s = (seconds or {}).get("run", 0.0)
    out["symbol_bars_per_s"] = symbol_bars / run_s if symbol_bars and run_s > 0.0 else None
    plain: dict[str, Any] = to_plain(out)
    return plain


def signals_note(result: Result) -> str:
    """What made the signals, and what learns while the run goes on."""
    names = chain.learns(result)
    signals = {"random": RANDOM_NOTE, "tape": TAPE_NOTE}.get(str(result.config.signals.get("source")), RULES_NOTE)
    if not names:
        return signals
    return signals + LEARNS_NOTE.format(names=" and ".join(names), s="s" if len(names) == 1 else "")


def unused(summary: dict[str, Any]) -> list[str]:
    """A line on the models that had no say, if any."""
    off = summary["modules_off"]
    return [f"without a say in these signals: {', '.join(off)}"] if off else []


def _returns(result: Result) -> npt.NDArray[np.float64]:
    return daily_returns(result.curve["time_ms"], result.equity, result.metrics["start_equity_usd"])


def _window(result: Result) -> dict[str, Any]:
    """First and last decision bar by open time, as every other bar is named."""
    time = result.curve["time_ms"]
    first, last = int(time[0]) - result.timeframe_ms, int(time[-1]) - result.timeframe_ms
    return {
        "first_bar": utc_text(first),
        "last_bar": utc_text(last),
        "first_bar_ms": first,
        "last_bar_ms": last,
        "bars": len(time),
        "timeframe_ms": result.timeframe_ms,
        "days": result.metrics["days"],
    }


def costs(result: Result) -> dict[str, float]:
    """From price profit to what the account gained, in USD; the lines add up to ``change_of_equity``.

    ``price_pnl`` is what the same fills would have made at prices without slippage; open positions are in at their
    last mark, their exit costs are not.
    """
    m = result.metrics
    trades = (result.trades, result.open_positions)
    gross = sum(float(t["pnl_gross_usd"].sum()) for t in trades)
    return {
        "price_pnl": gross + m["slippage_usd"],
        "slippage": 0.0 - m["slippage_usd"],
        "fees": 0.0 - m["fees_usd"],
        "funding": m["funding_usd"],
        "insurance": m["insurance_usd"],
        "change_of_equity": m["end_equity_usd"] - m["start_equity_usd"],
    }


def per_symbol(result: Result) -> list[dict[str, Any]]:
    """One row of figures per symbol, in name order; closed trades only."""
    rows = []
    for i, name in enumerate(result.symbols):
        mine = result.trades[result.trades["symbol"] == i]
        figures = trade_figures(mine)
        rows.append(
            {
                "symbol": name,
                **{k: figures[k] for k in ("trades", "long_trades", "short_trades", "win_rate", "profit_factor")},
                **{k: figures[k] for k in ("mean_r", "best_trade_usd", "worst_trade_usd", "mean_hours")},
                **{k: float(mine[k].sum()) for k in ("pnl_usd", "fee_usd", "funding_usd", "slippage_usd")},
            }
        )
    return rows


def verdict(result: Result, low: float, high: float) -> str:
    """One honest sentence: does this run beat zero after costs?"""
    gained = result.metrics["total_return"]
    if not result.metrics["trades"]:
        return "No trade was closed, so nothing can be said about profit."
    if gained <= 0.0:
        text = f"After fees, slippage and funding this run lost {-gained:.2%}: it does not beat zero."
    elif not low > 0.0:
        text = (
            f"After fees, slippage and funding this run gained {gained:.2%}, but its Sharpe ratio cannot be told from zero"
            + (f" (95 % interval {low:.2f} to {high:.2f})." if math.isfinite(low) else " (too few days).")
        )
    else:
        text = (
            f"After fees, slippage and funding this run gained {gained:.2%} and its Sharpe ratio is above zero at 95 % "
            f"({low:.2f} to {high:.2f}) in this one window; nothing here corrects for the configurations tried before it."
        )
    text += _ended_early(result)
    return text + (" Prices are simulated: no statement about any real market." if result.simulated else "")


def _ended_early(result: Result) -> str:
    """A sentence where nothing was opened in the last tenth of the window: an account that could no longer trade."""
    time = result.curve["time_ms"]
    opened = np.concatenate([result.trades["entry_ms"], result.open_positions["entry_ms"]])
    last = int(opened.max())
    if int(time[-1]) - last <= 0.1 * (int(time[-1]) - int(time[0])):
        return ""
    return f" Nothing was opened after {utc_text(last)[:10]}."


def to_plain(value: Any) -> Any:
    """numpy scalars, dates and non-finite numbers as JSON knows them."""
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)
