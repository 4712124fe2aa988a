"""Which limit bound the size of an entry: the risk OS's limits again, from the journalled numbers."""

from typing import Any, NamedTuple

from qt_core.codes import ENFORCED, VOL_HIGH
from qt_core.enums import T_VOLATILITY
from qt_core.explain.words import pct, word


class Bound(NamedTuple):
    """One limit, as the largest notional it allows."""

    name: str
    usd: float


def size_bounds(d: Any, p: Any, account: "Any | None") -> list[Bound]:
    """Largest notional, USD, that each limit of SPEC module 17 allowed the candidate ``d``.

    Parameters
    ----------
    d : a row of decisions. p : the run's Params. account : the curve's row of that moment, for wallet and margin; without it
        the margin left is not among the limits.
    """
    leverage = d["leverage"] if d["leverage"] > 0.0 else d["leverage_target"]
    cost = 2.0 * p.chain.taker_fee + p.chain.slippage
    bounds = [Bound("asked", d["margin_target_usd"] * d["size_scale"] * leverage)]
    if p.risk.mode != ENFORCED:
        return bounds
    cap = p.risk.max_margin_usd
    if p.risk.max_margin_fraction > 0.0:
        cap = min(cap, p.risk.max_margin_fraction * d["equity_usd"])
    bounds.append(Bound("largest margin", cap * leverage))
    if account is not None:
        used = account["margin_usd"] + d["reserved_margin_usd"]
        free = account["wallet_usd"] - used
        room = min(p.risk.max_margin_use * d["equity_usd"] - used, free)
        bounds.append(Bound("margin room", max(0.0, room) / (1.0 + leverage * cost) * leverage))
    share = min(p.risk.max_risk_per_trade, d["risk_cap"])
    bounds.append(Bound(f"risk {pct(share)}", share * d["equity_usd"] / (d["sl_fraction"] + cost)))
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
    r, lev = p.risk, d["leverage"]
    by_volatility = r.leverage_cap_high if d["vol_class"] == VOL_HIGH else r.leverage_cap_calm
    if lev == by_volatility:
        return f"leverage capped at {lev:g}x by {word(T_VOLATILITY, d['vol_class'])} volatility"
    if lev == r.max_leverage:
        return f"leverage capped at {lev:g}x by the profile"
    if lev == r.leverage_cap_defensive:
        return f"leverage capped at {lev:g}x because the fund is defensive"
    return f"leverage capped at {lev:g}x by the contract's bracket"
