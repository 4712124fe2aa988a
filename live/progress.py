"""What a running session shows: a line that moves on a terminal, a line now and then elsewhere."""

import asyncio
import sys

import click

from live.runner import Runner
from qt_core.market import utc_text

TERMINAL_S, ELSEWHERE_S = 0.5, 30.0


class Progress:
    """Watches a runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._terminal = sys.stderr.isatty()

    def line(self) -> str:
        """Where the session is."""
        r, f = self._runner, self._runner.session.chain.fund
        return (
            f"{utc_text(int(f['now_ms']))}  {r.bars} bars  equity {float(f['equity_usd']):,.2f}  "
            f"{int(f['n_open'])} open  {int(f['trade_seq'])} trades"
        )

    def closing(self) -> str:
        """The last line."""
        open_now = int(self._runner.session.chain.fund["n_open"])
        kept = f"; {open_now} positions keep their protection" if open_now else ""
        return f"{self.line()}\n{self._runner.why}; state saved{kept}"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TERMINAL_S if self._terminal else ELSEWHERE_S)
            if self._terminal:
                click.echo(f"\r{self.line()}\x1b[K", nl=False, err=True)
            else:
                click.echo(self.line(), err=True)
