"""The order of the modules, and the three entries through which alone State changes (SPEC section 1, DESIGN section 2).

``on_event``  what the venue or a person says      -> account, positions, protection
``on_bar``    a closed decision bar                -> account, context, signals, open positions, entries
``on_guard``  a closed finer bar (live: every 10 s) -> account, open positions; may only protect, reduce, close

Each is a pure step of (params, state, inputs): no clock, no I/O, no draw. Requests to the venue and journal rows go to the
caller-owned ``out``. The live adapter calls these functions; the backtester's loop holds the same steps once
(``on_close``), and a test compares the two byte for byte.
"""

from typing import Any, NamedTuple

from qt_core._jit import inner, natural
from qt_core.codes import EV_ADJUST, EV_CANCEL, EV_COMMAND, EV_FILL, EV_FUNDING, EV_LIQUIDATION, EV_REJECT
from qt_core.context import health, hedgefund_os, msc_policy, orchestrator_policy, regime, retraining, universe
from qt_core.engine.params import VenueParams
from qt_core.execution import aelm
from qt_core.position import amplification, dynamic_tpsl, intelligence, monitor
from qt_core.risk import emergency_stop, portfolio_balancer, risk_os, safety_governor
from qt_core.selection import meta_strategy, opportunity_ranker
from qt_core.signal import ensemble, supervisor, trading_engine
from qt_core.sizing import mathematician, rl_sizer
from qt_core.stages.account import account_step, on_adjust
from qt_core.stages.commands import on_command
from qt_core.stages.context import context_step
from qt_core.stages.entries import enter
from qt_core.stages.events import on_fill, on_funding
from qt_core.stages.judging import supervise
from qt_core.stages.labels import resolve_labels
from qt_core.stages.manage import manage_positions
from qt_core.stages.order_end import cancel_entries, on_order_end
from qt_core.stages.portfolio import balance_step
from qt_core.stages.ranking import rank_all
from qt_core.stages.safety import hfos_step, stop_step
from qt_core.stages.signals import collect
from qt_core.state import N_CLOSED


class ChainParams(NamedTuple):
    """What belongs to no single module."""

    initial_equity_usd: float = 10_000.0
    base_margin_usd: float = 200.0
    neutral_multiplier: float = 1.0  # sizing while module 19 is OFF
    neutral_leverage: float = 3.0
    max_candidates: int = 5  # candidates looked at per bar
    journal_top: int = 0  # further candidates journalled as NOT_SELECTED
    entry_work_bars: int = 3  # decision bars an entry order may work before what is left of it is cancelled
    recent_trades: int = 20  # trades whose mean R is the performance (19, 7, MSC)
    record_ms: int = 259_200_000  # the recent record (streak, mean R) counts for 7, 19 and MSC this long after a close
    recent_weight: float = 0.2  # weight of a symbol's last trade in its recent R (22)
    calibration_refresh: int = 25  # outcomes after which a model's calibration is computed again (12)
    taker_fee: float = 0.0005  # costs the chain reckons with; config copies them from the venue
    slippage: float = 0.0002


CHAIN_BOUNDS = {
    "initial_equity_usd": (1.0, 1e12),
    "base_margin_usd": (0.01, 1e12),
    "neutral_multiplier": (0.01, 10.0),
    "neutral_leverage": (1.0, 125.0),
    "max_candidates": (1, 32),
    "journal_top": (0, 32),
    "entry_work_bars": (1, 1000),
    "recent_trades": (1, 64),
    "record_ms": (0, 31_536_000_000),
    "recent_weight": (0.0, 1.0),
    "calibration_refresh": (1, 1_000_000),
}


