"""hosts.sqlite: what sites said of themselves, for a day, and how slowly each host wants to be asked. A cache on disk.

It spares hosts, nothing else: what is lost is asked for again, and no outcome is decided by it alone. So it is written
without waiting for the disk (a killed process loses nothing that was committed; a power cut may take the file).
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STORE_NAME = "hosts.sqlite"

SECONDS = 24 * 3_600.0
"""How long a file of a site is held (RFC 9309, section 2.4)."""

_VERSION = 1
_BATCH = 100  # writes a transaction
_TABLES = f"""
CREATE TABLE files(url TEXT PRIMARY KEY, fetched REAL NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL,
                   body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE hosts(host TEXT PRIMARY KEY, delay REAL NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX files_by_age ON files(fetched);
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True)
class SiteFile:
    """What came of asking for a file of a site.

    `outcome` is "" where `body` holds the file, "none" where the site has none, and otherwise the word of
    `corpus.outcomes` that says why it cannot be had, with a detail.
    """

    url: str
    fetched: float
    """Seconds since 1970."""
    outcome: str = ""
    detail: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class HostPace:
    """How slowly a host is asked: seconds between two requests, and the moment (since 1970) until which not at all."""

    delay: float
    until: float


class SiteStore:
    """The cache of one crawl process, which is its only user."""

    def __init__(self, connection: sqlite3.Connection, *, earlier: bool) -> None:
        self._db = connection
        self._writes = 0
        self.earlier = earlier
        """Whether it was there before: hosts may have been asked a moment ago."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, now: float) -> Iterator[SiteStore]:
        """The cache at `path`, made anew where it is none or damaged; in memory where the disk does not take it.

        Files older than a day are thrown away.
        """
        earlier = path.exists()
        store = cls(_connect(path), earlier=earlier)
        try:
            store.expire(now)
            yield store
        finally:
            with suppress(sqlite3.Error):
                store.flush()
            store._db.close()
            journal = path.with_name(f"{path.name}-journal")
            with suppress(OSError):
                if not journal.stat().st_size:  # SQLite leaves it where it held its lock for good
                    journal.unlink()

    def file(self, url: str) -> SiteFile | None:
        """What is known of a file, however old."""
        row = self._one("SELECT fetched, outcome, detail, body FROM files WHERE url = ?", url)
        if row is None:
            return None
        fetched, outcome, detail, body = row
        with suppress(zlib.error):
            return SiteFile(url, fetched, outcome, detail, zlib.decompress(body) if body else b"")
        return None

    def keep_file(self, file: SiteFile, *, now: bool = False) -> None:
        """Remember a file; `now` where a kill in the next moments must not lose it."""
        body = zlib.compress(file.body, 1) if file.body else b""
        self._write(
            "INSERT OR REPLACE INTO files VALUES(?, ?, ?, ?, ?)",
            (file.url, file.fetched, file.outcome, file.detail, body),
            now=now,
        )

    def pace(self, host: str) -> HostPace | None:
        """How slowly a host is asked, None where nothing but the usual is known."""
        row = self._one("SELECT delay, until FROM hosts WHERE host = ?", host)
        return None if row is None else HostPace(*row)

    def keep_pace(self, host: str, pace: HostPace) -> None:
        """Remember a host that is asked more slowly than others, at once."""
        self._write("INSERT OR REPLACE INTO hosts VALUES(?, ?, ?)", (host, pace.delay, pace.until), now=True)

    def expire(self, now: float) -> None:
        """Throw away files older than a day."""
        self._write("DELETE FROM files WHERE fetched < ?", (now - SECONDS,), now=True)

    def flush(self) -> None:
        """Commit what was written."""
        if self._writes:
            self._writes = 0
            self._db.execute("COMMIT")

    def _one(self, select: str, *values: object) -> tuple[float, ...] | None:
        try:
            row: tuple[float, ...] | None = self._db.execute(select, values).fetchone()
        except sqlite3.DatabaseError:
            return None
        return row

    def _write(self, statement: str, values: tuple[object, ...], *, now: bool) -> None:
        # A full disk, above all: the crawl itself finds that out, and says so.
        with suppress(sqlite3.DatabaseError):
            if not self._writes:
                self._db.execute("BEGIN")
            self._writes += 1
            self._db.execute(statement, values)
            if now or self._writes >= _BATCH:
                self.flush()


def _connect(path: Path) -> sqlite3.Connection:
    for place in (str(path), str(path), ":memory:"):
        db: sqlite3.Connection | None = None
        with suppress(sqlite3.Error):
            db = sqlite3.connect(place, timeout=5.0, isolation_level=None)
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = TRUNCATE")
            db.execute("PRAGMA synchronous = OFF")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.executescript(f"BEGIN; {_TABLES} COMMIT;")
            if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                db.execute("SELECT count(*) FROM files WHERE url = ''").fetchone()
                return db
        if db is not None:
            db.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
    raise AssertionError("SQLite has no memory")  # pragma: no cover
