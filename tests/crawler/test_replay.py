"""Crawling archives again: which record answers, and which files are refused before anything starts."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from webtext.corpus.errors import DamagedFile, Interrupted, WebtextError
from webtext.corpus.files import file_sha256
from webtext.corpus.interrupts import Stop
from webtext.crawler.fetch.hashing import prefix_sha256
from webtext.crawler.fetch.records import build_record
from webtext.crawler.fetch.replay_index import ENTRY, ReplayArchive, by_sha256, write_index


def record(url: str, body: bytes = b"hello", date: str = "2025-01-01T00:00:00Z", *, kind: str = "response") -> bytes:
    fields = [
        ("WARC-Type", kind), ("WARC-Target-URI", url), ("WARC-Date", date),
        ("Content-Type", f"application/http; msgtype={kind}"),
    ]  # fmt: skip
    return build_record(fields, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body)


def warc(path: Path, *records: bytes, plain: bool = False) -> Path:
    path.write_bytes(b"".join(gzip.decompress(one) if plain else one for one in records))
    return path


def archive(folder: Path, *warcs: Path) -> ReplayArchive:
    files = list(by_sha256(warcs).values())
    write_index(folder / "index.npy", files)
    return ReplayArchive(files, folder / "index.npy")


def marked(url: str, body: bytes, date: str) -> bytes:
    """A record that says of itself that it is not whole."""
    plain = gzip.decompress(record(url, body, date))
    return gzip.compress(plain.replace(b"WARC-Type", b"WARC-Truncated: length\r\nWARC-Type", 1))


def test_a_record_that_is_not_whole_says_so_and_answers_only_where_none_is(tmp_path: Path) -> None:
    whole = warc(tmp_path / "whole", record("http://a.example/x", b"whole"))
    later = warc(tmp_path / "later", marked("http://a.example/x", b"half", "2025-09-09T00:00:00Z"))
    alone = archive(tmp_path, later).find("http://a.example/x", 1_000)
    assert alone is not None
    assert (alone.body, alone.truncated) == (b"half", "length")
    both = archive(tmp_path, later, whole).find("http://a.example/x", 1_000)
    assert both is not None
    assert (both.body, both.truncated) == (b"whole", "")


def body_of(found: ReplayArchive, url: str) -> bytes | None:
    stored = found.find(url, 1_000)
    return None if stored is None else stored.body


@pytest.mark.parametrize("plain", [True, False])
def test_an_address_is_answered_as_it_was_recorded(tmp_path: Path, plain: bool) -> None:
    one = warc(tmp_path / "one", record("http://a.example/x"), record("http://a.example/y", b"why"), plain=plain)
    found = archive(tmp_path, one)
    stored = found.find("http://a.example/y", 1_000)
    assert stored is not None
    assert (stored.url, stored.status, stored.body) == ("http://a.example/y", 200, b"why")
    assert stored.headers == [("Content-Type", "text/html")]
    assert stored.fetched.isoformat() == "2025-01-01T00:00:00+00:00"
    assert found.find("http://a.example/z", 1_000) is None


@pytest.mark.parametrize("recorded", ["HTTP://A.example:80/x#part", "<http://a.example/x>", "http://a.example/b/../x"])
def test_addresses_are_compared_in_normal_form(tmp_path: Path, recorded: str) -> None:
    assert body_of(archive(tmp_path, warc(tmp_path / "one", record(recorded))), "http://a.example/x") == b"hello"


@pytest.mark.parametrize(
    "url", ["https://a.example/x", "http://www.a.example/x", "http://a.example/x/", "http://a.example/x?utm_source=y"]
)
def test_another_spelling_of_the_link_is_answered_where_its_own_is_not_held(tmp_path: Path, url: str) -> None:
    plain = record("http://a.example/x", b"plain", "2025-01-02T00:00:00Z")
    found = archive(tmp_path, warc(tmp_path / "one", plain))
    stored = found.find(url, 1_000)
    assert stored is not None
    assert (stored.url, stored.body) == (url, b"plain")
    own = record(url, b"own", "2024-01-01T00:00:00Z")
    assert body_of(archive(tmp_path, warc(tmp_path / "two", plain, own)), url) == b"own"


@pytest.mark.parametrize("url", ["http://a.example/y", "http://a.example/x?q=1", "http://b.example/x"])
def test_another_link_is_not_answered(tmp_path: Path, url: str) -> None:
    assert body_of(archive(tmp_path, warc(tmp_path / "one", record("http://a.example/x"))), url) is None


def test_the_last_recording_counts_whatever_the_order(tmp_path: Path) -> None:
    old = record("http://a.example/", b"old", "2024-01-01T00:00:00Z")
    new = record("http://a.example/", b"new", "2025-01-01T00:00:00.123456Z")
    for records in ((old, new), (new, old)):
        assert body_of(archive(tmp_path, warc(tmp_path / "one", *records)), "http://a.example/") == b"new"
    one, two = warc(tmp_path / "one", old), warc(tmp_path / "two", new)
    for warcs in ((one, two), (two, one)):
        assert body_of(archive(tmp_path, *warcs), "http://a.example/") == b"new"


def test_recordings_of_one_second_are_told_apart_by_content_alone(tmp_path: Path) -> None:
    first, second = record("http://a.example/", b"first"), record("http://a.example/", b"second")
    answers = set()
    for records in ((first, second), (second, first)):
        one, two = (warc(tmp_path / name, data) for name, data in zip(("one", "two"), records, strict=True))
        answers |= {body_of(archive(tmp_path, *warcs), "http://a.example/") for warcs in ((one, two), (two, one))}
    assert len(answers) == 1


def test_only_responses_answer(tmp_path: Path) -> None:
    other = [record("http://a.example/", kind=kind) for kind in ("request", "revisit", "resource", "metadata")]
    found = archive(tmp_path, warc(tmp_path / "one", *other, record("http://b.example/"), record("dns:a.example")))
    assert body_of(found, "http://a.example/") is None
    assert body_of(found, "http://b.example/") == b"hello"


def test_a_record_that_is_no_http_answer_is_not_held(tmp_path: Path) -> None:
    fields = [
        ("WARC-Type", "response"), ("WARC-Target-URI", "http://a.example/"), ("WARC-Date", "2025-01-01T00:00:00Z"),
        ("Content-Type", "application/http"),
    ]  # fmt: skip
    assert (
        body_of(archive(tmp_path, warc(tmp_path / "one", build_record(fields, b"junk"))), "http://a.example/") is None
    )


def test_a_large_body_is_not_read_to_its_end(tmp_path: Path) -> None:
    found = archive(tmp_path, warc(tmp_path / "one", record("http://a.example/", b"x" * 5_000_000)))
    stored = found.find("http://a.example/", 1_000)
    assert stored is not None
    assert 1_000 < len(stored.body) < 100_000


def test_the_index_is_small_and_sorted(tmp_path: Path) -> None:
    archive(tmp_path, warc(tmp_path / "one", *(record(f"http://a.example/{number}") for number in range(100))))
    entries = np.load(tmp_path / "index.npy")
    assert entries.dtype == ENTRY
    assert ENTRY.itemsize == 28
    assert len(entries) == 200  # each address as it is spelled, and its identity form
    assert (np.diff(entries["url"].astype(np.float64)) > 0).all()


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    one, two = warc(tmp_path / "one", record("http://a.example/")), warc(tmp_path / "two", record("http://b.example/"))
    copy = warc(tmp_path / "copy", record("http://a.example/"))
    assert list(by_sha256([one, two])) == list(by_sha256([two, copy, one]))
    assert list(by_sha256([one, two])) == sorted(by_sha256([one, two]))


WHOLE = [record("http://a.example/"), record("http://b.example/")]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"".join(WHOLE)[:-1], f"at byte {len(WHOLE[0])}"),
        (b"".join(WHOLE)[: len(WHOLE[0]) + 1], f"at byte {len(WHOLE[0])}"),
        (gzip.decompress(b"".join(WHOLE))[:-10], "ends inside of this record"),
        (b"PK\x03\x04" * 100, "no WARC record begins here"),
        (gzip.compress(b"<html>", mtime=0), "no WARC record begins here"),
        (gzip.compress(gzip.decompress(b"".join(WHOLE)), mtime=0), "several records share one gzip member"),
        (record("http://a.example/", date="yesterday"), "WARC-Date"),
        (record("http://a.example/", kind="request"), "no answer of a web server"),
    ],
)
def test_damaged_and_foreign_files_are_refused(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "archive.warc"
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match=what) as caught:
        write_index(tmp_path / "index.npy", [path])
    assert "archive.warc" in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["archive.warc"]


def test_a_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "archive.warc"
    unnoticed = []
    for place in range(len(WHOLE[0])):
        data = bytearray(WHOLE[0])
        data[place] ^= 0x04
        path.write_bytes(data)
        try:
            assert body_of(archive(tmp_path, path), "http://a.example/") == b"hello"
            unnoticed.append(place)
        except DamagedFile:
            pass
    # Time and system in gzip's head, and what pads the last byte of its data.
    assert set(unnoticed) <= {*range(4, 10), len(WHOLE[0]) - 9}


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match=r"nowhere\.warc.*no such file"):
        by_sha256([tmp_path / "nowhere.warc"])
    (tmp_path / "empty.warc").touch()
    with pytest.raises(DamagedFile, match="is empty"):
        by_sha256([tmp_path / "empty.warc"])
    with pytest.raises(WebtextError, match="directory"):
        by_sha256([tmp_path])


class Soon(Stop):
    """The user stops after some looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        super().__init__(raising=False)

    @property
    def requested(self) -> bool:
        self.left -= 1
        return self.left < 0

    @requested.setter
    def requested(self, value: bool) -> None:
        pass


def test_a_stop_is_heeded_between_records_and_inside_of_files(tmp_path: Path) -> None:
    records = [record(f"http://a.example/{number}") for number in range(20)]
    path = warc(tmp_path / "one", *records)
    with pytest.raises(Interrupted):
        write_index(tmp_path / "index.npy", [path], Soon(10))
    write_index(tmp_path / "index.npy", [path], Soon(20))
    large = tmp_path / "large"
    large.write_bytes(b"x" * 3_000_000)
    with pytest.raises(Interrupted):
        by_sha256([large], Soon(1))
    with pytest.raises(Interrupted):
        prefix_sha256(large, 2_500_000, Soon(1))
    assert list(by_sha256([large], Soon(9))) == [file_sha256(large)]


def test_a_file_that_changes_under_a_replay_is_damaged(tmp_path: Path) -> None:
    path = warc(tmp_path / "one", *WHOLE)
    found = archive(tmp_path, path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DamagedFile, match="was changed"):
        found.find("http://b.example/", 1_000)
