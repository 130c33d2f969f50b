"""The engine `local`: Beam's FnApiRunner, named in full, in this process or with worker processes of our own."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import environments

from webtext.pipelines.failures import carried, lost_worker
from webtext.pipelines.sittings import Backend, Sitting

GRACE = 10.0  # seconds between the first worker's ordinary end and the end of the pipeline: measured below 1

_OURS = ("webtext.pipelines.worker", "webtext.crawler.text.child")
"""The modules that worker processes run; other children of this process are their starter's business."""


@dataclass(frozen=True)
class Local(Backend):
    """Worker processes of this machine; one worker is this process itself."""

    @property
    def local(self) -> bool:
        return True

    def sitting(self, workers: int) -> Sitting:
        return _LocalSitting(workers)


class _LocalSitting(Sitting):
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._seen: set[int] = set()
        self._missed: float | None = None

    def runner(self) -> FnApiRunner:
        if self._workers == 1:
            return FnApiRunner()
        # The runner's own multi_processing mode is this with Beam's worker: ours dies with its parent.
        # -P: what lies in the working directory must not hide a library.
        command = f"exec {shlex.quote(sys.executable)} -P -m webtext.pipelines.worker {os.getpid()}"
        environment = environments.SubprocessSDKEnvironment.from_command_string(command)
        return FnApiRunner(default_environment=environment)

    def options(self) -> PipelineOptions:
        return PipelineOptions([f"--direct_num_workers={self._workers}"])

    def look(self, label: str) -> None:
        """Notice a worker that was killed: the runner itself would wait for its answer for ever."""
        if self._workers == 1:  # a child that ends is an extractor, whose end is its owner's business
            return
        now = {worker.pid for worker in _workers()}
        self._seen |= now
        if self._seen <= now:
            return
        self._missed = self._missed or time.monotonic()
        if time.monotonic() - self._missed > GRACE:
            raise lost_worker(label)

    def end(self, *, failed: bool) -> None:
        if failed:
            _end_workers()

    def explain(self, error: BaseException, label: str) -> BaseException:
        if (inner := carried(error)) is not None:
            return inner
        if "exited with return code" in str(error) or "StatusCode.UNAVAILABLE" in str(error):
            return lost_worker(label)
        return error


def _workers() -> list[psutil.Process]:
    """The worker processes of this process."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any(module in child.cmdline() for module in _OURS):
                found.append(child)
    return found


def _end_workers() -> None:
    """End the worker processes of this pipeline, and what they started."""
    workers = _workers()
    below = [process for worker in workers for process in _children(worker)]
    for process in [*workers, *below]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs([*workers, *below], timeout=5)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
