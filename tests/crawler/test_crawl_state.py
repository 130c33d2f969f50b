"""A ledger on another disk, and on a network file system: found again, brought home, never in a mode that could
corrupt it there."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, crawl, pages_of
from small_web import write_warc

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.manifests import Manifest
from webtext.crawler.fetch import ledger_file, state
from webtext.crawler.fetch.crawl import verify_pages
from webtext.crawler.fetch.file_systems import Mount, mount_of, nearest, parse_mount, parse_mountinfo
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import at_rest

URLS = [f"http://site{number % 5}.example/{number}" for number in range(40)]
NFS = Mount("/net", "nfs4", frozenset({"rw", "hard"}))


@pytest.fixture(scope="module")
def warc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "web.warc.gz"
    write_warc(path, [(url, 200, [("Content-Type", "text/html")], f"<p>{url}".encode()) for url in URLS])
    return path


@pytest.fixture(scope="module")
def whole(warc: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return crawl(tmp_path_factory.mktemp("whole"), URLS, replay=[warc])


def test_file_systems_of_other_machines_are_known() -> None:
    lines = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
90 22 0:50 / /mnt/net rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2,hard,local_lock=none
91 22 0:51 / /mnt/old rw,relatime - nfs server:/old rw,vers=3,nolock
92 22 0:52 / /mnt/my\040share rw - cifs //server/share rw,nobrl
93 22 0:53 / /mnt/net/disk rw - xfs /dev/sdb1 rw
94 22 0:54 / /home/me/remote rw - fuse.sshfs me@host: rw
95 22 0:55 / /mnt/usb rw - fuseblk /dev/sdc1 rw
96 22 0:56 / /scratch rw - lustre mds:/scratch rw,flock
97 22 0:57 / /mnt/net rw - tmpfs tmpfs rw""".splitlines()
    mounts = parse_mountinfo(lines)

    def about(path: str) -> tuple[str, bool, bool]:
        found = nearest(mounts, Path(path))
        return found.kind, found.network, found.locks

    assert about("/var/corpus") == ("ext4", False, True)
    assert about("/mnt/net") == ("tmpfs", False, True)  # mounted over what was there
    assert about("/mnt/net/disk/corpus") == ("xfs", False, True)
    assert about("/mnt/network") == ("ext4", False, True)
    assert about("/mnt/old/corpus") == ("nfs", True, False)
    assert about("/mnt/my share/corpus") == ("cifs", True, False)
    assert about("/home/me/remote/corpus") == ("fuse.sshfs", True, True)
    assert about("/mnt/usb/corpus") == ("fuseblk", False, True)
    assert about("/scratch/corpus") == ("lustre", True, True)
    assert nearest(parse_mountinfo(lines[:3]), Path("/mnt/net/a")) == Mount(
        "/mnt/net", "nfs4", frozenset({"rw", "relatime", "vers=4.2", "hard", "local_lock=none"})
    )
    mac = parse_mount(["/dev/disk1s1 on / (apfs, local, journaled)", "//me@host/a on /Volumes/a (smbfs, nodev)"])
    assert [mount.network for mount in mac] == [False, True]
    assert not mount_of(Path(__file__)).network


def test_on_a_network_the_journal_is_rolled_back_and_no_memory_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    monkeypatch.setattr(ledger_file, "mount_of", lambda _: NFS)
    with Ledger.writing(path) as ledger:
        pragmas = {
            name: ledger._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "locking_mode", "synchronous", "mmap_size")
        }
        assert pragmas == {"journal_mode": "truncate", "locking_mode": "exclusive", "synchronous": 2, "mmap_size": 0}
        ledger.set_meta("a", "b")
        assert not at_rest(path)
        with pytest.raises(sqlite3.OperationalError, match="locked"):  # an exclusive lock, held all the time
            sqlite3.connect(path, timeout=0).execute("SELECT * FROM meta")
        assert not list(tmp_path.glob("*-wal")) + list(tmp_path.glob("*-shm"))
    assert not at_rest(path)
    with pytest.raises(WebtextError, match="has not finished"), Ledger.reading(path):
        pass
    with Ledger.writing(path) as ledger:
        ledger.rest()
    assert at_rest(path)
    with Ledger.reading(path) as ledger:
        assert ledger.meta("a") == "b"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ledger.sqlite"]


def test_a_transaction_that_died_on_a_network_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, torn = tmp_path / "ledger.sqlite", tmp_path / "torn" / "ledger.sqlite"
    monkeypatch.setattr(ledger_file, "mount_of", lambda _: NFS)
    with Ledger.writing(path) as ledger:
        ledger.set_meta("state", "before")
        ledger._db.execute("PRAGMA cache_size = 1")
        ledger._db.execute("BEGIN IMMEDIATE")
        ledger.set_meta("state", "half")
        ledger._db.executemany("INSERT INTO segments VALUES(?, ?)", [(n, n) for n in range(20_000)])
        torn.parent.mkdir()  # as a power cut would leave it: the file half written, and its journal
        for name in ("ledger.sqlite", "ledger.sqlite-journal"):
            shutil.copyfile(tmp_path / name, torn.parent / name)
        ledger._db.execute("ROLLBACK")
    assert not at_rest(torn)
    with Ledger.writing(torn) as ledger:
        assert ledger.meta("state") == "before"
        assert ledger.segments() == {}
        assert ledger.is_whole()


