"""One unit of an import, made into runs by one worker: documents sorted by key, a run for each 16 MB of text.

A unit that is recorded is not read again. The outcomes of a unit are one file, its problems (with row and reason) stand
in the record, the first of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from webtext.corpus.config import CrawlSettings, ExtractSettings, ImportSettings, shaping
from webtext.corpus.faults import fault_point
from webtext.corpus.files import write_json, write_parquet_sized
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.text.filtering import split_by_quality
from webtext.crawler.text.quality import active_rules
from webtext.pipelines.import_files import WARC, Unit
from webtext.pipelines.import_readers import rows_of
from webtext.pipelines.import_rows import Dropped, Place, kinds, rules_of, take_row
from webtext.pipelines.import_warc import warc_rows

RUN_BYTES = 16_000_000
RUN_ROWS = 65_536
GROUP_BYTES = 4_000_000  # of a run's row groups: a range of keys is read out of each
PROBLEMS = 20


@dataclass(frozen=True)
class ReadUnit:
    """A unit, and the folder of what is made of it."""

    unit: Unit
    folder: Path

    @property
    def record(self) -> Path:
        """Written last."""
        return self.folder / "record.json"

    @property
    def outcomes(self) -> Path:
        return self.folder / "outcomes.parquet"

    def runs(self, record: UnitRecord) -> list[Path]:
        """The runs of documents."""
        return [self.folder / f"run-{number:05d}.parquet" for number in range(record.runs)]


@dataclass
class UnitRecord:
    """What a unit came to."""

    rows: int = 0
    runs: int = 0
    bytes: int = 0
    forgotten: int = 0
    problems: list[list[Any]] = field(default_factory=list)
    """The first rows that are no documents: sha256 (16 digits), row, why."""

    @classmethod
    def of(cls, stored: dict[str, Any]) -> UnitRecord:
        """What `asdict` gave."""
        return cls(**stored)


@dataclass(frozen=True)
class Reading:
    """Reads units: settings, and the corpus whose tombstones are obeyed."""

    imports: ImportSettings
    extract: ExtractSettings
    crawl: CrawlSettings
    corpus: Path

    def content(self) -> list[Any]:
        """All that decides what a unit becomes, as JSON."""
        return [
            asdict(self.imports), shaping(self.extract), shaping(self.crawl),
            Forgotten.of(self.corpus).tombstones.identity,
        ]  # fmt: skip

    def __call__(self, element: ReadUnit) -> None:
        """Make the runs, the outcomes and the record of a unit."""
        if element.record.exists():
            return
        writer = _Writer(element, Forgotten.of(self.corpus), self)
        for batch in self._batches(element.unit):
            writer.add(batch)
        writer.finish()
        fault_point("import.read")

    def _batches(self, unit: Unit) -> Iterator[list[dict[str, Any] | Dropped]]:
        if unit.file.kind == WARC:
            yield from warc_rows(unit, self.crawl, self.extract)
            return
        place = Place.of(unit.file.sha256)
        rules = rules_of(self.extract) if self.imports.apply_rules else None
        for rows in rows_of(unit, self.imports):
            yield [take_row(row, place, rules) for row in rows]


class _Writer:
    """Gathers rows until they are a run."""

    def __init__(self, element: ReadUnit, forgotten: Forgotten, reading: Reading) -> None:
        self._element = element
        self._forgotten = forgotten
        self._rules = active_rules(reading.extract)
        self._file = Place.of(element.unit.file.sha256).file
        self._record = UnitRecord()
        self._tables: list[pa.Table] = []
        self._rows = self._bytes = 0
        self._outcomes: list[pa.Table] = [OUTCOMES.empty_table()]

    def add(self, batch: Sequence[dict[str, Any] | Dropped]) -> None:
        """Take some rows."""
        self._record.rows += len(batch)
        for one in self._remember(batch):
            documents = [row for row in one if not isinstance(row, Dropped)]
            dropped = [row for row in one if isinstance(row, Dropped)]
            self._outcomes.append(_outcome_table(dropped))
            if documents:
                self._keep(documents)

    def _remember(self, batch: Sequence[dict[str, Any] | Dropped]) -> Iterator[list[dict[str, Any] | Dropped]]:
        """The rows that are not forgotten."""
        if not self._forgotten:
            self._note(batch)
            yield list(batch)
            return
        named = [(row.key, row.url) if isinstance(row, Dropped) else (row["key"], row["url"]) for row in batch]
        keys = np.asarray([key for key, _ in named], np.uint64)
        gone = self._forgotten.rows(keys, [url for _, url in named])
        self._record.forgotten += int(np.count_nonzero(gone))
        kept = [row for row, is_gone in zip(batch, gone.tolist(), strict=True) if not is_gone]
        self._note(kept)
        yield kept

    def _note(self, batch: Sequence[dict[str, Any] | Dropped]) -> None:
        for row in batch:
            if len(self._record.problems) >= PROBLEMS:
                return
            if isinstance(row, Dropped) and row.outcome in (Outcome.UNREADABLE, Outcome.EMPTY):
                what, _, where = row.detail.rpartition(": row ")
                number = int(where.partition(" ")[0].replace(",", "")) if what else 0
                self._record.problems.append([self._file, number, what or row.detail])

    def _keep(self, documents: list[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist(documents, DOCUMENTS)
        if self._rules:
            table, _, outcomes = split_by_quality(table, self._rules)
            self._outcomes.append(outcomes)
        self._tables.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._bytes >= RUN_BYTES or self._rows >= RUN_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        table = pa.concat_tables(self._tables).sort_by([("key", "ascending"), ("record_id", "ascending")])
        path = self._element.folder / f"run-{self._record.runs:05d}.parquet"
        write_parquet_sized(path, [table], DOCUMENTS, bytes_a_group=GROUP_BYTES, part=True)
        self._record.runs += 1
        self._record.bytes += self._bytes
        self._tables, self._rows, self._bytes = [], 0, 0

    def finish(self) -> None:
        """Write what is left, and the record."""
        self._flush()
        outcomes = pa.concat_tables(self._outcomes).sort_by("key")
        write_parquet_sized(self._element.outcomes, [outcomes], OUTCOMES)
        write_json(self._element.record, asdict(self._record))


def _outcome_table(dropped: Sequence[Dropped]) -> pa.Table:
    columns = {
        "key": [row.key for row in dropped],
        "url": [row.url for row in dropped],
        "stage": [str(Stage.DOCUMENTS)] * len(dropped),
        "outcome": [str(row.outcome) for row in dropped],
        "detail": [row.detail for row in dropped],
    }
    return pa.table({name: pa.array(values, OUTCOMES.field(name).type) for name, values in columns.items()}).cast(
        OUTCOMES
    )


def extra_kinds(table: pa.Table) -> dict[str, list[str]]:
    """The further columns of some documents, each with the kinds that occur."""
    found: dict[str, set[str]] = {}
    for text in table["extra"].drop_null().to_pylist():
        for name, kind in kinds(json.loads(text)).items():
            found.setdefault(name, set()).add(kind)
    return {name: sorted(some) for name, some in sorted(found.items())}
