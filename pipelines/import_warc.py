"""WARC files as an import: each page through the judgement of the crawl and the extraction of the stage documents.

An answer counts as one row; requests, metadata and robots.txt do not. Records of WET files (type conversion) are plain
texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors
from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings, ExtractSettings
from webtext.crawler.fetch.decoding import UndecodableBody, decode_body
from webtext.crawler.fetch.judging import judge_page
from webtext.crawler.fetch.records import parse_warc_time
from webtext.crawler.fetch.walking import RawRecord, TornRecord, walk
from webtext.crawler.fetch.warc import response_of, target_of
from webtext.crawler.reddit.urls import path_of
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.parts import DECODED_BYTES, extractor_for
from webtext.crawler.text.results import Extracted, PageBytes, Rejection
from webtext.pipelines.import_columns import Row
from webtext.pipelines.import_files import Tell, Unit
from webtext.pipelines.import_rows import Dropped, Place, document_of, name_of

_BATCH = 50
_KEEP = 1 << 26  # bytes of a record that are held: a page beyond the crawl's limit is too large anyway


def warc_rows(
    unit: Unit, crawl: CrawlSettings, extract: ExtractSettings, *, skip: int = 0, tell: Tell = lambda _: None
) -> Iterator[list[dict[str, Any] | Dropped]]:
    """Documents and outcomes of a WARC file, in batches.

    Args:
        skip: pages that are passed over: they were taken before.
        tell: is told which share of the file was read.

    Raises:
        DamagedFile: a record is cut or damaged; the message has the offset.
    """
    path, place = unit.file.path, Place.of(unit.file.sha256)
    found: list[dict[str, Any] | Dropped] = []
    number = 0
    try:
        with os_errors(path), path.open("rb") as file, extractor_for(extract) as extractor:
            for raw in walk(file, _KEEP):
                if raw.fields.get("warc-type") not in ("response", "conversion") or _is_other(raw):
                    continue
                number += 1
                if number <= skip:
                    continue
                found.append(_page(raw, number, place, crawl, extract, extractor))
                if len(found) >= _BATCH:
                    tell((raw.offset + raw.length) / max(unit.size, 1))
                    yield found
                    found = []
    except TornRecord as error:
        raise DamagedFile(f"{error}, at byte {error.offset:,}", where=path, hint="fetch or copy it again") from error
    yield found


def _is_other(raw: RawRecord) -> bool:
    """Whether a record holds no page: an answer of another protocol, a robots.txt."""
    target = target_of(raw.fields)
    if not target.startswith(("http://", "https://")) or path_of(target) == "/robots.txt":
        return True
    return raw.fields["warc-type"] == "response" and "http" not in raw.fields.get("content-type", "")


def _page(
    raw: RawRecord, number: int, place: Place, crawl: CrawlSettings, settings: ExtractSettings, extractor: Any
) -> dict[str, Any] | Dropped:
    target = target_of(raw.fields)
    key, url, domain = name_of(target, None, "")

    def dropped(outcome: Outcome, detail: str) -> Dropped:
        return Dropped(key, url, outcome, detail)

    try:
        fetched = parse_warc_time(raw.fields.get("warc-date", ""))
    except ValueError:
        return dropped(Outcome.UNREADABLE, f"no valid WARC-Date: {place.told(number)}")
    if raw.fields["warc-type"] == "conversion":
        page = PageBytes(url, "text/plain; charset=utf-8", raw.block)
    else:
        try:
            stored = response_of(raw)
        except ValueError as error:
            return dropped(Outcome.UNREADABLE, f"{error}: {place.told(number)}")
        if 300 <= stored.status < 400:
            return dropped(Outcome.REDIRECT, f"status {stored.status}")
        verdict = judge_page(stored, crawl)
        if verdict is not None:
            return dropped(verdict.outcome, verdict.detail)
        try:
            body = decode_body(stored.headers, stored.body, DECODED_BYTES)
        except UndecodableBody as error:
            return dropped(Outcome.EXTRACT_ERROR, f"the body does not decode: {error}")
        page = PageBytes(url, stored.header("content-type") or "", body[: settings.max_html])
    return _examined(page, number, place, (key, url, domain), fetched, extractor)


def _examined(
    page: PageBytes, number: int, place: Place, named: tuple[int, str, str], fetched: datetime,
    extractor: IsolatedExtractor,
) -> dict[str, Any] | Dropped:  # fmt: skip
    result: Extracted | Rejection = extractor.examine(page)
    if isinstance(result, Rejection):
        return Dropped(named[0], named[1], result.outcome, result.detail)
    document = document_of(Row(number, result.text), place, named)
    return {
        **document, "canonical": result.canonical, "title": result.title, "language": result.language,
        "language_score": result.language_score, "fetched": fetched, "words": result.words,
        "quality": result.measures,
    }  # fmt: skip
