"""One link in the ledger: its outcome, its hops and where they lie; and which links led to an address."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from crawling import claim

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.crawler.fetch.ledger import PAGE, Ended, Ledger, Placed
from webtext.crawler.fetch.lookup import leading_to, look_up
from webtext.crawler.fetch.records import ResponseRecords, record_id

HIGH = 2**63 + 5
TIME = datetime(2025, 2, 1, 12, tzinfo=UTC)


def hop(url: str, status: int, offset: int) -> Placed:
    return Placed(ResponseRecords(url, status, "text/html", TIME, f"{status:064x}", b"12345", None), 1, offset)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    rows = [(HIGH, "https://a.example/"), (7, "https://b.example/"), (8, "https://c.example/")]
    table = pa.table({"key": pa.array([key for key, _ in rows], pa.uint64()), "url": [url for _, url in rows],
                      "domain": ["x.example"] * 3})  # fmt: skip
    with Ledger.writing(path) as opened:
        opened.add_links(table)
        claim(opened, 2)
        opened.recover()
        while claimed := claim(opened, 10):
            ended = {
                HIGH: Ended(HIGH, PAGE, "", 99, (hop("https://a.example/", 301, 0), hop("https://z.example/", 200, 5))),
                7: Ended(7, "robots", "disallowed by robots.txt"),
            }
            opened.commit([ended[link.key] for link in claimed if link.key in ended], {1: 10})
        opened.want_nothing()
        opened.add_links(table.slice(0, 1))
        opened.rest()
    return path


def test_a_page_with_its_hops(ledger: Path) -> None:
    found = look_up(ledger, HIGH)
    assert found is not None
    assert (found.url, found.wanted, found.outcome, found.final_url) == (
        "https://a.example/", True, "page", "https://z.example/",
    )  # fmt: skip
    first, last = found.answers
    assert (first.status, first.segment, first.offset, first.length) == (301, "segment-00001.warc.gz", 0, 5)
    assert (last.url, last.offset, last.fetched) == ("https://z.example/", 5, TIME)
    assert last.record_id == record_id(HIGH, 1, "https://z.example/", f"{200:064x}")


def test_an_outcome_a_pending_link_and_none(ledger: Path) -> None:
    found = look_up(ledger, 7)
    assert found is not None
    assert (found.wanted, found.outcome, found.detail, found.answers) == (
        False, "robots", "disallowed by robots.txt", (),
    )  # fmt: skip
    pending = look_up(ledger, 8)
    assert pending is not None
    assert pending.outcome is None
    assert look_up(ledger, 9) is None


def test_links_that_led_to_an_address(ledger: Path) -> None:
    assert leading_to(ledger, 99) == [(HIGH, "https://a.example/")]
    assert leading_to(ledger, HIGH) == []


def test_no_ledger_and_one_in_work(ledger: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="is missing"):
        look_up(tmp_path / "none", 7)
    with Ledger.writing(ledger), pytest.raises(WebtextError, match="the crawl has not finished"):
        look_up(ledger, 7)
