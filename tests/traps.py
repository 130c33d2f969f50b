"""Pipelines that step outside the portable subset: right on Beam's local runner, silently wrong on its DaskRunner.

Each leaves what it ends with as files, so that "done, no data" shows. `wrong` says what DaskRunner was seen to leave.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue

NUMBERS = range(6)


@dataclass(frozen=True)
class Leave:
    """Leave the element as a file of its own."""

    folder: str

    def __call__(self, element: Any) -> Any:
        (Path(self.folder) / f"left-{os.urandom(8).hex()}").write_text(repr(element))
        return element


def left(folder: Path) -> list[str]:
    """What `Leave` and the file sinks left, sorted."""
    found = [path.read_text() for path in folder.glob("left-*")]
    for path in folder.glob("text*"):
        found += path.read_text().splitlines()
    for path in folder.glob("parquet*"):
        found += map(str, pq.read_table(path)["x"].to_pylist())
    return sorted(found)


def numbers(pipeline: beam.Pipeline, label: str = "numbers") -> Any:
    return pipeline | label >> beam.Create(list(NUMBERS), reshuffle=False)


class Finishing(beam.DoFn):  # type: ignore[misc,unused-ignore]
    def start_bundle(self) -> None:
        self.held: list[int] = []

    def process(self, element: int) -> None:
        self.held.append(element)

    def finish_bundle(self) -> Iterable[Any]:
        for element in self.held:
            yield GlobalWindows.windowed_value(element)


class Parity(beam.DoFn):  # type: ignore[misc,unused-ignore]
    def process(self, element: int) -> Iterable[Any]:
        yield TaggedOutput("odd", element) if element % 2 else element


def two_terminals(pipeline: beam.Pipeline, folder: str) -> None:
    source = numbers(pipeline)
    _ = source | "one" >> beam.Map(str) | "leave one" >> beam.Map(Leave(folder))
    _ = source | "two" >> beam.Map(float) | "leave two" >> beam.Map(Leave(folder))


def tagged_outputs(pipeline: beam.Pipeline, folder: str) -> None:
    found = numbers(pipeline) | "parity" >> beam.ParDo(Parity()).with_outputs("odd", main="even")
    named = [found[tag] | f"name {tag}" >> beam.Map(lambda x, tag: (tag, x), tag) for tag in ("odd", "even")]
    _ = named | beam.Flatten() | "leave" >> beam.Map(Leave(folder))


def partition(pipeline: beam.Pipeline, folder: str) -> None:
    parts = numbers(pipeline) | "halves" >> beam.Partition(lambda x, count: x % count, 2)
    named = [part | f"name {n}" >> beam.Map(lambda x, n: (n, x), n) for n, part in enumerate(parts)]
    _ = named | beam.Flatten() | "leave" >> beam.Map(Leave(folder))


def exception_handling(pipeline: beam.Pipeline, folder: str) -> None:
    good, _ = numbers(pipeline) | "divide" >> beam.Map(lambda x: 6 // x).with_exception_handling()
    _ = good | "is" >> beam.Map(lambda x: type(x).__name__) | "leave" >> beam.Map(Leave(folder))


def finish_bundle(pipeline: beam.Pipeline, folder: str) -> None:
    _ = numbers(pipeline) | "finishing" >> beam.ParDo(Finishing()) | "leave" >> beam.Map(Leave(folder))


def batch_elements(pipeline: beam.Pipeline, folder: str) -> None:
    batches = numbers(pipeline) | "batches" >> beam.BatchElements(2, 2)
    _ = batches | beam.FlatMap(iter) | "leave" >> beam.Map(Leave(folder))


def top(pipeline: beam.Pipeline, folder: str) -> None:
    _ = numbers(pipeline) | "best" >> beam.combiners.Top.Of(2) | "leave" >> beam.Map(Leave(folder))


def windows(pipeline: beam.Pipeline, folder: str) -> None:
    stamped = numbers(pipeline) | "stamp" >> beam.Map(lambda x: TimestampedValue(("all", x), x))
    grouped = stamped | "windows" >> beam.WindowInto(FixedWindows(3)) | beam.GroupByKey()
    _ = grouped | beam.MapTuple(lambda _, values: sorted(values)) | "leave" >> beam.Map(Leave(folder))


def timestamps(pipeline: beam.Pipeline, folder: str) -> None:
    stamped = numbers(pipeline) | "stamp" >> beam.Map(lambda x: TimestampedValue(x, x))
    timed = stamped | "times" >> beam.Map(lambda x, at=beam.DoFn.TimestampParam: (x, int(at)))
    _ = timed | "leave" >> beam.Map(Leave(folder))


def write_to_text(pipeline: beam.Pipeline, folder: str) -> None:
    _ = numbers(pipeline) | beam.Map(str) | "sink" >> beam.io.WriteToText(f"{folder}/text")


def write_to_parquet(pipeline: beam.Pipeline, folder: str) -> None:
    rows = numbers(pipeline) | beam.Map(lambda x: {"x": x})
    _ = rows | "sink" >> beam.io.WriteToParquet(f"{folder}/parquet", pa.schema([("x", pa.int64())]))


Build = Callable[[beam.Pipeline, str], None]

ALL = [str(number) for number in NUMBERS]

SILENT: dict[str, tuple[Build, str, list[str], list[str]]] = {
    # name: how it is built, what the refusal names, what is right, what DaskRunner leaves
    "several terminals": (two_terminals, r"'leave one\[None\]', 'leave two\[None\]'",
                          sorted([*map(repr, map(str, NUMBERS)), *(f"{n}.0" for n in NUMBERS)]),
                          [f"{n}.0" for n in NUMBERS]),
    "tagged outputs": (tagged_outputs, r"parity/ParDo\(Parity\): tagged outputs",
                       sorted(repr(("odd" if n % 2 else "even", n)) for n in NUMBERS),
                       sorted(repr((tag, n)) for n in NUMBERS for tag in ("odd", "even"))),
    "Partition": (partition, "halves/.*: tagged outputs",
                  sorted(repr((n % 2, n)) for n in NUMBERS),
                  sorted(repr((half, n)) for n in NUMBERS for half in (0, 1))),
    "with_exception_handling": (exception_handling, "divide/.*: tagged outputs",
                                ["'int'"] * 5, ["'int'"] * 5 + ["'tuple'"]),
    "finish_bundle": (finish_bundle, "finishing: finish_bundle", ALL, []),
    "BatchElements": (batch_elements, "batches/.*: finish_bundle", ALL, []),
    "Top": (top, "best/.*: finish_bundle", ["[5, 4]"], ["[]"]),
    "windows": (windows, "windows: WindowInto", ["[0, 1, 2]", "[3, 4, 5]"], ["[0, 1, 2, 3, 4, 5]"]),
    "timestamps": (timestamps, "times: TimestampParam",
                   [repr((n, n)) for n in NUMBERS], [repr((n, 0)) for n in NUMBERS]),
    "WriteToText": (write_to_text, "sink/.*WindowInto", ALL, []),
    "WriteToParquet": (write_to_parquet, "sink/.*: finish_bundle", ALL, []),
}  # fmt: skip
"""Each of them ends as done on DaskRunner, with other data."""


class Counting(beam.DoFn):  # type: ignore[misc,unused-ignore]
    seen = beam.transforms.userstate.ReadModifyWriteStateSpec("seen", beam.coders.VarIntCoder())

    def process(self, element: tuple[int, int], seen: Any = beam.DoFn.StateParam(seen)) -> Iterable[int]:  # noqa: B008
        seen.write((seen.read() or 0) + 1)
        yield seen.read()


class InBatches(beam.DoFn):  # type: ignore[misc,unused-ignore]
    def infer_output_type(self, input_type: object) -> object:
        return input_type

    def process_batch(self, batch: Any) -> Iterator[Any]:
        yield batch

    # Beam reads types, not the text of them.
    process_batch.__annotations__.update(batch=np.ndarray, **{"return": Iterator[np.ndarray]})


class AtTheEnd(beam.DoFn):  # type: ignore[misc,unused-ignore]
    def process(self, element: int, end: Any = beam.DoFn.BundleFinalizerParam()) -> Iterable[int]:  # noqa: B008
        end.register(print)
        yield element


def _pairs(pipeline: beam.Pipeline) -> Any:
    return numbers(pipeline) | "pairs" >> beam.Map(lambda x: (x % 2, x))


REFUSED: dict[str, tuple[Callable[[beam.Pipeline], Any], str]] = {
    "state": (lambda p: _pairs(p) | "count" >> beam.ParDo(Counting()), r"count: StateParam\(seen\)"),
    "process_batch": (
        lambda p: numbers(p) | "in batches" >> beam.ParDo(InBatches()),
        "in batches: process_batch",
    ),
    "a bundle's finaliser": (lambda p: numbers(p) | "late" >> beam.ParDo(AtTheEnd()), "late: FinalizeBundle"),
    "GroupIntoBatches": (lambda p: _pairs(p) | "twos" >> beam.GroupIntoBatches(2), "twos/.*: WindowParam"),
    "Reshuffle": (lambda p: numbers(p) | "deal" >> beam.Reshuffle(), "deal: Reshuffle"),
    "a source": (lambda p: p | "lines" >> beam.io.ReadFromText(__file__), "lines/Read/Impulse: Impulse"),
    "fanout": (
        lambda p: numbers(p) | "sum" >> beam.CombineGlobally(sum).with_fanout(2),
        "sum.*SplitHotCold.*: tagged outputs",
    ),
}
"""Fails on DaskRunner (state, process_batch, sources, fanout), does nothing there (Reshuffle), or says other things on
other engines."""
