"""As many links under way as may be; their results to the recorder; one clean stop. Plain asyncio, no Scrapy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from webtext.crawler.fetch.gate import Source
from webtext.crawler.fetch.ledger import PAGE, Link
from webtext.crawler.fetch.pressure import STEP_SECONDS, Pressure
from webtext.crawler.fetch.recorder import Recorder, Result

TICK_SECONDS = 0.5  # between two commits at the latest, and between two reports
RESTING = 4_000  # links that may wait so, at most: each is a task (some 10 kB)
_RESERVED = 16  # one place in so many is for those that the end waits for
GRACE_SECONDS = 10.0  # what is under way at a stop may end for so long; the whole stop takes less than 30


class Dispatcher:
    """Runs `follow` for every link that the feeder gives.

    Args:
        follow: gives the one result of a link; an exception from it is a fault of webtext and ends the crawl.
        concurrency: links under way at once, at most (`pressure`).
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
        self._most = concurrency
        self._others = concurrency - concurrency // _RESERVED
        self._pressure = Pressure(concurrency)
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
        helpers = [asyncio.ensure_future(self._tick()), asyncio.ensure_future(self._look())]
        try:
            while self._failure is None:
                self._start()
                if not self._tasks and (self._stopping or self._feeder.finished):
                    break
                await self._sleep()
        finally:
            for helper in helpers:
                helper.cancel()
            self._cancel()
            await asyncio.gather(*helpers, *self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        self._recorder.flush()
        self._report()

    @property
    def _under_way(self) -> int:
        return len(self._tasks) - min(self._resting, RESTING)

    def _start(self) -> None:
        while not self._stopping and self._under_way < self._most:
            # Those that the end waits for do not wait for others.
            link = self._feeder.take(urgent=self._under_way >= min(self._pressure.limit, self._others))
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
        # Full, only an end can change that: a host that may be asked by now must not wake us again and again.
        full = self._stopping or self._under_way >= self._most
        seconds = None if full else self._feeder.wait()
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

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + STEP_SECONDS
            await asyncio.sleep(STEP_SECONDS)
            before = self._pressure.limit
            self._pressure.lagged(loop.time() - due)
            if self._pressure.limit > before:
                self._wake.set()

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
