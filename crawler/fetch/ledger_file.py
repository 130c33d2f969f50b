"""Opening the ledger's SQLite file: one writer at a time, and every failure as a message for a person.

On a disk of this machine the journal is a write-ahead log. On a network file system it is a rollback journal under an
exclusive lock (WAL and mmap need shared memory there is none of), and where locks do not leave the machine the ledger
is refused. In both cases the header says whether the crawl has ended (`at_rest`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webtext.corpus.errors import CorpusLocked, DamagedFile, WebtextError
from webtext.crawler.fetch.file_systems import Mount, mount_of
from webtext.crawler.fetch.warc import REFETCH_HINT

LEDGER_NAME = "ledger.sqlite"
WRITER_SECONDS = 40.0  # how long to wait for another writer: an orphaned crawl process ends within 30
_READER_SECONDS = 5.0
_APPLICATION = 0x57425458  # "WBTX": tells a ledger from any other SQLite file
_UNDER_WAY = 0x57425457  # "WBTW": the same, while a crawl writes to it without a write-ahead log


@contextmanager
def open_for_writing(path: Path, tables: str) -> Iterator[sqlite3.Connection]:
    """The ledger for this process alone, made with `tables` if it is not there.

    SQLite's exclusive lock dies with its process; a second writer waits for an orphan to end. In autocommit mode.

    Raises:
        DamagedFile: no SQLite file, or not a ledger.
        CorpusLocked: another process is writing and does not end.
        WebtextError: SQLite is older than 3.35 (no RETURNING); a network file system without locks; no space, no
            permission.
    """
    check_sqlite()
    mount = mount_of(path)
    if mount.network and not mount.locks:
        raise WebtextError(
            f"lies on a network file system ({mount.kind}) whose locks other machines do not see",
            where=path,
            hint="put the ledger on a disk of this machine: webtext crawl CORPUS --state FOLDER",
        )
    with _told(path):
        db = sqlite3.connect(path, timeout=WRITER_SECONDS, isolation_level=None)
        try:
            _hold(db, mount)
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.executescript(f"BEGIN; {tables} PRAGMA application_id = {_APPLICATION}; COMMIT;")
            _check(db, path)
            if mount.network:
                db.execute(f"PRAGMA application_id = {_UNDER_WAY}")
            yield db
        finally:
            db.close()


def check_sqlite() -> None:
    """Refuse an SQLite before 3.35, which has no RETURNING."""
    if sqlite3.sqlite_version_info < (3, 35):
        raise WebtextError(f"SQLite is {sqlite3.sqlite_version}; the ledger needs 3.35", hint="use a newer Python")


@contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger at rest; nothing beside it is written.

    Raises:
        DamagedFile: missing, no SQLite file, or not a ledger.
        WebtextError: a crawl is under way or was interrupted.
    """
    if not path.is_file():
        raise DamagedFile("is missing", where=path, hint=REFETCH_HINT)
    if not at_rest(path):
        raise WebtextError("the crawl has not finished", where=path, hint="webtext crawl CORPUS goes on where it was")
    # On a network a reader's lock is slow at best, and nobody writes: a writer leaves `at_rest` first.
    how = "mode=ro&immutable=1" if mount_of(path).network else "mode=ro"
    with _told(path):
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_READER_SECONDS)
        try:
            _check(db, path)
            yield db
        finally:
            db.close()


def at_rest(path: Path) -> bool:
    """Whether the crawl that wrote the ledger has finished: it then left WAL mode (bytes 18 and 19 of the header), or
    took its sign away (the application id, bytes 68 to 71); and no transaction waits to be rolled back."""
    with path.open("rb") as file:
        head = file.read(72)
    if head[18:20] == b"\x02\x02" or head[68:72] == _UNDER_WAY.to_bytes(4, "big"):
        return False
    real = path.resolve()
    journal = real.with_name(f"{real.name}-journal")
    return not journal.exists() or not journal.stat().st_size


def generation(path: Path) -> int:
    """How often a stage has opened the ledger for writing (SQLite's user_version, bytes 60 to 63 of the header)."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(64)[60:64], "big")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is done to the ledger inside, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def rest(db: sqlite3.Connection) -> None:
    """Leave WAL: from now on readers write nothing beside the file, and its bytes stay as they are."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA journal_mode = DELETE")
    if db.execute("PRAGMA application_id").fetchone()[0] == _UNDER_WAY:
        db.execute(f"PRAGMA application_id = {_APPLICATION}")


def _hold(db: sqlite3.Connection, mount: Mount) -> None:
    db.execute("PRAGMA locking_mode = EXCLUSIVE")  # no second writer, and no -shm file
    db.execute("PRAGMA mmap_size = 0")
    mode = "TRUNCATE" if mount.network else "WAL"
    end = time.monotonic() + WRITER_SECONDS
    while True:
        try:
            # A change of the journal does not wait for locks by itself.
            db.execute(f"PRAGMA journal_mode = {mode}")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.2)
    # The order is what counts, not the last transaction: after a power cut it may be gone, whole.
    # A rollback journal needs FULL for that: with NORMAL a power cut could leave a torn file.
    db.execute(f"PRAGMA synchronous = {'FULL' if mount.network else 'NORMAL'}")
    db.execute("BEGIN EXCLUSIVE")
    db.execute("COMMIT")


def _check(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] not in (_APPLICATION, _UNDER_WAY):
        raise DamagedFile("is no ledger of webtext", where=path, hint=REFETCH_HINT)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the ledger into a message for a person."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text:
            raise CorpusLocked(
                "another crawl process is writing to it", where=path, hint="wait until it has ended, then try again"
            ) from error
        if "full" in text:
            raise WebtextError(
                "no space left on the device", where=path, hint="make room; the same command then goes on where it was"
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise WebtextError("no permission", where=path, hint="check owner and mode of the folder") from error
        raise DamagedFile(f"cannot be used ({text})", where=path, hint=REFETCH_HINT) from error
    except sqlite3.DatabaseError as error:
        raise DamagedFile(f"is no whole SQLite file ({error})", where=path, hint=REFETCH_HINT) from error
