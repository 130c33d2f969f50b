"""pages/ledger.sqlite: what became of each link. Exactly one final outcome a link, through any crash.

The order that makes it so: page bytes, fsync of the segment, then one transaction with the states and the segments'
committed lengths. A crash before the transaction leaves bytes that nobody counts on (they are cut) and claimed rows
(they go back to pending).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa

from webtext.corpus.errors import Balance, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.interrupts import Stop
from webtext.corpus.schemas import signed_key, unsigned_key
from webtext.crawler.fetch.archives.tables import ARCHIVE_TABLES
from webtext.crawler.fetch.ledger_content import PAGE, PAGES
from webtext.crawler.fetch.ledger_file import open_for_reading, open_for_writing, rest, transaction
from webtext.crawler.fetch.ledger_join import LedgerJoin
from webtext.crawler.fetch.ledger_rows import Ended, Link, Placed, link_row, response_row

__all__ = ["PAGE", "PAGES", "Ended", "Ledger", "Link", "Placed"]

VERSION = 1

RELEASING = "releasing"
"""The note that bodies of pages are being deleted (`webtext.crawler.fetch.release`); the next crawl takes it away."""

_CLAIMED = 256  # keys a statement; SQLite takes 999 of old
_LOOKS = 100_000  # SQLite's instructions between two looks at the stop: about a millisecond

# state: 0 pending, 1 claimed, 2 done. wanted: named by the current links/ (a link may leave it; its page stays).
_TABLES = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE segments(number INTEGER PRIMARY KEY, length INTEGER NOT NULL);
CREATE TABLE links(
    key INTEGER PRIMARY KEY, url TEXT NOT NULL, domain TEXT NOT NULL, wanted INTEGER NOT NULL, state INTEGER NOT NULL,
    outcome TEXT, detail TEXT, final_url TEXT, final_key INTEGER, hop INTEGER
);
CREATE TABLE responses(
    key INTEGER NOT NULL, hop INTEGER NOT NULL, url TEXT NOT NULL, status INTEGER NOT NULL, mime TEXT NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, payload_sha256 BLOB NOT NULL,
    fetched INTEGER NOT NULL, PRIMARY KEY(key, hop)
) WITHOUT ROWID;
CREATE INDEX pending ON links(state) WHERE state = 0 AND wanted = 1;
"""


