"""The sections of an explanation. Each takes journal rows and gives text; nothing is recomputed that was journalled."""

from typing import Any

import pandas as pd

from research.report.bounds import bound_by, size_bounds
from research.report.frames import RunFrames

TOLERANCE_USD = 1e-6  # what rounding of sums may leave over
_NAME = 22  # width of the left column


def when(time: pd.Timestamp) -> str:
    """``2021-05-19 13:00``, with seconds only where they are not zero."""
    return str(time.strftime("%Y-%m-%d %H:%M" + (":%S" if time.second else "")))


def line(name: str, text: str) -> str:
    """One row of a section."""
    return f"   {name:<{_NAME}}{text}"


def price(x: float) -> str:
    """Up to eight significant digits, no exponent."""
    return f"{x:,.8g}" if abs(x) >= 1e-4 else f"{x:.10f}"


def title(trade: Any, simulated: bool) -> str:
    """Head line and outcome."""
    hours = (trade["exit_time"] - trade["entry_time"]).total_seconds() / 3600.0
    label = " · SIMULATED" if simulated else ""
    still = trade["exit_reason"] == "open"
    end = (
        "still open at the end of the run" if still else f"closed {when(trade['exit_time'])} by {trade['exit_reason']}"
    )
    return (
        f"Trade {trade['trade_id']} · {trade['symbol']} · {trade['side']}{label}\n"
        f"opened {when(trade['entry_time'])} UTC, {end}, {hours:.1f} h · "
        f"PnL {trade['pnl_usd']:+.2f} USD · {trade['r_multiple']:+.2f} R"
    )


def decision_text(d: "Any | None", p: Any, frames: RunFrames) -> str:
    """Every module's numbers for one candidate."""
    if d is None:
        return "Decision: not in the journal"
    passed = d["reason"] in ("OK", "OVERRIDE")
    verdict = "accepted" if passed else f"refused by {d['module']}: {d['reason']}"
    rows = [
        f"Decision  {when(d['time'])} UTC, at the close of the bar before · {d['symbol']} {d['side']}, "
        f"candidate {int(d['rank']) + 1} of its bar · {verdict}",
        line("ensemble (6)", _ensemble(d, p)),
        line("regime", f"volatility {d['vol_class']} · trend {d['trend_class']} · TP/SL class {d['tpsl_class']}"),
    ]
    if d["reason"] == "NOT_SELECTED":
        return "\n".join([*rows, line("selection", f"only the best {p.chain.max_candidates} of a bar are looked at")])
    rows += [line("dynamic TP/SL (14)", _tpsl(d, p)), *_sizing(d, p, frames)]
    if d["module"].startswith("safety governor"):
        first, second = _governor(d, p)
        rows += [line("safety governor (24)", first), line("", second)]
    rows.append(
        line(
            "account",
            f"equity {d['equity_usd']:,.2f} · {d['reserved_margin_usd']:,.2f} USD margin reserved by earlier candidates · "
            f"{int(d['n_positions'])} positions open or pending",
        )
    )
    return "\n".join(rows)


def _ensemble(d: Any, p: Any) -> str:
    action = "BUY" if d["side"] == "long" else "SELL"
    return (
        f"p(BUY) {d['p_buy']:.4f}, p(SELL) {d['p_sell']:.4f} -> {action}, confidence {d['confidence']:.4f} "
        f">= {p.ensemble.threshold:g}"
    )


def _tpsl(d: Any, p: Any) -> str:
    t = p.tpsl
    if not t.mode or not d["atr_fraction"] > 0.0:
        why = "off" if not t.mode else "ATR unknown"
        return f"{why}: the anchors, SL {d['sl_fraction']:.3%}, TP {d['tp_fraction']:.3%}"
    multiple = t.atr_multiple_high if d["vol_class"] == "high" else t.atr_multiple
    raw = multiple * d["atr_fraction"]
    low, high = t.clip_low * t.sl_anchor, t.clip_high * t.sl_anchor
    clip = f", clipped to {min(max(raw, low), high):.3%}" if not low <= raw <= high else ""
    return (
        f"ATR {d['atr_fraction']:.3%} x {multiple:g} = {raw:.3%}{clip}; class {d['tpsl_class']} -> "
        f"SL {d['sl_fraction']:.3%}, TP {d['tp_fraction']:.3%}"
    )


