"""Ctrl-C on a terminal goes to the whole process group: one message, and nothing of the processes behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from commands import command, environment, leftovers
from small_corpora import words


@pytest.mark.slow
def test_workers_that_are_starting_say_nothing_of_it(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jsonl").write_text(f'{{"text": "{words(number, 60)}"}}\n' * 40_000)
    files = sorted(tmp_path.glob("*.jsonl"))
    arguments = command("import", tmp_path / "corpus", *files, "--workers", 2)
    started = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    while started.poll() is None and not _starts_workers(started.pid):
        time.sleep(0.005)
    time.sleep(0.1)  # Python is up, and imports
    os.killpg(started.pid, signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert started.returncode == 1
    assert "stopped; what was done is kept" in told
    assert "Traceback" not in told
    assert leftovers() == []


def _starts_workers(pid: int) -> bool:
    """Whether a process below it is a worker, or that which workers are forks of."""
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):
            if any(word in ("webtext.pipelines.worker", "webtext.pipelines.nursery") for word in child.cmdline()):
                return True
    return False
