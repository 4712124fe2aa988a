"""Two pictures a fit: how far its probabilities hold, and what it looks at. No pyplot, so nothing global is touched."""

from typing import Any

from research.training.report import FitReport

INK, GREY, FAINT = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = {"BUY": "#1b8a5a", "SELL": "#c0392b"}
BAR, REST = "#3f6fb5", "#b8c4d6"
LETTER = 0.085  # inches of a letter at the size of tick labels
MOST_BARS = 20  # features shown; the others are summed up in one bar


def reliability_figure(report: FitReport) -> Any:
    """Said against came, BUY and SELL, ten bins of equal numbers of rows; on the diagonal probabilities hold.

    The bands are two standard errors of the independent outcomes in a bin, few of its rows: labels overlap, and the symbols
    move together.
    """
    figure, axes = _figure(5.8, 6.0, left=0.75)
    span = report.spans.get("predict", {})
    independent = span.get("independent", 0.0) / span["rows"] if span.get("rows") else 1.0  # outcomes per row
    edges = []
    for name, bins in report.reliability.items():
        x, y = [b[0] for b in bins], [b[1] for b in bins]
        error = [2.0 * (s * (1.0 - s) / max(1.0, n * independent)) ** 0.5 for _, s, n in bins]
        band = [[max(0.0, a - e) for a, e in zip(y, error, strict=True)],
                [min(1.0, a + e) for a, e in zip(y, error, strict=True)]]  # fmt: skip
        axes.fill_between(x, *band, color=COLOURS[name], alpha=0.1, linewidth=0, zorder=2)
        for edge in band:
            axes.plot(x, edge, color=COLOURS[name], linewidth=0.7, alpha=0.35, zorder=2)
        axes.plot(x, y, color=COLOURS[name], linewidth=1.6, marker="o", markersize=5, label=name, zorder=3)
        edges += [*x, *band[0], *band[1]]
    low, high = max(0.0, min(edges) - 0.01), min(1.0, max(edges) + 0.01)
    axes.plot([low, high], [low, high], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="probability said", ylabel="share that came")
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="upper left")
    error_text = report.metrics.get("calibration_error")
    rows = sum(b[2] for b in next(iter(report.reliability.values())))
    detail = "" if error_text is None else f", calibration error {error_text:.3f}"
    below = f"{rows:,} rows{detail}; bands: two standard errors"
    _title(axes, f"{report.agent} {report.window.name}: reliability", below)
    return figure


def importance_figure(report: FitReport) -> Any:
    """Shares of what the model learned from, largest first; lags of a network stay in order of time."""
    lags = all(name.startswith("lag_") for name in report.importance)
    items = list(report.importance.items())
    if lags:
        items = [(_lag_text(name), share) for name, share in items]
        what = "share of the gradient of BUY against SELL, by bars ago"
    else:
        items.sort(key=lambda item: -item[1])
        rest = items[MOST_BARS:]
        items = items[:MOST_BARS]
        if rest:
            items.append((f"{len(rest)} others", sum(share for _, share in rest)))
        what = "share of the total gain of all splits"
    widest = max(len(name) for name, _ in items)
    figure, axes = _figure(5.2 + LETTER * widest, 1.2 + 0.25 * len(items), left=0.25 + LETTER * widest)
    places = range(len(items))[::-1]
    colours = [REST if name.endswith(" others") else BAR for name, _ in items]
    axes.barh(list(places), [share for _, share in items], color=colours, height=0.68, zorder=2)
    axes.set_yticks(list(places), [name for name, _ in items])
    top = max(share for _, share in items) or 1.0
    for place, (_, share) in zip(places, items, strict=True):
        axes.text(share + 0.01 * top, place, f"{share:.1%}", va="center", fontsize=8, color=GREY)
    axes.set_xlim(0.0, 1.12 * top)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}%" if (value := round(100.0 * value, 6)) else "0")
    axes.tick_params(axis="y", length=0)
    _title(axes, f"{report.agent} {report.window.name}: what it looks at", what)
    return figure


def _figure(width: float, height: float, left: float) -> tuple[Any, Any]:
    """A figure with margins in inches: matplotlib's own layouts draw everything twice, and a training makes hundreds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, facecolor="white")
    axes = figure.add_axes((left / width, 0.55 / height, (width - left - 0.25) / width, (height - 1.15) / height))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(color=FAINT, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes


def _title(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=24)
    axes.annotate(below, (0.0, 1.0), (0.0, 8.0), "axes fraction", "offset points", fontsize=9, color=GREY, va="bottom")


def _lag_text(name: str) -> str:
    """``lag_001_010`` as ``1 to 10``."""
    _, first, last = name.split("_")
    return f"{int(first)} to {int(last)}" if int(first) != int(last) else str(int(first))
