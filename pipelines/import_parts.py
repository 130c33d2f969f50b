"""Some units of an import, made into runs by one worker: documents sorted by key, a run for each 16 MB of text.

After each run it is noted how far the reading came: stopped there, it goes on there. Outcomes are runs of their own;
the first problems (with row and reason) stand in the record.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from webtext.corpus.config import shaping
from webtext.corpus.faults import fault_point
from webtext.corpus.files import read_json, write_json, write_parquet_sized
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.corpus.settings import CrawlSettings, ExtractSettings, ImportSettings
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.text.filtering import split_by_quality
from webtext.crawler.text.quality import active_rules
from webtext.pipelines.import_files import UNIT_BYTES, WARC, Unit
from webtext.pipelines.import_readers import rows_of
from webtext.pipelines.import_rows import Dropped, Place, kinds, rules_of, take_row, told
from webtext.pipelines.import_runs import SortedRun
from webtext.pipelines.import_warc import warc_rows
from webtext.pipelines.sorted_output import total_order

RUN_BYTES = 16_000_000
RUN_ROWS = 65_536
RUN_SECONDS = 10.0  # pages take long to extract: what is lost by a kill is not much more than this
GROUP_BYTES = 1_000_000  # of a run's row groups: a piece is held of each run that is merged
PROBLEMS = 20
MOST_UNITS = 1_000  # files that are read as one: a folder may have very many


@dataclass(frozen=True)
class ReadUnit:
    """Some units, and the folder of what is made of them."""

    units: tuple[Unit, ...]
    folder: Path

    @property
    def size(self) -> int:
        """Bytes of the units, about."""
        return sum(unit.size for unit in self.units)

    @property
    def record(self) -> Path:
        """Written after every run; the last time with `whole`."""
        return self.folder / "record.json"

    def read(self) -> UnitRecord:
        """How far it is."""
        return UnitRecord(**read_json(self.record)) if self.record.exists() else UnitRecord()

    def documents(self, record: UnitRecord) -> list[SortedRun]:
        """The runs of documents."""
        return [SortedRun((self.run(number),), *sizes) for number, sizes in enumerate(record.runs)]

    def outcomes(self, record: UnitRecord) -> list[SortedRun]:
        """The runs of outcomes."""
        return [SortedRun((self.end(number),), size) for number, size in enumerate(record.ends)]

    def run(self, number: int) -> Path:
        """The file of a run of documents."""
        return self.folder / f"run-{number:05d}.parquet"

    def end(self, number: int) -> Path:
        """The file of a run of outcomes."""
        return self.folder / f"ends-{number:05d}.parquet"


@dataclass
class UnitRecord:
    """What some units came to, so far."""

    rows: int = 0
    runs: list[list[int]] = field(default_factory=list)
    """Of each run of documents the bytes, and those of its largest row."""
    ends: list[int] = field(default_factory=list)
    """Of each run of outcomes the bytes."""
    forgotten: int = 0
    problems: list[list[Any]] = field(default_factory=list)
    """The first rows that are no documents: sha256 (16 digits), row, why."""
    share: float = 0.0
    """Of the units' bytes that were read."""
    whole: bool = False


def together(units: Sequence[Unit]) -> list[tuple[Unit, ...]]:
    """The units that are read as one: small files are. One of pages stays alone, they take long."""
    found: list[list[Unit]] = []
    size = 0
    for unit in units:
        alone = unit.file.kind == WARC
        if not found or alone or size + unit.size > UNIT_BYTES or len(found[-1]) >= MOST_UNITS:
            found.append([])
            size = 0
        found[-1].append(unit)
        size = UNIT_BYTES if alone else size + unit.size
    return [tuple(some) for some in found]


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
        """Make the runs and the record of some units, from where it was stopped."""
        record = element.read()
        if record.whole:
            return
        writer = _Writer(element, record, Forgotten.of(self.corpus), self)
        for batch, share in self._batches(element, record.rows):
            writer.add(batch, share)
        writer.finish()
        fault_point("import.read")

    def _batches(self, element: ReadUnit, skip: int) -> Iterator[tuple[list[dict[str, Any] | Dropped], float]]:
        """What becomes of the rows behind the first `skip`, and which share of the units was read then."""
        before, every, at = 0, max(element.size, 1), deque([0.0], maxlen=1)
        rules = rules_of(self.extract) if self.imports.apply_rules else None
        for unit in element.units:
            if unit.file.kind == WARC:  # which is alone
                for batch in warc_rows(unit, self.crawl, self.extract, skip=skip, tell=at.append):
                    yield batch, at[0]
                return
            place = Place.of(unit.file.sha256)
            for rows in rows_of(unit, self.imports, at.append):
                wanted, skip = rows[skip:], max(0, skip - len(rows))
                if wanted:
                    yield [take_row(row, place, rules) for row in wanted], (before + at[0] * unit.size) / every
            before += unit.size


