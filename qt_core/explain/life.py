"""The fourth section: orders and fills, and what monitoring, class, stop, ladder and account did while it was held."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import (
    BY_NONE,
    CMD_DEPTH,
    CMD_FEED,
    CMD_GAP,
    CMD_HEALTH,
    CMD_POLICY,
    CMD_SPREAD,
    COMMAND_NAMES,
    EV_CANCEL,
    EV_COMMAND,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    EXIT_CORRELATED,
    EXIT_EMERGENCY,
    EXIT_NAMES,
    EXIT_ORDER,
    EXIT_REDUCE,
    EXIT_SENTIMENT,
    EXIT_TRIM,
    M_AELM,
    M_AMPLIFICATION,
    M_BALANCER,
    M_ESS,
    M_HEALTH,
    M_HFOS,
    M_INTELLIGENCE,
    M_MONITOR,
    M_MSC,
    M_TPSL,
    OK,
    ORDER_KIND_NAMES,
    REASON_NAMES,
    RUNG_DROPPED,
    RUNG_MERGED,
    SCALED_IN,
    TAG_NAMES,
)
from qt_core.enums import T_ADVICE, T_CLASS, T_DIRECTIVE, T_ESS, T_HEALTH, T_POLICY, T_RISK_MODE
from qt_core.explain.journal import Array, Journal, tag_name
from qt_core.explain.words import EVENT_WORDS, RESET_BY, label, line, pct, price, when, word
from qt_core.records import (
    JE_CLASS,
    JE_ESS_LATCH,
    JE_ESS_RESET,
    JE_EXIT,
    JE_HEALTH,
    JE_HFOS,
    JE_LADDER,
    JE_LET_RUN,
    JE_POLICY,
    JE_PROTECT,
    JE_REDUCE,
    JE_RETRY,
    JE_SCALE_IN,
    JE_STOP_MOVED,
)

FILLS = (EV_FILL, EV_LIQUIDATION)
Row = tuple[int, str]  # module that acted, what it did

COLUMNS = ("quantity", "price", "before slippage", "slippage", "fee", "realised")
WIDTHS = (14, 14, 17, 11, 10, 12)
TIME_WIDTH, TAG_WIDTH = 18, 12


def fills_of(events: Array) -> Array:
    """Fills and liquidations among the events."""
    return events[np.isin(events["kind"], FILLS)]


def orders_text(trade: Any, decision: "Any | None", events: Array) -> str:
    """Entry order, every fill, and what was cancelled, refused or sent again."""
    head = "".join(f"{name:>{width}}" for name, width in zip(COLUMNS, WIDTHS, strict=True))
    kind = "" if decision is None else f", {ORDER_KIND_NAMES[decision['order_kind']]}"
    rows = [
        f"Orders and fills  entry order {int(trade['entry_seq'])}{kind}, {trade['leverage']:g}x",
        f"   {'time UTC':<{TIME_WIDTH}}{'order':<{TAG_WIDTH}}{head}",
    ]
    for e in events:
        if e["kind"] in FILLS:
            rows.append(f"   {_stamp(e)}{_filled(e)}")
        elif e["kind"] in (EV_CANCEL, EV_REJECT, JE_RETRY):
            rows.append(f"   {_stamp(e)}{_ended(e)}")
    return "\n".join(rows)


def _filled(e: Any) -> str:
    cells = [price(e["qty"]), price(e["price"]), price(e["old_value"])]
    cells += [f"{e[name]:.4f}" for name in ("value", "fee_usd", "realised_usd")]
    text = "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"{tag_name(e, EVENT_WORDS):<{TAG_WIDTH}}{text}"


def _stamp(e: Any) -> str:
    return f"{when(int(e['time_ms'])):<{TIME_WIDTH}}"


def _ended(e: Any) -> str:
    if e["kind"] == JE_RETRY:
        return f"{'entry':<{TAG_WIDTH}}sent again by {label(M_AELM)}, attempt {int(e['value']) + 1}"
    name = TAG_NAMES[e["tag"]] if e["tag"] else "order"
    return f"{name:<{TAG_WIDTH}}{EVENT_WORDS[int(e['kind'])]}: {REASON_NAMES[e['reason']]}"


def life_text(j: Journal, trade: Any, mine: npt.NDArray[np.int64]) -> str:
    """First protection, then in order what each module did with the position, and what changed for the whole account."""
    events = j.events[mine]
    moves = events[events["kind"] == JE_STOP_MOVED]
    first = moves[0]["old_value"] if len(moves) else trade["sl_price"]
    rows = [
        f"Protection and monitoring  stop {price(first)} ({pct(trade['sl_fraction'], 3)} from the entry), "
        f"target {price(trade['tp_price'])} ({pct(trade['tp_fraction'], 3)}), each rounded toward the entry"
    ]
    for e in j.events[np.union1d(mine, j.account_rows(trade))]:
        teller = TELLERS.get(int(e["kind"]))
        if teller is not None:
            module, text = teller(e)
            rows.append(f"   {_stamp(e)}{line(label(module), text).strip()}")
    return "\n".join(rows if len(rows) > 1 else [*rows, "   nothing was changed until it was closed"])


def _stop_moved(e: Any) -> Row:
    return M_TPSL, f"stop {price(e['old_value'])} -> {price(e['value'])}"


def _class(e: Any) -> Row:
    old, new = word(T_CLASS, int(e["old_value"])), word(T_CLASS, int(e["value"]))
    return M_INTELLIGENCE, (
        f"{old} -> {new} at R {e['qty']:+.3f}, class confidence {e['price']:.2f}, advice {word(T_ADVICE, e['reason'])}"
    )


def _ladder(e: Any) -> Row:
    lost = {
        RUNG_DROPPED: "a rung at or beyond the target is dropped, its share trails",
        RUNG_MERGED: "a rung below the smallest order is merged into the next",
    }.get(int(e["reason"]), "")
    if not e["qty"] > 0.0:
        return M_AMPLIFICATION, f"no rung: {lost or 'none is asked for'}"
    text = f"{TAG_NAMES[e['tag']].replace('_', ' ')}: {price(e['qty'])} rests at {price(e['price'])}"
    return M_AMPLIFICATION, text + (f"; {lost}" if lost else "")


def _let_run(e: Any) -> Row:
    return M_AMPLIFICATION, f"let run: the target {price(e['old_value'])} is taken away, the trail alone decides"


def _scale_in(e: Any) -> Row:
    if e["reason"] == SCALED_IN:
        return M_AMPLIFICATION, f"scaled in: {price(e['value'])} entered in all, {price(e['old_value'])} at first"
    return M_AMPLIFICATION, (
        f"asks to add {price(e['qty'])}, at most at {price(e['price'])}, at R {e['old_value']:+.3f}; "
        f"loss at the stop of the whole then {e['value']:,.2f} USD, approved"
    )


REASONS_OF_EXIT = {EXIT_CORRELATED: M_BALANCER, EXIT_TRIM: M_BALANCER, EXIT_REDUCE: M_HFOS, EXIT_EMERGENCY: M_ESS}


def _exit(e: Any) -> Row:
    why = int(e["value"])
    text = f"asks to close at R {e['old_value']:+.3f}: {EXIT_NAMES[why]}"
    if why == EXIT_SENTIMENT:
        text += f", the ensemble acts against it with {e['price']:.3f}"
    return (0 if why == EXIT_ORDER else REASONS_OF_EXIT.get(why, M_MONITOR)), text


def _reduce(e: Any) -> Row:
    why = int(e["reason"])
    part = e["value"] / e["old_value"] if e["old_value"] > 0.0 else 0.0
    text = f"{EXIT_NAMES[why]}: closes {price(e['value'])} of {price(e['old_value'])} ({pct(part, 1)})"
    return REASONS_OF_EXIT.get(why, M_MONITOR), text


def _protect(_e: Any) -> Row:
    return M_MONITOR, "protection was missing and is placed again"


def _risk_mode(e: Any) -> Row:
    old, new = word(T_RISK_MODE, int(e["old_value"])), word(T_RISK_MODE, int(e["value"]))
    by = f", by {word(T_DIRECTIVE, e['reason'])}" if e["reason"] != BY_NONE else ""
    return M_HFOS, f"account: {old} -> {new}{by}"


def _policy(e: Any) -> Row:
    old, new = word(T_POLICY, int(e["old_value"])), word(T_POLICY, int(e["value"]))
    return M_MSC, "account: " + (f"{old} -> {new}" if old != new else f"{new}, other strategies allowed")


def _latched(e: Any) -> Row:
    return M_ESS, f"account: LATCHED by {word(T_ESS, int(e['value']))}, drawdown since reset {pct(e['old_value'])}"


def _reset(e: Any) -> Row:
    by = RESET_BY[e["reason"]] if 0 <= e["reason"] < len(RESET_BY) else f"reason {int(e['reason'])}"
    return M_ESS, f"account: reset, {by}"


def _health(e: Any) -> Row:
    return M_HEALTH, f"account: {word(T_HEALTH, int(e['old_value']))} -> {word(T_HEALTH, int(e['value']))}"


def _command(e: Any) -> Row:
    """What a person, a monitor or a fault script said."""
    command, code, x = int(e["seq"]), int(e["old_value"]), float(e["value"])
    text = {
        CMD_HEALTH: f" {word(T_HEALTH, code)}",
        CMD_FEED: " lost" if code else " back",
        CMD_GAP: " begins" if code else " ends",
        CMD_POLICY: f" row {word(T_POLICY, code)}",
        CMD_SPREAD: f" {pct(x, 3)}" if x == x else " unknown again",
        CMD_DEPTH: f" {x:,.2f} USD" if x == x else " unknown again",
    }.get(command, "")
    refused = f", refused: {REASON_NAMES[e['reason']]}" if e["reason"] != OK else ""
    return 0, f"heard: {COMMAND_NAMES[command]}{text}{refused}"


Teller = Callable[[Any], Row]
TELLERS: dict[int, Teller] = {
    JE_STOP_MOVED: _stop_moved,
    JE_CLASS: _class,
    JE_LADDER: _ladder,
    JE_LET_RUN: _let_run,
    JE_SCALE_IN: _scale_in,
    JE_EXIT: _exit,
    JE_REDUCE: _reduce,
    JE_PROTECT: _protect,
    JE_HFOS: _risk_mode,
    JE_POLICY: _policy,
    JE_ESS_LATCH: _latched,
    JE_ESS_RESET: _reset,
    JE_HEALTH: _health,
    EV_COMMAND: _command,
}


def funding_text(events: Array) -> str:
    """Every settlement; empty where there was none."""
    rows = events[events["kind"] == EV_FUNDING]
    if not len(rows):
        return ""
    texts = [
        f"   {_stamp(e)}-({price(e['qty'])} x mark {price(e['price'])} x rate {e['old_value']:.6%})"
        f" = {e['value']:+.4f} USD"
        for e in rows
    ]
    return "\n".join(["Funding", *texts])
