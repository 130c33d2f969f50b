"""A process that has imported all that commands import, and forks one child a command: a test then waits for what its
command does and not for two seconds of imports.

What the children run, print and return is the command's own; only the interpreter's start is shared. Tests of the start
itself (help, the installed script, the wheel, what lies in the working directory) start processes of their own, and so
does all that runs beside the test.

Spoken to over a Unix socket: a message of JSON (arguments, environment) with the files for standard output and standard
error; the answer is the exit code, negative for a signal.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from webtext.corpus.processes import end_with_parent

PRELOADED = (
    "webtext.api",
    "webtext.cli",
    "webtext.crawler.fetch.crawl",
    "webtext.crawler.fetch.spider",
    "webtext.pipelines.dedup",
    "webtext.pipelines.engines",
    "webtext.pipelines.extract",
    "webtext.pipelines.links",
    "webtext.pipelines.tokenize",
    "webtext.train.trainer",
    "rich.progress",
)
MESSAGE = 1 << 20


class Nursery:
    """The test process's end."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        # Not the tests' environment as it is now: each command brings its own.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-P", "-m", "nursery", str(theirs.fileno()), str(os.getpid())]
        subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        message = json.dumps(
            {"arguments": list(arguments), "environment": dict(environment), "folder": str(Path.cwd())}
        )
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            socket.send_fds(self._socket, [message.encode()], [out.fileno(), err.fileno()])
            answer = self._socket.recv(MESSAGE)
            assert answer, "the nursery ended"
            told = []
            for file in (out, err):
                file.seek(0)
                told.append(file.read().decode())
        return subprocess.CompletedProcess(list(arguments), int(answer), *told)


def serve(connection: socket.socket) -> bool:
    """Fork a child for each command, one at a time, until the other end is closed.

    Returns:
        Whether this process is such a child, ready to be its command.
    """
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # a collection in a child would copy every page
    while True:
        message, files, _, _ = socket.recv_fds(connection, MESSAGE, 2)
        if not message:
            return False
        child = os.fork()
        if not child:
            connection.close()
            _become(json.loads(message), *files)
            return True
        for file in files:
            os.close(file)
        _, ended = os.waitpid(child, 0)
        connection.send(str(os.waitstatus_to_exitcode(ended)).encode())


def _become(order: dict[str, Any], out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = ["webtext", *order["arguments"]]


def _command() -> int:
    """What the program's own process would end with."""
    from webtext.cli import main

    try:
        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - told as the interpreter would
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> None:
    """End as an interpreter does, but for taking all the modules apart: in a child that takes longer than commands."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[2]))
    if serve(socket.socket(fileno=int(sys.argv[1]))):
        _end(_command())