def _sizing(d: Any, p: Any, frames: RunFrames) -> list[str]:
    rows = [
        line(
            "sizing (19 is off)",
            f"asked for {d['margin_target_usd']:,.2f} USD margin at {d['leverage_target']:g}x"
            + (f", scaled by {d['size_scale']:g} after a losing streak" if d["size_scale"] != 1.0 else ""),
        )
    ]
    if not d["margin_target_usd"] > 0.0:  # refused before any size was computed
        return [line("risk OS (17)", f"entries closed: {d['reason']}")]
    bounds = size_bounds(d, p, frames.equity)
    rows.append(
        line("risk OS (17)", "largest notional by limit, USD: " + " · ".join(f"{b.name} {b.usd:,.2f}" for b in bounds))
    )
    if d["qty"] > 0.0:
        rows.append(
            line(
                "",
                f"bound by {bound_by(d, p, bounds)}; {price(d['qty'])} at {price(d['price'])} = "
                f"{d['notional_usd']:,.2f} USD, {d['leverage']:g}x, margin {d['margin_usd']:,.2f}, rounded down to the lot",
            )
        )
    else:
        rows.append(line("", f"no size: {d['reason']}"))
    return rows


def _governor(d: Any, p: Any) -> list[str]:
    g = p.governor
    loss = d["loss_at_stop_usd"]
    verdict = "approved" if d["reason"] in ("OK", "OVERRIDE") else f"VETO {d['reason']}"
    by_hand = " by manual override" if d["reason"] == "OVERRIDE" else ""
    return [
        f"loss at the stop with costs {loss:,.2f} USD = {loss / d['equity_usd']:.3%} of equity "
        f"(limit {g.max_loss_at_stop:.3%})",
        f"margin {d['margin_usd']:,.2f} (limit {g.max_margin_usd:,.2f}), leverage {d['leverage']:g} "
        f"(limit {g.max_leverage:g}) -> {verdict}{by_hand}",
    ]


def no_candidate_text(frames: RunFrames, moment: pd.Timestamp, symbol: str, p: Any) -> str:
    """Why a symbol has no row at a bar, as far as the journal tells."""
    t = frames.trades
    held = t[(t["symbol"] == symbol) & (t["entry_time"] < moment) & (t["exit_time"] > moment)]
    if len(held):
        return f"   {symbol} was held (trade {held.iloc[0]['trade_id']}): a symbol with a position is no candidate"
    return (
        f"   {symbol} was no candidate: the ensemble's BUY and SELL were both below {p.ensemble.threshold:g}, or its bar "
        f"was missing or its indicators not warm, or {p.chain.max_candidates + p.chain.journal_top} others were surer"
    )


def orders_text(trade: Any, events: pd.DataFrame) -> str:
    """Entry order and every fill."""
    columns = ("quantity", "price", "before slippage", "slippage", "fee", "realised")
    widths = (14, 14, 17, 11, 10, 12)
    head = "".join(f"{name:>{width}}" for name, width in zip(columns, widths, strict=True))
    rows = [
        f"Orders and fills  entry order {trade['entry_seq']}, market, {trade['leverage']:g}x",
        f"   {'time UTC':<18}{'order':<12}{head}",
    ]
    for _, e in _fills(events).iterrows():
        cells = [price(e["qty"]), price(e["price"]), price(e["old_value"])]
        cells += [f"{e[name]:.4f}" for name in ("value", "fee_usd", "realised_usd")]
        name = e["kind"] if e["tag"] == "none" else e["tag"]
        text = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        rows.append(f"   {when(e['time']):<18}{name:<12}{text}")
    for _, e in events[events["kind"].isin(["cancel", "reject"])].iterrows():
        rows.append(f"   {when(e['time']):<18}{e['tag']:<12}{e['kind']}: {e['reason']}")
    return "\n".join(rows)


