"""A process that has imported what workers import, started no thread, and forks one worker a request.

A fork takes hundredths of a second where a start takes one, and its pages are the nursery's until it writes to them:
100 MB a worker that are in memory once. Only for Linux; who asks is `webtext.pipelines.members`.

Spoken to over a Unix socket: a message with two files, the worker's standard input and output; the answer carries the
worker's pid and a file that stands for its process (pidfd_open(2)), good also when the pid is another's.
"""

from __future__ import annotations

import gc
import importlib
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from webtext.corpus.processes import die_with_parent
from webtext.pipelines.worker import serve, settle

MESSAGE = 1_024


def main(connection: socket.socket, modules: Sequence[str]) -> None:
    """Fork workers until the other end is closed.

    Raises:
        OSError: it was closed within a request.
    """
    importlib.import_module("apache_beam.runners.worker.sdk_worker_main")
    for module in modules:
        with suppress(ImportError):  # whoever needs it tells
            importlib.import_module(module)
    gc.freeze()  # a collection in a worker would write to every page
    nursery = os.getpid()
    while True:
        message, files, _, _ = socket.recv_fds(connection, MESSAGE, 2)
        _reap()
        if not message:
            return
        pid = os.fork()
        if not pid:
            connection.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            serve(nursery)
        for file in files:
            os.close(file)
        # It is this process's child and not reaped before the next request: the pid is still its own.
        handle = os.pidfd_open(pid)
        socket.send_fds(connection, [str(pid).encode()], [handle])
        os.close(handle)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    settle()
    die_with_parent(int(sys.argv[2]))
    with suppress(OSError):  # who asks has ended: so does this, and the kernel ends the forks
        main(socket.socket(fileno=int(sys.argv[1])), sys.argv[3:])
    os._exit(0)
