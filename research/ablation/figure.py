"""The forest plot of an ablation: differences of return, Sharpe ratio and edge with their intervals, sorted."""

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from research.ablation.compare import ALPHA, COMPARED
from research.ablation.tables import p_text

INK, QUIET, LINE = "#1d2733", "#66727f", "#e4e8ec"
UP, DOWN, CHANCE = "#23805a", "#b8453f", "#8794a1"
PANELS = (
    ("total_return", 100.0, "return, percentage points"),
    ("sharpe", 1.0, "Sharpe ratio"),
    ("edge_bps", 1.0, "edge, bps of notional"),
)
ROW_PX, HEAD_PX = 26, 90
MARGIN = 0.04  # of the width, on either side
FONT = "system-ui, -apple-system, Segoe UI, Liberation Sans, Arial, sans-serif"


def forest(doc: dict[str, Any], kind: str) -> go.Figure:
    """One line per row of a kind that acted, the most earned on top; three panels of figures."""
    rows = [r for r in doc["rows"] if r["status"] == COMPARED and r["kind"] == kind]
    figure = make_subplots(1, 3, shared_yaxes=True, horizontal_spacing=0.03, column_widths=[0.42, 0.29, 0.29])
    for column, (name, scale, title) in enumerate(PANELS, start=1):
        _intervals(figure, rows, name, scale, column)
        _seeds(figure, rows, name, scale, column)
        figure.update_xaxes(title_text=title, range=_range(rows, name, scale), row=1, col=column)
    figure.update_xaxes(zeroline=True, zerolinecolor=INK, zerolinewidth=1.2, gridcolor=LINE, title_font_size=12.5)
    labels = [_label(r) for r in rows]
    figure.update_yaxes(range=[len(rows) - 0.4, -0.6], tickvals=list(range(len(rows))), ticktext=labels, showgrid=False)
    figure.update_layout(
        height=HEAD_PX + ROW_PX * max(1, len(rows)),
        margin={"l": 10, "r": 12, "t": 10, "b": 60},
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": "#cbd3da", "align": "left"},
    )
    return figure


def _range(rows: list[dict[str, Any]], name: str, scale: float) -> list[float]:
    """From the least to the most drawn, 0 among them, and a little room."""
    drawn = [x for r in rows for x in (r[name]["low"], r[name]["high"], *r[name]["seeds"]) if x is not None]
    least, most = min([0.0, *drawn]) * scale, max([0.0, *drawn]) * scale
    room = MARGIN * (most - least) or 1.0
    return [least - room, most + room]


def _label(row: dict[str, Any]) -> str:
    name = f"{row['number'] or ''} {row['name']}" if row["kind"] == "module" else f"group {row['name']}"
    return f"{name} (unsafe)" if row["unsafe"] else name


def _colour(row: dict[str, Any], name: str) -> str:
    d = row[name]
    if d["p_holm"] is None or d["p_holm"] > ALPHA:
        return CHANCE
    return UP if d["difference"] > 0.0 else DOWN


def _intervals(figure: go.Figure, rows: list[dict[str, Any]], name: str, scale: float, column: int) -> None:
    for k, row in enumerate(rows):
        d = row[name]
        if d["difference"] is None or d["low"] is None:
            continue
        colour = _colour(row, name)
        line = go.Scatter(
            x=[d["low"] * scale, d["high"] * scale],
            y=[k, k],
            mode="lines",
            line={"color": colour, "width": 2.5},
            hoverinfo="skip",
        )
        point = go.Scatter(
            x=[d["difference"] * scale],
            y=[k],
            mode="markers",
            marker={"color": colour, "size": 10, "line": {"color": "#ffffff", "width": 1}},
            hovertemplate=(
                f"<b>{_label(row)}</b><br>{d['difference'] * scale:+.3f}, 95 %: {d['low'] * scale:+.3f} to "
                f"{d['high'] * scale:+.3f}<br>p {p_text(d['p'])}, adjusted {p_text(d['p_holm'])}<br>"
                f"{row['verdict']}<extra></extra>"
            ),
        )
        figure.add_trace(line, row=1, col=column)
        figure.add_trace(point, row=1, col=column)


def _seeds(figure: go.Figure, rows: list[dict[str, Any]], name: str, scale: float, column: int) -> None:
    """A tick per seed."""
    xs = [(s * scale, k) for k, row in enumerate(rows) for s in row[name]["seeds"] if s is not None]
    ticks = {"symbol": "line-ns", "size": 9, "line": {"width": 1, "color": QUIET}}
    trace = go.Scatter(
        x=[x for x, _ in xs], y=[y for _, y in xs], mode="markers", marker=ticks, opacity=0.75, hoverinfo="skip"
    )
    figure.add_trace(trace, row=1, col=column)
