"""Extraction in a process that may be killed: no page, however hostile, takes more than itself down.

A page that uses too much processor time, breaks the extractor or outgrows its memory ends as an outcome; the pages
beside it are untouched. A page costs 0.15 ms more than in this process; a new child 0.45 s.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType

import psutil

from webtext.corpus.errors import WebtextError
from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.messages import Answer, Terms, decode_answer, decode_ready, encode_page, encode_terms
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules

WALL_SECONDS = 120.0
"""The last resort, for a child that neither works nor ends. Processor time is what a page is judged by: wall time
depends on what else the machine does (a peer's timeout of one second loses pages by load)."""

WORKING = 0.01
"""A child that used so much of a core within the wall time works: it waits for its turn on a machine that does much
else, and is given as long again. It comes to the end of its processor time in the end."""

MEMORY_BYTES = 2 << 30
"""Address space of a child. 483 real pages one after the other stayed below 0.2 GiB; 5 MB of links need 0.9 GiB."""

_PIECE = 1 << 16


class _Ended(Exception):
    """The child ended before it had answered; its exit status as subprocess gives it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Silent(Exception):
    """The child did not answer in time."""


class IsolatedExtractor:
    """Pages in, texts or reasons out, through one child process at a time. Not for several threads at once.

    The child is started with the first page, replaced when a page took it down, and ends with `close`, with this
    object, or with this process, whichever comes first.
    """

    def __init__(
        self,
        rules: TextRules,
        cpu_seconds: float,
        *,
        wall_seconds: float = WALL_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._terms = Terms(rules, cpu_seconds, memory_bytes, os.getpid())
        self._wall_seconds = wall_seconds
        self._child: _Child | None = None

    def __enter__(self) -> IsolatedExtractor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id, None where there is none now."""
        return None if self._child is None else self._child.pid

    def examine(self, page: PageBytes) -> Extracted | Rejection:
        """What becomes of a page (see `webtext.crawler.text.examine.examine`), and never an exception because of it.

        Raises:
            WebtextError: the extractor cannot be started at all, or what is installed decides wrongly.
        """
        # A child that was killed from outside (by a person, by the kernel for memory that others used), or that hung,
        # says nothing about its page: that is tried once more, in a new child. What the kernel ended for its processor
        # time would only use it again.
        first = self._try(page)
        if isinstance(first, (Extracted, Rejection)):
            return first
        second = self._try(page)
        return second if isinstance(second, (Extracted, Rejection)) else _verdict(second, self._wall_seconds)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _try(self, page: PageBytes) -> Extracted | Rejection | _Ended | _Silent:
        child = self._running()
        try:
            answer = child.ask(page, self._wall_seconds)
        except _Ended as ended:
            self.close()
            if ended.status in (-signal.SIGPROF, -signal.SIGXCPU):
                return Rejection(Outcome.EXTRACT_TIMEOUT, f"more than {self._terms.cpu_seconds:g} s of processor time")
            return ended
        except _Silent as silent:
            self.close()
            return silent
        except BaseException:
            self.close()  # interrupted between question and answer: the next answer would be this page's
            raise
        if answer.worn:
            self.close()
        if answer.trouble:
            raise WebtextError(
                f"the fast language detector is not exact here: {answer.trouble}",
                where=page.url,
                hint="pip uninstall langdetect-rs (langdetect alone decides, more slowly), and please report the text",
            )
        return answer.result

    def _running(self) -> _Child:
        if self._child is not None and not self._child.alive:
            self.close()  # it was killed while it waited
        if self._child is None:
            self._child = _Child(self._terms)
            self._child.wait_ready(self._wall_seconds)
        return self._child


def _verdict(failure: _Ended | _Silent, wall_seconds: float) -> Rejection:
    if isinstance(failure, _Silent):
        return Rejection(Outcome.EXTRACT_TIMEOUT, f"no answer within {wall_seconds:g} s")
    status = failure.status
    how = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    return Rejection(Outcome.EXTRACT_ERROR, f"the extractor ended with {how}")


class _Child:
    """One child process and the pipes to it."""

    def __init__(self, terms: Terms) -> None:
        ready_in, self._to_child = os.pipe()
        self._from_child, ready_out = os.pipe()
        self._deadline = self._seconds = self._used = 0.0
        self._watched: psutil.Process | None = None
        started: list[subprocess.Popen[bytes] | OSError] = []
        is_started = threading.Event()

        def keep() -> None:
            # The kernel ends the child with the *thread* that started it (prctl(2), PR_SET_PDEATHSIG), and the threads
            # of a Beam worker come and go. This one lives as long as the child does, and reaps it.
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "webtext.crawler.text.child", encode_terms(terms)],
                    stdin=ready_in,
                    stdout=ready_out,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONHASHSEED": "0"},
                    process_group=0,  # a terminal's Ctrl-C must not look like a page that broke the extractor
                )
            except OSError as error:
                started.append(error)
                is_started.set()
                return
            started.append(process)
            is_started.set()
            process.wait()

        self._keeper = threading.Thread(target=keep, name="extractor", daemon=True)
        self._keeper.start()
        is_started.wait()
        os.close(ready_in)
        os.close(ready_out)
        found = started[0]
        if isinstance(found, OSError):
            self._close_pipes()
            raise WebtextError(f"the extractor's process cannot be started ({found.strerror})") from found
        self._process = found
        os.set_blocking(self._to_child, False)
        os.set_blocking(self._from_child, False)

    def __del__(self) -> None:
        self._close_pipes()  # the end of its input ends the child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._keeper.is_alive()

    def wait_ready(self, seconds: float) -> None:
        """Wait until the child has loaded what it needs."""
        self._await(seconds)
        try:
            trouble = decode_ready(self._read_exactly)
        except (_Ended, _Silent) as error:
            self.end()
            raise WebtextError(
                f"the extractor's process does not start ({type(error).__name__.strip('_').lower()} {error})",
                hint="is there memory for one more process of 0.2 GB a worker? fewer --workers need less",
            ) from error
        if trouble:
            self.end()
            raise WebtextError(f"the extractor cannot be loaded: {trouble}", hint="pip install 'webtext[crawl]'")

    def ask(self, page: PageBytes, seconds: float) -> Answer:
        """Send a page and wait for its answer."""
        self._await(seconds)
        self._write(encode_page(page))
        return decode_answer(self._read_exactly)

    def end(self) -> None:
        """Kill it (it holds nothing worth keeping) and wait until it is gone."""
        self._close_pipes()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._keeper.join()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait(self._to_child, select.POLLOUT)
            try:
                view = view[os.write(self._to_child, view[: 1 << 20]) :]
            except BrokenPipeError:
                raise self._ended() from None
            except BlockingIOError:
                continue

    def _read_exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait(self._from_child, select.POLLIN)
            data = os.read(self._from_child, min(size - len(parts), _PIECE))
            if not data:
                raise self._ended()
            parts += data
        return bytes(parts)

    def _await(self, seconds: float) -> None:
        """From now on wait no longer than `seconds` for a child that does not work."""
        self._seconds, self._used = seconds, self._processor_seconds()
        self._deadline = time.monotonic() + seconds

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1_000):
            if self._processor_seconds() - self._used < WORKING * self._seconds:
                raise _Silent
            self._await(self._seconds)

    def _processor_seconds(self) -> float:
        try:
            self._watched = self._watched or psutil.Process(self.pid)
            times = self._watched.cpu_times()
        except psutil.Error:
            return 0.0  # it has ended, which its pipes tell
        return float(times.user + times.system)

    def _ended(self) -> _Ended:
        self._keeper.join(5)  # its pipes close a moment before it can be reaped
        return _Ended(self._process.returncode if self._process.returncode is not None else -signal.SIGKILL)

    def _close_pipes(self) -> None:
        for name in ("_to_child", "_from_child"):
            descriptor = self.__dict__.pop(name, None)
            if descriptor is not None:
                os.close(descriptor)
