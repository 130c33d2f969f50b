"""Which runner carries a pipeline, and the portable subset every pipeline keeps to.

Elements are references (file, row group, key range): functions do the file IO themselves, text never enters a
PCollection. Resume lies in the files, not in Beam: a pipeline that failed is simply run again.
"""

from __future__ import annotations

import base64
import logging
import os
import pickle
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar, cast

import apache_beam as beam
import psutil
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import environments

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.progress import progress, watched
from webtext.pipelines.quiet import MARK, QuietStream

T = TypeVar("T")
R = TypeVar("R")

# Silently wrong or absent on some engine (measured on Dask and Flink): several terminals, tagged outputs,
# finish_bundle, windows, state, and the file sinks.
_FORBIDDEN = re.compile(r"^(WindowInto|Write|WriteToText|WriteToParquet|BatchElements|GroupIntoBatches|Reshuffle)$")


@dataclass(frozen=True)
class guarded(Generic[T, R]):
    """Wrap a function of a pipeline so that a `WebtextError` in a worker reaches the user as itself.

    Beam carries a worker's exception as text inside a RuntimeError; the pickled error rides in that text.
    """

    function: Callable[[T], R]

    def __call__(self, element: T) -> R:
        try:
            with os_errors("a worker"):
                return self.function(element)
        except WebtextError as error:
            raise RuntimeError(f"{MARK}{base64.b64encode(pickle.dumps(error)).decode()}:") from error


@dataclass(frozen=True)
class Engine:
    """Beam's local runner, named in full, with `workers` processes (1: in this process)."""

    workers: int = 1
    corpus: Path | None = None

    def each(
        self,
        label: str,
        function: Callable[[T], object],
        elements: Sequence[T],
        *,
        unit: str = "parts",
        made: Callable[[], int] | None = None,
    ) -> None:
        """Call `function` on every element, on all workers. What it makes lies in files.

        Args:
            function: module-level callable or frozen dataclass with `__call__`; must be picklable.
            made: counts the finished elements, for the progress bar.
        """
        if not elements:
            return

        def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
            return spread(pipeline, label, elements) | label >> beam.Map(guarded(_Silent(function)))

        # Worker processes take seconds to start: no more than there are elements, and none for one.
        engine = replace(self, workers=min(self.workers, len(elements)))
        engine.run(label, build, total=len(elements), made=made, unit=unit)

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
            WebtextError: as raised in a worker, or a worker that ended without a word.
        """
        pipeline = beam.Pipeline(runner=self._runner(), options=self._options())
        build(pipeline)
        check_portable(pipeline)
        with ExitStack() as stack:
            shown = stack.enter_context(progress(self.corpus, label, total, unit))
            if made is not None:
                stack.enter_context(watched(shown, made))
            _run(pipeline, label, workers=self.workers)

    def _runner(self) -> FnApiRunner:
        if self.workers == 1:
            return FnApiRunner()
        # The runner's own multi_processing mode is this with Beam's worker: ours dies with its parent.
        # -P: what lies in the working directory must not hide a library.
        command = f"exec {shlex.quote(sys.executable)} -P -m webtext.pipelines.worker {os.getpid()}"
        environment = environments.SubprocessSDKEnvironment.from_command_string(command)
        return FnApiRunner(default_environment=environment)

    def _options(self) -> PipelineOptions:
        return PipelineOptions([f"--direct_num_workers={self.workers}"])


@dataclass(frozen=True)
class _Silent(Generic[T]):
    """Drop the result: it would travel back through the runner's memory for nothing."""

    function: Callable[[T], object]

    def __call__(self, element: T) -> None:
        self.function(element)


def spread(pipeline: beam.Pipeline, label: str, elements: Iterable[T]) -> beam.PCollection[T]:
    """The elements, dealt out evenly over the workers (Reshuffle does nothing on some engines; GroupByKey does)."""
    numbered = list(enumerate(elements))
    return (
        pipeline
        | f"{label}: elements" >> beam.Create(numbered, reshuffle=False)
        | f"{label}: spread" >> beam.GroupByKey()
        | f"{label}: unwrap" >> beam.FlatMap(_values)
    )


def _values(pair: tuple[int, Iterable[T]]) -> Iterable[T]:
    return pair[1]