def test_a_ledger_that_was_begun_on_a_disk_goes_on_on_a_network_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    for number, mount in enumerate((Mount("/", "ext4", frozenset()), NFS, Mount("/", "ext4", frozenset()))):
        monkeypatch.setattr(ledger_file, "mount_of", lambda _, mount=mount: mount)
        with Ledger.writing(path) as ledger:
            ledger.set_meta(str(number), "there")
            assert [ledger.meta(str(earlier)) for earlier in range(number + 1)] == ["there"] * (number + 1)
        assert not at_rest(path)
    with Ledger.writing(path) as ledger:
        ledger.rest()
    assert at_rest(path)


def test_where_locks_stay_on_one_machine_the_ledger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = Mount("/net", "nfs", frozenset({"nolock"}))
    monkeypatch.setattr(ledger_file, "mount_of", lambda _: mount)
    with pytest.raises(WebtextError, match=r"\(nfs\) whose locks.*\n.*--state FOLDER"), Ledger.writing(tmp_path / "l"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_sqlite_before_3_35_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(WebtextError, match=r"SQLite is 3\.34\.1; the ledger needs 3\.35"):
        crawl(tmp_path, URLS, settings=QUICK)
    assert not (tmp_path / "pages" / "ledger.sqlite").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_ledger_lies_elsewhere_while_the_crawl_runs_and_comes_home(
    tmp_path: Path, warc: Path, whole: Manifest, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    corpus, disk = tmp_path / "corpus", tmp_path / "disk"
    monkeypatch.setenv("WEBTEXT_FAULT", "crawl.appended:10")
    with pytest.raises(WebtextError, match="killed by signal 9"):
        crawl(corpus, URLS, replay=[warc], state=disk)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert (corpus / "pages" / "ledger.sqlite").is_symlink()
    assert [path.suffix for path in disk.iterdir() if path.suffix == ".sqlite"] == [".sqlite"]
    # The next call needs no --state, and finds it; with several processes all their ledgers lie there.
    found = crawl(corpus, URLS, replay=[warc], workers=workers, state=disk if workers > 1 else None)
    assert found.identity == whole.identity
    assert not (corpus / "pages" / "ledger.sqlite").is_symlink()
    assert list(disk.iterdir()) == []
    verify_pages(corpus, found)
    assert len(pages_of(corpus)) == 40


def test_a_ledger_moves_to_another_disk_and_a_lost_one_is_told(tmp_path: Path) -> None:
    pages = tmp_path / "corpus" / "pages"
    pages.mkdir(parents=True)
    path = pages / "ledger.sqlite"
    with Ledger.writing(path) as ledger:
        ledger.set_meta("a", "b")
    for disk in (tmp_path / "one", tmp_path / "two"):
        state.settle(pages, disk)
        assert path.resolve().parent == disk
        with Ledger.writing(path) as ledger:
            assert ledger.meta("a") == "b"
        assert [entry.name for entry in pages.iterdir()] == ["ledger.sqlite"]
    assert list((tmp_path / "one").iterdir()) == []
    (pages / "segment-00000.warc.gz").touch()
    shutil.rmtree(tmp_path / "two")
    with pytest.raises(DamagedFile, match=r"leads to .*two.*, which is not there\n.*mount that disk"):
        state.settle(pages, None)


def test_two_corpora_share_a_state_folder(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    for name in ("a", "b"):
        pages = tmp_path / name / "corpus" / "pages"
        pages.mkdir(parents=True)
        state.settle(pages, disk)
        with Ledger.writing(pages / "ledger.sqlite") as ledger:
            ledger.set_meta("name", name)
    for name in ("a", "b"):
        with Ledger.writing(tmp_path / name / "corpus" / "pages" / "ledger.sqlite") as ledger:
            assert ledger.meta("name") == name


def test_a_refetch_leaves_no_ledger_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, disk = WildServer(), tmp_path / "disk"
    corpus = tmp_path / "corpus"
    with server.running():
        urls = [server.add("host.test", f"/{number}", b"<p>x") for number in range(3)]
        quick = replace(QUICK, delay=0.0)
        monkeypatch.setenv("WEBTEXT_FAULT", "crawl.claimed:1")
        with pytest.raises(WebtextError):
            crawl(corpus, urls, settings=quick, state=disk, allow_loopback=server.hosts())
        monkeypatch.delenv("WEBTEXT_FAULT")
        crawl(corpus, urls, settings=quick, refetch=True, allow_loopback=server.hosts())
    assert [path.name for path in disk.iterdir()] == ["hosts.sqlite"]  # what is known of hosts stays
    assert len(pages_of(corpus)) == 3
