"""Step 1: marks, equity, drawdowns, the day's roll, and the kill switch that follows from them."""

from typing import Any

from qt_core._jit import inner, natural
from qt_core.codes import ENFORCED, OFF, PX_MARK_CLOSE

DAY_MS = 86_400_000
PAUSED_UNTIL_MIDNIGHT = 1  # 2: by hand


@inner
def round_trip_cost(p: Any) -> float:
    """What entering and leaving costs, as a fraction of the notional: two taker fees and slippage (SPEC module 17)."""
    return float(2.0 * p.chain.taker_fee + p.chain.slippage)


@inner
def mark_positions(state: Any, bars: Any, f: int) -> None:
    """Mark open positions at the bar's closing mark (the last known one where the bar is missing)."""
    fund = state.fund[0]
    unrealised = 0.0
    exposure = 0.0
    for k in range(fund.n_open):
        i = natural(state.open_list[k])
        s = state.symbol[i]
        if bars.valid[f, i]:
            s.mark = bars.px[f, i, PX_MARK_CLOSE]
        move = s.mark - s.avg_price
        unrealised += s.qty * move
        exposure += abs(s.qty) * s.mark
        roi = s.side * move / s.avg_price * s.leverage
        if -roi > s.worst_roi:
            s.worst_roi = -roi
    fund.unrealised_usd = unrealised
    fund.exposure_usd = exposure
    fund.equity_usd = fund.wallet_usd + unrealised


@inner
def roll_day(fund: Any, now_ms: int) -> None:
    """At 00:00 UTC the day's reference equity is taken anew and an automatic pause ends."""
    if now_ms < fund.next_day_ms:
        return
    if fund.next_day_ms >= 0:
        fund.day_start_equity_usd = fund.equity_usd
    fund.next_day_ms = (now_ms // DAY_MS + 1) * DAY_MS
    if fund.paused == PAUSED_UNTIL_MIDNIGHT:
        fund.paused = 0


@inner
def account_step(p: Any, state: Any, bars: Any, f: int, now_ms: int) -> None:
    """Equity, day, drawdowns; a day's drawdown beyond the limit pauses entries until 00:00 UTC."""
    mark_positions(state, bars, f)
    fund = state.fund[0]
    fund.now_ms = now_ms
    roll_day(fund, now_ms)
    equity = fund.equity_usd
    if equity > fund.peak_equity_usd:
        fund.peak_equity_usd = equity
    fund.drawdown = 1.0 - equity / fund.peak_equity_usd
    if fund.drawdown > fund.max_drawdown:
        fund.max_drawdown = fund.drawdown
    if p.ess.mode | p.msc.mode != OFF:  # who reads it
        fund.ess_peak_usd = max(fund.ess_peak_usd, equity)
        fund.ess_drawdown = 1.0 - equity / fund.ess_peak_usd
    fund.day_drawdown = max(0.0, 1.0 - equity / fund.day_start_equity_usd)
    if p.risk.mode == ENFORCED and fund.day_drawdown > p.risk.max_day_drawdown and fund.paused == 0:
        fund.paused = PAUSED_UNTIL_MIDNIGHT


@inner
def on_adjust(state: Any, e: Any) -> None:
    """Money moved in or out (``value`` USD): references move with it, so that a deposit is no profit."""
    fund = state.fund[0]
    fund.wallet_usd = e.wallet_usd
    fund.equity_usd += e.value
    fund.peak_equity_usd += e.value
    fund.ess_peak_usd += e.value
    fund.day_start_equity_usd += e.value
