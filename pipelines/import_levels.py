"""Runs of an import merged until they are one: some dozens at a time, level by level, each by ranges of keys.

A terabyte takes two levels below the last. What was imported before is one run, however many files it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from webtext.corpus.files import open_parquet, read_json
from webtext.corpus.manifests import Manifest
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.corpus.tombstones import read_tombstones
from webtext.pipelines.engine import Engine
from webtext.pipelines.import_merge import Merge, MergeRange
from webtext.pipelines.import_runs import SortedRun, groups_of
from webtext.pipelines.links_gather import key_ranges

RANGE_BYTES = 128_000_000
"""Text of the rows of one range of keys, about: what is done by one worker at once, and not done again."""


class Merging:
    """Merges the runs of an import, and counts."""

    def __init__(self, run: StageRun, engine: Engine, previous: Manifest | None) -> None:
        self._run = run
        self._engine = engine
        self._content = [
            previous.identity if previous is not None else None, read_tombstones(run.corpus).identity,
        ]  # fmt: skip
        self._doubled: list[SortedRun] = []
        self.forgotten = 0
        """Rows of what was imported before that are forgotten since."""

    def documents(self, runs: Sequence[SortedRun], before: Sequence[Path]) -> list[MergeRange]:
        """All documents, by ranges of keys, each key once."""
        return self._merge("documents", [*runs, *_run_of(before, DOCUMENTS)])

    def outcomes(self, runs: Sequence[SortedRun], before: Sequence[Path]) -> list[MergeRange]:
        """All outcomes, by ranges of keys: also those of documents whose key another has, so documents come first."""
        return self._merge("outcomes", [*runs, *_run_of(before, OUTCOMES), *self._doubled])

    def _merge(self, kind: str, runs: list[SortedRun]) -> list[MergeRange]:
        while True:
            groups = groups_of(runs) or [[]]
            pieces = [self._pieces(kind, group) for group in groups]
            every = [piece for some in pieces for piece in some]
            todo = [piece for piece in every if not piece.record.exists()]
            label = f"import: merge {kind}" + (f", {len(runs):,} runs" if len(groups) > 1 else "")
            self._engine.each(
                label, Merge(self._run.corpus), todo, unit="ranges",
                made=partial(_finished, todo),
            )  # fmt: skip
            records = [[read_json(piece.record) for piece in some] for some in pieces]
            self.forgotten += sum(record["forgotten"] for some in records for record in some)
            self._doubled += [
                SortedRun((piece.doubled,), 0)
                for some, read in zip(pieces, records, strict=True)
                for piece, record in zip(some, read, strict=True)
                if record["doubled"]
            ]
            if len(groups) == 1:
                return every
            runs = [
                SortedRun(
                    tuple(piece.rows for piece in some),
                    sum(record["bytes"] for record in read),
                    max(run.largest for run in group),
                )
                for group, some, read in zip(groups, pieces, records, strict=True)
            ]

    def _pieces(self, kind: str, group: Sequence[SortedRun]) -> list[MergeRange]:
        files = tuple(run.files for run in group)
        names = sorted(str(path.relative_to(self._run.corpus)) for some in files for path in some)
        edges = key_ranges(max(1, sum(run.bytes for run in group)), RANGE_BYTES)
        return [
            MergeRange(
                kind, low, high, files,
                self._run.part("merged", kind, names, self._content, low, high, suffix=""),
            )
            for low, high in edges
        ]  # fmt: skip


def _finished(pieces: Sequence[MergeRange]) -> int:
    return sum(piece.record.exists() for piece in pieces)


def _run_of(files: Sequence[Path], schema: pa.Schema) -> list[SortedRun]:
    """What was imported before: its files are in order."""
    if not files:
        return []
    size = 0
    for path in files:
        with open_parquet(path, schema) as file:
            size += sum(file.metadata.row_group(n).total_byte_size for n in range(file.num_row_groups))
    return [SortedRun(tuple(sorted(files)), size)]
