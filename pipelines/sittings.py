"""What an engine is to a pipeline: a runner with its options, watched while it runs. One module an engine fills it in.

Not for what runs on it: that is `webtext.pipelines.engine`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from webtext.pipelines.failures import carried


class Sitting(ABC):
    """One run of one pipeline on an engine."""

    killed: Sequence[int] = ()
    """Processes of this machine that were ended in the middle of their work."""

    @abstractmethod
    def runner(self) -> Any:
        """Beam's runner. One that deals the elements of a Create out itself has an attribute `deals_out`."""

    @abstractmethod
    def options(self) -> PipelineOptions:
        """What the runner is told."""

    def began(self, result: Any) -> None:  # noqa: B027 - not every engine needs it
        """The runner took the pipeline; `result` is Beam's PipelineResult. Called in the thread that waits for it."""

    def look(self, label: str) -> None:  # noqa: B027 - not every engine needs it
        """Called several times a second: raise a `WebtextError` where the pipeline will never end."""

    def finished(self, label: str) -> None:  # noqa: B027 - not every engine needs it
        """The runner says that the pipeline is done: raise a `WebtextError` where it is not."""

    def end(self, *, failed: bool) -> None:  # noqa: B027 - not every engine needs it
        """The pipeline is over, or given up: leave nothing running, nothing open. Called once, in every case."""

    def explain(self, error: BaseException, label: str) -> BaseException:
        """What the user is told for an exception of the runner; the exception itself where it is a bug."""
        return carried(error) or error


class Backend(ABC):
    """An engine that is ready: addresses and options checked, workers met."""

    @abstractmethod
    def sitting(self, workers: int) -> Sitting:
        """A sitting with (where the engine leaves that to us) so many workers."""

    def rest(self) -> None:  # noqa: B027 - not every engine has workers of its own
        """No sitting follows soon: end what is kept for it."""

    @property
    @abstractmethod
    def local(self) -> bool:
        """Whether the workers are processes of this machine that we start: then no more than there is work for."""
