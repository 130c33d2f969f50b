"""The engine `local`: Beam's FnApiRunner, named in full, in this process or with worker processes of our own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import psutil
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from webtext.pipelines.crew import Crew
from webtext.pipelines.failures import carried, lost_worker
from webtext.pipelines.sittings import Backend, Sitting

_EXTRACTOR = "webtext.crawler.text.child"
"""The module that a child of this process runs where it is the worker itself; other children are their starter's."""


@dataclass(frozen=True)
class Local(Backend):
    """Worker processes of this machine; one worker is this process itself."""

    crew: Crew = field(default_factory=Crew, compare=False)

    @property
    def local(self) -> bool:
        return True

    def rest(self) -> None:
        self.crew.end()

    def sitting(self, workers: int) -> Sitting:
        return _LocalSitting(workers, self.crew)


class _LocalSitting(Sitting):
    def __init__(self, workers: int, crew: Crew) -> None:
        self._workers = workers
        self._crew = crew

    def runner(self) -> FnApiRunner:
        if self._workers == 1:
            return FnApiRunner()
        return FnApiRunner(default_environment=self._crew.muster(self._workers))

    def options(self) -> PipelineOptions:
        return PipelineOptions([f"--direct_num_workers={self._workers}"])

    def look(self, label: str) -> None:
        """Notice a worker that was killed: the runner itself would wait for its answer for ever."""
        if not self._crew.whole():
            raise lost_worker(label)

    def end(self, *, failed: bool) -> None:
        if failed:
            self.killed = self._crew.end()
            _end_extractors()

    def explain(self, error: BaseException, label: str) -> BaseException:
        if (inner := carried(error)) is not None:
            return inner
        if "StatusCode.UNAVAILABLE" in str(error):
            return lost_worker(label)
        return error


def _end_extractors() -> None:
    """End the extractor of a pipeline that ran in this process."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if _EXTRACTOR in child.cmdline():
                child.kill()
                found.append(child)
    psutil.wait_procs(found, timeout=5)
