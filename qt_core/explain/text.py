"""The explanation of one trade, or of what was decided at one bar, put together from its sections."""

from datetime import UTC, datetime
from typing import Any

from qt_core.codes import EXIT_NAMES
from qt_core.errors import DataError
from qt_core.explain import life, outcome
from qt_core.explain.journal import Journal, still_open
from qt_core.explain.market import market_text
from qt_core.explain.plan import plan_text, verdict
from qt_core.explain.signal import signal_text
from qt_core.explain.words import side_name, times, when

HOUR_MS = 3_600_000.0


def explain(j: Journal, trade_id: int) -> str:
    """Market and policies, signal, plan, orders, life, exit, result and learning of one trade.

    Raises
    ------
    DataError
        If there is no such trade (naming the range there is), or the run kept no journal.
    """
    trade = j.trade(trade_id)
    row = j.decision_of(trade)
    mine = j.rows_of(trade, row)
    events, known = j.events[mine], row >= 0
    decision = j.decisions[row] if known else None
    sections = (
        _title(j, trade),
        market_text(j, decision) if known else "Decision: not in the journal",
        signal_text(j, row) if known else "",
        plan_text(j, decision) if known else "",
        life.orders_text(trade, decision, events),
        life.life_text(j, trade, mine),
        life.funding_text(events),
        outcome.exit_text(trade),
        outcome.result_text(trade, events),
        outcome.learning_text(trade, events, j.config.params()),
    )
    return "\n\n".join(text for text in sections if text)


def explain_bar(j: Journal, time: str, symbol: "str | None" = None) -> str:
    """What was decided at the close of a bar: every candidate, or why the named symbol was none.

    Parameters
    ----------
    time : ISO text, UTC; the moment of the decision, which is the close of one bar and the open of the next.

    Raises
    ------
    DataError
        If the run has no decision at that time, no such symbol, or kept no journal.
    """
    moment = _moment(time)
    if symbol is not None and symbol not in j.symbols:
        raise DataError(f"unknown symbol {symbol}; the run has {', '.join(j.symbols)}")
    rows = j.decided_at(moment)
    if symbol is not None:
        rows = rows[j.decisions["symbol"][rows] == j.symbols.index(symbol)]
    head = f"{when(moment)} UTC: {times(len(rows), 'candidate')}" + (f" of {symbol}" if symbol else "") + _stamps(j)
    if len(rows):
        texts = [market_text(j, j.decisions[rows[0]]), *(_candidate(j, int(row)) for row in rows)]
    else:
        texts = [] if symbol is None else [_no_candidate(j, moment, symbol)]
    return "\n\n".join([head, *texts])


def _stamps(j: Journal) -> str:
    unsafe = j.config.unsafe
    return (" · SIMULATED" if j.simulated else "") + (f" · UNSAFE: {', '.join(unsafe)} not enforced" if unsafe else "")


def _title(j: Journal, t: Any) -> str:
    """Head line and outcome."""
    hours = (int(t["exit_ms"]) - int(t["entry_ms"])) / HOUR_MS
    end = (
        "still open at the end of the run"
        if still_open(t)
        else f"closed {when(int(t['exit_ms']))} by {EXIT_NAMES[t['exit_reason']]}"
    )
    return (
        f"Trade {int(t['trade_id'])} · {j.symbols[t['symbol']]} · {side_name(t['side'])}{_stamps(j)}\n"
        f"opened {when(int(t['entry_ms']))} UTC, {end}, {hours:.1f} h · "
        f"PnL {t['pnl_usd']:+.2f} USD · {t['r_multiple']:+.2f} R"
    )


def _candidate(j: Journal, row: int) -> str:
    """One candidate of a bar, its outcome first."""
    d = j.decisions[row]
    head = f"Candidate {int(d['rank']) + 1}  {j.symbols[d['symbol']]} {side_name(d['side'])} · {verdict(d)}"
    return "\n".join([head, signal_text(j, row), plan_text(j, d)])


def _moment(time: str) -> int:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise DataError(f"time {time!r} not understood; ISO such as 2021-05-19T13:00 expected") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return round(moment.timestamp() * 1000.0)


def _no_candidate(j: Journal, moment: int, symbol: str) -> str:
    """Why a symbol has no row at a bar, as far as the journal tells."""
    t = j.trades[j.trades["symbol"] == j.symbols.index(symbol)]
    held = t[(t["entry_ms"] < moment) & (t["exit_ms"] > moment)]
    if len(held):
        return f"   {symbol} was held (trade {int(held[0]['trade_id'])}): a symbol with a position is no candidate"
    p = j.config.params()
    return (
        f"   {symbol} was no candidate: the ensemble's BUY and SELL were both below {p.ensemble.threshold:g}, its bar was "
        "missing or its indicators not warm, an entry was still working, the universe (11) did not admit it, or "
        f"{p.chain.max_candidates + p.chain.journal_top} others had a higher score"
    )