def stops_text(trade: Any, events: pd.DataFrame) -> str:
    """First protection and every move of the stop."""
    moves = events[events["kind"] == "stop_moved"]
    first = moves.iloc[0]["old_value"] if len(moves) else trade["sl_price"]
    rows = [
        f"Protection  stop {price(first)} ({trade['sl_fraction']:.3%} from the entry), target {price(trade['tp_price'])} "
        f"({trade['tp_fraction']:.3%}), each rounded toward the entry"
    ]
    rows += [
        f"   {when(m['time']):<18}stop {price(m['old_value'])} -> {price(m['value'])}" for _, m in moves.iterrows()
    ]
    return "\n".join(rows if len(moves) else [*rows, "   the stop was never moved"])


def funding_text(events: pd.DataFrame) -> str:
    """Every settlement."""
    rows = events[events["kind"] == "funding"]
    if not len(rows):
        return ""
    texts = [
        f"   {when(e['time']):<18}-({price(e['qty'])} x mark {price(e['price'])} x rate {e['old_value']:.6%})"
        f" = {e['value']:+.4f} USD"
        for _, e in rows.iterrows()
    ]
    return "\n".join(["Funding", *texts])


def exit_text(trade: Any) -> str:
    """How it ended."""
    if trade["exit_reason"] == "open":
        return "Exit  none yet: valued at the last mark, exit costs not yet paid"
    ambiguous = "; the bar reached stop and target both, decided by venue.intrabar" if trade["ambiguous"] else ""
    return (
        f"Exit  {trade['exit_reason']} at {price(trade['exit_price'])} on {when(trade['exit_time'])} UTC; "
        f"worst ROI on the way {-trade['worst_roi']:.2%}{ambiguous}"
    )


def result_text(trade: Any, events: pd.DataFrame) -> str:
    """PnL from the journal's rows, held against the trade's own row."""
    fills, funding = _fills(events), events[events["kind"] == "funding"]
    realised, fees = fills["realised_usd"].sum(), fills["fee_usd"].sum()
    unrealised = trade["pnl_gross_usd"] - realised if trade["exit_reason"] == "open" else 0.0
    total = realised + unrealised - fees + funding["value"].sum() + trade["insurance_usd"]
    rows = ["Result, USD", line("price profit", f"{realised:+14.6f}")]
    if trade["exit_reason"] == "open":
        rows.append(line("unrealised", f"{unrealised:+14.6f}"))
    rows += [
        line(f"fees of {len(fills)} fills", f"{-fees:+14.6f}"),
        line(f"{len(funding)} funding payments", f"{funding['value'].sum():+14.6f}"),
        line("insurance fund", f"{trade['insurance_usd']:+14.6f}"),
        line("PnL", f"{total:+14.6f}   {_agreement(total - trade['pnl_usd'])}"),
        line("slippage", f"{-fills['value'].sum():+14.6f}   inside the fill prices, not subtracted again"),
    ]
    if trade["initial_risk_usd"] > 0.0:
        rows.append(
            line(
                "R",
                f"   {trade['pnl_usd']:+.6f} / {trade['initial_risk_usd']:.6f} initial risk = {trade['r_multiple']:+.4f}",
            )
        )
    return "\n".join(rows)


def _agreement(difference: float) -> str:
    return (
        "as in trades.parquet"
        if abs(difference) <= TOLERANCE_USD
        else f"DIFFERS from the trade's row by {difference:+.6f}"
    )


def _fills(events: pd.DataFrame) -> pd.DataFrame:
    return events[events["kind"].isin(["fill", "liquidation"])]
