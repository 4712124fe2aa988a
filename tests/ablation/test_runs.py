"""Runs on a small simulated market: equal to `backtest`, paired by seed, kept and found again; planted modules."""

from dataclasses import replace

import numpy as np
import pytest

from qt_core.engine import backtest
from qt_core.errors import DataError
from qt_core.features.context import chain_context
from qt_core.records import TRADE_DT
from research.ablation import words
from research.ablation.compare import NEVER_ACTED, compare
from research.ablation.outcome import run_once
from research.ablation.plan import make_arms
from research.ablation.runs import EndedError, make_runs
from research.ablation.store import RunStore, market_digest
from tests.ablation.worlds import PLANTED, SEEDS, small_market, study_of


@pytest.fixture(scope="module")
def study():
    return study_of(PLANTED)


@pytest.fixture(scope="module")
def arms(study):
    return make_arms(study.config, ["tpsl", "health", "ess", "position"])


@pytest.fixture(scope="module")
def runs(study, arms):
    return make_runs(study, arms, RunStore(None, study.key))


def test_an_outcome_is_the_backtest_day_by_day(study, runs):
    for seed, outcome in zip(SEEDS, runs.full, strict=True):
        r = backtest(study.market, study.tape(seed), study.config, seed=seed, context=study.context)
        assert f"{outcome.digest:016x}" == r.digest()
        assert np.prod(1.0 + outcome.returns) - 1.0 == pytest.approx(r.metrics["total_return"], rel=1e-9)
        assert outcome.n_trades == r.metrics["trades"] > 100
        assert outcome.fees_usd == r.metrics["fees_usd"]
        assert len(outcome.returns) == r.metrics["days"] == 63
        assert outcome.bar_drawdown == pytest.approx(r.metrics["max_drawdown"])


def test_turnover_is_what_was_bought_and_sold(study):
    fees = {"venue": {"taker_fee": 0.001, "maker_fee": 0.001}}
    priced = study_of({**PLANTED, **fees})
    outcome = run_once(priced.market, priced.context, priced.tape(0), priced.config, 0)
    equity = 10_000.0 * np.concatenate(([1.0], np.cumprod(1.0 + outcome.returns)[:-1]))
    assert float(np.sum(outcome.turnover * equity)) == pytest.approx(outcome.fees_usd / 0.001, rel=1e-9)
    result = backtest(priced.market, priced.tape(0), priced.config, context=priced.context)
    closed = result.trades.view(TRADE_DT)
    assert outcome.trades.sum() == len(closed)


def test_a_planted_harmful_module_is_shown_to_cost(runs, arms):
    rows = {r.arm.name: r for r in compare(runs, arms, resamples=1000)}
    harm = rows["tpsl"].figures["total_return"]
    assert words.verdict(rows["tpsl"]) == words.COSTS
    assert harm.low < harm.difference < harm.high < 0.0
    assert all(x < 0.0 for x in harm.seeds)
    assert len(set(harm.seeds)) == len(SEEDS)  # each seed drew other signals


def test_modules_that_never_act_are_exactly_nothing(runs, arms):
    rows = {r.arm.name: r for r in compare(runs, arms, resamples=100)}
    assert rows["health"].status != NEVER_ACTED  # OFF in this configuration: another reason for the same nothing
    idle = study_of({**PLANTED, "health": {"mode": "enforced"}})
    on = make_arms(idle.config, ["health"])
    (row,) = compare(make_runs(idle, on, RunStore(None, idle.key)), on, resamples=100)
    assert row.status == NEVER_ACTED
    assert all(d.difference == d.low == d.high == 0.0 for d in row.figures.values())


def test_both_arms_of_a_seed_see_the_same_signals_and_draws(study, arms, runs):
    again = make_runs(study, arms, RunStore(None, study.key), threads=1)
    assert [o.digest for o in again.full] == [o.digest for o in runs.full]
    assert len({o.digest for o in runs.full}) == len(SEEDS)
    tape, arm = study.tape(SEEDS[1]), arms[0]
    alone = run_once(study.market, study.context, tape, arm.config, SEEDS[1])
    assert alone.digest == runs.off["tpsl"][1].digest
    assert np.array_equal(alone.returns, runs.off["tpsl"][1].returns)


