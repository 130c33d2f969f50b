"""The process in which Beam's local engine runs our functions: quiet, deaf to Ctrl-C, and gone with its parent.

Beam's own worker prints a traceback on Ctrl-C (a terminal sends it to the whole group), outlives a parent that was
killed, and serves one pipeline. The parent decides when to stop, so here SIGINT is ignored, and the kernel ends this
process with its parent. Started by `webtext.pipelines.members`, which writes one line of orders a pipeline.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import NoReturn, TextIO, cast

from webtext.corpus.processes import end_with_parent
from webtext.pipelines.quiet import QuietStream


def settle() -> None:
    """Be deaf to Ctrl-C, and quiet."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # An error reaches the user through the engine, once.
    logging.disable(logging.CRITICAL)


def serve(parent: int) -> NoReturn:
    """Be one Beam worker after the other, until the orders on standard input end, or `parent` does."""
    end_with_parent(parent)
    sys.stderr = cast(TextIO, QuietStream(sys.stderr))
    # What a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    from apache_beam.runners.worker.sdk_worker_main import create_harness

    for orders in sys.stdin:
        _, harness, _ = create_harness(json.loads(orders))
        harness.run()
        print(file=answers, flush=True)
    # Threads of Beam's may still be at their ends.
    os._exit(0)


if __name__ == "__main__":
    settle()
    serve(int(sys.argv[1]))
