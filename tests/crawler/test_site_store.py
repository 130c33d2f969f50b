"""The cache of sites on disk: what it holds, for how long, and that nothing breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from webtext.crawler.fetch.site_store import SECONDS, HostPace, SiteFile, SiteStore

URL = "http://a.example/robots.txt"
FILE = SiteFile(URL, 1_000.0, body=b"User-agent: *\nDisallow: /\n" * 100)


def test_what_is_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "hosts.sqlite"
    with SiteStore.open(path, 1_000.0) as store:
        assert not store.earlier
        store.keep_file(FILE)
        store.keep_file(SiteFile("http://b.example/robots.txt", 1_001.0, "timeout", "no whole answer in time"))
        store.keep_pace("a.example", HostPace(10.0, 0.0))
    with SiteStore.open(path, 1_002.0) as store:
        assert store.earlier
        assert store.file(URL) == FILE
        assert store.file("http://b.example/robots.txt") == SiteFile(
            "http://b.example/robots.txt", 1_001.0, "timeout", "no whole answer in time"
        )
        assert store.file("http://c.example/robots.txt") is None
        assert store.pace("a.example") == HostPace(10.0, 0.0)
        assert store.pace("b.example") is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["hosts.sqlite"]


def test_files_are_held_for_a_day(tmp_path: Path) -> None:
    path = tmp_path / "hosts.sqlite"
    with SiteStore.open(path, 1_000.0) as store:
        store.keep_file(FILE)
    with SiteStore.open(path, 1_000.0 + SECONDS) as store:
        assert store.file(URL) == FILE
    with SiteStore.open(path, 1_001.0 + SECONDS) as store:
        assert store.file(URL) is None


def test_a_process_that_is_killed_leaves_what_had_to_be_kept_at_once(tmp_path: Path) -> None:
    path = tmp_path / "hosts.sqlite"
    with SiteStore.open(path, 0.0) as store:
        store.keep_pace("a.example", HostPace(10.0, 50.0))
        store.keep_file(FILE, now=True)
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(path.read_bytes())  # what a kill here would leave
    with SiteStore.open(copy, 1_000.0) as store:
        assert store.pace("a.example") == HostPace(10.0, 50.0)
        assert store.file(URL) == FILE


@pytest.mark.parametrize("damage", [b"", b"no SQLite at all" * 100, b"SQLite format 3\0" + b"\0" * 5_000])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "hosts.sqlite"
    path.write_bytes(damage)
    with SiteStore.open(path, 0.0) as store:
        store.keep_file(FILE)
    with SiteStore.open(path, 1_000.0) as store:
        assert store.file(URL) == FILE


def test_where_nothing_can_be_written_it_works_in_memory(tmp_path: Path) -> None:
    with SiteStore.open(tmp_path / "no-such-folder" / "hosts.sqlite", 0.0) as store:
        store.keep_file(FILE)
        assert store.file(URL) == FILE
