"""Mutations of the chain: selection, reservation, account, positions."""

from tests.mutations import killers
from tests.mutations.mutant import Mutant

CHAIN = (
    Mutant(
        "ties go to the later name",
        "stages/signals.py",
        "while k > 0 and key > _order_key(p, out.candidates[out.order[k - 1]]):",
        "while k > 0 and key >= _order_key(p, out.candidates[out.order[k - 1]]):",
        killers.SELECTION,
    ),
    Mutant(
        "margin not reserved",
        "stages/entries.py",
        "    fund.reserved_margin_usd += c.margin_usd\n",
        "    fund.reserved_margin_usd += 0.0\n",
        killers.SELECTION,
    ),
    Mutant(
        "slot not reserved",
        "stages/entries.py",
        "        fund.n_slots += 1\n",
        "        fund.n_slots += 0\n",
        killers.SELECTION,
    ),
    Mutant(
        "governor skipped",
        "stages/entries.py",
        "    return _govern(p, state, c, out)\n",
        "    return OK\n",
        killers.REASONS,
    ),
    Mutant(
        "kill switch skipped",
        "stages/entries.py",
        "if gate != OK and p.risk.mode == ENFORCED:",
        "if gate > 99 and p.risk.mode == ENFORCED:",
        killers.RISK,
    ),
    Mutant(
        "a position that is pending is not held",
        "stages/signals.py",
        "    if s.qty != 0.0 or s.pending_seq != 0:\n",
        "    if s.qty != 0.0:\n",
        killers.SELECTION,
    ),
    Mutant(
        "reservation kept after a refusal",
        "stages/order_end.py",
        "    fund.reserved_margin_usd -= s.pending_margin_usd\n",
        "    fund.reserved_margin_usd -= 0.0\n",
        killers.SELECTION,
    ),
    Mutant(
        "initial risk from the whole entry price",
        "stages/protection.py",
        "s.initial_risk_usd = s.first_qty * s.sl_distance",
        "s.initial_risk_usd = s.first_qty * s.avg_price",
        killers.GOLDENS,
    ),
    Mutant(
        "fees count as profit",
        "stages/trades.py",
        "t.pnl_usd = s.realised_usd - s.fee_usd + s.funding_usd",
        "t.pnl_usd = s.realised_usd + s.fee_usd + s.funding_usd",
        killers.GOLDENS,
    ),
    Mutant(
        "a win counts towards the losing streak",
        "stages/events.py",
        "fund.losing_streak + 1 if t.pnl_usd < 0.0 else 0",
        "fund.losing_streak + 1 if t.pnl_usd > 0.0 else 0",
        killers.REASONS,
    ),
    Mutant(
        "protection on the wrong side",
        "stages/protection.py",
        "op, e.symbol, s.sl_seq, STOP, -side, TAG_SL",
        "op, e.symbol, s.sl_seq, STOP, side, TAG_SL",
        killers.GOLDENS,
    ),
    Mutant(
        "trail measured from the close",
        "stages/manage.py",
        "bars.px[f, i, PX_CLOSE] if inside else bars.px[f, i, PX_HIGH]",
        "bars.px[f, i, PX_CLOSE]",
        killers.SELECTION,
    ),
    Mutant(
        "unrealised profit without the sign of the position",
        "stages/account.py",
        "unrealised += s.qty * move",
        "unrealised += abs(s.qty) * move",
        killers.GOLDENS,
    ),
    Mutant(
        "the day begins a bar late",
        "stages/account.py",
        "if now_ms < fund.next_day_ms:",
        "if now_ms <= fund.next_day_ms:",
        killers.RISK,
    ),
    Mutant(
        "a pause by the day's drawdown never ends",
        "stages/account.py",
        ("    if fund.paused == PAUSED_UNTIL_MIDNIGHT:\n        fund.paused = 0"),
        ("    if fund.paused == PAUSED_BY_HAND:\n        fund.paused = 0"),
        killers.RISK,
    ),
)
