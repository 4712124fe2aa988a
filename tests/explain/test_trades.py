"""Explanations of a whole run: every part occurs; the numbers in the text are the run's and agree with each other."""

import re
from dataclasses import replace

import numpy as np
import pytest

from qt_core.codes import EV_CANCEL, EV_COMMAND, EV_REJECT, EXIT_NAMES, OK, OVERRIDE, TAG_ENTRY
from qt_core.errors import DataError
from qt_core.explain.signal import score_parts, weights_at
from qt_core.explain.text import explain, explain_bar
from qt_core.explain.words import of_account, when
from qt_core.records import JE_Q_SIZE, JE_Q_STRATEGY, JE_RETRY
from tests.explain.conftest import run_of
from tests.foundation import foundation

NUMBER = r"([-+]?[\d,]*\.?\d+)"
HEADS = (
    *("Trade", "Market and policies", "Signal", "Plan", "Orders and fills", "Protection and monitoring"),
    *("Exit", "Result, USD", "Learning"),
)
# what must be said of at least one trade of the run
PARTS = (
    *("regime of the market", "orchestrator (18)", "hedge-fund OS (7)", "policy (MSC)", "emergency stop", "what binds"),
    *("models ", "p(BUY) = ", "p(SELL) = ", "abstains", "ensemble (6)", "universe (11)", "meta-strategy (21)"),
    *("ranker (22)", "dynamic TP/SL (14)", "sizer (19)", "mathematician (20)", "risk OS (17)"),
    *("portfolio balancer (8)", "safety governor (24)", "execution (16)", "drawn to explore", "the best known"),
    *("intelligence (10)", "advice amplify", "dynamic TP/SL (14)      stop", "rung 1: ", "rung 2: "),
    *("is dropped, its share trails", "asks to add", "scaled in: ", "let run: the target", "trim: closes"),
    *("the ensemble acts against it", "asks to close", "heard: exit", "heard: health", "a row from outside"),
    *(
        "asks to close at R",
        "closed",
        "by emergency",
        "sent again by execution (16)",
        "LATCHED by manual",
        "account: degraded -> healthy",
        "Funding",
    ),
    *("as in the trade's row", "initial risk = ", "not learned: an exit by order", "the nearest to what was filled"),
    *("for the win", "clipped", "losing streak: x 0.5", "still open at the end", "SIMULATED", "(the more cautious of"),
)


def numbers(pattern: str, text: str) -> tuple[float, ...]:
    """Every number of the first match, in order."""
    hit = re.search(pattern, text)
    assert hit is not None, f"{pattern}\n{text}"
    return tuple(float(x.replace(",", "")) for x in hit.groups())


def test_every_trade_has_every_section_in_order_and_adds_up(texts):
    assert len(texts) > 300
    for text in texts.values():
        places = [text.find(f"\n\n{head}" if head != "Trade" else head) for head in HEADS]
        assert min(places) >= 0
        assert places == sorted(places)
        assert "DIFFERS" not in text
        assert "Decision: not in the journal" not in text


@pytest.mark.parametrize("part", PARTS)
def test_every_part_occurs(texts, part):
    assert any(part in text for text in texts.values())


def test_texts_say_words_and_not_codes(texts):
    for text in texts.values():
        assert not re.search(r"code -?\d|nan|np\.|event \d", text), text


def test_old_q_becomes_new_q_by_the_reward_that_is_shown(texts):
    learned = 0
    for text in texts.values():
        for old, new, alpha, reward in re.findall(
            rf"Q {NUMBER} -> {NUMBER} = old \+ {NUMBER} x \(reward {NUMBER} - old\)", text
        ):
            learned += 1
            assert float(new) == pytest.approx(float(old) + float(alpha) * (float(reward) - float(old)), abs=2e-6)
    assert learned > 600


def test_the_sizers_reward_is_the_sum_that_is_shown(texts):
    seen = 0
    for text in texts.values():
        if "reward = " not in text:
            continue
        seen += 1
        pnl, hours, cost, weight, worst = numbers(
            rf"reward = {NUMBER} % of the base margin - {NUMBER} h x {NUMBER} - {NUMBER} x {NUMBER} % worst ROI", text
        )
        bonus = 0.1 if "for the win" in text else 0.0
        (reward,) = numbers(rf"\(reward {NUMBER} - old", text)
        assert pnl - hours * cost - weight * worst + bonus == pytest.approx(reward, abs=2e-3)
    assert seen > 300


def test_models_add_up_to_the_ensemble(journal, texts):
    """The sum in the text is made of tape and weights, not of the decision's row."""
    for k, text in texts.items():
        d = journal.decisions[journal.decision_of(journal.trade(k))]
        said = d["p_buy"] if d["side"] > 0 else d["p_sell"]
        terms = re.search(r"p\((?:BUY|SELL)\) = (.*) = " + NUMBER, text)
        assert terms is not None
        total = sum(float(w) * float(p) for w, p in re.findall(rf"{NUMBER} x {NUMBER}", terms.group(1)))
        assert total == pytest.approx(said, abs=2e-3)
        assert float(terms.group(2)) == pytest.approx(said, abs=1e-4)


def test_weights_follow_the_supervisor(journal, full):
    last = int(journal.curve["time_ms"][-1])
    assert weights_at(journal, last) == pytest.approx(full.state.weights, abs=1e-12)
    assert weights_at(journal, 0) == pytest.approx([0.33, 0.30, 0.20, 0.17])


def test_parts_of_the_score_add_up_to_it(journal):
    p = journal.config.params().ranker
    for d in journal.decisions:
        assert sum(score_parts(d, p).values()) == pytest.approx(d["score"], abs=1e-12)


