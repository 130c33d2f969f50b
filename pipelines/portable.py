"""The portable subset: what every engine runs rightly, checked when a pipeline is built.

Create, Map, FlatMap, ParDo, GroupByKey, Combine, side inputs, Flatten, CoGroupByKey, and one terminal. The rest is
silently wrong somewhere (`docs/engines.md` says where, `tests/pipelines/test_dask_traps.py` shows it), so a pipeline
with it does not run anywhere, not even on the engine that could.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.runners.common import DoFnSignature
from apache_beam.transforms.core import _DoFnParam
from apache_beam.transforms.window import GlobalWindows

PRIMITIVES = (beam.ParDo, beam.GroupByKey, beam.Flatten)
"""What a portable pipeline comes down to, besides `Create`, which every engine replaces as a whole."""

_PARAMETERS = (beam.DoFn.ElementParam, beam.DoFn.SideInputParam)


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
        self._create: AppliedPTransform | None = None

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        if self._create is None and type(node.transform) is beam.Create:
            self._create = node
        elif self._create is None and type(node.transform) is beam.Reshuffle:
            _refuse(node, "Reshuffle is not portable: it does nothing on some engines; GroupByKey deals out everywhere")

    def leave_composite_transform(self, node: AppliedPTransform) -> None:
        if node is self._create:
            self._create = None

    def visit_transform(self, node: AppliedPTransform) -> None:
        if self._create is None:  # what a Create is made of, engines replace
            _check(node)
        for source in node.inputs:
            if source.producer is not None:  # a root reads the pipeline's begin
                self.consumed.add(_name(source))
        for view in node.side_inputs:
            self.consumed.add(_name(view.pvalue))
        self.produced.update(_name(output) for output in node.outputs.values())


def _check(node: AppliedPTransform) -> None:
    """Refuse one primitive."""
    transform = node.transform
    if type(transform) not in PRIMITIVES:
        _refuse(node, f"{type(transform).__name__} is none of the portable transforms")
    if len(node.outputs) > 1:
        _refuse(node, "tagged outputs are not portable: some engines give every output all elements")
    for output in node.outputs.values():
        if type(output.windowing.windowfn) is not GlobalWindows:
            _refuse(node, "windows are not portable: some engines put everything into one")
    function = getattr(transform, "fn", None)
    if isinstance(function, beam.DoFn):
        _check_function(node, function)


def _check_function(node: AppliedPTransform, function: beam.DoFn) -> None:
    kind = type(function)
    if kind.finish_bundle is not beam.DoFn.finish_bundle:
        _refuse(node, "finish_bundle is not portable: some engines lose what it gives")
    if kind.process_batch is not beam.DoFn.process_batch:
        _refuse(node, "process_batch is not portable: some engines call process alone")
    for parameter in DoFnSignature(function).process_method.defaults:
        kind = parameter if isinstance(parameter, type) else type(parameter)
        if issubclass(kind, _DoFnParam) and parameter not in _PARAMETERS:
            name = getattr(parameter, "param_id", kind.__name__.strip("_"))
            _refuse(node, f"{name} is not portable: times, windows, state and bundles differ between engines")


def _refuse(node: AppliedPTransform, why: str) -> None:
    raise ValueError(f"{node.full_label}: {why}")


def _name(value: Any) -> str:
    return f"{value.producer.full_label}[{value.tag}]"
