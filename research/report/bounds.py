"""Which limit bound the size of an entry: the risk OS's limits again, from the journalled numbers."""

from typing import Any, NamedTuple

import pandas as pd


class Bound(NamedTuple):
    """One limit, as the largest notional it allows."""

    name: str
    usd: float


def size_bounds(d: Any, p: Any, equity: pd.DataFrame) -> list[Bound]:
    """Largest notional, USD, that each limit of SPEC module 17 allowed the candidate ``d``.

    Parameters
    ----------
    d : a row of decisions. p : the run's Params. equity : the curve, for wallet and margin at that moment.
    """
    leverage = d["leverage"] if d["leverage"] > 0.0 else d["leverage_target"]
    cost = 2.0 * p.chain.taker_fee + p.chain.slippage
    bounds = [Bound("asked", d["margin_target_usd"] * d["size_scale"] * leverage)]
    if p.risk.mode != 3:
        return bounds
    cap = p.risk.max_margin_usd
    if p.risk.max_margin_fraction > 0.0:
        cap = min(cap, p.risk.max_margin_fraction * d["equity_usd"])
    bounds.append(Bound("largest margin", cap * leverage))
    at = equity[equity["time"] == d["time"]]
    if len(at):
        used = float(at.iloc[0]["margin_usd"]) + d["reserved_margin_usd"]
        free = float(at.iloc[0]["wallet_usd"]) - used
        room = min(p.risk.max_margin_use * d["equity_usd"] - used, free)
        bounds.append(Bound("margin room", max(0.0, room) / (1.0 + leverage * cost) * leverage))
    share = min(p.risk.max_risk_per_trade, p.governor.max_loss_at_stop if p.governor.mode == 3 else 1.0)
    bounds.append(Bound(f"risk {share:.2%}", share * d["equity_usd"] / (d["sl_fraction"] + cost)))
    return bounds


def bound_by(d: Any, p: Any, bounds: list[Bound]) -> str:
    """The smallest limit by name, and the leverage cap where one lowered the leverage asked for."""
    name = min(bounds, key=lambda b: b.usd).name
    text = {
        "asked": "the size asked for",
        "largest margin": "the largest margin",
        "margin room": "the margin left",
    }.get(name, f"the {name} of equity")
    return text + (", with " + _leverage_text(d, p) if d["leverage"] < d["leverage_target"] else "")


def _leverage_text(d: Any, p: Any) -> str:
    high = d["vol_class"] == "high"
    cap = p.risk.leverage_cap_high if high else p.risk.leverage_cap_calm
    if d["leverage"] == cap:
        return f"leverage capped at {cap:g}x by {d['vol_class']} volatility"
    if d["leverage"] == p.risk.max_leverage:
        return f"leverage capped at {p.risk.max_leverage:g}x by the profile"
    return f"leverage capped at {d['leverage']:g}x by the contract's bracket"