class Params(NamedTuple):
    """Every number of a run. A kernel gets its own part."""

    chain: ChainParams
    engine: trading_engine.Params  # 1
    ensemble: ensemble.Params  # 6
    hfos: hedgefund_os.Params  # 7
    balancer: portfolio_balancer.Params  # 8
    amplify: amplification.Params  # 9
    intelligence: intelligence.Params  # 10
    universe: universe.Params  # 11
    supervisor: supervisor.Params  # 12
    retraining: retraining.Params  # 13
    tpsl: dynamic_tpsl.Params  # 14
    health: health.Params  # 15
    aelm: aelm.Params  # 16
    risk: risk_os.Params  # 17
    orchestrator: orchestrator_policy.Params  # 18
    sizer: rl_sizer.Params  # 19
    mathematician: mathematician.Params  # 20
    strategy: meta_strategy.Params  # 21
    ranker: opportunity_ranker.Params  # 22
    monitor: monitor.Params  # 23
    governor: safety_governor.Params  # 24
    regime: regime.Params
    ess: emergency_stop.Params
    msc: msc_policy.Params
    venue: VenueParams


class Rows(NamedTuple):
    """Chain inputs at decision bars; live passes T = 1."""

    proba: Any  # float32 [T, N, 4, 3]
    available: Any  # bool [T, N, 4]
    ctx: Any  # float64 [T, N, CTX_COLUMNS]
    eligible: Any  # bool [T, N]
    brackets: Any  # BRACKET_DT [N, 16]
    n_brackets: Any  # int64 [N]
    correlation: Any  # float32 [D, N (N - 1) / 2], packed strictly lower triangle, NaN = unknown
    correlation_row: Any  # int64 [T], row in force at each decision, -1 = none


@inner
def note_bar(state: Any, out: Any) -> None:
    """The journal names the bar by how many have closed before."""
    fund = state.fund[0]
    out.n[N_CLOSED] = fund.n_bars + fund.n_guards


@inner
def on_event(p: Any, state: Any, event: Any, out: Any) -> None:
    """Apply one event; requests it causes are appended to ``out``."""
    note_bar(state, out)
    e = event[0]
    kind = e.kind
    if kind in (EV_FILL, EV_LIQUIDATION):
        on_fill(p, state, e, out)
    elif kind == EV_FUNDING:
        on_funding(state, e, out)
    elif kind in (EV_CANCEL, EV_REJECT):
        on_order_end(p, state, e, out)
    elif kind == EV_COMMAND:
        on_command(p, state, e, out)
    elif kind == EV_ADJUST:
        on_adjust(state, e)
    # EV_ACK changes nothing the chain decides on


@inner
def stop_entries(state: Any, now_ms: int, out: Any) -> None:
    """While paused or halted no entry goes on working."""
    fund = state.fund[0]
    if fund.n_pending > 0 and (fund.paused != 0 or fund.halted != 0):
        cancel_entries(state, now_ms, out)


@inner
def on_close(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, out: Any) -> None:
    """``on_bar`` where ``t >= 0``, ``on_guard`` where not: one body, so that the compiled loop holds it once."""
    now_ms = bars.time[f] + bars.bar_ms
    note_bar(state, out)
    account_step(p, state, bars, f, now_ms)
    stop_step(p, state, bars, f, now_ms, out)
    hfos_step(p, state, now_ms, out)
    stop_entries(state, now_ms, out)
    resolve_labels(p, state, bars, f, now_ms)
    if t >= 0:
        t = natural(t)
        context_step(p, state, bars, f, rows, t, now_ms, out)
        collect(p, state, bars, f, rows, t, now_ms, out)
        balance_step(p, state, rows, t, now_ms, out)
    manage_positions(p, state, bars, f, rows, t, now_ms, out)
    if t >= 0:
        enter(p, state, bars, rows, t, now_ms, out)
        supervise(p, state, now_ms, out)
        rank_all(p, state, rows, t, out)
        state.fund[0].n_bars += 1
    else:
        state.fund[0].n_guards += 1


@inner
def on_bar(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, out: Any) -> None:
    """Decide at the close of bar ``f`` with inputs of row ``t``: SPEC section 1's steps in order."""
    on_close(p, state, bars, f, rows, t, out)


@inner
def on_guard(p: Any, state: Any, bars: Any, f: int, rows: Any, out: Any) -> None:
    """Between decisions: account, emergency stop, protection, exits; nothing may open."""
    on_close(p, state, bars, f, rows, -1, out)
