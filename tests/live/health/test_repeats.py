"""De-duplication, escalation and rate limit, by hand-made clocks: functions of time only."""

from live.ports import Alert
from live.repeats import CRITICAL, INFO, WARNING, Allowance, Repeats, RepeatSettings


def alert(key="feed", severity=WARNING, text="no frame"):
    return Alert(severity, key, "Feed", text)


def test_repeats_are_told_once_in_a_window():
    r = Repeats(RepeatSettings(window_s=600.0, escalate_after=0))
    [first] = r.take(alert(), 0.0, 1)
    assert (first.text, first.seen) == ("no frame", 1)
    for i in range(14):
        assert r.take(alert(text=f"no frame {i}"), 10.0 + i, 1) == []
    assert r.due(599.9, 1) == []
    assert r.next_due_s() == 600.0
    [told] = r.due(600.0, 2)
    assert told.text == "no frame 13 (seen 14 times more in 10 min)"
    assert (told.seen, told.over_s, told.time_ms) == (14, 600.0, 2)
    assert r.due(1_199.0, 3) == []
    assert r.due(1_200.0, 3) == []  # a window without repeats forgets the key
    assert r.next_due_s() is None
    assert len(r.take(alert(), 1_300.0, 4)) == 1


def test_keys_do_not_hide_each_other_and_worse_passes_at_once():
    r = Repeats()
    assert len(r.take(alert("a"), 0.0, 1)) == 1
    assert len(r.take(alert("b"), 0.0, 1)) == 1
    [worse] = r.take(alert("a", CRITICAL), 1.0, 1)
    assert worse.severity == CRITICAL
    assert r.take(alert("a", WARNING), 2.0, 1) == []


def test_repeated_warning_becomes_critical_once_and_information_never():
    r = Repeats(RepeatSettings(escalate_after=5))
    out = [n for i in range(30) for n in r.take(alert(), float(i), 1)]
    assert [(n.severity, n.escalated, n.seen) for n in out] == [(WARNING, False, 1), (CRITICAL, True, 4)]
    assert "seen 4 times more in 4 s" in out[1].text
    info = [n for i in range(30) for n in r.take(alert("i", INFO), float(i), 1)]
    assert [n.severity for n in info] == [INFO]


def test_escalation_counts_over_windows_without_a_pause():
    r = Repeats(RepeatSettings(window_s=60.0, escalate_after=5))
    out = [n for i in range(6) for n in r.take(alert(), 40.0 * i, 1)]
    assert [n.escalated for n in out if n.escalated] == [True]
    quiet = [n for i in range(6) for n in r.take(alert("q"), 1_000.0 + 130.0 * i, 1)]
    assert not any(n.escalated for n in quiet if n.key == "q")


def test_remembered_keys_are_bounded_and_nothing_counted_is_lost():
    r = Repeats(RepeatSettings(max_keys=3, escalate_after=0))
    r.take(alert("k0"), 0.0, 1)
    r.take(alert("k0"), 0.1, 1)
    out = [n for i in range(1, 5) for n in r.take(alert(f"k{i}"), float(i), 1)]
    assert [(n.key, n.seen) for n in out] == [("k1", 1), ("k2", 1), ("k0", 1), ("k3", 1), ("k4", 1)]
    r.take(alert("k4"), 6.0, 1)
    assert [(n.key, n.seen) for n in r.flush(7.0, 1)] == [("k4", 1)]


def test_rate_limit_keeps_a_reserve_for_critical():
    a = Allowance(per_min=8.0, reserve=0.25, now_s=0.0)
    assert [a.grant(WARNING, 0.0) for _ in range(8)] == [True] * 6 + [False] * 2
    assert [a.grant(CRITICAL, 0.0) for _ in range(3)] == [True, True, False]
    assert not a.grant(WARNING, 15.0)  # two tokens came back: the reserve
    assert a.grant(CRITICAL, 15.0)
    assert [a.grant(WARNING, 1_000.0) for _ in range(7)] == [True] * 6 + [False]
