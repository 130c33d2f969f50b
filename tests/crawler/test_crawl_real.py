"""The crawl replayed over real pages: each label that is decided at the crawl ends as it should."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from crawling import crawl, outcomes_of, pages_of
from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from webtext.corpus.manifests import Manifest
from webtext.crawler.fetch.crawl import verify_pages
from webtext.crawler.fetch.decoding import decode_body
from webtext.crawler.fetch.warc import read_record
from webtext.crawler.reddit.urls import UnusableURL, normalise

DECIDED_HERE = {
    "robots": "robots", "noai": "opt-out", "http-error": "http-error", "unreachable": "unreachable",
    "redirect": "redirect", "content-type": "content-type", "too-large": "too-large",
    "private-address": "private-address", "document": "page", "near-duplicate": "page", "wikipedia-mirror": "page",
}  # fmt: skip


@pytest.fixture
def expected(data: Path) -> dict[str, str]:
    """Address to label, without those that are no URL."""
    found = {}
    for row in json.loads((data / "web/expected.json").read_bytes()):
        try:
            found[normalise(row["url"])] = row["expect"]
        except UnusableURL:
            assert row["expect"] == "unusable-url"
    return found


def test_real_pages_end_as_expected_twice(data: Path, expected: dict[str, str], tmp_path: Path) -> None:
    warc = data / "web/web.warc.gz"
    corpus = tmp_path / "one"
    manifest = crawl(corpus, list(expected), replay=[warc])
    pages, outcomes = pages_of(corpus), outcomes_of(corpus)
    assert pages.keys() | outcomes.keys() == expected.keys()
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    for url, label in expected.items():
        ends[label]["page" if url in pages else outcomes[url][0]] += 1
    for label, outcome in DECIDED_HERE.items():
        assert set(ends[label]) == {outcome}, label
    assert outcomes["http://meta.example/ssrf"] == ("private-address", "169.254.169.254 is no public address")
    assert outcomes["http://bomb.example/gzip"] == ("too-large", "more than 20,000,000 bytes decoded")
    assert outcomes["http://loop.example/a"] == ("redirect", "leads back to an address of its own chain")

    again = crawl(tmp_path / "two", list(expected)[::-1], replay=[warc])
    assert again.identity == manifest.identity
    _segments_hold_what_was_recorded(warc, corpus, manifest)


def _segments_hold_what_was_recorded(warc: Path, corpus: Path, manifest: Manifest) -> None:
    verify_pages(corpus, manifest)
    recorded = {}
    with warc.open("rb") as file:
        for record in ArchiveIterator(file):
            recorded[normalise(record.rec_headers.get_header("WARC-Target-URI"))] = record.raw_stream.read()
    for row in pages_of(corpus).values():
        stored = read_record(corpus / "pages" / row["segment"], row["offset"], row["length"])
        assert stored.body == recorded[row["final_url"]]
        assert stored.fetched == row["fetched"]
        assert decode_body(stored.headers, stored.body, 10_000_000)
    responses = 0
    for path in sorted((corpus / "pages").glob("segment-*")):
        with path.open("rb") as file:
            for record in FastIterator(file, parse_http=False):
                if record.headers["WARC-Type"] == "response":
                    assert record.verify_block_digest()
                    responses += 1
    assert responses == len((corpus / "pages/index.cdxj").read_text().splitlines())
