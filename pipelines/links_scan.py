"""From sources to runs of judged lines sorted by key: the first step of the stage links.

A source is read piece by piece, a piece in blocks; some blocks make a run. What runs hold depends on the source's bytes
and the settings alone. `webtext.pipelines.links_gather` merges them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apache_beam as beam
import psutil

from webtext.corpus.errors import DamagedFile
from webtext.corpus.faults import fault_point
from webtext.corpus.files import read_json, write_json
from webtext.corpus.outcomes import ALARM_ROWS, LossAlarm, Outcome
from webtext.corpus.progress import say
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import DUMP, Block, Piece, Source
from webtext.crawler.reddit.counts import BLANK, LINES, LOST_BYTES, OBJECTS, SUBMISSIONS, Counts, sum_of
from webtext.crawler.reddit.lines import JudgedLines, sorted_by_key
from webtext.crawler.reddit.select import Judge
from webtext.crawler.reddit.sources import blocks, pieces
from webtext.pipelines.engine import Engine, guarded, spread
from webtext.pipelines.key_files import write_run

RUN_BLOCKS = 1_024  # blocks a run: 256 MB of a dump, a second or two of work that a crash may cost
READER_MEMORY = 300 << 20  # bytes a worker needs beside the window of its decoder

UNREADABLE_LIMIT = 0.01
_SAID_EARLY = 100_000  # lines of a piece after which too many unreadable ones end a scan at once
_NO_SUBMISSIONS_EARLY = 10_000  # objects, none of which is a submission


@dataclass(frozen=True)
class _Scan:
    """One piece of a source."""

    source: Source
    piece: Piece
    folder: Path

    @property
    def done(self) -> Path:
        """Exists when every run is there: the rows of each, and the counts of all."""
        return self.folder / f"{self.piece.number:06d}" / "scanned.json"

    def run(self, number: int) -> Path:
        return self.done.with_name(f"{number:06d}.arrow")


@dataclass(frozen=True)
class _ScanPiece:
    settings: LinksSettings
    block_bytes: int
    accept_loss: bool

    def __call__(self, element: _Scan) -> None:
        if element.done.exists():
            return
        judge, rejected = Judge(self.settings), self.settings.outcomes != "counts"
        total, rows = Counts(), []
        for number, group in _grouped(blocks(element.source, element.piece, self.block_bytes)):
            run = element.run(number)
            record = run.with_suffix(".json")
            if run.exists():  # it is written after its record
                read = [block.read for block in group]
            else:
                judged, read = JudgedLines(judge, rejected=rejected, lists=element.source.kind != DUMP), []
                for block in group:
                    read.append(block.read)
                    if block.lost:
                        judged.lose(block.lost, block.first_line, block.lost_bytes)
                    else:
                        judged.add(block.data, block.first_line)
                rows_of_run, counts = judged.take()
                table = sorted_by_key(rows_of_run)
                write_json(record, {"rows": table.num_rows, "counts": counts.to_json(), "read": read[-1]})
                write_run(run, table)
                fault_point("links.scanned")
            stored = read_json(record)
            rows.append(stored["rows"])
            total.add(Counts.of(stored["counts"]))
            if total.numbers[LINES] >= _SAID_EARLY:
                check_unreadable(element.source, total, accept_loss=self.accept_loss)
            if total.numbers[OBJECTS] >= _NO_SUBMISSIONS_EARLY:
                check_submissions(element.source, total)
        write_json(element.done, {"rows": rows, "counts": total.to_json()})


def _grouped(found: Iterable[Block]) -> Iterator[tuple[int, Iterator[Block]]]:
    """The blocks of each run, under its number."""
    return itertools.groupby(found, key=lambda block: block.number // RUN_BLOCKS)


@dataclass(frozen=True)
class Run:
    """Some lines of a source, sorted by key, and how many lines of the source come before their piece."""

    path: Path
    lines_before: int


@dataclass(frozen=True)
class Scanned:
    """A source whose lines are judged."""

    source: Source
    counts: Counts
    runs: tuple[Run, ...]
    rows: int


def scan_sources(
    run: StageRun,
    sources: Sequence[Source],
    settings: LinksSettings,
    *,
    engine: Engine,
    block_bytes: int,
    accept_loss: bool = False,
) -> list[Scanned]:
    """The runs of each source, below `run.work`. Those that are there are not made again.

    Raises:
        DamagedFile: a source is cut off or corrupt, or holds no submissions.
        LossAlarm: more than a hundredth of one is unreadable, and `accept_loss` is not set.
    """
    scans = {source.sha256: _scans(run, source) for source in sources}
    todo = [element for source in sources for element in scans[source.sha256] if not element.done.exists()]
    if todo:
        scan = guarded(_ScanPiece(settings, block_bytes, accept_loss))

        def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
            return spread(pipeline, "links: scan", todo) | "scan" >> beam.Map(scan)

        total = sum(element.piece.stop - element.piece.start for element in todo) >> 20
        workers = min(engine.workers, len(todo), workers_for_memory(element.source for element in todo))
        replace(engine, workers=workers).run(
            "links: scan", build, total=total or None, made=lambda: _read(todo) >> 20, unit="MB"
        )
    counts = {sha: sum_of(Counts.of(read_json(part.done)["counts"]) for part in parts) for sha, parts in scans.items()}
    for source in sources:
        check_submissions(source, counts[source.sha256])
        check_unreadable(source, counts[source.sha256], accept_loss=accept_loss)
        _say_unreadable(source, counts[source.sha256])
    return [
        Scanned(source, counts[source.sha256], tuple(_runs(scans[source.sha256])), _rows(scans[source.sha256]))
        for source in sources
    ]


def _runs(scans: Sequence[_Scan]) -> Iterator[Run]:
    lines = 0
    for element in scans:
        record = read_json(element.done)
        for number in range(len(record["rows"])):
            yield Run(element.run(number), lines)
        lines += record["counts"][LINES]


def _rows(scans: Sequence[_Scan]) -> int:
    return sum(sum(read_json(element.done)["rows"]) for element in scans)


def check_submissions(source: Source, counts: Counts) -> None:
    """Raise `DamagedFile` where no line is a submission."""
    numbers = counts.numbers
    if not numbers[SUBMISSIONS]:
        none = ", and none has a URL or is a self post" if numbers[OBJECTS] else ""
        raise DamagedFile(
            f"holds no submissions: of its {numbers[LINES] - numbers[BLANK]:,} lines {numbers[OBJECTS]:,} are JSON "
            f"objects{none}",
            where=source.path,
            hint="dumps of submissions are named RS_…; comments (RC_…) hold no links to follow",
        )


def check_unreadable(source: Source, counts: Counts, *, accept_loss: bool) -> None:
    """Raise `LossAlarm` where more than a hundredth of a source (from 1,000 lines on) could not be read."""
    numbers = counts.numbers
    lines, bad, lost = numbers[LINES] - numbers[BLANK], numbers[Outcome.UNREADABLE.value], numbers[LOST_BYTES]
    if accept_loss or not counts.unreadable:
        return
    many = lines >= ALARM_ROWS and bad > UNREADABLE_LIMIT * lines
    if many or lost > UNREADABLE_LIMIT * source.size:
        first = "; ".join(f"line {line:,}: {reason}" for line, reason in counts.unreadable[:3])
        what = f"{bad:,} of {lines:,} lines" if many else f"{lost:,} of {source.size:,} bytes"
        raise LossAlarm(
            f"{what} are unreadable, more than {UNREADABLE_LIMIT:.0%} ({first}{'; …' if bad > 3 else ''})",
            where=source.path,
            hint="fetch it again and compare its checksum with the publisher's; --accept-loss goes on without them",
        )


def _scans(run: StageRun, source: Source) -> list[_Scan]:
    return [_Scan(source, piece, run.work / "runs" / source.sha256) for piece in pieces(source)]


def _say_unreadable(source: Source, counts: Counts) -> None:
    if counts.unreadable:
        number, (line, reason) = counts.numbers[Outcome.UNREADABLE.value], counts.unreadable[0]
        say(f"links: {source.path.name}: {number:,} unreadable, the first is line {line:,}: {reason}")


def workers_for_memory(sources: Iterable[Source]) -> int:
    """How many readers the free memory allows, each with the window of its decoder: at least one."""
    windows = {source.sha256: dumps.memory(source) for source in sources if source.kind == DUMP}
    need = max(windows.values(), default=0) + READER_MEMORY
    free = _free_memory()
    if free < need:
        say(f"a reader of these dumps may need {need >> 20:,} MB of memory, and {free >> 20:,} MB are free")
    return max(1, free // need)


def _free_memory() -> int:
    return int(psutil.virtual_memory().available)


def _read(scans: Sequence[_Scan]) -> int:
    """Bytes of the files that were read so far."""
    total = 0
    for element in scans:
        if element.done.exists():
            total += element.piece.stop - element.piece.start
        elif records := sorted(element.done.parent.glob("0*.json")):
            total += int(read_json(records[-1])["read"])
    return total