def check_portable(pipeline: beam.Pipeline) -> None:
    """Refuse a pipeline that leaves the portable subset.

    Raises:
        ValueError: names the transform; always a fault of webtext's own code.
    """
    visitor = _Portability()
    pipeline.visit(visitor)
    terminals = visitor.produced - visitor.consumed
    if len(terminals) != 1:
        raise ValueError(f"a pipeline needs one terminal transform, this one has {len(terminals)}: {sorted(terminals)}")


class _Portability(PipelineVisitor):  # type: ignore[misc]  # Beam's classes have no types here
    """Collects what is produced and consumed, and refuses what does not run everywhere."""

    def __init__(self) -> None:
        self.produced: set[str] = set()
        self.consumed: set[str] = set()

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        self._refuse(node)

    def visit_transform(self, node: AppliedPTransform) -> None:
        self._refuse(node)
        for source in node.inputs:
            if source.producer is not None:  # a root reads the pipeline's begin
                self.consumed.add(_name(source))
        for view in node.side_inputs:
            self.consumed.add(_name(view.pvalue))
        for tag, output in node.outputs.items():
            if tag not in (None, "None") and len(node.outputs) > 1:
                raise ValueError(f"{node.full_label}: tagged outputs are not portable")
            self.produced.add(_name(output))

    @staticmethod
    def _refuse(node: AppliedPTransform) -> None:
        transform = node.transform
        if transform is None:
            return
        # Create deals its elements out by a Reshuffle of its own: without effect on some engines, wrong on none.
        if _FORBIDDEN.match(type(transform).__name__) and "/MaybeReshuffle" not in node.full_label:
            raise ValueError(f"{node.full_label}: {type(transform).__name__} is not in the portable subset")
        function = getattr(transform, "fn", None)
        if isinstance(function, beam.DoFn) and type(function).finish_bundle is not beam.DoFn.finish_bundle:
            raise ValueError(f"{node.full_label}: finish_bundle is not in the portable subset")


def _name(value: Any) -> str:
    return f"{value.producer.full_label}[{value.tag}]"


def _run(pipeline: beam.Pipeline, label: str, *, workers: int) -> None:
    """Run in a thread of its own, so that a signal can end the wait (and then the workers) at any time."""
    failure: list[BaseException] = []

    def work() -> None:
        try:
            pipeline.run().wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - carried to the waiting thread
            failure.append(error)

    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # what matters arrives as an exception
    thread = threading.Thread(target=work, name=f"beam {label}", daemon=True)
    thread.start()
    watch = _Watch()
    with _quiet_threads(), redirect_stderr(cast(TextIO, QuietStream(sys.stderr))):
        try:
            while thread.is_alive():
                thread.join(0.1)
                if workers > 1:  # else a child that ends is an extractor, whose end is its owner's business
                    watch.look(label)
        except BaseException:
            _end_workers()
            thread.join(5)
            raise
        if failure:
            _end_workers()
            raise _explain(failure[0], label) from failure[0]


_BEAM_THREADS = ("run_worker", "beam_", "read_grpc_client_inputs")


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Beam's own threads fail beside the pipeline when a worker dies: their tracebacks say nothing to a user."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.thread is None or not args.thread.name.startswith(_BEAM_THREADS):
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


class _Watch:
    """Notices a worker that was killed: the runner itself would wait for its answer for ever."""

    GRACE = 10.0  # seconds between the first worker's ordinary end and the end of the pipeline: measured below 1

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._missed: float | None = None

    def look(self, label: str) -> None:
        """Raise where a worker has been gone for longer than a pipeline takes to end."""
        now = {worker.pid for worker in _workers()}
        self._seen |= now
        if self._seen <= now:
            return
        self._missed = self._missed or time.monotonic()
        if time.monotonic() - self._missed > self.GRACE:
            raise _lost_worker(label)


def _lost_worker(label: str) -> WebtextError:
    return WebtextError(
        f"a worker process of '{label}' ended without a word (out of memory, or killed)",
        hint="run the same command again: it goes on where it was; fewer --workers need less memory",
    )


_OURS = ("webtext.pipelines.worker", "webtext.crawler.text.child")
"""The modules that worker processes run; other children of this process are their starter's business."""


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


def _explain(error: BaseException, label: str) -> BaseException:
    found = re.search(rf"{MARK}([A-Za-z0-9+/=]+):", str(error))
    if found:
        carried = pickle.loads(base64.b64decode(found.group(1)))
        return carried if isinstance(carried, WebtextError) else error
    if "exited with return code" in str(error) or "StatusCode.UNAVAILABLE" in str(error):
        return _lost_worker(label)
    return error
