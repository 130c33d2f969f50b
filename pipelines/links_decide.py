"""From line files to links and outcomes: the last step of the stage links.

Keys are decided one range at a time. The pipeline groups the names of the line files that hold a range; a worker reads
its part of each. What comes out is in key order, so the stage's files are cut from it by row counts.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apache_beam as beam
import pyarrow as pa

from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, read_json, read_parquet, write_json, write_parquet
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.reddit.decisions import decide_lines
from webtext.crawler.reddit.lines import SCHEMA
from webtext.crawler.reddit.urls import suffix_list
from webtext.pipelines.engine import Engine, guarded
from webtext.pipelines.key_files import read_lines, rows_of
from webtext.pipelines.links_gather import LineFile, key_ranges
from webtext.pipelines.sorted_output import SortedOutput

RANGE_ROWS = 250_000  # lines a key range, at most: 200 MB in memory with what is made of them, 2 s of work


@dataclass(frozen=True)
class _Range:
    """The keys from `low` to `high` (inclusive), and the files that their decision goes to."""

    low: int
    high: int
    links: Path
    """Written last."""

    @property
    def outcomes(self) -> Path:
        return self.links.with_suffix(".outcomes.parquet")

    @property
    def counts(self) -> Path:
        return self.links.with_suffix(".json")


@dataclass(frozen=True)
class Decided:
    """The decisions on all keys, in files below `run.work`."""

    links: list[Path]
    outcomes: list[Path]
    """Empty where lines that are no link are counted only."""
    counts: Counter[str]
    """Lines by outcome that were decided here."""


def _source_and_number(name: str) -> tuple[str, str]:
    """What orders line files, wherever they lie."""
    return Path(name).parent.name, Path(name).name


def _each_range(file: tuple[str, int, int]) -> Iterator[tuple[int, str]]:
    """A line file's name under the number of each range in which it has keys."""
    name, first, last = file
    for number in range(first, last + 1):
        yield number, name


@dataclass(frozen=True)
class _DecideRange:
    ranges: tuple[_Range, ...]
    settings: LinksSettings
    outcomes: bool

    def __call__(self, group: tuple[int, Iterable[str]]) -> None:
        number, names = group
        piece = self.ranges[number]
        if piece.links.exists():
            return
        tables = [read_lines(Path(name), piece.low, piece.high) for name in sorted(names, key=_source_and_number)]
        found = decide_lines(pa.concat_tables([SCHEMA.empty_table(), *tables]), self.settings, outcomes=self.outcomes)
        write_json(piece.counts, found.counts)
        if self.outcomes:
            write_parquet(piece.outcomes, found.outcomes, OUTCOMES)
        write_parquet(piece.links, found.links, LINKS)
        fault_point("links.decided")


def decide(
    run: StageRun, lines: Sequence[LineFile], settings: LinksSettings, *, outcomes: bool, engine: Engine
) -> Decided:
    """Decide every key of all sources.

    Args:
        lines: the line files of every source, each source's in the order of their keys.
        outcomes: write a row for each line that is no link.
    """
    files = [file for file in lines if file.path.suffix == ".parquet"]
    made_of = [suffix_list(), outcomes, *sorted(file.sha256 for file in files)]
    edges = key_ranges(sum(rows_of(file.path) for file in files), RANGE_ROWS)
    ranges = tuple(_Range(low, high, run.part("decided", made_of, low, high)) for low, high in edges)

    def made() -> int:
        return sum(piece.links.exists() for piece in ranges)

    if not files:  # every source is forgotten: there is nothing to group
        _DecideRange(ranges, settings, outcomes)((0, ()))
    elif made() < len(ranges):
        deciding = guarded(_DecideRange(ranges, settings, outcomes))

        def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
            return (
                pipeline
                | "links: line files" >> beam.Create(_named(files, len(ranges)), reshuffle=False)
                | "links: ranges" >> beam.FlatMap(_each_range)
                | "links: group names" >> beam.GroupByKey()
                | "links: decide" >> beam.Map(deciding)
            )

        workers = min(engine.workers, len(ranges))
        deciders = replace(engine, workers=workers) if engine.backend.local else Engine(workers, engine.corpus)
        deciders.run("links: decide", build, total=len(ranges), made=made, unit="ranges")
    counts = sum((Counter(read_json(piece.counts)) for piece in ranges), Counter[str]())
    return Decided([piece.links for piece in ranges], [piece.outcomes for piece in ranges] if outcomes else [], counts)


def _named(files: Sequence[LineFile], ranges: int) -> list[tuple[str, int, int]]:
    """Line files, each with the first and the last range in which it has keys.

    The files of a source share all keys evenly, and so do the ranges; the numbers of both are powers of two.
    """
    found = []
    for _, group in itertools.groupby(files, key=lambda file: file.path.parent):
        paths = [str(file.path) for file in group]
        for number, path in enumerate(paths):
            last = ((number + 1) * ranges - 1) // len(paths)
            found.append((path, number * ranges // len(paths), last))
    return found


@dataclass(frozen=True)
class _Cut:
    """One output file: rows of consecutive parts."""

    path: Path
    parts: tuple[tuple[Path, int, int], ...]
    """Part, its first row that counts, and how many do."""

    @property
    def record(self) -> Path:
        return self.path.with_suffix(".json")


@dataclass(frozen=True)
class _WriteCut:
    schema: pa.Schema

    def __call__(self, cut: _Cut) -> None:
        if cut.record.exists() and cut.path.exists():
            return
        tables = [read_parquet(part, self.schema).slice(skip, rows) for part, skip, rows in cut.parts]
        write_parquet(cut.path, pa.concat_tables([self.schema.empty_table(), *tables]), self.schema)
        write_json(cut.record, file_sha256(cut.path))


def cut_by_rows(
    engine: Engine, run: StageRun, label: str, parts: Sequence[Path], schema: pa.Schema, *, pattern: str, rows: int
) -> SortedOutput:
    """Rewrite parts that follow one another in key order as files of `rows` rows, named by `pattern`.

    As `webtext.pipelines.sorted_output`, without a look at the keys, which would all be in memory. Without rows there
    is one empty file.
    """
    with_rows = [(part, _rows(part, schema)) for part in parts]
    total = sum(number for _, number in with_rows)
    cuts: list[_Cut] = []
    starts = list(itertools.accumulate((number for _, number in with_rows), initial=0))
    made_of = [pattern, rows, sorted(str(part.relative_to(run.corpus)) for part in parts), total]
    for number, first in enumerate(range(0, max(total, 1), rows)):
        last = min(first + rows, total)
        wanted = [
            (part, max(first - start, 0), min(last - start, length) - max(first - start, 0))
            for (part, length), start in zip(with_rows, starts, strict=False)
            if start < last and start + length > first
        ]
        cuts.append(_Cut(run.part("cut", *made_of, number), tuple(wanted)))
    engine.each(label, _WriteCut(schema), cuts, unit="files", made=lambda: sum(cut.record.exists() for cut in cuts))
    names = [pattern.format(number) for number in range(len(cuts))]
    return SortedOutput(
        files={name: cut.path for name, cut in zip(names, cuts, strict=True)},
        hashes={name: read_json(cut.record) for name, cut in zip(names, cuts, strict=True)},
        rows=total,
    )


def _rows(part: Path, schema: pa.Schema) -> int:
    with open_parquet(part, schema) as file:
        return int(file.metadata.num_rows)