class Ledger(LedgerJoin):
    """The ledger of one corpus."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.path = path
        self.committed: list[Callable[[Sequence[Ended]], None]] = []
        """Told of the results of each transaction, after it."""

    @classmethod
    @contextmanager
    def writing(cls, path: Path) -> Iterator[Ledger]:
        """Open for writing, made if it is not there; errors as `ledger_file.open_for_writing`, and for a newer one."""
        with open_for_writing(path, _TABLES) as db:
            ledger = cls(path, db)
            db.executescript(ARCHIVE_TABLES)
            if ledger.meta("version") is None:
                ledger.set_meta("version", str(VERSION))
            ledger._check_version()
            yield ledger

    @classmethod
    @contextmanager
    def reading(cls, path: Path) -> Iterator[Ledger]:
        """Open the ledger of a finished crawl; errors as `ledger_file.open_for_reading`, and for a newer one."""
        with open_for_reading(path) as db:
            ledger = cls(path, db)
            ledger._check_version()
            yield ledger

    def _check_version(self) -> None:
        version = int(self.meta("version") or 0)
        if version > VERSION:
            raise WebtextError(
                f"has ledger version {version}; this webtext reads {VERSION}",
                where=self.path,
                hint="use the newer webtext that made it",
            )

    def meta(self, name: str) -> str | None:
        """A stored note, None where there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str | None) -> None:
        """Store a note, or remove it."""
        if value is None:
            self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    @property
    def database(self) -> sqlite3.Connection:
        """The open database, for what has tables of its own in it (`webtext.crawler.fetch.archives`)."""
        return self._db

    @property
    def links(self) -> str | None:
        """The identity of the links/ that are wanted; None until all of them are in."""
        return self.meta("links")

    def segments(self) -> dict[int, int]:
        """Segment numbers and their committed lengths in bytes."""
        return dict(self._db.execute("SELECT number, length FROM segments ORDER BY number"))

    def recover(self) -> int:
        """Make what a dead process had claimed pending again; its number. (`Segments` cuts the files.)"""
        return self._db.execute("UPDATE links SET state = 0 WHERE state = 1").rowcount

    def defer(self, detail: str) -> int:
        """End every wanted link that was to be fetched and was not as `deferred`; their number."""
        return self._db.execute(
            "UPDATE links SET state = 2, outcome = 'deferred', detail = ? WHERE state IN (0, 1) AND wanted = 1",
            (detail,),
        ).rowcount

    def take_up(self) -> int:
        """Make deferred links pending again; their number."""
        return self._db.execute(
            "UPDATE links SET state = 0, outcome = NULL, detail = NULL WHERE outcome = 'deferred' AND wanted = 1 "
            # Those go on where they wait, and may have been asked live.
            "AND NOT EXISTS (SELECT 1 FROM archive_links a WHERE a.key = links.key AND a.next NOT IN ('', 'live'))"
        ).rowcount

    def want_nothing(self) -> None:
        """Before a new set of links: none of the known ones is wanted until `add_links` names it again."""
        self._db.execute("UPDATE links SET wanted = 0 WHERE wanted = 1")

    def add_links(self, table: pa.Table) -> None:
        """Want these links (columns key, url, domain). New keys are pending; known ones keep their outcome.

        A known key under another address (of its spellings the earliest counts, and an older month can bring an earlier
        one) is pending again, for that address may answer otherwise. What the old one answered stays in the segments,
        where nothing points to it any more.
        """
        urls = table["url"].to_pylist()
        keys = [signed_key(key) for key in table["key"].to_pylist()]
        with self._transaction():
            self._db.executemany(
                "DELETE FROM responses WHERE key = ?1 AND (SELECT url FROM links WHERE key = ?1) <> ?2",
                zip(keys, urls, strict=True),
            )
            self._db.executemany(
                "UPDATE links SET state = 0, outcome = NULL, detail = NULL, final_url = NULL, final_key = NULL, "
                "hop = NULL WHERE key = ? AND url <> ?",
                zip(keys, urls, strict=True),
            )
            self._db.executemany(
                "INSERT INTO links(key, url, domain, wanted, state) VALUES(?, ?, ?, 1, 0) "
                "ON CONFLICT(key) DO UPDATE SET wanted = 1, url = excluded.url, domain = excluded.domain",
                zip(keys, urls, table["domain"].to_pylist(), strict=True),
            )

    def waiting(self) -> Iterator[tuple[int, str]]:
        """Key (as it is stored: signed) and address of each pending link, in one pass."""
        yield from self._db.execute("SELECT key, url FROM links WHERE state = 0 AND wanted = 1")

    def claim_keys(self, keys: Sequence[int]) -> list[Link]:
        """Take these links (keys as `waiting` gives them), as far as they are pending; in no order."""
        rows: list[tuple[int, str]] = []
        for start in range(0, len(keys), _CLAIMED):
            some = list(keys[start : start + _CLAIMED])
            # Few different statements: SQLite's are kept ready.
            marks = 1 << (len(some) - 1).bit_length()
            some += some[-1:] * (marks - len(some))
            rows += self._db.execute(
                f"UPDATE links SET state = 1 WHERE key IN ({','.join('?' * marks)}) AND state = 0 AND wanted = 1 "
                "RETURNING key, url",
                some,
            ).fetchall()
        if rows:
            fault_point("crawl.claimed")
        return [Link(unsigned_key(key), url) for key, url in rows]

    def commit(self, results: Sequence[Ended], grown: Mapping[int, int]) -> None:
        """Make these outcomes final, and the segments' lengths with them: one transaction, after the segments' fsync.

        Raises:
            Balance: one of the links was not claimed, or has its outcome already.
        """
        with self._transaction():
            updated = self._db.executemany(
                "UPDATE links SET state = 2, outcome = ?, detail = ?, final_url = ?, final_key = ?, hop = ? "
                "WHERE key = ? AND state = 1",
                [link_row(result) for result in results],
            ).rowcount
            if results and updated != len(results):
                raise Balance(
                    f"{len(results) - updated} links ended twice", hint="a fault of webtext; please report it"
                )
            self._db.executemany(
                "INSERT INTO responses VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    response_row(signed_key(result.key), hop, placed)
                    for result in results
                    for hop, placed in enumerate(result.hops)
                ],
            )
            self._db.executemany("INSERT OR REPLACE INTO segments VALUES(?, ?)", list(grown.items()))
        for told in self.committed:
            told(results)

    def release(self) -> None:
        """Count on no byte of any segment any more, and note that the files are being deleted: one transaction."""
        with self._transaction():
            self._db.execute("UPDATE responses SET offset = 0, length = 0")
            self._db.execute("UPDATE segments SET length = 0")
            self.set_meta(RELEASING, "under way")

    def begin_generation(self) -> None:
        """A stage begins to change the ledger: what a manifest says of its bytes no longer holds."""
        number = self._db.execute("PRAGMA user_version").fetchone()[0]
        self._db.execute(f"PRAGMA user_version = {number + 1}")

    @contextmanager
    def until(self, stop: Stop) -> Iterator[None]:
        """Give up a long reading query as soon as the user asks to stop: `Interrupted`. Not for writing."""
        self._db.set_progress_handler(lambda: int(stop.requested), _LOOKS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if stop.requested and "interrupted" in str(error):
                raise stop.error() from error
            raise
        finally:
            self._db.set_progress_handler(None, _LOOKS)

    def is_whole(self) -> bool:
        """Whether every page of the SQLite file can be read and fits the others; reads the whole file."""
        return bool(self._db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))

    def rest(self) -> None:
        """The crawl is done: from now on the file's bytes stay as they are, and reading writes nothing beside it."""
        rest(self._db)

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._db)