def test_the_trade_and_its_decision_agree(journal):
    """Found again by order number or, where the order was sent again under a new one, by what lies between."""
    retried = 0
    for t in journal.trades:
        d = journal.decisions[journal.decision_of(t)]
        assert d["reason"] in (OK, OVERRIDE)
        assert d["symbol"] == t["symbol"]
        assert d["side"] == t["side"]
        assert d["sl_fraction"] == t["sl_fraction"]
        assert d["strategy"] == t["strategy"]
        assert d["sizer_action"] == t["sizer_action"]
        retried += d["seq"] != t["entry_seq"]
    assert retried == len(np.unique(journal.events["seq"][journal.events["kind"] == JE_RETRY])) // 2 > 0


def test_every_event_of_a_position_is_told_once(journal):
    """No event belongs to two trades; those of none are of the account, or of entries that came to nothing."""
    e = journal.events
    owner = np.zeros(len(e), dtype=int)
    for t in journal.trades:
        row = journal.decision_of(t)
        mine = journal.rows_of(t, row)
        owner[mine] += 1
        tries = e[mine][e["tag"][mine] == TAG_ENTRY]
        assert ((tries["seq"] >= journal.decisions["seq"][row]) & (tries["seq"] <= t["entry_seq"])).all()
    assert owner.max() == 1
    assert (owner[np.isin(e["kind"], (JE_Q_SIZE, JE_Q_STRATEGY))] == 1).all()
    alone = e[(owner == 0) & ~of_account(e["kind"], e["seq"]) & (e["kind"] != EV_COMMAND)]
    assert len(alone) > 0
    assert set(alone["kind"].tolist()) <= {EV_CANCEL, EV_REJECT, JE_RETRY}
    assert set(alone["tag"][alone["kind"] != JE_RETRY].tolist()) == {TAG_ENTRY}


def test_head_line_is_the_trades_row(journal, texts):
    for t in journal.trades:
        head = texts[int(t["trade_id"])].split("\n\n")[0]
        assert f"PnL {t['pnl_usd']:+.2f} USD · {t['r_multiple']:+.2f} R" in head
        assert journal.symbols[t["symbol"]] in head
        if t["exit_reason"]:
            assert f"closed {when(int(t['exit_ms']))} by {EXIT_NAMES[t['exit_reason']]}" in head


def test_a_row_that_does_not_add_up_is_shown(journal):
    trades = journal.trades.copy()
    trades["pnl_usd"][3] += 0.5
    assert "DIFFERS from the trade's row by -0.5" in explain(
        replace(journal, trades=trades), int(trades["trade_id"][3])
    )


def test_unknown_trade_names_the_range(journal, full):
    with pytest.raises(DataError, match=f"no trade 0; the run has trades 1 to {len(journal.trades)}"):
        full.explain(0)


def test_without_a_journal_it_is_said():
    result = run_of(foundation(), 400, journal=False)
    assert len(result.trades)
    with pytest.raises(DataError, match="kept no journal"):
        result.explain(1)
    with pytest.raises(DataError, match="kept no journal"):
        explain_bar(result.journal(), "2021-01-05T00:00")


@pytest.mark.parametrize("mode", ["off", "observe"])
def test_modules_that_do_not_bind_say_so(mode):
    """Every module but the four of the foundation, which have their own words."""
    others = (
        "hfos",
        "orchestrator",
        "msc",
        "universe",
        "strategy",
        "ranker",
        "sizer",
        "mathematician",
        "balancer",
        "aelm",
    )
    result = run_of(foundation({name: {"mode": mode} for name in others}), 700)
    text = result.explain(int(result.trades["trade_id"][-1]))
    assert "UNSAFE: ess not enforced" in text.splitlines()[0]
    lines: dict[str, str] = {}
    for line in text.splitlines():
        lines.setdefault(line.strip().split("  ")[0], line)  # the first: of 19 and 21 not what was learned
    for label in ("orchestrator (18)", "hedge-fund OS (7)", "policy (MSC)", "universe (11)", "meta-strategy (21)"):
        assert ("off:" if mode == "off" else "[observe: binds nothing]") in lines[label], label
    assert "the confidence alone" in lines["ranker (22)"]
    if mode == "off":
        assert "off: 200.00 USD margin at 3x" in lines["sizer (19)"]
        assert text.count("off: it chose nothing") == 2
        assert "off: every entry passes" in lines["portfolio balancer (8)"]
    else:
        assert "[observe: binds nothing]" in lines["portfolio balancer (8)"]


def test_bars_tell_every_candidate(journal):
    d = journal.decisions
    busiest = int(np.bincount(np.searchsorted(journal.curve["time_ms"], d["time_ms"])).argmax())
    time_ms = int(journal.curve["time_ms"][busiest])
    rows = d[d["time_ms"] == time_ms]
    text = explain_bar(journal, when(time_ms))
    assert len(rows) > 3
    assert f"{len(rows)} candidates" in text
    assert text.count("Market and policies") == 1
    assert text.count("\nSignal  ") == len(rows)
    for row in rows:
        assert journal.symbols[row["symbol"]] in text


def test_refused_candidates_name_who_and_why(journal):
    d, said = journal.decisions, set()
    for module, reason in {(int(m), int(r)) for m, r in zip(d["module"], d["reason"], strict=True)}:
        first = d[(d["module"] == module) & (d["reason"] == reason)][0]
        text = explain_bar(journal, when(int(first["time_ms"])), journal.symbols[first["symbol"]])
        assert "1 candidate of" in text
        said.add(re.search(r"verdict +(.*)", text).group(1).split(", order")[0])
    assert {"accepted", "refused by meta-strategy (21): STRATEGY_SIDE"} <= said
    assert "refused by emergency stop: ESS_LATCHED" in said
    assert "refused by portfolio balancer (8): SIDE_BALANCE" in said
