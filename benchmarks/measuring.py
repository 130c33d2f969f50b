"""What benchmarks share: processor time and memory of processes."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil


def pss(pid: int) -> float:
    """Proportional set size of a process and all below it, in MB."""
    total = 0
    with suppress(psutil.Error):
        for process in (parent := psutil.Process(pid), *parent.children(recursive=True)):
            with suppress(OSError), open(f"/proc/{process.pid}/smaps_rollup") as file:  # noqa: PTH123 - it may have ended
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


def watched(command: Sequence[str], *, quiet: bool = False, every: float = 0.1) -> tuple[str, float]:
    """Run a child; what it printed, and the peak of `pss` in MB, looked at each `every` seconds.

    Args:
        quiet: its standard error is not shown.
    """
    with tempfile.TemporaryFile("w+") as printed:  # a pipe that nobody reads meanwhile fills
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.DEVNULL if quiet else None)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, pss(process.pid))
            time.sleep(every)
        assert process.returncode == 0, command
        printed.seek(0)
        return printed.read(), peak


def cpu_seconds() -> float:
    """Processor time of this process and its children that ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
