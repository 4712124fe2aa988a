"""Two pictures a fit: how far its probabilities hold, and what it looks at. No pyplot, so nothing global is touched."""

from typing import Any

from research.training.report import FitReport

INK, GREY, FAINT = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = {"BUY": "#1b8a5a", "SELL": "#c0392b"}
MOST_BARS = 20  # features shown; the others are summed up in one bar


def reliability_figure(report: FitReport) -> Any:
    """Said against came, BUY and SELL, ten bins of equal numbers of rows; on the diagonal probabilities hold."""
    figure, axes = _figure(6.4, 5.6)
    said = [point for bins in report.reliability.values() for b in bins for point in b[:2]]
    low, high = max(0.0, min(said) - 0.02), min(1.0, max(said) + 0.02)
    axes.plot([low, high], [low, high], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    for name, bins in report.reliability.items():
        x, y = [b[0] for b in bins], [b[1] for b in bins]
        axes.plot(x, y, color=COLOURS[name], linewidth=1.6, marker="o", markersize=5, label=name, zorder=3)
        # two standard errors of a share, as if rows were independent: overlapping labels make the true ones wider
        error = [2.0 * (max(s * (1.0 - s), 1e-9) / n) ** 0.5 for _, s, n in bins]
        axes.fill_between(
            x,
            [a - e for a, e in zip(y, error, strict=True)],
            [a + e for a, e in zip(y, error, strict=True)],
            color=COLOURS[name],
            alpha=0.14,
            linewidth=0,
            zorder=2,
        )
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="probability said", ylabel="share that came")
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="upper left")
    error_text = report.metrics.get("calibration_error")
    rows = sum(b[2] for b in next(iter(report.reliability.values())))
    detail = "" if error_text is None else f", expected calibration error {error_text:.4f}"
    _title(axes, f"{report.agent} {report.window.name}: reliability", f"{rows:,} rows predicted out of sample{detail}")
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
    figure, axes = _figure(6.8, 1.3 + 0.25 * len(items))
    places = range(len(items))[::-1]
    axes.barh(list(places), [share for _, share in items], color="#3f6fb5", height=0.68, zorder=2)
    axes.set_yticks(list(places), [name for name, _ in items])
    top = max(share for _, share in items)
    for place, (_, share) in zip(places, items, strict=True):
        axes.text(share + 0.01 * top, place, f"{share:.1%}", va="center", fontsize=8, color=GREY)
    axes.set_xlim(0.0, 1.12 * top)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", length=0)
    _title(axes, f"{report.agent} {report.window.name}: what it looks at", what)
    return figure


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(color=FAINT, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes


def _title(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=22)
    axes.text(0.0, 1.0, below, transform=axes.transAxes, fontsize=9, color=GREY, va="bottom", ha="left")
    axes.texts[-1].set_position((0.0, 1.015))


def _lag_text(name: str) -> str:
    """``lag_001_010`` as ``1 to 10``."""
    _, first, last = name.split("_")
    return f"{int(first)} to {int(last)}" if int(first) != int(last) else str(int(first))
