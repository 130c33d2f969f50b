"""What carries a pipeline: an engine (local, dask, or one of Beam's portable runners) and how a pipeline is run on it.

Elements are references (file, row group, key range): functions do the file IO themselves, text never enters a
PCollection. Resume lies in the files, not in Beam: a pipeline that failed is simply run again. Which engine it is, is
decided in `webtext.pipelines.engines`.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar, cast

import apache_beam as beam

from webtext.corpus.files import sweep
from webtext.corpus.progress import progress, watched
from webtext.pipelines.failures import guarded
from webtext.pipelines.local import Local
from webtext.pipelines.portable import check_portable
from webtext.pipelines.quiet import QuietStream
from webtext.pipelines.sittings import Backend, Sitting
from webtext.pipelines.threads import OnThreads

__all__ = ["Engine", "check_portable", "guarded", "spread"]

T = TypeVar("T")


@dataclass(frozen=True)
class Engine:
    """An engine with `workers` workers (local with 1: in this process). What work is cut into follows from `workers`;
    what comes out does not."""

    workers: int = 1
    corpus: Path | None = None
    backend: Backend = field(default_factory=Local)

    def each(
        self,
        label: str,
        function: Callable[[T], object],
        elements: Sequence[T],
        *,
        unit: str = "parts",
        made: Callable[[], int] | None = None,
        total: int | None = None,
        threads: bool = False,
    ) -> None:
        """Call `function` on every element, on all workers. What it makes lies in files.

        Args:
            function: module-level callable or frozen dataclass with `__call__`; must be picklable.
            made: counts the finished elements, for the progress bar; or whatever there is `total` of.
            threads: workers of this machine may be threads of this process: `function` bears it, and its time goes into
                libraries that let go of Python's lock.
        """
        if not elements:
            return
        # Worker processes take time to start: no more than there are elements, and none for one.
        engine = replace(self, workers=min(self.workers, len(elements))) if self.backend.local else self
        dealt: Sequence[Any] = elements
        called: Callable[[Any], object] = function
        if threads and engine.backend.local:
            dealt, called = [tuple(elements)], OnThreads(function, engine.workers)
            engine = replace(engine, workers=1)

        def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
            return spread(pipeline, label, dealt) | label >> beam.Map(guarded(_Silent(called)))

        engine.run(label, build, total=len(elements) if total is None else total, made=made, unit=unit)

    def run(
        self,
        label: str,
        build: Callable[[beam.Pipeline], beam.PCollection[Any]],
        *,
        total: int | None = None,
        made: Callable[[], int] | None = None,
        unit: str = "parts",
    ) -> None:
        """Build a pipeline, check that it is portable, and run it to its end.

        Raises:
            WebtextError: as raised in a worker, or a worker or a whole engine that ended without a word.
        """
        sitting = self.backend.sitting(self.workers)
        pipeline = beam.Pipeline(runner=sitting.runner(), options=sitting.options())
        build(pipeline)
        check_portable(pipeline)
        with ExitStack() as stack:
            shown = stack.enter_context(progress(self.corpus, label, total, unit))
            if made is not None:
                stack.enter_context(watched(shown, made))
            try:
                _run(pipeline, label, sitting)
            except BaseException:
                if self.corpus is not None and sitting.killed:
                    sweep(self.corpus, writers=sitting.killed)
                raise

    def rest(self) -> None:
        """No pipeline follows soon: workers of this machine give their memory back."""
        self.backend.rest()


@dataclass(frozen=True)
class _Silent(Generic[T]):
    """Drop the result: it would travel back through the runner's memory for nothing."""

    function: Callable[[T], object]

    def __call__(self, element: T) -> None:
        self.function(element)


def spread(pipeline: beam.Pipeline, label: str, elements: Iterable[T]) -> beam.PCollection[T]:
    """The elements, dealt out evenly over the workers (Reshuffle does nothing on some engines; GroupByKey does)."""
    numbered = list(enumerate(elements))
    dealt = pipeline | f"{label}: elements" >> beam.Create(numbered, reshuffle=False)
    if getattr(pipeline.runner, "deals_out", False):
        return dealt | f"{label}: unwrap" >> beam.Map(_second)
    return dealt | f"{label}: spread" >> beam.GroupByKey() | f"{label}: unwrap" >> beam.FlatMap(_second)


def _second(pair: tuple[int, T]) -> T:
    return pair[1]


def _run(pipeline: beam.Pipeline, label: str, sitting: Sitting) -> None:
    """Run in a thread of its own, so that a signal can end the wait (and then the workers) at any time."""
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result = pipeline.run()
            sitting.began(result)
            result.wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - carried to the waiting thread
            failure.append(error)

    for name in ("apache_beam", "distributed"):  # what matters arrives as an exception
        logging.getLogger(name).setLevel(logging.CRITICAL)
    thread = threading.Thread(target=work, name=f"beam {label}", daemon=True)
    with _quiet_threads(), redirect_stderr(cast(TextIO, QuietStream(sys.stderr))), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(apache_beam|dask|distributed)(\.|$)")
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.1)
                sitting.look(label)
        except BaseException:
            sitting.end(failed=True)
            thread.join(5)
            raise
        try:
            if failure:
                raise sitting.explain(failure[0], label) from failure[0]
            sitting.finished(label)
        finally:
            sitting.end(failed=bool(failure))


_BEAM_THREADS = ("run_worker", "beam_", "read_grpc_client_inputs", "wait_until_finish_read")


@dataclass(frozen=True)
class _QuietHook:
    """Passes over what ends a thread of Beam's."""

    before: Callable[[threading.ExceptHookArgs], object]

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        if args.thread is None or not args.thread.name.startswith(_BEAM_THREADS):
            self.before(args)


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Beam's own threads fail beside the pipeline when a worker dies: their tracebacks say nothing to a user.

    They do so a while after a pipeline that failed or was stopped, too: then the hook stays.
    """
    before = threading.excepthook
    if not isinstance(before, _QuietHook):
        threading.excepthook = _QuietHook(before)
    yield
    threading.excepthook = before
