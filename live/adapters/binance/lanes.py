"""One lane for each symbol: its requests are carried out one after the other, those of different symbols side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

Job = Callable[[], Awaitable[None]]


class Lanes:
    """Runs jobs by symbol. A lane's task lives only while there is something to do.

    Parameters
    ----------
    failed : told of a job that raised: a defect of ours, the session cannot go on.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._jobs: dict[int, deque[tuple[Job, asyncio.Future[None]]]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def put(self, symbol: int, job: Job) -> "asyncio.Future[None]":
        """Append a job to a symbol's lane; the future is done when the job is. Dropped once the lanes are closed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            done.set_result(None)
            return done
        self._jobs.setdefault(symbol, deque()).append((job, done))
        if symbol not in self._tasks:
            self._tasks[symbol] = asyncio.create_task(self._run(symbol), name=f"lane {symbol}")
        return done

    async def _run(self, symbol: int) -> None:
        jobs = self._jobs[symbol]
        try:
            while jobs:
                job, done = jobs.popleft()
                try:
                    await job()
                finally:
                    if not done.done():
                        done.set_result(None)
        except Exception as error:
            self._failed(error)
        finally:
            self._tasks.pop(symbol, None)

    @property
    def waiting(self) -> int:
        """Lanes with something to do."""
        return len(self._tasks)

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing is left to do; False where time ran out."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0.0:
                return False
            await asyncio.wait(list(self._tasks.values()), timeout=left)
        return True

    async def close(self, timeout_s: float) -> None:
        """Finish what is being done if it can be in time, then stop."""
        await self.drain(timeout_s)
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
