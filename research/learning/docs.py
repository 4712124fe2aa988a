"""Measure docs/learning.md's figures anew: ``python -m research.learning.docs`` (real candles; a minute once compiled)."""

from pathlib import Path

from qt_core.io.inputs import read_config
from qt_core.tables import compare
from research.cli.execute import Run, prepare
from research.cli.progress import say
from research.learning.train import Learned, learn
from research.report.tables import num, pct

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "learning.md"
BEGIN, END = "<!-- measured: python -m research.learning.docs -->", "<!-- end of measured -->"
FALLING = tuple(f"{name}.{key}" for name in ("sizer", "strategy") for key in ("alpha_decay=0.05", "alpha_min=0.005"))
# what stands in the table -> (configuration, changes, epochs, seeds)
RUNS: dict[str, tuple[str, tuple[str, ...], int, int]] = {
    "defaults, 5 epochs, 5 seeds": ("majors_1h.yaml", (), 5, 5),
    "defaults, 10 epochs, 10 seeds": ("majors_1h.yaml", (), 10, 10),
    "alpha falling with visits, 5 epochs, 5 seeds": ("majors_1h.yaml", FALLING, 5, 5),
    "control: drawn sides (`control_1h.yaml`), 5 epochs, 5 seeds": ("control_1h.yaml", (), 5, 5),
}
_HEAD = (
    "| run | learned tables: mean over seeds (90 % of the mean; least, most) | blank tables | 19 off, 21 as learned | "
    "learned - blank, a year, over resampled days |\n|---|---|---|---|---|"
)


def row(name: str, learned: Learned) -> str:
    """One line of the table."""
    x = learned.spreads("total_return")
    a, b = x["learned"], x["fixed"]
    mean, low, high = learned.by_market()["learned - blank"]
    return (
        f"| {name} | {pct(a.mean)} ({pct(a.low)} to {pct(a.high)}; {pct(a.least)}, {pct(a.most)}) | "
        f"{pct(learned.blank.figures['total_return'])} | {pct(b.mean)} ({pct(b.low)} to {pct(b.high)}) | "
        f"{mean:+.1%} ({low:+.1%} to {high:+.1%}) |"
    )


def remarks(learned: Learned) -> str:
    """Figures beside the table, of the first run."""
    r = learned.spreads("mean_r")
    size, strategy = compare(learned.seeds[0].tables, learned.seeds[1].tables)
    c = learned.coverage()
    mine, fixed = (f"{num(s.mean, 3)} ({num(s.low, 3)} to {num(s.high, 3)})" for s in (r["learned"], r["fixed"]))
    return (
        f"First row, per trade in R, which does not know the size: learned {mine}, "
        f"blank {num(learned.blank.figures['mean_r'], 3)}, 19 off {fixed}. By visits, seeds 0 and 1 choose the same size in "
        f"{size.agreement:.0%} of the states both know and the same strategy in {strategy.agreement:.0%}; the correlation "
        f"of their values is {size.correlation:.2f} and {strategy.correlation:.2f}. A seed visits "
        f"{c['size']['cells']:.0f} of 19's 7,500 cells ({c['size']['states']:.0f} of 300 states) and "
        f"{c['strategy']['cells']:.0f} of 21's 108."
    )


def put(text: str, block: str) -> str:
    """The page with the measured block replaced."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def main() -> None:
    """Run everything and write the page."""
    made: dict[tuple[str, tuple[str, ...]], Run] = {}
    lines, first = [], ""
    for name, (file, changes, epochs, seeds) in RUNS.items():
        say(name)
        key = (file, changes)
        if key not in made:
            made[key] = prepare(read_config(ROOT / "configs" / file, changes), say)
        run = made[key]
        learned = learn(run.market, run.tape, run.config, epochs, range(seeds), run.context)
        lines.append(row(name, learned))
        first = first or remarks(learned)
    block = "\n".join([_HEAD, *lines, "", first])
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), block), encoding="utf-8")


if __name__ == "__main__":
    main()
