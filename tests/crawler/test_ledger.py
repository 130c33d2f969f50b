"""The ledger: exactly one final outcome a link, whatever order they come in and whatever is killed."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from crawling import claim

from webtext.corpus.errors import Balance, CorpusLocked, DamagedFile, Interrupted, WebtextError
from webtext.corpus.interrupts import Stop
from webtext.corpus.schemas import OUTCOMES
from webtext.crawler.fetch import ledger_file
from webtext.crawler.fetch.ledger import PAGES, Ended, Ledger, Link, Placed
from webtext.crawler.fetch.records import ResponseRecords, record_id

HIGH = (1 << 64) - 2  # its two's complement is -2
WHEN = datetime(2025, 3, 4, tzinfo=UTC)


def links(*keys: int) -> pa.Table:
    urls = [f"http://a.example/{key}" for key in keys]
    return pa.table({"key": pa.array(keys, pa.uint64()), "url": urls, "domain": ["a.example"] * len(keys)})


def response(url: str, digest: str = "ab" * 32, status: int = 200) -> ResponseRecords:
    return ResponseRecords(url, status, "text/html", WHEN, digest, b"member", None)


def page(key: int, offset: int = 10, *, digest: str = "ab" * 32) -> Ended:
    url = f"http://a.example/{key}"
    return Ended(key, "page", final_key=key, hops=(Placed(response(url, digest), 0, offset),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.writing(path) as found:
        yield found


def test_links_are_claimed_once(ledger: Ledger) -> None:
    ledger.add_links(links(1, 2, HIGH))
    claimed = [*claim(ledger, 2), *claim(ledger, 2)]
    assert sorted(link.key for link in claimed) == [1, 2, HIGH]
    assert {link.url for link in claimed} == {f"http://a.example/{key}" for key in (1, 2, HIGH)}
    assert claim(ledger, 2) == []


def test_claims_of_a_dead_process_are_pending_again_and_outcomes_are_not(ledger: Ledger) -> None:
    ledger.add_links(links(1, 2, 3))
    claim(ledger, 3)
    ledger.commit([Ended(2, "robots", "disallowed by robots.txt")], {})
    assert ledger.recover() == 2
    assert sorted(link.key for link in claim(ledger, 5)) == [1, 3]


def test_a_second_outcome_is_refused_and_changes_nothing(ledger: Ledger) -> None:
    ledger.add_links(links(1, 2))
    claim(ledger, 2)
    ledger.commit([page(1)], {0: 100})
    before = (ledger.identity(), ledger.segments())
    for again in ([Ended(1, "timeout", "late")], [page(2), page(1)], [page(2), page(2)]):
        with pytest.raises(Balance):
            ledger.commit(again, {0: 999})
    assert (ledger.identity(), ledger.segments()) == before
    ledger.commit([page(2)], {0: 200})


def test_an_outcome_without_a_claim_is_refused(ledger: Ledger) -> None:
    ledger.add_links(links(1))
    with pytest.raises(Balance):
        ledger.commit([page(1)], {})


def test_states_and_segment_lengths_are_one_transaction(ledger: Ledger) -> None:
    ledger.add_links(links(1))
    claim(ledger, 1)
    ledger.commit([page(1)], {0: 120, 3: 7})
    assert ledger.segments() == {0: 120, 3: 7}


def test_pages_by_key_with_all_that_extract_needs(ledger: Ledger) -> None:
    ledger.add_links(links(HIGH, 5, 1, 7))
    claim(ledger, 4)
    moved = Ended(
        5,
        "page",
        final_key=HIGH,
        hops=(Placed(response("http://a.example/5", status=301), 0, 10), Placed(response("http://b.example/"), 1, 20)),
    )
    ledger.commit([page(HIGH, 30), moved, page(1, 40), Ended(7, "timeout", "no whole answer in time")], {})
    table = ledger.pages()
    assert table.schema == PAGES
    assert table["key"].to_pylist() == [1, 5, HIGH]
    assert table.to_pylist()[1] == {
        "key": 5,
        "url": "http://a.example/5",
        "final_url": "http://b.example/",
        "final_key": HIGH,
        "segment": "segment-00001.warc.gz",
        "offset": 20,
        "length": 6,
        "record_id": record_id(5, 1, "http://b.example/", "ab" * 32),
        "payload_sha256": "ab" * 32,
        "source": "crawl",
        "fetched": WHEN,
    }


def test_outcomes_by_key(ledger: Ledger) -> None:
    ledger.add_links(links(HIGH, 5, 1))
    claim(ledger, 3)
    ledger.commit([Ended(HIGH, "robots", "r"), page(5), Ended(1, "http-error", "status 404")], {})
    (first, second) = ledger.outcomes()  # the two halves of the keys
    table = pa.concat_tables([first, second])
    assert table.schema == OUTCOMES
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (1, "http://a.example/1", "pages", "http-error", "status 404"),
        (HIGH, f"http://a.example/{HIGH}", "pages", "robots", "r"),
    ]


def test_no_page_and_no_outcome_are_empty_tables(ledger: Ledger) -> None:
    assert ledger.pages().num_rows == 0
    assert ledger.pages().schema == PAGES
    assert list(ledger.outcomes()) == []


def test_the_identity_knows_key_outcome_final_url_and_payload_alone(tmp_path: Path) -> None:
    def identity(name: str, *batches: list[Ended]) -> str:
        with Ledger.writing(tmp_path / name) as ledger:
            ledger.add_links(links(1, 2, HIGH))
            claim(ledger, 3)
            for batch in batches:
                ledger.commit(batch, {})
            return ledger.identity()

    one = identity("one", [page(1, 10), page(2, 20), Ended(HIGH, "timeout", "x")])
    assert one == identity("order, place, detail", [Ended(HIGH, "timeout", "y")], [page(2, 10)], [page(1, 20)])
    assert one != identity("payload", [page(1, 10, digest="cd" * 32), page(2, 20), Ended(HIGH, "timeout", "x")])
    assert one != identity("outcome", [page(1, 10), page(2, 20), Ended(HIGH, "robots", "x")])
    assert one != identity("missing", [page(1, 10), page(2, 20)])


def test_growth_adds_links_and_keeps_outcomes(ledger: Ledger) -> None:
    ledger.add_links(links(1, 2))
    claim(ledger, 2)
    ledger.commit([page(1), page(2)], {})
    ledger.want_nothing()
    ledger.add_links(links(2, 3))
    assert ledger.counts() == (2, {"page": 1})
    assert [link.key for link in claim(ledger, 9)] == [3]
    assert ledger.pages()["key"].to_pylist() == [2]
    # A link that comes back finds its page again.
    ledger.want_nothing()
    ledger.add_links(links(1, 2, 3))
    assert ledger.counts() == (3, {"page": 2})


def test_a_link_with_another_spelling_is_pending_again_and_leaves_nothing_behind(ledger: Ledger) -> None:
    spelled = links(1, 2).set_column(1, "url", pa.array(["http://www.a.example/1", "http://a.example/2"]))
    ledger.add_links(links(1, 2, 3))
    claim(ledger, 3)
    ledger.commit([page(1), page(2), Ended(3, "robots", "r")], {0: 100})
    ledger.add_links(spelled)
    assert ledger.counts() == (3, {"page": 1, "robots": 1})
    assert ledger.pages()["key"].to_pylist() == [2]
    assert len(list(ledger.cdxj())) == 1
    assert claim(ledger, 9) == [Link(1, "http://www.a.example/1")]
    ledger.commit([Ended(1, "timeout", "late")], {})
    assert next(ledger.outcomes())["url"].to_pylist() == ["http://www.a.example/1", "http://a.example/3"]
    ledger.add_links(spelled)  # after a crash the same rows come again
    assert claim(ledger, 9) == []


def test_a_long_query_is_given_up_when_the_user_stops(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webtext.crawler.fetch.ledger._LOOKS", 100)
    ledger.add_links(links(*range(1_000)))
    stop = Stop(raising=False)
    with ledger.until(stop):
        assert ledger.counts() == (1_000, {})
    stop.requested = True
    with pytest.raises(Interrupted), ledger.until(stop):
        ledger.counts()
    assert ledger.counts() == (1_000, {})


def test_the_index_is_sorted_and_has_every_hop(ledger: Ledger) -> None:
    ledger.add_links(links(1, 2))
    claim(ledger, 2)
    hops = (Placed(response("http://z.example/", status=301), 0, 1), Placed(response("http://b.example/"), 0, 2))
    ledger.commit([Ended(1, "page", final_key=1, hops=hops), page(2)], {})
    lines = list(ledger.cdxj())
    assert lines == sorted(lines)
    assert [line.split(")")[0] for line in lines] == ["example,a", "example,b", "example,z"]


def test_a_finished_ledger_is_read_without_a_trace(path: Path) -> None:
    with Ledger.writing(path) as ledger:
        ledger.add_links(links(1))
        ledger.rest()
    before = path.read_bytes()
    with Ledger.reading(path) as ledger:
        assert ledger.counts() == (1, {})
        assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_unfinished_ledger_says_what_to_do(path: Path) -> None:
    with Ledger.writing(path) as ledger:
        ledger.add_links(links(1))
    with pytest.raises(WebtextError, match="not finished"), Ledger.reading(path):
        pass


@pytest.mark.parametrize("how", ["empty", "foreign", "truncated", "other"])
def test_a_damaged_ledger_is_one_clear_message(path: Path, how: str) -> None:
    with Ledger.writing(path) as ledger:
        ledger.add_links(links(*range(1, 2_000)))
        ledger.rest()
    if how == "other":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE x(y)")
        other.close()
    else:
        data = path.read_bytes()
        path.write_bytes({"empty": b"", "foreign": b"PK\x03\x04" * 500, "truncated": data[: len(data) // 2]}[how])
    with pytest.raises(DamagedFile, match=r"ledger\.sqlite.*\n.*--refetch"), Ledger.reading(path) as ledger:
        ledger.pages()
        ledger.identity()


def test_a_missing_ledger_is_damage_to_a_reader(path: Path) -> None:
    with pytest.raises(DamagedFile, match="missing"), Ledger.reading(path):
        pass


def test_a_newer_ledger_is_refused(path: Path) -> None:
    with Ledger.writing(path) as ledger:
        ledger.set_meta("version", "99")
    with pytest.raises(WebtextError, match="ledger version 99"), Ledger.writing(path):
        pass


def hold(path: Path, held: object, release: object) -> None:
    with Ledger.writing(path):
        held.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_a_second_writer_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(path, held, release))
    other.start()
    try:
        assert held.wait(120)
        monkeypatch.setattr(ledger_file, "WRITER_SECONDS", 0.1)
        with pytest.raises(CorpusLocked, match="another crawl process"), Ledger.writing(path):
            pass
    finally:
        release.set()
        other.join()
    with Ledger.writing(path) as ledger:
        assert ledger.counts() == (0, {})


def test_a_writer_waits_for_an_orphan_to_end(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(path, held, release))
    other.start()
    assert held.wait(120)
    other.kill()
    with Ledger.writing(path) as ledger:
        assert ledger.counts() == (0, {})
    other.join()
