"""Rules of the chain that hold across modules: modes, first risk, slots, kill switch, worst ROI, room in the journal."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core.codes import CMD_ERROR, CMD_HALT, CMD_PAUSE, CMD_RELEASE, EV_CANCEL, EV_FUNDING
from qt_core.config import load_config
from qt_core.engine.session import advance
from qt_core.errors import ConfigError, DataError
from qt_core.market import make_market
from qt_core.state import N_EVENTS
from tests.modules.scene import FREE, HOUR_MS, START_MS, Bar, Played, Scene, flat, play

pytestmark = pytest.mark.interpreted
RISE: list[Bar] = [
    *flat(100.0, 2),
    (100.0, 101.0, 100.0, 101.0),
    (101.0, 102.0, 101.0, 102.0),
    (102.0, 102.0, 101.9, 102.0),
]
PARTS = {"participation": 0.1, "slippage": 0.0, "taker_fee": 0.0, "maker_fee": 0.0}


def moving(mode: str) -> Played:
    """A rise in which an enforced module 14 measures distances of its own and trails."""
    return Scene(bars=[RISE], calls={(0, 0): 1}, config={"tpsl": {"mode": mode}}, atr=0.008).play()


@pytest.mark.parametrize("mode", ["observe", "advisory"])
def test_a_module_14_that_is_not_enforced_binds_as_off(mode: str) -> None:
    off, on, watched = moving("off"), moving("enforced"), moving(mode)
    assert int(watched.fund["digest"]) == int(off.fund["digest"]) != int(on.fund["digest"])
    assert watched.symbol()["sl_price"] == off.symbol()["sl_price"] != on.symbol()["sl_price"]


def split(mode: str) -> Played:
    """The first model calls, the others hold."""
    s = Scene(bars=[flat(100.0, 4)], calls={(0, 0): 1}, config={"ensemble": {"mode": mode}}).session()
    s.rows.proba[0, 0, 1:] = (0.0, 1.0, 0.0)
    return play(s)


@pytest.mark.parametrize("mode", ["observe", "advisory"])
def test_an_ensemble_that_is_not_enforced_binds_as_off(mode: str) -> None:
    assert split(mode).decisions.tobytes() == split("off").decisions.tobytes()
    assert len(split("off").decisions) == 1
    assert len(split("enforced").decisions) == 0


def entry_in_parts(trailing: str = "off", n_bars: int = 5, commands: Any = None) -> Played:
    """600 USD at 100 is 6 units; a bar of volume 20 lets 2 through: the entry takes three bars of a rise."""
    config = {"venue": PARTS, "tpsl": {"trailing": trailing}}
    return Scene(
        bars=[RISE[:n_bars]],
        calls={(0, 0): 1},
        config=config,
        commands=commands or {},
        specs={"lot_step": 0.001},
        volume=20.0,
    ).play()


def test_initial_risk_is_the_first_stops_even_where_the_trail_has_moved() -> None:
    fixed, trailed = entry_in_parts("off"), entry_in_parts("on")
    assert trailed.symbol()["sl_price"] > fixed.symbol()["sl_price"]
    assert trailed.symbol()["initial_risk_usd"] == fixed.symbol()["initial_risk_usd"] > 0.0


def test_an_entry_filled_in_parts_takes_one_slot() -> None:
    funds = [entry_in_parts(n_bars=n).fund for n in (1, 2, 3, 4)]
    assert [(int(f["n_open"]), int(f["n_pending"]), int(f["n_slots"])) for f in funds] == [
        (0, 1, 1),
        (1, 1, 0),
        (1, 1, 0),
        (1, 0, 0),
    ]


@pytest.mark.parametrize("command", [CMD_HALT, CMD_PAUSE])
def test_pause_and_halt_end_an_entry_that_still_works(command: int) -> None:
    assert entry_in_parts().symbol()["qty"] == pytest.approx(6.0)
    stopped = entry_in_parts(commands={2: [{"command": command}]})
    assert stopped.symbol()["qty"] == pytest.approx(2.0)
    assert (stopped.events["kind"] == EV_CANCEL).sum() == 1
    assert stopped.fund["n_pending"] == 0
    assert stopped.fund["reserved_margin_usd"] == 0.0


def test_a_manual_release_lets_entries_through_on_the_same_day() -> None:
    limit = {"max_day_drawdown": 0.004}
    scene = Scene(
        bars=[[*flat(100.0, 2), (100.0, 100.0, 60.0, 60.0), *flat(60.0, 4)]],
        calls={(0, 0): 1, (4, 0): 1},
        config={"venue": FREE, "chain": {"initial_equity_usd": 2000.0}, "risk": limit, "governor": limit},
    )
    held = scene.play()
    assert (held.fund["paused"], held.symbol()["qty"]) == (1, 0.0)
    scene.commands = {4: [{"command": CMD_RELEASE}]}
    released = scene.play()
    assert released.fund["paused"] == 0
    assert released.symbol()["qty"] > 0.0


@pytest.mark.parametrize(("gap_ms", "halts"), [(5_000, 1), (6_000, 0)])
def test_errors_halt_within_any_minute(gap_ms: int, halts: int) -> None:
    """Eleven errors 5 s apart lie within 50 s; 6 s apart the first is a minute old when the eleventh comes."""
    errors = [{"command": CMD_ERROR, "time_ms": START_MS + 30_000 + gap_ms * k} for k in range(11)]
    assert Scene(bars=[flat(100.0, 3)], commands={1: errors}).play().fund["halted"] == halts


def test_worst_roi_counts_the_exit() -> None:
    fall = [*flat(100.0, 2), (100.0, 100.0, 90.0, 90.0), *flat(90.0, 2)]
    t = Scene(bars=[fall], calls={(0, 0): 1}, config={"venue": FREE}).play().trades[0]
    assert t["worst_roi"] == pytest.approx(t["leverage"] * (1.0 - t["exit_price"] / t["entry_price"]))
    assert t["worst_roi"] > 0.0


def test_the_journal_has_room_for_every_settlement() -> None:
    """Thousands of settlements in one bar: more rows than positions alone would write."""
    n = 9000
    times = START_MS + HOUR_MS + 100 * np.arange(n, dtype=np.int64)
    funding = (times, np.zeros(n, np.int64), np.full(n, 1e-7))
    s = Scene(bars=[flat(100.0, 6)], calls={(0, 0): 1}, funding=funding).session()
    advance(s)
    assert (Played(s).events["kind"] == EV_FUNDING).sum() > 4096
    assert s.out.n[N_EVENTS] <= len(s.out.events)


def test_min_leverage_raises_what_is_asked_and_caps_win() -> None:
    asked = {"chain": {"neutral_leverage": 1.0}, "profile": "expanded"}
    scene = Scene(bars=[flat(100.0, 3)], calls={(0, 0): 1}, config=asked)
    assert scene.play().decisions[0]["leverage"] == 3.0
    scene.config = asked | {"risk": {"leverage_cap_calm": 2.0}}
    assert scene.play().decisions[0]["leverage"] == 2.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data: {start: 2021-13-01}", "not valid YAML"),
        ("profile: [1]", "profile"),
        ("seed: 99999999999999999999999999", "seed"),
        ("risk: {}\nrisk: {}", "given twice"),
        ("data: {simulated: {n_bars: 100}, folder: x}", "one source"),
        ("data: {start: true}", "expected a date"),
    ],
)
def test_odd_configurations_are_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as err:
        load_config(path)
    assert "\n" not in str(err.value)


def test_the_digest_knows_the_rules_thresholds() -> None:
    other = load_config({"signals": {"source": "rules", "rules": {"side_peak": 0.8}}})
    assert other.digest() != load_config({"signals": {"source": "rules"}}).digest()


def test_volume_without_end_and_funding_given_twice_are_refused() -> None:
    one = np.ones((2, 1))
    cols = {"open": one, "high": one, "low": one, "close": one, "volume": one * np.inf}
    time = START_MS + HOUR_MS * np.arange(2, dtype=np.int64)
    with pytest.raises(DataError, match="volume"):
        make_market(["A"], time, cols, timeframe_ms=HOUR_MS)
    twice = (np.array([START_MS, START_MS]), np.zeros(2, np.int64), np.full(2, 1e-4))
    with pytest.raises(DataError, match="twice"):
        make_market(["A"], time, cols | {"volume": one}, timeframe_ms=HOUR_MS, funding=twice)
