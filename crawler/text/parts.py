"""One part of the pages, made into files by one worker: what a pipeline calls, without the pipeline.

A part that exists is not made again; its outcomes are written last and say that it is whole. A page that ran out of
time is written down at once: it would take its time again after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from webtext.corpus.faults import fault_point
from webtext.corpus.files import identity_of, open_parquet, read_json, write_json, write_parquet
from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.corpus.settings import ExtractSettings
from webtext.crawler.fetch.decoding import UndecodableBody, decode_body
from webtext.crawler.fetch.warc import read_record
from webtext.crawler.fetch.workers import find_segment
from webtext.crawler.text.filtering import split_by_quality
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.language import audits, is_audited, sample_text
from webtext.crawler.text.plan import LINK_COLUMNS, PLAN, numbers, outcome_rows, rows_of
from webtext.crawler.text.quality import active_rules
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules

# A body as the crawl accepted it may be larger than what is looked at (its limit is a setting of its own, 10 MB by
# default); beyond this it came in by another way, and is a bomb.
DECODED_BYTES = 100_000_000

# Both language detectors are asked about the pages of a part until the first document, but about no more than these.
_AUDITED_PAGES = 8


@dataclass(frozen=True)
class Rows:
    """Some rows of a plan file, by reference."""

    plan: Path
    start: int
    rows: int

    def read(self) -> pa.Table:
        """The rows; reads only the row groups they lie in."""
        with open_parquet(self.plan, PLAN) as file:
            groups: list[int] = []
            first = before = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if before < self.start + self.rows and before + size > self.start:
                    first = first if groups else before
                    groups.append(group)
                before += size
            return file.read_row_groups(groups).slice(self.start - first, self.rows)


@dataclass(frozen=True)
class Files:
    """What is made of a part: documents that stay, documents set aside by quality rules, and outcomes, in this
    order."""

    documents: Path
    aside: Path
    outcomes: Path

    @property
    def made(self) -> bool:
        return self.outcomes.exists() and self.documents.exists() and self.aside.exists()

    def write(self, documents: pa.Table, settings: ExtractSettings, rejected: pa.Table) -> None:
        """Divide the documents by the quality rules; `rejected` are the outcomes that are known already."""
        stay, aside, outcomes = split_by_quality(documents, active_rules(settings))
        write_parquet(self.documents, stay, DOCUMENTS)
        write_parquet(self.aside, aside, DOCUMENTS)
        write_parquet(self.outcomes, pa.concat_tables([rejected, outcomes]).sort_by("key"), OUTCOMES)


@dataclass(frozen=True)
class Part:
    """Pages to extract; `timeouts` is the folder where those are written down that ran out of time."""

    rows: Rows
    files: Files
    timeouts: Path

    @property
    def audits(self) -> Path:
        """Where it stands how many of the documents both language detectors were asked about."""
        return self.files.outcomes.with_suffix(".json")


@dataclass(frozen=True)
class Copy:
    """Documents to copy out of one row group of an earlier generation, under today's links."""

    rows: Rows
    source: Path
    group: int
    files: Files


def extractor_for(settings: ExtractSettings) -> IsolatedExtractor:
    """The process that takes pages apart under these settings."""
    rules = TextRules(settings.languages, settings.min_language_score, settings.min_words)
    return IsolatedExtractor(rules, settings.cpu_seconds)


def make_part(part: Part, pages: Path, settings: ExtractSettings, extractor: IsolatedExtractor) -> None:
    """Extract the pages of one part, whose segments lie in the folder `pages`.

    Raises:
        DamagedFile: no whole record lies where the plan says.
    """
    rows = part.rows.read()
    documents: list[dict[str, object]] = []
    rejected: list[int] = []
    rejections: list[Rejection] = []
    audited = 0
    for number, row in enumerate(rows.to_pylist()):
        audit = not documents and number < _AUDITED_PAGES
        result = _remembered(row, pages, settings.max_html, extractor, part.timeouts, audit=audit)
        if isinstance(result, Extracted):
            audited += audits() and (audit or is_audited(sample_text(result.text)))
        if isinstance(result, Rejection):
            rejected.append(number)
            rejections.append(result)
        else:
            documents.append(_document(row, result))
    ends = outcome_rows(
        rows.take(pa.array(rejected, pa.int64())),
        [rejection.outcome for rejection in rejections],
        [rejection.detail for rejection in rejections],
    )
    write_json(part.audits, audited)
    part.files.write(pa.Table.from_pylist(documents, DOCUMENTS), settings, ends)
    fault_point("extract.part")


def make_copy(copy: Copy, settings: ExtractSettings) -> None:
    """Copy documents of an earlier generation that still hold, judged by today's quality rules."""
    if copy.files.made:
        return
    rows = copy.rows.read()
    with open_parquet(copy.source, DOCUMENTS) as file:
        documents = file.read_row_group(copy.group)
    places, _ = rows_of(documents, numbers(rows["key"], np.uint64))
    documents = documents.take(pa.array(places))
    for name in LINK_COLUMNS:  # karma and the like may have changed with new submissions of a link
        documents = documents.set_column(documents.schema.get_field_index(name), DOCUMENTS.field(name), rows[name])
    copy.files.write(documents, settings, OUTCOMES.empty_table())


def _remembered(
    row: dict[str, object], pages: Path, limit: int, extractor: IsolatedExtractor, timeouts: Path, *, audit: bool
) -> Extracted | Rejection:
    """`_page`, or the timeout that the page ended with before a crash."""
    path = timeouts / f"{identity_of([row['key'], row['record_id']])[:32]}.json"
    if path.exists():
        return Rejection(Outcome.EXTRACT_TIMEOUT, str(read_json(path)))
    result = _page(row, pages, limit, extractor, audit)
    if isinstance(result, Rejection) and result.outcome is Outcome.EXTRACT_TIMEOUT:
        write_json(path, result.detail)
    return result


def _page(
    row: dict[str, object], pages: Path, limit: int, extractor: IsolatedExtractor, audit: bool
) -> Extracted | Rejection:
    stored = read_record(find_segment(pages, str(row["segment"])), int(str(row["offset"])), int(str(row["length"])))
    try:
        body = decode_body(stored.headers, stored.body, DECODED_BYTES)
    except UndecodableBody as error:
        return Rejection(Outcome.EXTRACT_ERROR, f"the body does not decode: {error}")
    kind = stored.header("content-type") or ""
    return extractor.examine(PageBytes(str(row["final_url"]), kind, body[:limit], audit))


def _document(row: dict[str, object], page: Extracted) -> dict[str, object]:
    """A row of documents/."""
    taken = {name: row[name] for name in (*LINK_COLUMNS, "final_url", "fetched", "source", "record_id")}
    return {
        **taken,
        "canonical": page.canonical,
        "title": page.title,
        "text": page.text,
        "language": page.language,
        "language_score": page.language_score,
        "characters": len(page.text),
        "words": page.words,
        "quality": page.measures,
    }
