"""The worker processes of a crew: how each is begun, spoken to, watched and ended.

On Linux one nursery forks them (`webtext.pipelines.nursery`); elsewhere each is started by itself. What a worker does
is `webtext.pipelines.worker`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import IO

import psutil

from webtext.corpus.errors import WebtextError

_ROOMS = ("webtext.corpus.", "webtext.dedup.", "webtext.pipelines.", "webtext.tokenize.", "webtext.crawler.text.")
"""Of the modules that this process has, those of these rooms may be a worker's, too: its nursery has them ready."""


class Member(ABC):
    """One worker process: it is told one Beam worker after the other on its input, and answers a line after each."""

    def __init__(self, pid: int, orders: IO[bytes], answers: IO[bytes]) -> None:
        self.pid = pid
        self._orders = orders
        self._answers = answers

    @abstractmethod
    def alive(self) -> bool:
        """Whether it has not ended."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once; it may have ended."""

    @abstractmethod
    def wait(self) -> None:
        """Wait for its end, and forget it."""

    def work(self, orders: dict[str, str]) -> None:
        """Become the Beam worker that the orders describe."""
        with suppress(BrokenPipeError):  # it was killed: whoever looks at the crew tells
            self._orders.write(json.dumps(orders).encode() + b"\n")
            self._orders.flush()

    def rested(self) -> bool:
        """Wait until it is no worker any more; False where it ended instead."""
        return self._answers.readline() != b""

    def close(self) -> None:
        """Close what it was spoken to through."""
        for pipe in (self._orders, self._answers):
            with suppress(OSError):
                pipe.close()


class _Started(Member):
    """A process of its own."""

    def __init__(self) -> None:
        # -P: what lies in the working directory must not hide a library. A group of its own: a terminal's Ctrl-C would
        # meet it before it has learned to ignore that.
        command = [sys.executable, "-P", "-m", "webtext.pipelines.worker", str(os.getpid())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        assert self._process.stdin is not None and self._process.stdout is not None  # asked for
        super().__init__(self._process.pid, self._process.stdin, self._process.stdout)

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.wait()


class _Forked(Member):
    """A fork of a nursery, known by the file that stands for its process."""

    def __init__(self, pid: int, handle: int, orders: IO[bytes], answers: IO[bytes]) -> None:
        super().__init__(pid, orders, answers)
        self._handle = handle
        self._ended = select.poll()
        self._ended.register(handle, select.POLLIN)

    def alive(self) -> bool:
        return not self._ended.poll(0)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def wait(self) -> None:
        self._ended.poll()
        os.close(self._handle)


class _Nursery:
    """This process's end of one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            modules = sorted(name for name in sys.modules if name.startswith(_ROOMS))
            command = [sys.executable, "-P", "-m", "webtext.pipelines.nursery", str(theirs.fileno()), str(os.getpid())]
            self._process = subprocess.Popen(
                [*command, *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,
            )

    def fork(self) -> Member:
        """A worker.

        Raises:
            WebtextError: the nursery has ended.
        """
        theirs, orders = os.pipe()
        answers, theirs_too = os.pipe()
        try:
            socket.send_fds(self._socket, [b"fork"], [theirs, theirs_too])
            message, files, _, _ = socket.recv_fds(self._socket, 64, 1)
        except OSError:
            message = b""
        finally:
            os.close(theirs)
            os.close(theirs_too)
        if not message:
            raise WebtextError(
                "the process that starts workers ended without a word (out of memory, or killed)",
                hint="run the same command again: it goes on where it was; fewer --workers need less memory",
            )
        os.set_inheritable(files[0], False)
        return _Forked(int(message), files[0], os.fdopen(orders, "wb"), os.fdopen(answers, "rb"))

    def end(self) -> None:
        """End it, after its forks, which it reaps."""
        self._socket.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Members(list[Member]):
    """The members of one crew, and their nursery."""

    def __init__(self) -> None:
        self._nursery: _Nursery | None = None

    def begin(self) -> Member:
        """One more."""
        if not forks():
            self.append(_Started())
            return self[-1]
        self._nursery = self._nursery or _Nursery()
        try:
            self.append(self._nursery.fork())
        except BaseException:  # also a signal, after which the next answer would be that to another request
            self.end()
            raise
        return self[-1]

    def end(self) -> None:
        """End all of them, whatever they are at, and what they started."""
        for member in self:
            if member.alive():
                with suppress(psutil.Error):
                    for child in psutil.Process(member.pid).children(recursive=True):
                        child.kill()
            member.kill()
        for member in self:
            member.wait()
            member.close()
        self.clear()
        if self._nursery is not None:
            self._nursery.end()
            self._nursery = None


def forks() -> bool:
    """Whether workers are forks of a nursery here: Linux 5.3 and later, not a sandbox that leaves this out."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True
