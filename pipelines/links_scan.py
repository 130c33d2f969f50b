"""From dumps to line files: the first half of the stage links.

*Scan* judges the lines of a dump, block by block; *gather* merges its blocks to line files sorted by key. What a dump's
line files hold depends on its bytes and the settings alone. `webtext.pipelines.links` decides from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import pyarrow as pa

from webtext.corpus.config import LinksSettings
from webtext.corpus.errors import DamagedFile
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, read_json, read_parquet, write_json, write_parquet
from webtext.corpus.stages import StageRun
from webtext.crawler.reddit.blocks import Source
from webtext.crawler.reddit.dumps import blocks
from webtext.crawler.reddit.lines import BLANK, LINES, OBJECTS, SUBMISSIONS, judge_lines
from webtext.crawler.reddit.select import Judge
from webtext.pipelines.engine import Engine, guarded, spread
from webtext.pipelines.sorted_output import total_order

FOLDER = "links/lines"
"""Where line files lie in a corpus: FOLDER/SHA256/00000.parquet …, with counts.json beside them."""
COUNTS = "counts.json"

FILE_ROWS = 500_000  # rows a line file, at least, until its dump ends: about 100 MB in memory


@dataclass(frozen=True)
class LineFile:
    """One file of a dump's lines (or their counts), and its sha256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class _ScanDump:
    folder: Path
    settings: LinksSettings
    block_bytes: int

    def __call__(self, source: Source) -> None:
        done = _scanned(self.folder, source)
        if done.exists():
            return
        judge = Judge(self.settings)
        pieces = []
        for block in blocks(source, size=self.block_bytes):
            part = _block(done, block.number)
            record = part.with_suffix(".json")
            if not part.exists():  # it is written after its record
                table, counts = judge_lines(block.data, block.first_line, source.sha256, judge)
                write_json(record, {"rows": table.num_rows, "counts": counts, "read": block.read})
                write_parquet(part, table, LINES)
                fault_point("links.scanned")
            pieces.append(read_json(record))
        counts = sum((Counter(piece["counts"]) for piece in pieces), Counter[str]())
        _check_submissions(source, counts)
        write_json(done, {"rows": [piece["rows"] for piece in pieces], "counts": counts})


@dataclass(frozen=True)
class _Gathering:
    """One line file to be made of consecutive blocks."""

    path: Path
    blocks: tuple[Path, ...]


def scan_dumps(
    run: StageRun, sources: Sequence[Source], settings: LinksSettings, *, engine: Engine, block_bytes: int
) -> list[dict[str, LineFile]]:
    """The line files of each dump, below `run.work`, by their final names. Blocks that are there are not read again.

    Raises:
        DamagedFile: a dump is cut off or corrupt, or holds no submissions.
    """
    folder = run.work / "blocks"
    todo = [source for source in sources if not _scanned(folder, source).exists()]
    if todo:
        scan = guarded(_ScanDump(folder, settings, block_bytes))

        def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
            return spread(pipeline, "links: scan", todo) | "scan" >> beam.Map(scan)

        total = sum(source.size for source in todo) >> 20
        engine.run("links: scan", build, total=total or None, made=lambda: _read(folder, todo) >> 20, unit="MB")
    plans = [_plan(run, _scanned(folder, source)) for source in sources]
    elements = [element for plan in plans for element in plan.values()]
    engine.each(
        "links: gather",
        _gather,
        elements,
        unit="files",
        made=lambda: sum(_hash(element.path).exists() for element in elements),
    )
    return [_line_files(plan, source, run) for plan, source in zip(plans, sources, strict=True)]


def _check_submissions(source: Source, counts: Counter[str]) -> None:
    if not counts[SUBMISSIONS]:
        none = ", and none has a URL or is a self post" if counts[OBJECTS] else ""
        raise DamagedFile(
            f"holds no submissions: of its {counts['lines'] - counts[BLANK]:,} lines {counts[OBJECTS]:,} are JSON "
            f"objects{none}",
            where=source.path,
            hint="dumps of submissions are named RS_…; comments (RC_…) hold no links to follow",
        )


def _read(folder: Path, sources: Sequence[Source]) -> int:
    """Bytes of the dumps that were read so far."""
    total = 0
    for source in sources:
        done = _scanned(folder, source)
        if done.exists():
            total += source.size
        elif records := sorted(done.parent.glob("0*.json")):
            total += int(read_json(records[-1])["read"])
    return total


def _scanned(folder: Path, source: Source) -> Path:
    """Exists when every block of the dump is there: the rows of each block, and the counts of all."""
    return folder / source.sha256 / "scanned.json"


def _block(scanned: Path, number: int) -> Path:
    return scanned.with_name(f"0{number:06d}.parquet")


def _plan(run: StageRun, scanned: Path) -> dict[str, _Gathering]:
    """Which blocks of a dump go to which line file, by final name."""
    folder = run.work / "lines" / scanned.parent.name
    return {
        f"{FOLDER}/{folder.name}/{number:05d}.parquet": _Gathering(
            folder / f"{number:05d}.parquet", tuple(_block(scanned, block) for block in range(start, stop))
        )
        for number, (start, stop) in enumerate(_batches(read_json(scanned)["rows"]))
    }


def _batches(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of consecutive blocks that hold at least FILE_ROWS rows together, but for the last."""
    found, start, held = [], 0, 0
    for number, count in enumerate(rows, 1):
        held += count
        if held >= FILE_ROWS or number == len(rows):
            found.append((start, number))
            start, held = number, 0
    return found


def _gather(element: _Gathering) -> None:
    record = _hash(element.path)
    if record.exists() and element.path.exists():
        return
    tables = [read_parquet(block, LINES) for block in element.blocks]
    write_parquet(element.path, total_order(pa.concat_tables(tables)), LINES)
    write_json(record, file_sha256(element.path))


def _hash(path: Path) -> Path:
    return path.with_suffix(".sha256.json")


def _line_files(plan: dict[str, _Gathering], source: Source, run: StageRun) -> dict[str, LineFile]:
    counts = run.work / "lines" / source.sha256 / COUNTS
    write_json(counts, read_json(_scanned(run.work / "blocks", source))["counts"])
    found = {name: LineFile(element.path, read_json(_hash(element.path))) for name, element in plan.items()}
    return {**found, f"{FOLDER}/{source.sha256}/{COUNTS}": LineFile(counts, file_sha256(counts))}
