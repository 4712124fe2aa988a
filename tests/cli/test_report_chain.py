"""What the chain did: its figures, its tables, its part of the page, and the tables of a folder back as rows."""

import dataclasses
import re

import numpy as np
import pytest
from rich.console import Console

from qt_core.codes import EV_FILL, STRATEGY_SIDE, TAG_RUNG_1
from qt_core.config import load_config
from qt_core.engine import backtest
from qt_core.errors import DataError
from qt_core.explain.text import explain
from research.report import chain, chain_tables, page_chain
from research.report.folder import read_journal, write_run
from research.report.frames import run_frames
from research.report.names import ACCOUNT, MODULES, WORDS, Words
from research.report.page import report_page
from research.report.rows import journal_of
from research.report.summary import summarise
from research.report.tables import print_summary
from tests.explain.conftest import FAULTS, STOPS
from tests.parity.cases import FULL, simulated_case


@pytest.fixture(scope="module")
def full():
    case = simulated_case(6, 1500)
    return backtest(case.market, case.tape, load_config({**FULL, "faults": FAULTS}), context=case.context)


@pytest.fixture(scope="module")
def summary(full):
    return summarise(full)


@pytest.fixture(scope="module")
def folder(full, summary, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "full"
    write_run(out, full, simulated_case(6, 1500).market, summary)
    return out


def text_of(part) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(part)
    return console.export_text()


def test_a_folder_gives_back_every_row(full, folder):
    """Words, names and times lose nothing, so that one text explains a Result and a folder."""
    there, back = full.journal(), read_journal(folder)
    for name in ("trades", "decisions", "events", "curve"):
        a, b = getattr(there, name), getattr(back, name)
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes(), name
    assert np.array_equal(there.votes, back.votes, equal_nan=True)
    assert (there.symbols, there.models, there.kept, there.simulated) == (
        back.symbols,
        back.models,
        back.kept,
        back.simulated,
    )


def test_a_folder_is_explained_as_its_result(full, folder):
    journal = read_journal(folder)
    for k in journal.trades["trade_id"][::7]:
        assert explain(journal, int(k)) == full.explain(int(k))


def test_events_say_words_of_their_own_kind(full):
    events = run_frames(full).events
    by_kind = {kind: set(rows["reason"]) for kind, rows in events.groupby("kind")}
    assert by_kind["class"] <= {"none", "amplify", "watch", "exit"}
    assert by_kind["risk_mode"] <= {"none", "drawdown", "streak", "health", "ess", "supervisor", "exposure"}
    assert by_kind["reduce"] <= {"trim", "reduce"}
    assert by_kind["reset"] == {"scripted"}
    assert set(events["symbol"][events["kind"] == "emergency_stop"]) == {ACCOUNT}
    assert ACCOUNT not in set(events["symbol"][events["kind"] == "fill"])


def test_words_go_both_ways():
    for words in (*WORDS.values(), MODULES):
        codes = np.array([*words.names, 99], dtype=np.int64)
        assert words.read(words.say(codes).tolist()).tolist() == codes.tolist()
        assert len(set(words.names.values())) == len(words.names)
    assert Words(("a", "b")).say(np.array([1, 7, 0])).tolist() == ["b", "code 7", "a"]
    with pytest.raises(KeyError):
        Words(("a", "b")).read(["c"])


def test_tables_of_another_version_are_one_line(folder, tmp_path):
    import shutil

    import pandas as pd

    for name, change in (
        ("trades", lambda t: t.assign(exit_reason="boredom")),
        ("decisions", lambda t: t.drop(columns="hfos_by")),
    ):
        out = tmp_path / name
        shutil.copytree(folder, out)
        change(pd.read_parquet(out / f"{name}.parquet")).to_parquet(out / f"{name}.parquet", index=False)
        with pytest.raises(DataError, match="is not known in this version"):
            read_journal(out)


def test_emergency_stop_is_counted_and_timed(full, summary):
    e = summary["emergency_stop"]
    assert (e["latches"], e["by"], e["latched_at_the_end"]) == (len(STOPS), {"manual": len(STOPS)}, False)
    assert e["hours_latched"] == 24.0 * len(STOPS)
    assert e["share_of_time"] == pytest.approx(len(STOPS) / full.metrics["days"])


def test_a_latch_that_lasts_is_counted_up_to_the_end():
    case = simulated_case(6, 400)
    fault = {"at": "2021-01-10T00:30", "kind": "stop", "reason": "for good"}
    config = load_config({**FULL, "ess": {"auto_reset_h": 0}, "faults": [fault]})
    result = backtest(case.market, case.tape, config, context=case.context)
    e = chain.emergency_stop(result)
    assert e["latched_at_the_end"] is True
    end = int(case.market.time[-1]) + case.market.timeframe_ms
    since = np.datetime64("2021-01-10T01:00", "ms").astype(np.int64)  # the close after the word
    assert e["hours_latched"] == (end - since) / 3.6e6
    assert "LATCHED" in text_of(chain_tables.safety(summarise(result)))
    assert "LATCHED" in page_chain.stop(summarise(result))


def test_strategies_share_what_was_journalled(full, summary):
    rows = summary["strategies"]
    d = full.decisions
    assert sum(r["trades"] for r in rows) == len(full.trades)
    assert sum(r["pnl_usd"] for r in rows) == pytest.approx(full.trades["pnl_usd"].sum())
    for k, r in enumerate(rows):
        mine = d[(d["strategy"] == k) & (d["reason"] == STRATEGY_SIDE)]
        assert r["candidates"] > r["blocked"] >= len(mine) > 0
        assert r["blocked_share"] == pytest.approx(r["blocked"] / r["candidates"])
        assert r["blocked_bars"] == pytest.approx(len(np.unique(mine["time_ms"])) / 1500)


def test_rungs_fired_are_the_fills(full, summary):
    x, e = summary["ladder"], full.events
    fills = e[(e["kind"] == EV_FILL) & (e["tag"] == TAG_RUNG_1)]
    assert x["rung_1"] == len(set(fills["trade_id"].tolist())) > x["rung_2"] > 0
    assert x["rung_1"] + x["rung_2"] == x["rungs_filled"] == full.trades["n_rungs"].sum()
    assert x["trades_with_a_rung"] <= x["rungs_filled"]


def test_learning_counts_explored_choices_and_updates(full, summary):
    x = summary["learning"]
    for name, taught in (("sizer", "sizer_updates"), ("strategy", "strategy_updates")):
        assert x[name]["learning"] == "on"
        assert x[name]["updates"] == int(full.state.fund[taught][0])
        assert x[name]["explored"] > 0
        assert 0 < x[name]["cells_visited"] < x[name]["cells"]
    untaught = [k for k in ("order", "reconcile", "emergency") if full.exits()[k]]
    assert "order" in untaught
    assert "emergency" in untaught
    assert x["sizer"]["not_learned"] == sum(full.exits()[k] for k in untaught)
    assert x["sizer"]["updates"] + x["sizer"]["not_learned"] == len(full.trades)
    assert x["trades_explored"] == int(np.sum(full.trades["explored"] != 0))


def test_modules_say_their_modes(summary):
    modes = {m["number"] or m["name"]: m["mode"] for m in summary["modules"]}
    assert modes[2] == modes[5] == "not used"
    assert modes[12] == modes[20] == modes[24] == modes["emergency stop"] == "enforced"
    assert modes["regime"] == "always"
    assert len(modes) == 27


def test_without_a_journal_what_is_not_known_is_a_dash(full):
    case = simulated_case(6, 400)
    result = backtest(case.market, case.tape, load_config(FULL), context=case.context, journal=False)
    s = summarise(result)
    assert s["ladder"]["rung_1"] is None
    assert {r["blocked_bars"] for r in s["strategies"]} == {None}
    assert re.search(r"rung 1 fired +-", text_of(chain_tables.safety(s)))
    assert "<td>-</td>" in page_chain.ladder(s)


def test_the_terminal_says_it_all(summary):
    console = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_summary(console, summary)
    text = console.export_text()
    for part in ("Refusals", "Notes of the modules", "Strategies", "Emergency stop", "hours latched", "rung 1 fired"):
        assert part in text
    assert "- enforced: trading engine (1)" in text
    assert "- not used: XGBoost (2), LightGBM (3), N-HiTS (4), PatchTST (5)" in text
    assert "sizer (19) and meta-strategy (21) learn from the trades of this run" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= 110


def test_vetoes_print_as_a_table(full):
    rows = full.vetoes()
    text = text_of(chain_tables.veto_table(rows, top=5))
    for v in rows[:5]:
        assert re.search(rf"{re.escape(v.module)} +{v.reason} +{v.times:,} +{v.what}", text)
    assert f"and {len(rows) - 5} more" in text


def test_what_only_observes_is_marked():
    case = simulated_case(6, 700)
    config = load_config({**FULL, "strategy": {**FULL["strategy"], "mode": "observe"}})
    s = summarise(backtest(case.market, case.tape, config, context=case.context))
    assert re.search(r"meta-strategy \(21\): STRATEGY_SIDE +[\d,]+ \*", text_of(chain_tables.vetoes(s)))
    assert "STRATEGY_SIDE (observed)" in page_chain.vetoes(s)


def test_an_emergency_stop_that_observes_latches_nothing_and_says_what_it_saw():
    case = simulated_case(6, 700)
    config = load_config({**FULL, "ess": {"mode": "observe", "max_drawdown": 0.0005}})
    s = summarise(backtest(case.market, case.tape, config, context=case.context))
    e = s["emergency_stop"]
    assert (e["latches"], e["hours_latched"], e["binds"]) == (0, 0.0, False)
    n = e["by"]["drawdown"]
    assert n > 0
    assert re.search(rf"bars beyond: drawdown +{n:,}", text_of(chain_tables.safety(s)))
    assert f"<td>bars beyond: drawdown</td><td>{n:,}</td>" in page_chain.stop(s)
    assert f"would have {n:,}</td>" in page_chain.modules(s)


def test_nothing_refused_is_said():
    assert chain_tables.vetoes({"vetoes": []}) is None
    assert page_chain.vetoes({"vetoes": []}) == '<p class="quiet">None.</p>'


def test_the_page_shows_it(full, summary):
    page = report_page(full, simulated_case(6, 1500).market, summary)
    for head in ("Refusals", "Notes of the modules", "Strategies", "Emergency stop", "Winners", "Learning", "Modules"):
        assert f"<h2>{head}</h2>" in page
    assert "{{" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    table = re.search(r"<table class='sortable modules'>.*?</table>", page, re.S).group(0)
    assert table.count("<tr>") == 1 + len(summary["modules"])
    refused = sum(v["count"] for v in summary["vetoes"] if v["code"] == 21 and v["what"] == "refused")
    assert (
        f'<td>meta-strategy</td><td>learned</td><td>enforced</td><td data-value="{refused}">{refused:,}</td>' in table
    )


def test_an_unsafe_run_is_stamped_with_the_emergency_stop():
    case = simulated_case(6, 400)
    result = backtest(case.market, case.tape, load_config({**FULL, "ess": {"mode": "off"}}), context=case.context)
    s = summarise(result)
    assert s["unsafe"] == ["ess"]
    assert "UNSAFE: ess not enforced" in report_page(result, case.market, s)
    assert "UNSAFE: ess not enforced" in result.explain(1).splitlines()[0]


def test_journal_of_frames_without_journal(full):
    frames = dataclasses.replace(run_frames(full), journal=False)
    journal = journal_of(frames)
    assert journal.kept is False
    assert len(journal.trades) == len(full.trades) + len(full.open_positions)
    with pytest.raises(DataError, match="kept no journal"):
        explain(journal, 1)
