"""hosts.sqlite: what sites said of themselves, for a day, and how slowly each host wants to be asked. A cache on disk.

It spares hosts, nothing else: what is lost is asked for again, and no outcome is decided by it alone. So it is written
without waiting for the disk (a killed process loses nothing that was committed; a power cut may take the file).
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STORE_NAME = "hosts.sqlite"

SECONDS = 24 * 3_600.0
"""How long a file of a site is held (RFC 9309, section 2.4)."""

_VERSION = 1
_BATCH = 100  # writes a transaction
_TABLES = f"""
CREATE TABLE IF NOT EXISTS files(
    url TEXT PRIMARY KEY, fetched REAL NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hosts(host TEXT PRIMARY KEY, delay REAL NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_age ON files(fetched);
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
    answered: float | None = None
    """Seconds since 1970 at which the answer is said to have come: in a replay, when it was recorded. Not kept in the
    cache, which a replay has none of."""

    @property
    def moment(self) -> float:
        """Seconds since 1970: of when it speaks."""
        return self.fetched if self.answered is None else self.answered


@dataclass(frozen=True)
class HostPace:
    """How slowly a host is asked: seconds between two requests, and the moment (since 1970) until which not at all."""

    delay: float
    until: float


class SiteStore:
    """The cache, open in one crawl process; others may have it open, too: no transaction outlasts a call."""

    def __init__(self, connection: sqlite3.Connection, *, earlier: bool) -> None:
        self._db = connection
        self._files: dict[str, SiteFile] = {}
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
            store.flush()
            store._db.close()

    def file(self, url: str) -> SiteFile | None:
        """What is known of a file, however old."""
        if url in self._files:
            return self._files[url]
        row = self._one("SELECT fetched, outcome, detail, body FROM files WHERE url = ?", url)
        if row is None:
            return None
        fetched, outcome, detail, body = row
        with suppress(zlib.error):
            return SiteFile(url, fetched, outcome, detail, zlib.decompress(body) if body else b"")
        return None

    def keep_file(self, file: SiteFile, *, now: bool = False) -> None:
        """Remember a file; `now` where a kill in the next moments must not lose it."""
        self._files[file.url] = file
        if now or len(self._files) >= _BATCH:
            self.flush()

    def pace(self, host: str) -> HostPace | None:
        """How slowly a host is asked, None where nothing but the usual is known."""
        row = self._one("SELECT delay, until FROM hosts WHERE host = ?", host)
        return None if row is None else HostPace(*row)

    def keep_pace(self, host: str, pace: HostPace) -> None:
        """Remember a host that is asked more slowly than others, at once."""
        self._write("INSERT OR REPLACE INTO hosts VALUES(?, ?, ?)", [(host, pace.delay, pace.until)])

    def expire(self, now: float) -> None:
        """Throw away files older than a day."""
        self._write("DELETE FROM files WHERE fetched < ?", [(now - SECONDS,)])

    def flush(self) -> None:
        """Write what was kept."""
        rows = [
            (file.url, file.fetched, file.outcome, file.detail, zlib.compress(file.body, 1) if file.body else b"")
            for file in self._files.values()
        ]
        self._files.clear()
        if rows:
            self._write("INSERT OR REPLACE INTO files VALUES(?, ?, ?, ?, ?)", rows)

    def _one(self, select: str, *values: object) -> Any:
        try:
            return self._db.execute(select, values).fetchone()
        except sqlite3.DatabaseError:
            return None

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        # A full disk, above all: the crawl itself finds that out, and says so.
        with suppress(sqlite3.DatabaseError):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(statement, rows)
                self._db.execute("COMMIT")
            except sqlite3.DatabaseError:
                self._db.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    for place in (str(path), str(path), ":memory:"):
        db: sqlite3.Connection | None = None
        with suppress(sqlite3.Error):
            db = sqlite3.connect(place, timeout=5.0, isolation_level=None)
            db.execute("PRAGMA synchronous = OFF")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                db.execute("SELECT count(*) FROM files WHERE url = ''").fetchone()
                return db
        if db is not None:
            db.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
    raise AssertionError("SQLite has no memory")  # pragma: no cover
