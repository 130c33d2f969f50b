"""Pages and the files of their sites in segments: together, once a segment, each under an id of its own."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator

from webtext.crawler.fetch.appending import PageAppender
from webtext.crawler.fetch.evidence import read_evidence, said_of, with_evidence
from webtext.crawler.fetch.records import StoredResponse, response_records
from webtext.crawler.fetch.site_files import HELD_BYTES, NONE
from webtext.crawler.fetch.site_store import SiteFile
from webtext.crawler.fetch.warc import Segments, segment_name

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ROBOTS = SiteFile("http://a.example/robots.txt", NOW.timestamp(), body=b"User-agent: *\nDisallow: /x\n")
TDMREP = SiteFile("http://a.example/.well-known/tdmrep.json", NOW.timestamp(), body=b"[]")


def records(folder: Path, number: int) -> list[tuple[str, str]]:
    with (folder / segment_name(number)).open("rb") as file:
        found = []
        for record in ArchiveIterator(file, check_digests="raise"):
            record.raw_stream.read()
            found.append((record.rec_type, record.rec_headers.get_header("WARC-Target-URI") or ""))
        return found


def test_a_segment_has_the_files_that_its_pages_speak_of_once(tmp_path: Path) -> None:
    segments = Segments(tmp_path, {}, {}, limit=1_500)
    appender = PageAppender(segments)
    places = []
    for key, files in enumerate(((ROBOTS,), (ROBOTS, TDMREP), (ROBOTS, TDMREP), (ROBOTS,), ())):
        url = f"http://a.example/{key}"
        page = response_records(key, 0, StoredResponse(url, 200, [], bytes(range(256)), NOW), None)
        said = with_evidence(page, key, 0, [("robots.txt", said_of(ROBOTS))])
        places += appender.append(key, [said], files)
    segments.sync()
    segments.close()
    assert len({placed.segment for placed in places}) > 1
    for number, group in itertools.groupby(places, key=lambda placed: placed.segment):
        pages = [placed.records.url for placed in group]
        found = records(tmp_path, number)
        assert [url for kind, url in found if kind == "response"] == pages
        named = {"http://a.example/4": 0}.get(pages[0], 1)
        assert [url for kind, url in found if kind == "resource"].count(ROBOTS.url) == named
    for placed in places:
        evidence = read_evidence(tmp_path / segment_name(placed.segment), placed.offset)
        assert evidence == [("robots.txt", said_of(ROBOTS))]


def test_what_came_of_a_file_is_said_in_words() -> None:
    url, when = "http://a.example/ai.txt", NOW.timestamp()
    assert said_of(SiteFile(url, when, NONE, "status 404")) == "none (status 404), 2025-01-01T00:00:00Z"
    assert said_of(SiteFile(url, when, "timeout", "too late")) == "cannot be had (too late), 2025-01-01T00:00:00Z"
    assert said_of(SiteFile(url, when, NONE, "status 404", answered=0.0)) == "none in what is replayed"


def test_a_file_that_was_cut_says_so(tmp_path: Path) -> None:
    from webtext.crawler.fetch.evidence import file_record

    cut = file_record(SiteFile(ROBOTS.url, 0.0, body=b"#" * HELD_BYTES), 1, 0)
    (tmp_path / "a.warc.gz").write_bytes(cut)
    with (tmp_path / "a.warc.gz").open("rb") as file:
        (record,) = ArchiveIterator(file)
        assert record.rec_headers.get_header("WARC-Truncated") == "length"
