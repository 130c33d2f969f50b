"""The process in which Beam's local engine runs our functions: quiet, deaf to Ctrl-C, and gone with its parent.

Beam's own worker prints a traceback on Ctrl-C (a terminal sends it to the whole group) and outlives a parent that was
killed. The parent decides when to stop, so here SIGINT is ignored, and the kernel ends this process with its parent.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import TextIO, cast

from webtext.corpus.processes import end_with_parent
from webtext.pipelines.quiet import QuietStream


def main() -> None:
    """Run a Beam worker."""
    end_with_parent(int(sys.argv.pop()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # An error reaches the user through the engine, once.
    logging.disable(logging.CRITICAL)
    sys.stderr = cast(TextIO, QuietStream(sys.stderr))
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
