"""The process in which Beam's local engine runs our functions: quiet, deaf to Ctrl-C, and gone with its parent.

Beam's own worker prints a traceback on Ctrl-C (a terminal sends it to the whole group) and outlives a parent that was
killed. The parent decides when to stop, so here SIGINT is ignored, and the kernel ends this process with its parent.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent: int) -> None:
    """End this process when `parent` ends: at once on Linux, within a second elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main() -> None:
    """Run a Beam worker."""
    die_with_parent(int(sys.argv.pop()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)  # an error reaches the user through the engine, once
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
