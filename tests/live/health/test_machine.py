"""Measurements of the machine: errors in a minute, lag of the loop, control groups."""

import asyncio
import time

from live.machine import LoopLag, RequestCounter, allowed_cores, cgroup_memory
from tests.live.health.helpers import eventually, run


def test_errors_of_a_minute():
    now = [1_000.9]
    c = RequestCounter(clock=lambda: now[0])
    for _ in range(3):
        c.succeeded()
    now[0] = 1_001.1
    c.failed(2)
    assert c.counts() == (5, 2)
    now[0] = 1_060.1
    assert c.counts() == (2, 2)
    now[0] = 1_061.0
    assert c.counts() == (0, 0)


def test_lag_is_seen_and_grows_while_nobody_ticks():
    async def main():
        lag = LoopLag(tick_s=0.01)
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(0.05)
        lag.take_ms()
        time.sleep(0.2)
        await asyncio.sleep(0.02)
        assert lag.take_ms() >= 150.0
        task.cancel()
        await eventually(lambda: lag.take_ms() >= 100.0)

    run(main)


def test_limits_of_control_groups(tmp_path):
    own = tmp_path / "self"
    two = tmp_path / "two"
    (two / "slice" / "session").mkdir(parents=True)
    own.write_text("0::/slice/session\n")
    for folder, limit, used in ((two / "slice", "1000000", "700000"), (two / "slice" / "session", "max", "700000")):
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text(used)
        (folder / "memory.stat").write_text("anon 5\ninactive_file 200000\n")
    assert cgroup_memory(two, own).fraction == 0.5
    one = tmp_path / "one"
    (one / "memory" / "x").mkdir(parents=True)
    own.write_text("4:memory:/x\n2:cpu:/y\n")
    (one / "memory" / "x" / "memory.limit_in_bytes").write_text("1000000")
    (one / "memory" / "x" / "memory.usage_in_bytes").write_text("900000")
    (one / "memory" / "x" / "memory.stat").write_text("total_inactive_file 100000\n")
    assert cgroup_memory(one, own).fraction == 0.8
    assert cgroup_memory(tmp_path / "none", own) is None
    (two / "cpu.max").write_text("50000 100000")
    assert allowed_cores(two) == 0.5
    (two / "cpu.max").write_text("max 100000")
    assert allowed_cores(two) >= 1.0