class _Writer:
    """Gathers rows until they are a run."""

    def __init__(self, element: ReadUnit, record: UnitRecord, forgotten: Forgotten, reading: Reading) -> None:
        self._element = element
        self._record = record
        self._forgotten = forgotten
        self._rules = active_rules(reading.extract)
        self._tables: list[pa.Table] = []
        self._outcomes: list[pa.Table] = []
        self._rows = self._bytes = self._largest = 0
        self._begun = time.monotonic()

    def add(self, batch: Sequence[dict[str, Any] | Dropped], share: float) -> None:
        """Take some rows; `share` of the units was read with them."""
        self._record.rows += len(batch)
        self._record.share = share
        kept = self._remember(batch)
        self._note(kept)
        documents = [row for row in kept if not isinstance(row, Dropped)]
        self._end(_outcome_table([row for row in kept if isinstance(row, Dropped)]))
        if documents:
            self._keep(documents)
        full = self._bytes >= RUN_BYTES or self._rows >= RUN_ROWS
        if full or time.monotonic() - self._begun >= RUN_SECONDS:
            self._flush()

    def _remember(self, batch: Sequence[dict[str, Any] | Dropped]) -> Sequence[dict[str, Any] | Dropped]:
        """The rows that are not forgotten."""
        if not self._forgotten:
            return batch
        named = [(row.key, row.url) if isinstance(row, Dropped) else (row["key"], row["url"]) for row in batch]
        keys = np.asarray([key for key, _ in named], np.uint64)
        gone = self._forgotten.rows(keys, [url for _, url in named])
        self._record.forgotten += int(np.count_nonzero(gone))
        return [row for row, is_gone in zip(batch, gone.tolist(), strict=True) if not is_gone]

    def _note(self, batch: Sequence[dict[str, Any] | Dropped]) -> None:
        for row in batch:
            if len(self._record.problems) >= PROBLEMS:
                return
            if isinstance(row, Dropped) and row.outcome in (Outcome.UNREADABLE, Outcome.EMPTY):
                what, _, where = row.detail.rpartition(": row ")
                number, _, file = where.replace(",", "").partition(" of the file with sha256 ")
                self._record.problems.append([file, int(number) if what else 0, what or row.detail])

    def _keep(self, documents: list[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist(documents, DOCUMENTS)
        if self._rules:
            table, _, outcomes = split_by_quality(table, self._rules)
            self._end(outcomes)
        self._tables.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        self._largest = max(self._largest, max((len(row["text"].encode()) for row in documents), default=0))

    def _end(self, outcomes: pa.Table) -> None:
        self._outcomes.append(outcomes)
        self._rows += len(outcomes)
        self._bytes += outcomes.nbytes

    def _flush(self) -> None:
        """Write what is held as runs, and note how far the reading is."""
        if self._tables:
            table = pa.concat_tables(self._tables).sort_by([("key", "ascending"), ("record_id", "ascending")])
            self._tables.clear()
            stay, again, _ = first_of_each(table, None)
            if len(again):
                self._outcomes.append(doubled(again))
            path = self._element.run(len(self._record.runs))
            write_parquet_sized(path, [stay], DOCUMENTS, bytes_a_group=GROUP_BYTES, part=True)
            self._record.runs.append([stay.nbytes, self._largest])
        outcomes = total_order(pa.concat_tables([OUTCOMES.empty_table(), *self._outcomes]))
        self._outcomes.clear()
        if len(outcomes):
            write_parquet_sized(self._element.end(len(self._record.ends)), [outcomes], OUTCOMES)
            self._record.ends.append(outcomes.nbytes)
        self._rows = self._bytes = self._largest = 0
        self._begun = time.monotonic()
        write_json(self._element.record, asdict(self._record))
        fault_point("import.noted")

    def finish(self) -> None:
        """Write what is left, and that this is all."""
        self._record.whole, self._record.share = True, 1.0
        self._flush()


def first_of_each(rows: pa.Table, last: int | None) -> tuple[pa.Table, pa.Table, int | None]:
    """The first row of each key, the others, and the last key; rows are sorted, and follow one with the key `last`."""
    keys = np.asarray(rows["key"].to_numpy(), np.uint64)
    if not len(keys):
        return rows, rows, last
    again = np.zeros(len(keys), np.bool_)
    again[1:] = keys[1:] == keys[:-1]
    again[0] = last is not None and int(keys[0]) == last
    return rows.filter(pa.array(~again)), rows.filter(pa.array(again)), int(keys[-1])


def doubled(rows: pa.Table) -> pa.Table:
    """The outcomes of rows whose key another row has."""
    details = [f"another row has its key: {told(record)}" for record in rows["record_id"].to_pylist()]
    columns = [
        rows["key"], rows["url"],
        pa.array([str(Stage.DOCUMENTS)] * len(rows), pa.string()),
        pa.array([str(Outcome.DUPLICATE_ID)] * len(rows), pa.string()), pa.array(details, pa.string()),
    ]  # fmt: skip
    return pa.table(dict(zip(OUTCOMES.names, columns, strict=True))).cast(OUTCOMES)


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
