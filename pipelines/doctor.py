"""`webtext doctor`: looking through sources of submissions, several at a time. It makes no stage, needs no corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apache_beam as beam
import msgspec

from webtext.corpus.files import read_json, write_bytes, write_json
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import DUMP, Piece, Source
from webtext.crawler.reddit.doctor import PieceCounts, count_block
from webtext.crawler.reddit.findings import FileFindings, Findings
from webtext.crawler.reddit.sources import blocks, pieces
from webtext.pipelines.engine import Engine, guarded, spread
from webtext.pipelines.links_scan import workers_for_memory


@dataclass(frozen=True)
class _Element:
    source: Source
    piece: Piece
    path: Path
    """Where its counts go, after each block: the last ones are those of the whole piece."""


def examine(sources: Sequence[Source], *, min_karma: int, engine: Engine) -> Findings:
    """Look through all lines of all sources.

    Args:
        sources: found with `accept_loss`, so that what is damaged is looked at, too.
    """
    with tempfile.TemporaryDirectory(prefix="webtext-doctor-") as name:
        elements = [
            [_Element(source, piece, Path(name) / f"{number}-{piece.number}.json") for piece in pieces(source)]
            for number, source in enumerate(sources)
        ]
        todo = [element for of_source in elements for element in of_source]
        count = guarded(_Count(min_karma))

        def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
            return spread(pipeline, "doctor", todo) | "count" >> beam.Map(count)

        total = sum(source.size for source in sources) >> 20
        workers = min(engine.workers, len(todo), workers_for_memory(sources))
        readers = replace(engine, workers=workers)
        readers.run("doctor", build, total=total or None, made=lambda: _read(todo) >> 20, unit="MB")
        return Findings(
            min_karma, [_findings(source, of_source) for source, of_source in zip(sources, elements, strict=True)]
        )


@dataclass(frozen=True)
class _Count:
    min_karma: int

    def __call__(self, element: _Element) -> None:
        total = PieceCounts()
        for block in blocks(element.source, element.piece):
            total.add(count_block(block, self.min_karma))
            write_json(element.path.with_suffix(".read"), block.read)
        write_bytes(element.path, msgspec.json.encode(total))


def _read(elements: Sequence[_Element]) -> int:
    """Bytes of the files that were read so far."""
    marks = (element.path.with_suffix(".read") for element in elements)
    return sum(int(read_json(mark)) for mark in marks if mark.exists())


def _findings(source: Source, elements: Sequence[_Element]) -> FileFindings:
    counts = PieceCounts()
    for element in elements:
        counts.add(msgspec.json.decode(element.path.read_bytes(), type=PieceCounts))
    damage = dumps.damage_of(source.path) if source.kind == DUMP else ""
    return FileFindings(source.path.name, source.kind, damage or "; ".join(counts.lost), counts)
