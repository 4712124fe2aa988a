"""A session on an exchange that fails in every way it can: both sides agree after every bar, and nothing grows."""

import asyncio
import json
from pathlib import Path

from live.testing.soak import Plan, Soak

PLAN = Plan(bars=220, seed=3, share=0.6, warmup=100)
PATIENCE_S = 120.0
LEAKED = 12  # tasks and files more than in the first sample: those of connections being made anew


def test_every_fault_happens_and_everything_holds(tmp_path: Path) -> None:
    async def run() -> Soak:
        soak = Soak(PLAN, tmp_path)
        await asyncio.wait_for(soak.run(asyncio.Event()), PATIENCE_S)
        await asyncio.sleep(0.05)
        left = {t for t in asyncio.all_tasks() if t is not asyncio.current_task() and not t.done()}
        assert not left, left
        return soak

    soak = asyncio.run(run())
    report = soak.report.as_dict()
    assert report["clean"], json.dumps(report, indent=1)
    assert report["bars"] == PLAN.bars
    assert report["bars_compared"] > PLAN.bars / 3
    never = [name for name, n in report["faults"].items() if n == 0]
    assert never == []
    assert report["session"]["fills_compared"] > 20
    assert report["defects_of_the_simulator"] == []
    for name in ("tasks", "open_files"):
        assert report["growth"][name]["last"] <= report["growth"][name]["first"] + LEAKED


def test_a_run_that_is_ended_early_tells_what_was_done(tmp_path: Path) -> None:
    async def run() -> Soak:
        soak, stop = Soak(PLAN, tmp_path), asyncio.Event()
        walking = asyncio.create_task(soak.run(stop))
        while soak.report.bars < 5 and not walking.done():
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(walking, PATIENCE_S)
        return soak

    report = asyncio.run(run()).report
    assert 5 <= report.bars < PLAN.bars
    assert report.clean
    assert report.counts["session"]["requests"] > 0
