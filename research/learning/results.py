"""What ``learn`` found as one document, in words, and as tables for a terminal."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from research.learning.spread import QUOTED_SEEDS, Spread
from research.learning.train import Learned
from research.report.summary import to_plain
from research.report.tables import num, pct

SPREAD_FIGURES = ("total_return", "sharpe", "max_drawdown", "mean_r", "win_rate", "trades", "fees_usd")
SPREAD_LABELS = {
    "total_return": "return",
    "sharpe": "Sharpe",
    "max_drawdown": "max drawdown",
    "mean_r": "mean R",
    "win_rate": "win rate",
    "trades": "trades",
    "fees_usd": "fees, USD",
}
_MODULES = {"size": "19, sizes", "strategy": "21, strategies"}
_PERCENT = ("total_return", "max_drawdown", "win_rate")


def results(learned: Learned) -> dict[str, Any]:
    """Plain values; NaN is None."""
    document = {
        "format": "qt-learn/1",
        "simulated": learned.simulated,
        "learn_span": learned.learn_span,
        "judge_span": learned.judge_span,
        "config_digest": learned.config.digest(),
        "verdict": verdict(learned),
        "notes": list(learned.notes),
        "coverage": learned.coverage(),
        "blank": dict(learned.blank.figures),
        "merged": dict(learned.merged_judged.figures),
        "seeds": [
            {
                "seed": s.seed,
                "learned": dict(s.learned.figures),
                "fixed": dict(s.fixed.figures),
                "epochs": [e._asdict() for e in s.epochs],
            }
            for s in learned.seeds
        ],
        "spread": {
            figure: {name: s._asdict() for name, s in learned.spreads(figure).items()} for figure in SPREAD_FIGURES
        },
        "per_year_by_market": {
            name: dict(zip(("mean", "low", "high"), values, strict=True))
            for name, values in learned.by_market().items()
        },
    }
    plain: dict[str, Any] = to_plain(document)
    return plain


def verdict(learned: Learned) -> str:
    """Two or three honest sentences."""
    x = learned.spreads("total_return")
    mean, low, high = learned.by_market()["learned - blank"]
    n = x["learned"].n
    text = (
        f"On the bars after the split, which no table has seen, the learned tables returned {_spread_text(x['learned'])} "
        f"over {n} seed{'s' if n > 1 else ''}; blank tables {learned.blank.figures['total_return']:+.2%}, the fixed size "
        f"with the learned strategies {x['fixed'].mean:+.2%}. "
    )
    days = f"90 % over resampled days {low:+.2%} to {high:+.2%}"
    if low != low:
        text += "There are too few days to say how much of the difference to blank tables is the market's accident."
    elif low > 0.0 or high < 0.0:
        text += f"That is {abs(mean):.2%} a year {'more' if mean > 0.0 else 'less'} than with blank tables ({days})."
    else:
        text += f"The difference to blank tables, {mean:+.2%} a year, cannot be told from zero ({days})."
    if x["learned"].mean <= 0.0:
        text += " It loses money all the same."
    return text + (" Prices are simulated: no statement about any real market." if learned.simulated else "")


def _spread_text(s: Spread) -> str:
    if s.n < QUOTED_SEEDS:
        return f"{s.mean:+.2%}" + (" on average (too few seeds to quote a spread)" if s.n > 1 else "")
    return f"{s.mean:+.2%} on average (90 % {s.low:+.2%} to {s.high:+.2%}, least {s.least:+.2%}, most {s.most:+.2%})"


def figure_text(name: str, value: "float | None", sign: bool = False) -> str:
    """A figure as people read it."""
    if value is None or value != value:
        return "-"
    if name in _PERCENT:
        return f"{value:+.2%}" if sign else pct(value)
    if name == "trades":
        return f"{value:+,.0f}" if sign else f"{value:,.0f}"
    digits = 3 if name == "mean_r" else 2
    return f"{value:+.{digits}f}" if sign else num(value, digits)


def print_results(console: Console, learned: Learned) -> None:
    """Seeds, spread, coverage, and the verdict."""
    if learned.simulated:
        console.print(Text("  SIMULATED MARKET  ", style="bold black on yellow"))
    console.print(Text(f"learned on {learned.learn_span}, judged by {learned.judge_span}"))
    for part in (_seeds(learned), _spreads(learned), Text(verdict(learned), style="bold"), _coverage(learned)):
        console.print()
        console.print(part)


def _table(title: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for k, name in enumerate(columns):
        table.add_column(name, justify="right" if k else "left", no_wrap=True)
    return table


def _seeds(learned: Learned) -> Table:
    shown = ("total_return", "sharpe", "max_drawdown", "trades", "mean_r", "win_rate")
    table = _table("On bars never seen, nothing learned there", "run", *(SPREAD_LABELS[f] for f in shown))
    rows = [(f"seed {s.seed}", s.learned.figures) for s in learned.seeds]
    rows += [("merged tables", learned.merged_judged.figures), ("blank tables", learned.blank.figures)]
    rows += [(f"fixed size, seed {s.seed}", s.fixed.figures) for s in learned.seeds]
    for name, figures in rows:
        table.add_row(name, *(figure_text(f, figures[f]) for f in shown))
    return table


def _spreads(learned: Learned) -> Table:
    table = _table("Spread over seeds", "figure", "of", "mean", "90 % of the mean", "least", "most")
    for figure in ("total_return", "sharpe", "mean_r"):
        for name, s in learned.spreads(figure).items():
            sign = "-" in name
            low, high = (figure_text(figure, v, sign) for v in (s.low, s.high))
            values = (figure_text(figure, v, sign) for v in (s.least, s.most))
            table.add_row(SPREAD_LABELS[figure], name, figure_text(figure, s.mean, sign), f"{low} to {high}", *values)
    return table


def _coverage(learned: Learned) -> Text:
    parts = [
        f"{_MODULES[kind]}: {c['visits']:,.0f} updates a seed in {c['cells']:,.0f} cells "
        f"({c['cells_share']:.1%} of the table), {c['states']:,.0f} states ({c['states_share']:.1%})"
        for kind, c in learned.coverage().items()
    ]
    return Text("\n".join(parts), style="dim")
