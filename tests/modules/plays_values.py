"""Which play reaches which value that a module says: (module, what) -> {value: play}, as in ``enums.TALLIES``."""

from collections.abc import Callable

from qt_core.codes import CMD_ESS_TRIP, CRITICAL, CTX_LIQUIDITY_RATIO, CTX_RANGE_POSITION, DEGRADED, HEALTHY
from tests.modules.plays import LIQUID, LONGS, many, scene, stop_out_legs, win_legs
from tests.modules.plays_chain import styled
from tests.modules.plays_position import NEAR, refused_target, winner
from tests.modules.plays_safety import dead_market, fallen, health, told
from tests.modules.plays_said import (
    BROKEN_OUT,
    HIGH,
    LOW,
    SHORTS,
    STRONG,
    WEAK,
    apart_then_together,
    best_action,
    best_strategy,
    errors_in_a_bar,
    filled_up,
    held,
    legs,
    market,
    math,
    outlier,
    ranked,
    retrained,
    shrunken_account,
    sized,
    supervised,
    without_feed,
)
from tests.modules.scene import HOUR_MS, Played, flat, on

Values = dict[tuple[str, str], dict[str, Callable[[], Played]]]

VALUES: Values = {
    ("ensemble", "action"): {
        "sell": lambda: scene(calls={(0, 0): -1}),
        "hold": lambda: scene(calls={}),
        "buy": scene,
    },
    ("regime", "volatility"): {
        "low": lambda: market(LOW),
        "normal": market,
        "high": lambda: market(HIGH),
    },
    ("regime", "trend"): {
        "weak": lambda: market(adx=WEAK),
        "moderate": market,
        "strong": lambda: market(adx=STRONG),
    },
    ("regime", "liquidity"): {
        "poor": dead_market,
        "normal": market,
        "good": lambda: market(ctx={CTX_LIQUIDITY_RATIO: 2.0}),
    },
    ("regime", "tpsl_class"): {
        "none": scene,
        "trending": lambda: market(adx=STRONG),
        "ranging": lambda: market(adx=WEAK),
        "breakout": lambda: scene(ctx=BROKEN_OUT),
    },
    ("hedgefund_os", "risk_mode"): {
        "normal": lambda: health("hfos", verdict=HEALTHY),
        "cautious": lambda: health("hfos", verdict=DEGRADED),
        "defensive": lambda: filled_up("hfos"),
        "emergency": lambda: fallen("hfos", to=80.0),
    },
    ("hedgefund_os", "health"): {
        "healthy": lambda: health("hfos", verdict=HEALTHY),
        "degraded": lambda: health("hfos", verdict=DEGRADED),
        "critical": lambda: health("hfos", verdict=CRITICAL),
    },
    ("hedgefund_os", "universe_mode"): {
        "conservative": lambda: filled_up("hfos"),
        "normal": lambda: health("hfos", verdict=HEALTHY),
        "aggressive": lambda: legs("hfos", win_legs(12)),
    },
    ("hedgefund_os", "urgency"): {
        "low": lambda: health("hfos", verdict=HEALTHY),
        "medium": lambda: health("hfos", verdict=DEGRADED),
        "high": lambda: filled_up("hfos"),
        "critical": lambda: health("hfos", verdict=CRITICAL),
    },
    ("hedgefund_os", "by"): {
        "none": lambda: health("hfos", verdict=HEALTHY),
        "drawdown": lambda: fallen("hfos", to=80.0),
        "streak": lambda: legs("hfos", stop_out_legs(12)),
        "health": lambda: health("hfos", verdict=CRITICAL),
        "ess": lambda: told(on("ess", "hfos"), {"command": CMD_ESS_TRIP}),
        "supervisor": supervised,
        "exposure": lambda: filled_up("hfos"),
    },
    ("portfolio_balancer", "exposure"): {
        name: lambda: filled_up("balancer") for name in ("light", "moderate", "heavy", "max")
    },
    ("portfolio_balancer", "action"): {
        "none": lambda: many(1, on("balancer")),
        "correlated": apart_then_together,
        "sector": shrunken_account,
        "rebalance": lambda: many(4, on("balancer"), correlation=0.0),
    },
    ("amplification", "action"): dict.fromkeys(("none", "hold", "scale_in", "ladder", "let_run"), winner),
    ("intelligence", "class"): {
        "leading": winner,
        "lagging": lambda: scene(on("intelligence"), bars=[[*flat(100.0, 2), *flat(99.5, 2)]]),
        "stale": lambda: held("intelligence"),
        "zombie": lambda: held("intelligence"),
        "outlier": outlier,
    },
    ("intelligence", "advice"): {
        "amplify": winner,
        "watch": outlier,
        "exit": lambda: held("intelligence"),
    },
    ("universe", "tier"): {
        "none": lambda: scene(on("universe")),
        "main": lambda: scene(on("universe", symbols={"main": ["S0"]}), ctx=LIQUID),
        "l1": lambda: scene(on("universe"), ctx=LIQUID),
        "l2": lambda: scene(on("universe", universe={"l1_size": 0}), ctx=LIQUID),
    },
    ("retraining", "trigger"): {
        "age": lambda: retrained(max_age_ms=HOUR_MS),
        "win_rate": lambda: retrained(("supervisor",), NEAR, min_outcomes=1),
        "calibration": lambda: retrained(("supervisor",), NEAR, min_outcomes=1, min_win_rate=0.0),
        "regime": lambda: retrained(regime_hold_ms=HOUR_MS),
    },
    ("self_healing", "verdict"): {
        "healthy": lambda: health(verdict=HEALTHY),
        "degraded": lambda: health(verdict=DEGRADED),
        "critical": lambda: health(verdict=CRITICAL),
    },
    ("aelm", "order"): {
        "market": lambda: styled("aggressive", confidence=0.95, ctx=LIQUID),
        "limit": lambda: styled("aggressive"),
        "ioc": lambda: styled("normal"),
        "post_only": lambda: styled("patient"),
    },
    ("orchestrator_policy", "profile"): {
        "conservative": dead_market,
        "normal": market,
        "aggressive": lambda: market(LOW, STRONG),
    },
    ("orchestrator_policy", "entry_style"): {
        "patient": dead_market,
        "normal": market,
        "aggressive": lambda: market(adx=STRONG),
    },
    ("orchestrator_policy", "exit_mode"): {
        "quick": dead_market,
        "normal": market,
        "trend_follow": lambda: market(adx=STRONG),
    },
    ("rl_sizer", "regime"): {
        "low_vol_ranging": lambda: market(LOW, WEAK),
        "low_vol_trending": lambda: market(LOW, STRONG),
        "high_vol_ranging": lambda: market(HIGH, WEAK),
        "high_vol_trending": lambda: market(HIGH, STRONG),
        "neutral": market,
    },
    ("rl_sizer", "confidence"): {
        "very_low": lambda: sized(0.2),
        "low": lambda: sized(0.3),
        "medium": lambda: sized(0.4),
        "high": lambda: sized(0.6),
        "very_high": lambda: sized(0.8),
    },
    ("rl_sizer", "portfolio"): {name: lambda: filled_up("sizer") for name in ("light", "moderate", "heavy", "max")},
    ("rl_sizer", "performance"): {
        "bad": lambda: legs("sizer", stop_out_legs(12)),
        "neutral": market,
        "good": lambda: legs("sizer", win_legs(12)),
    },
    ("rl_sizer", "multiplier"): {
        name: lambda k=k: best_action(5 * k + 2)  # type: ignore[misc]
        for k, name in enumerate(("x0.3", "x0.5", "x0.7", "x1.0", "x1.5"))
    },
    ("rl_sizer", "leverage"): {
        name: lambda k=k: best_action(15 + k)  # type: ignore[misc]
        for k, name in enumerate(("1x", "2x", "3x", "4x", "5x"))
    },
    ("mathematician", "advice"): {
        "ok": math,
        "caution": lambda: math(own={"prior_win_rate": 0.3}),
    },
    ("mathematician", "agreement"): {
        "agrees": math,
        "larger": lambda: math(chain={"initial_equity_usd": 400.0}),
        "smaller": lambda: math(chain={"neutral_multiplier": 0.5}),
    },
    ("meta_strategy", "strategy"): {
        name: lambda k=k: best_strategy(k, LONGS)  # type: ignore[misc]
        for k, name in enumerate(("trend_follow", "mean_reversion", "breakout", "range_bound"))
    },
    ("meta_strategy", "blocked"): {
        name: lambda k=k: best_strategy(k, SHORTS)  # type: ignore[misc]
        for k, name in enumerate(("trend_follow", "mean_reversion", "breakout", "range_bound"))
    },
    ("meta_strategy", "sides"): {
        "none": lambda: best_strategy(0, {}),
        "long": lambda: best_strategy(0, LONGS),
        "short": lambda: best_strategy(0, SHORTS, side=-1),
        "both": lambda: best_strategy(3, {CTX_RANGE_POSITION: 0.5}, range_edge=0.5),
    },
    ("opportunity_ranker", "priority"): {
        "low": lambda: ranked(0.8, {}),
        "medium": lambda: ranked(0.46, LIQUID),
        "high": lambda: ranked(0.8, LIQUID),
    },
    ("monitor", "verdict"): {
        "keep": lambda: held("monitor", n=4),
        "protect": refused_target,
        "time": lambda: held("monitor"),
        "sentiment": lambda: held("monitor", n=6, calls={(0, 0): 1, (2, 0): -1}),
        "advice": lambda: held("monitor", "intelligence"),
    },
    ("msc_policy", "mode"): {
        "defensive": lambda: fallen("msc", "ess", to=85.0),
        "normal": lambda: scene(on("msc")),
        "aggressive": lambda: legs("msc", win_legs(12)),
    },
    ("emergency_stop", "by"): {
        "drawdown": lambda: fallen("ess", to=80.0),
        "health": lambda: health("ess", verdict=CRITICAL),
        "errors": errors_in_a_bar,
        "feed": without_feed,
        "manual": lambda: told(on("ess"), {"command": CMD_ESS_TRIP}),
    },
}