def test_rows_that_switch_the_same_share_their_runs(study, arms, runs):
    assert runs.all == runs.made == len(SEEDS) * (1 + 2)  # tpsl and position differ in nothing here; health is off; ess
    assert runs.off["tpsl"] == runs.off["position"]
    assert runs.off["health"] == runs.full


def test_finished_runs_are_found_again(study, arms, runs, tmp_path):
    store = RunStore(tmp_path / "out", study.key)
    store.open()
    first = make_runs(study, arms, store)
    again = make_runs(study, arms, store)
    assert (first.made, again.made) == (runs.all, 0)
    for a, b in zip(first.full, again.full, strict=True):
        assert a.digest == b.digest
        assert np.array_equal(a.returns, b.returns)
    kept = sorted((tmp_path / "out" / "runs").iterdir())
    assert len(kept) == runs.all
    kept[0].unlink()
    kept[1].write_bytes(kept[1].read_bytes()[:200])  # as after a full disk
    assert make_runs(study, arms, store).made == 2
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_interrupted_runs_go_on_where_they_stopped(study, arms, runs, tmp_path):
    store = RunStore(tmp_path / "out", study.key)
    store.open()

    def interrupt(done, _all):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_runs(study, arms, store, threads=1, progress=interrupt)
    kept = len(list((tmp_path / "out" / "runs").iterdir()))
    assert kept == 4
    seen = []
    resumed = make_runs(study, arms, store, progress=lambda done, total: seen.append((done, total)))
    assert resumed.made == runs.all - kept
    assert [o.digest for o in resumed.full] == [o.digest for o in runs.full]
    assert seen == [(k + 1, runs.all) for k in range(runs.all)]


def test_a_run_under_way_ends_when_it_is_told_to(study):
    def end(_done, _all):
        raise EndedError

    with pytest.raises(EndedError):
        run_once(study.market, study.context, study.tape(0), study.config, 0, progress=end)


def test_the_key_of_a_run_names_everything_it_depends_on(study):
    key = study.run_key(study.config, 0)
    other = study_of({**PLANTED, "tpsl": {"sl_anchor": 0.02}})
    assert study.run_key(other.config, 0) != key
    assert study.run_key(study.config, 1) != key
    assert study_of(PLANTED).run_key(study.config, 0) == key
    shifted = study_of(PLANTED)
    shifted.tape_of = lambda seed: study.tape(seed + 1)
    assert shifted.run_key(study.config, 0) != key  # other signals
    shifted = study_of(PLANTED)
    shifted.data_digest = "other"
    assert shifted.run_key(study.config, 0) != key


def test_a_chain_that_never_trades_is_refused():
    idle = study_of({"signals": {"source": "random", "random": {"rate": 0.0}}}, seeds=(0,))
    with pytest.raises(DataError, match="closed no trade"):
        make_runs(idle, make_arms(idle.config, ["tpsl"]), RunStore(None, idle.key))


def test_too_few_days_are_refused():
    short = study_of(PLANTED, seeds=(0,))
    short.market = short.market.head(24 * 20)
    short.context = chain_context(short.market)
    short.tape_of = lambda seed: study_of(PLANTED).tape(seed).head(24 * 20)
    with pytest.raises(DataError, match="20 days; at least 30 expected"):
        make_runs(short, make_arms(short.config, ["tpsl"]), RunStore(None, short.key))


def test_another_study_in_the_folder_is_refused(study, tmp_path):
    RunStore(tmp_path / "out", study.key).open()
    RunStore(tmp_path / "out", study.key).open()
    with pytest.raises(DataError, match="another configuration"):
        RunStore(tmp_path / "out", "other").open()


def test_markets_that_differ_in_one_number_have_other_digests():
    market = small_market()
    close = market.close.copy()
    close[700, 1] *= 1.0 + 1e-12
    assert market_digest(market) == market_digest(replace(market))
    assert market_digest(market) != market_digest(replace(market, close=close))
