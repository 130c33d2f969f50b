"""From runs to line files: the second step of the stage links.

The runs of a source are merged to line files, each with a range of keys. They stay in the corpus: a link's karma
depends on all sources, so next month's dump is decided together with the lines of the earlier ones, which are not read
again. What they hold depends on the source's bytes and the settings alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, read_json, write_json, write_parquet
from webtext.corpus.outcomes import COUNTED_ONLY, Outcome
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.counts import Counts
from webtext.crawler.reddit.lines import SCHEMA, sorted_by_key, with_places
from webtext.pipelines.engine import Engine
from webtext.pipelines.key_files import read_run
from webtext.pipelines.links_scan import Run, Scanned

FOLDER = "links/lines"
"""Where line files lie in a corpus: FOLDER/SHA256/00000.parquet …, with counts.json beside them."""
COUNTS = "counts.json"

FILE_ROWS = 500_000  # rows a line file, at most: about 100 MB in memory

OUTCOME_ROWS = 10_000_000
"""So many lines that are no link are rows of their own under `outcomes = auto`; more are counted only."""


@dataclass(frozen=True)
class LineFile:
    """One file of a source's lines (or their counts), and its sha256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class _Gathering:
    """One line file to be made: the keys from `low` to `high` (inclusive) of some runs."""

    path: Path
    runs: tuple[Run, ...]
    low: int
    high: int
    rejected: bool
    """Keep the lines that have an outcome by themselves."""
    source: str
    corpus: Path
    """Whose tombstones are obeyed."""

    @property
    def forgotten(self) -> Path:
        """How many lines of each outcome ("" for candidates) were forgotten."""
        return self.path.with_suffix(".forgotten.json")


def gather_lines(
    run: StageRun, scanned: Sequence[Scanned], settings: LinksSettings, *, engine: Engine
) -> list[dict[str, LineFile]]:
    """The line files of each source, below `run.work`, by their final names."""
    plans = [_plan(run, found, settings) for found in scanned]
    elements = [element for plan in plans for element in plan.values()]
    engine.each(
        "links: gather",
        _gather,
        elements,
        unit="files",
        made=lambda: sum(_hash(element.path).exists() for element in elements),
    )
    return [_line_files(run, found, plan) for plan, found in zip(plans, scanned, strict=True)]


def _plan(run: StageRun, scanned: Scanned, settings: LinksSettings) -> dict[str, _Gathering]:
    """Which ranges of keys go to which line file, by final name."""
    source = scanned.source.sha256
    rejected = rejected_lines(scanned.counts)
    keep = settings.outcomes == "all" or (settings.outcomes == "auto" and rejected <= OUTCOME_ROWS)
    rows = scanned.rows - (rejected if settings.outcomes == "auto" and not keep else 0)
    folder = run.work / "lines" / source
    return {
        f"{FOLDER}/{source}/{number:05d}.parquet": _Gathering(
            folder / f"{number:05d}.parquet", scanned.runs, low, high, keep, source, run.corpus
        )
        for number, (low, high) in enumerate(key_ranges(rows, FILE_ROWS))
    }


def key_ranges(rows: int, most: int) -> list[tuple[int, int]]:
    """All keys in equal ranges (inclusive), so many that each has about `most` rows or fewer: a power of two.

    Keys are hashes, so equal ranges of them hold about as many lines; powers of two lie within each other.
    """
    bits = max(0, (max(rows, 1) - 1) // most).bit_length()
    width = 1 << (64 - bits)
    return [(number * width, (number + 1) * width - 1) for number in range(1 << bits)]


def rejected_lines(counts: Counts) -> int:
    """The lines that have an outcome by themselves, and a row where rows are kept."""
    return sum(counts.numbers[outcome.value] for outcome in Outcome if outcome not in COUNTED_ONLY)


def _gather(element: _Gathering) -> None:
    record = _hash(element.path)
    if record.exists() and element.path.exists():
        return
    tables = [SCHEMA.empty_table()]
    for run in element.runs:
        table = read_run(run.path, element.low, element.high)
        if not element.rejected:
            table = table.filter(pc.equal(table["outcome"], ""))
        tables.append(with_places(table, run.lines_before, element.source))
    lines, gone = without_forgotten(sorted_by_key(pa.concat_tables(tables)), Forgotten.of(element.corpus))
    write_parquet(element.path, lines, SCHEMA)
    write_json(element.forgotten, gone)
    write_json(record, file_sha256(element.path))
    fault_point("links.gathered")


def without_forgotten(lines: pa.Table, forgotten: Forgotten) -> tuple[pa.Table, dict[str, int]]:
    """The lines that are not forgotten; and how many of the others have each outcome, "" for candidates."""
    if not forgotten:
        return lines, {}
    gone = forgotten.rows(np.asarray(lines["key"].to_numpy(), np.uint64), lines["url"].to_pylist())
    if not gone.any():
        return lines, {}
    counts = Counter(lines["outcome"].filter(pa.array(gone)).to_pylist())
    return lines.filter(pa.array(~gone)), dict(sorted(counts.items()))


def count_forgotten(counts: Counts, gone: Mapping[str, int]) -> None:
    """Count lines as forgotten that were counted under another outcome, or (candidates) under none."""
    for outcome, number in gone.items():
        if outcome:
            counts.numbers[outcome] -= number
        counts.numbers[Outcome.FORGOTTEN.value] += number


def _hash(path: Path) -> Path:
    return path.with_suffix(".sha256.json")


def _line_files(run: StageRun, scanned: Scanned, plan: dict[str, _Gathering]) -> dict[str, LineFile]:
    sha256 = scanned.source.sha256
    counts = run.work / "lines" / sha256 / COUNTS
    for element in plan.values():
        count_forgotten(scanned.counts, read_json(element.forgotten))
    write_json(counts, scanned.counts.to_json())
    found = {name: LineFile(element.path, read_json(_hash(element.path))) for name, element in plan.items()}
    return {**found, f"{FOLDER}/{sha256}/{COUNTS}": LineFile(counts, file_sha256(counts))}
