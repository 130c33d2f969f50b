"""As many links under way as may be; their results to the recorder; one clean stop. Plain asyncio, no Scrapy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from webtext.crawler.fetch.gate import Source
from webtext.crawler.fetch.ledger import PAGE, Link
from webtext.crawler.fetch.recorder import Recorder, Result

TICK_SECONDS = 0.5  # between two commits at the latest, and between two reports
RESTING = 10_000  # links that may wait so, at most: each is a task (some 10 kB)
GRACE_SECONDS = 10.0  # what is under way at a stop may end for so long; the whole stop takes less than 30


class Dispatcher:
    """Runs `follow` for every link that the feeder gives.

    Args:
        follow: gives the one result of a link; an exception from it is a fault of webtext and ends the crawl.
        concurrency: links under way at once.
        report: called every half second, after a commit.
    """

    def __init__(
        self,
        feeder: Source,
        recorder: Recorder,
        follow: Callable[[Link], Awaitable[Result]],
        *,
        concurrency: int,
        report: Callable[[], None],
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._feeder = feeder
        self._recorder = recorder
        self._follow = follow
        self._concurrency = concurrency
        self._report = report
        self._grace = grace
        self._tasks: dict[asyncio.Task[Result], Link] = {}
        self._wake = asyncio.Event()
        self._resting = 0
        self._stopping = False
        self._failure: BaseException | None = None

    def rest(self, change: int) -> None:
        """So many more (or fewer) links only wait for their host, for long: others may be under way in their place."""
        self._resting += change
        self._wake.set()

    def stop(self) -> None:
        """Start nothing more; cancel what has not ended after the grace."""
        if not self._stopping:
            self._stopping = True
            self._wake.set()
            asyncio.get_running_loop().call_later(self._grace, self._cancel)

    async def run(self) -> None:
        """Return when every link has ended, or after `stop`; everything that ended is then committed."""
        ticker = asyncio.ensure_future(self._tick())
        try:
            while self._failure is None:
                self._start()
                if not self._tasks and (self._stopping or self._feeder.finished):
                    break
                await self._sleep()
        finally:
            ticker.cancel()
            self._cancel()
            await asyncio.gather(ticker, *self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        self._recorder.flush()
        self._report()

    def _start(self) -> None:
        while not self._stopping and len(self._tasks) - min(self._resting, RESTING) < self._concurrency:
            link = self._feeder.take()
            if link is None:
                return
            task = asyncio.ensure_future(self._follow(link))
            self._tasks[task] = link
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        link = self._tasks.pop(task)
        self._wake.set()
        if task.cancelled():
            return  # stays claimed, and is pending again at the next start
        failure = task.exception()
        self._feeder.done(link, page=failure is None and task.result().outcome == PAGE)
        try:
            self._recorder.add(task.result())
        except BaseException as error:  # noqa: BLE001  (carried to run, which raises it)
            self._failure = self._failure or error

    async def _sleep(self) -> None:
        self._wake.clear()
        seconds = None if self._stopping else self._feeder.wait()
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._wake.set)
        await self._wake.wait()
        if timer is not None:
            timer.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self._recorder.flush()
                self._report()
            except BaseException as error:  # noqa: BLE001  (carried to run, which raises it)
                self._failure = self._failure or error
                self._wake.set()
                return

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
