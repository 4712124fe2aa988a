"""Compile what a session calls before it begins: an event loop that compiles hears neither its exchange nor its watchdog."""

from collections.abc import Callable

import numpy as np

from live.adapters.broker_paper import PaperBroker
from live.adapters.feed_replay import ReplayFeed, setup_of
from live.chain import Chain
from live.inputs import Inputs, RuleSpeaker
from live.ports import Quote
from qt_core import records as rec
from qt_core._jit import CACHE_DIR, INTERPRETED, compile_lock
from qt_core.codes import CMD_RELEASE, EV_COMMAND
from qt_core.config import load_config
from qt_core.io.simulate import simulate_market
from qt_core.signal.rules import Params as RuleParams

STEPS = ("step_begin", "step_match", "step_event", "step_submit", "step_end", "step_bar", "step_guard", "update")
EXPECTED_S = 60  # on two cores of 2023; a busy machine takes longer


def is_cold() -> bool:
    """True where an entry point is missing from the compile cache."""
    return not INTERPRETED and not all(any(CACHE_DIR.rglob(f"*.{name}-*.nbi")) for name in STEPS)


def compile_steps(say: Callable[[str], None]) -> None:
    """Load or compile every step; a cold cache is announced through ``say``."""
    cold = is_cold()
    if cold:
        say(f"compiling (once, about {EXPECTED_S} s) ...")
    with compile_lock():
        play_steps()
    if cold:
        say("compiled")


def play_steps() -> None:
    """A few made-up bars through every call a session makes, on State that is thrown away."""
    market = simulate_market(2, 4, seed=1)
    chain = Chain(setup_of(market, load_config({})))
    paper, feed = PaperBroker(chain), ReplayFeed(market)
    inputs = Inputs(market.symbols, market.timeframe_ms, RuleSpeaker(market.symbols, market.timeframe_ms, RuleParams()))
    for t in range(market.n_bars):
        bar = feed.bar(t)
        chain.load(bar)
        for event in paper.play():
            chain.hear(event.row)
            paper.take()
        chain.decide(inputs.update(bar))
        paper.take()
    chain.load_quote(Quote(int(market.time[-1]), bar.px[:, 3], bar.px[:, 7], np.zeros(2)))
    chain.guard()
    paper.take()
    row = np.zeros(1, dtype=rec.EVENT_DT)[0]
    row["kind"], row["command"] = EV_COMMAND, CMD_RELEASE
    chain.hear(row)
    paper.take()
