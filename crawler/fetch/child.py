"""Running crawl processes from a stage: their figures into one view, one stop for all, their errors told as ours.

A process that dies is started again where others go on beside it, as long as it gets further; a single one is not, for
the user's next call does the same. In neither case is anything lost: the ledger can bear it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from webtext.corpus.errors import Interrupted, WebtextError
from webtext.corpus.files import write_json
from webtext.corpus.interrupts import Stop
from webtext.corpus.telling import error_told, how_it_ended, told_by
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.process import STOPPED
from webtext.crawler.fetch.view import CrawlView

_STOP_SECONDS = 30.0  # a process that has not stopped then is killed; the ledger can bear it
_LOOK_SECONDS = 0.1  # between two looks at the processes
_RESTARTS = 5  # of one process that gets no further in between: then it is no accident
_GOES_ON = "what was fetched is kept; the same command goes on where it was"


@dataclass(frozen=True)
class Job:
    """One crawl process: what it is told, and the file in which."""

    plan: Plan
    config: Path


def run_processes(jobs: Sequence[Job], corpus: Path, *, total: int, begun: int, stop: Stop) -> None:
    """Run crawl processes beside each other to their end.

    Args:
        total: links of the stage.
        begun: how many of them have ended before, in no process's ledger: they are added to what the processes say.

    Raises:
        Interrupted: the user asked to stop; the processes have committed what was finished.
        WebtextError: what a process met, as itself; or that one ended in a way it should not. The others are stopped.
    """
    with CrawlView(corpus, total, begun, len(jobs)) as view:
        workers: list[_Worker] = []
        try:
            for number, job in enumerate(jobs):
                workers.append(_Worker(number, job, view, alone=len(jobs) == 1))
            _watch(workers, view, stop)
        except BaseException:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.end()
            raise
    if stop.requested:
        raise stop.error()


def _watch(workers: Sequence[_Worker], view: CrawlView, stop: Stop) -> None:
    """Until every process has ended; raise what one of them ended with."""
    deadline: float | None = None
    while running := [worker for worker in workers if not worker.look(stopping=deadline is not None)]:
        if stop.requested and deadline is None:
            deadline = time.monotonic() + _STOP_SECONDS
            for worker in running:
                worker.terminate()
        if deadline is not None and time.monotonic() > deadline:
            for worker in running:
                worker.kill()
        view.show()
        time.sleep(_LOOK_SECONDS)


class _Worker:
    """One process after another for one job."""

    def __init__(self, number: int, job: Job, view: CrawlView, *, alone: bool) -> None:
        self._number = number
        self._job = job
        self._view = view
        self._alone = alone
        self._failures = 0
        self._done_before = -1
        write_json(job.config, job.plan.to_json())
        self._start()

    def _start(self) -> None:
        # A session of its own: Ctrl-C on a terminal reaches the whole group, and must reach the crawl once, from here.
        # From the main thread: the kernel ends a child with the thread that started it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "webtext.crawler.fetch.process", str(self._job.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._told: list[WebtextError] = []
        self._done = 0
        self._reader = threading.Thread(target=self._listen, args=(self._process.stdout,), name="crawl", daemon=True)
        self._reader.start()

    def look(self, *, stopping: bool) -> bool:
        """Whether it has ended as it should; started again where it died and may be.

        Raises:
            WebtextError: it has ended otherwise.
        """
        code = self._process.poll()
        if code is None:
            return False
        self._reader.join()
        if self._told:
            raise self._told[-1]
        if code == 0 or (code == STOPPED and stopping):
            return True
        if code == STOPPED:
            raise Interrupted("the crawl process was asked to stop", hint=_GOES_ON)
        if stopping and code in (-signal.SIGTERM, -signal.SIGKILL):
            return True  # it was slow to stop, or had not yet begun to listen
        how = how_it_ended(code)
        self._failures = self._failures + 1 if self._done <= self._done_before else 1
        self._done_before = self._done
        if self._alone:
            raise WebtextError(f"the crawl process {how}", hint=_GOES_ON)
        if self._failures >= _RESTARTS:
            raise WebtextError(
                f"crawl process {self._number + 1} {how}, {_RESTARTS} times without getting further", hint=_GOES_ON
            )
        self._view.tell(f"crawl process {self._number + 1} {how}; it is started again, nothing is lost")
        self._start()
        return False

    def terminate(self) -> None:
        """Ask it to stop."""
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> None:
        """Wait until it is gone, after `terminate`."""
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for message in told_by(stream):
                self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        if failure := error_told(message):
            self._told.append(failure)
        else:
            self._done = message["figures"]["done"]
            self._view.update(self._number, message)
