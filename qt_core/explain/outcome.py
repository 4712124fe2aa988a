"""The last sections: how it ended, how the profit adds up, and what was learned from it."""

from typing import Any

from qt_core.codes import EV_FUNDING, EXIT_NAMES, LEARN_FROZEN, LEARN_SHADOW, M_SIZER, M_STRATEGY, OFF
from qt_core.enums import T_CLASS, T_STRATEGY
from qt_core.explain.journal import Array, still_open
from qt_core.explain.life import fills_of
from qt_core.explain.plan import action_words, state_words
from qt_core.explain.signal import cell_words
from qt_core.explain.words import label, line, listed, pct, price, times, when, word
from qt_core.records import JE_NOT_LEARNED, JE_Q_SIZE, JE_Q_STRATEGY, SIZER_ACTIONS, STRATEGIES

TOLERANCE_USD = 1e-6  # what rounding of sums may leave over
HOUR_MS = 3_600_000.0
HOURS_PER_DAY = 24.0
PERCENT = 100.0


def exit_text(trade: Any) -> str:
    """How it ended, and what the position was by then."""
    if still_open(trade):
        return "Exit  none yet: valued at the last mark, exit costs not yet paid"
    ambiguous = "; the bar reached stop and target both, decided by venue.intrabar" if trade["ambiguous"] else ""
    life = listed(
        [
            f"last class {word(T_CLASS, trade['class_code'])}" if trade["class_code"] else "",
            times(int(trade["n_scaled"]), "scale-in") if trade["n_scaled"] else "",
            times(int(trade["n_rungs"]), "rung") + " filled" if trade["n_rungs"] else "",
            "let run without a target" if trade["let_run"] else "",
        ]
    )
    return (
        f"Exit  {EXIT_NAMES[trade['exit_reason']]} at {price(trade['exit_price'])} on {when(int(trade['exit_ms']))} UTC; "
        f"worst ROI on the way {pct(-trade['worst_roi'])}{ambiguous}" + (f"\n   {life}" if life else "")
    )


def result_text(trade: Any, events: Array) -> str:
    """PnL from the journal's rows, held against the trade's own row."""
    fills, funding = fills_of(events), events[events["kind"] == EV_FUNDING]
    realised, fees = float(fills["realised_usd"].sum()), float(fills["fee_usd"].sum())
    paid = float(funding["value"].sum())
    unrealised = float(trade["pnl_gross_usd"]) - realised if still_open(trade) else 0.0
    total = realised + unrealised - fees + paid + float(trade["insurance_usd"])
    rows = ["Result, USD", line("price profit", f"{realised:+14.6f}")]
    if still_open(trade):
        rows.append(line("unrealised", f"{unrealised:+14.6f}"))
    rows += [
        line(f"fees of {times(len(fills), 'fill')}", f"{-fees:+14.6f}"),
        line(times(len(funding), "funding payment"), f"{paid:+14.6f}"),
        line("insurance fund", f"{trade['insurance_usd']:+14.6f}"),
        line("PnL", f"{total:+14.6f}   {_agreement(total - float(trade['pnl_usd']))}"),
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
        "as in the trade's row"
        if abs(difference) <= TOLERANCE_USD
        else f"DIFFERS from the trade's row by {difference:+.6f}"
    )


def learning_text(trade: Any, events: Array, p: Any) -> str:
    """Old Q -> new Q of 19 and 21, with reward and step; or why nothing was learned."""
    if still_open(trade):
        return "Learning  nothing before it is closed"
    rows = ["Learning", *_size_rows(trade, events, p), *_strategy_rows(trade, events, p)]
    return "\n".join(rows)


def _size_rows(trade: Any, events: Array, p: Any) -> list[str]:
    name, q = label(M_SIZER), p.sizer
    hit = events[events["kind"] == JE_Q_SIZE]
    if not len(hit):
        return [line(name, _nothing(q, trade, bool((events["kind"] == JE_NOT_LEARNED).any())))]
    e = hit[-1]
    state, action = divmod(int(e["seq"]), SIZER_ACTIONS)
    credited = action_words(action, q)
    if trade["sizer_action"] >= 0 and action != trade["sizer_action"]:
        credited += f", the nearest to what was filled (asked {action_words(trade['sizer_action'], q)})"
    return [
        line(name, f"state {state} ({state_words(state)}), {credited}"),
        line("", _update(e) + _shadow(q)),
        line("", _reward(trade, p)),
    ]


def _update(e: Any) -> str:
    old, new, reward, alpha = (float(e[k]) for k in ("old_value", "value", "qty", "price"))
    return f"Q {old:+.6f} -> {new:+.6f} = old + {alpha:g} x (reward {reward:+.6f} - old)"


def _shadow(q: Any) -> str:
    return (
        " [in the copy that learns in shadow; the table that acts is unchanged]" if q.learning == LEARN_SHADOW else ""
    )


def _reward(trade: Any, p: Any) -> str:
    """The reward of 19 from the trade's row."""
    q = p.sizer
    base = p.chain.base_margin_usd if q.pnl_base == 0 else trade["margin_usd"]
    of = "the base margin" if q.pnl_base == 0 else "its margin"
    hours = (int(trade["exit_ms"]) - int(trade["entry_ms"])) / HOUR_MS
    won = f" + {q.win_bonus:g} for the win" if trade["pnl_usd"] > 0.0 else ""
    return (
        f"reward = {PERCENT * trade['pnl_usd'] / base:+.4f} % of {of} - {hours:g} h x {q.holding_cost / HOURS_PER_DAY:.6f}"
        f" - {q.drawdown_weight:g} x {PERCENT * trade['worst_roi']:.4f} % worst ROI{won}"
    )


def _strategy_rows(trade: Any, events: Array, p: Any) -> list[str]:
    name, q = label(M_STRATEGY), p.strategy
    hit = events[events["kind"] == JE_Q_STRATEGY]
    if not len(hit):
        return [line(name, _nothing(q, trade, trade["strategy"] >= 0 and q.learning != LEARN_FROZEN))]
    e = hit[-1]
    state, strategy = divmod(int(e["seq"]), STRATEGIES)
    clip = f", R {trade['r_multiple']:+.4f} clipped" if e["qty"] != trade["r_multiple"] else ", the trade's R"
    return [
        line(name, f"{word(T_STRATEGY, strategy)} in state {state} ({cell_words(state)})"),
        line("", _update(e) + clip + _shadow(q)),
    ]


def _nothing(q: Any, trade: Any, refused: bool) -> str:
    if q.mode == OFF:
        return "off: it chose nothing, so nothing is learned"
    if refused:
        return f"not learned: an exit by {EXIT_NAMES[trade['exit_reason']]} judges a person or a fault, not the choice"
    return "frozen: nothing is learned"
