"""Tables and documents that the commands of ``qt live`` print."""

from typing import Any

from rich.console import Console
from rich.table import Table

from live.audit import Audit
from live.views import Status
from qt_core.market import utc_text

WIDTH = 110
NOTES_SHOWN = 10
ESS_NAMES = ("no", "drawdown", "health", "errors", "feed", "by hand")
HEALTH_NAMES = ("healthy", "degraded", "critical")


def console() -> Console:
    """As wide as the terminal; a pipe gets a fixed width."""
    out = Console()
    return out if out.is_terminal else Console(width=WIDTH)


def status_dict(s: Status) -> dict[str, Any]:
    """A status as plain values."""
    f = s.fund
    return {
        "session": s.name,
        "run_id": s.run_id,
        "kind": s.kind,
        "last_entry": utc_text(s.time_ms),
        "as_of": utc_text(s.as_of_ms),
        "entries": s.n_entries,
        "equity_usd": float(f["equity_usd"]),
        "wallet_usd": float(f["wallet_usd"]),
        "margin_usd": float(f["margin_usd"]),
        "drawdown": float(f["drawdown"]),
        "day_drawdown": float(f["day_drawdown"]),
        "open_positions": int(f["n_open"]),
        "pending_entries": int(f["n_pending"]),
        "trades": len(s.trades),
        "pnl_usd": float(s.trades["pnl_usd"].sum()),
        "emergency_stop": ESS_NAMES[int(f["ess_latched"])],
        "health": HEALTH_NAMES[int(f["health"])],
        "paused": bool(f["paused"]),
        "halted": bool(f["halted"]),
        "orders_not_known_to_be_sent": s.waiting,
        "digest": f"{int(f['digest']):016x}",
    }


def print_status(s: Status) -> None:
    """Account, switches and notes."""
    table = Table(title=f"{s.name} ({s.kind})", show_header=False)
    for key, value in status_dict(s).items():
        shown = f"{value:,.2f}" if key.endswith("_usd") else f"{value:.2%}" if "drawdown" in key else str(value)
        table.add_row(key.replace("_", " "), shown)
    out = console()
    out.print(table)
    for at_ms, topic, text in s.notes[-NOTES_SHOWN:]:
        out.print(f"{utc_text(at_ms)}  {topic}: {text}")


def print_positions(s: Status) -> None:
    """Open positions."""
    table = Table(title=f"{s.name}: open positions at {utc_text(s.as_of_ms)}")
    for name in ("symbol", "side", "quantity", "entry", "mark", "stop", "target", "lev.", "margin USD", "R"):
        table.add_column(name, justify="left" if name in ("symbol", "side") else "right")
    for i in s.held():
        r = s.symbol[i]
        side = "long" if r["qty"] > 0 else "short"
        numbers = (f"{float(r[k]):g}" for k in ("avg_price", "mark", "sl_price", "tp_price", "leverage"))
        table.add_row(
            s.setup.symbols[i],
            side,
            f"{abs(float(r['qty'])):g}",
            *numbers,
            f"{float(r['margin_usd']):,.2f}",
            f"{float(r['r_multiple']):+.2f}",
        )
    out = console()
    out.print(table if s.held() else f"{s.name}: no open position at {utc_text(s.as_of_ms)}")


def audit_dict(a: Audit) -> dict[str, Any]:
    """An audit as plain values."""
    return {
        "clean": a.clean,
        "entries": a.entries,
        "snapshots": a.snapshots,
        "by_kind": a.by_kind,
        "notes": a.notes,
        "differences": [d._asdict() for d in a.differences],
    }


def print_audit(a: Audit, shown: int) -> None:
    """What was done again, and what differs."""
    out = console()
    kinds = ", ".join(f"{n} {kind}" for kind, n in a.by_kind.items())
    out.print(f"{a.entries} entries done again ({kinds}), {a.snapshots} snapshots compared")
    for note in a.notes:
        out.print(f"note: {note}")
    if a.clean:
        out.print("clean: inputs, features, model rows, decisions, orders and State are what they were, byte for byte")
        return
    out.print(f"[bold]{len(a.differences)} differences[/bold]")
    for d in a.differences[:shown]:
        out.print(f"  {d.line()}", soft_wrap=True)
    if len(a.differences) > shown:
        out.print(f"  and {len(a.differences) - shown} more; --json gives all")
