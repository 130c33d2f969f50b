"""The links that archives are asked for, in the ledger: which source is next for each, and what the others said.

A link is here from the moment its live outcome says that it died (or, where archives come first, before it is asked
live) until a source has its page or none is left. All of it stands in the ledger's own file, so that every step is one
transaction with the link's outcome: through any crash a link has one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from webtext.corpus.errors import Balance
from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import signed_key, unsigned_key
from webtext.crawler.fetch.archives.ends import DeadLink, Found, Missed, Ruled
from webtext.crawler.fetch.archives.orders import ARCHIVES, LIVE, Orders, following, is_dead
from webtext.crawler.fetch.archives.tables import ARCHIVE_TABLES
from webtext.crawler.fetch.ledger import PAGE
from webtext.crawler.fetch.ledger_file import transaction
from webtext.crawler.fetch.ledger_rows import response_row
from webtext.crawler.reddit.urls import host_of

HELD = 3
"""The state of a link in the ledger that archives are asked for before it is asked live."""

_BATCH = 10_000

# archive_links: `outcome` and `detail` are what the live web said, null where it was not asked; `tried` are the sources
# that were asked, with spaces between; `said` is what the archives among them said.


class DeadLinks:
    """The links of one ledger that archives are asked for. `orders`: as the settings are now."""

    def __init__(self, db: sqlite3.Connection, orders: Orders) -> None:
        self._db = db
        self._orders = orders
        db.executescript(ARCHIVE_TABLES)
        db.create_function("host_of", 1, host_of, deterministic=True)
        db.create_function("is_dead", 2, lambda outcome, detail: is_dead(outcome, detail or ""), deterministic=True)

    def settle(self) -> None:
        """Before anything else: forget links whose address has changed, and go by the orders of now.

        Orders may have got further sources since a link was given up, or lost the one that was to be asked.
        """
        with transaction(self._db):
            # A key under another spelling is another address: what was said of the old one does not count.
            self._db.execute(
                "DELETE FROM archive_links WHERE url <> (SELECT url FROM links l WHERE l.key = archive_links.key)"
            )
            self._db.execute("DELETE FROM captures WHERE url <> (SELECT url FROM links l WHERE l.key = captures.key)")
            for rows in self._pages(
                "SELECT key, host, next, tried, outcome FROM archive_links WHERE key >= ? ORDER BY key LIMIT ?"
            ):
                changed = []
                for key, host, before, tried, outcome in rows:
                    now = following(self._orders.of(host), tried.split())
                    if now == LIVE and outcome is not None:
                        now = ""
                    if now != before:
                        changed.append((now, key))
                self._db.executemany("UPDATE archive_links SET next = ? WHERE key = ?", changed)
            self._to_live()

    def hold(self) -> int:
        """Take the pending links whose order begins with an archive; their number."""
        held = 0
        if not self._orders.differs_by_host:
            return held
        select = "SELECT key, url FROM links WHERE state = 0 AND wanted = 1 AND key >= ? ORDER BY key LIMIT ?"
        for rows in self._pages(select):
            taken = []
            for key, url in rows:
                host = host_of(url)
                first = following(self._orders.of(host), ())
                if first != LIVE:
                    taken.append((key, url, host, first))
            with transaction(self._db):
                new = self._db.executemany(
                    "INSERT OR IGNORE INTO archive_links VALUES(?, ?, ?, NULL, ?, '', '', NULL, NULL)", taken
                ).rowcount
                # One that is here already came back from the archives, to be asked live.
                self._db.executemany(
                    f"UPDATE links SET state = {HELD} WHERE key = ? AND EXISTS "
                    "(SELECT 1 FROM archive_links a WHERE a.key = links.key AND a.next NOT IN ('', 'live'))",
                    [(key,) for key, *_ in taken],
                )
            held += max(0, new)
        return held

    def gather(self) -> None:
        """After the live web was asked: take the links that died there, and have sources left."""
        select = (
            "SELECT l.key, l.url, l.outcome, l.detail, a.tried FROM links l LEFT JOIN archive_links a ON a.key = l.key "
            "WHERE l.state = 2 AND l.wanted = 1 AND is_dead(l.outcome, l.detail) AND a.outcome IS NULL "
            "AND l.key >= ? ORDER BY l.key LIMIT ?"
        )
        for rows in self._pages(select):
            taken = []
            for key, url, outcome, detail, before in rows:
                host = host_of(url)
                tried = f"{before or ''} {LIVE}".strip()
                taken.append((key, url, host, following(self._orders.of(host), tried.split()), tried, outcome, detail))
            with transaction(self._db):
                self._db.executemany(
                    "INSERT INTO archive_links VALUES(?, ?, ?, NULL, ?, ?, '', ?, ?) ON CONFLICT(key) DO UPDATE SET "
                    "next = excluded.next, tried = excluded.tried, outcome = excluded.outcome, "
                    "detail = excluded.detail",
                    taken,
                )
                # Archives were asked first, and have said something that belongs to the end.
                self._db.executemany(
                    "UPDATE links SET detail = detail || (SELECT said FROM archive_links a WHERE a.key = links.key) "
                    "WHERE key = ? AND (SELECT next FROM archive_links a WHERE a.key = links.key) = ''",
                    [(row[0],) for row in taken],
                )
        # Those that the live web had after all, or keeps to itself.
        self._db.execute(
            "DELETE FROM archive_links WHERE next = 'live' AND EXISTS "
            "(SELECT 1 FROM links l WHERE l.key = archive_links.key AND l.state = 2 AND l.outcome <> 'deferred')"
        )

    def date(self, tables: Iterable[pa.Table]) -> None:
        """Learn when the links were posted (tables of `key`, `first_posted`), as far as it is not known."""
        rows = self._db.execute("SELECT key FROM archive_links WHERE posted IS NULL AND next <> ''").fetchall()
        wanted = np.sort(np.array([unsigned_key(key) for (key,) in rows], np.uint64))
        if not len(wanted):
            return
        for table in tables:
            keys = np.asarray(table["key"].to_numpy(), np.uint64)
            places = np.flatnonzero(np.isin(keys, wanted, assume_unique=True))
            dated = table.take(pa.array(places))
            known = zip(dated["key"].to_pylist(), dated["first_posted"].to_pylist(), strict=True)
            with transaction(self._db):
                self._db.executemany(
                    "UPDATE archive_links SET posted = ? WHERE key = ?",
                    [(int(when.timestamp()), signed_key(key)) for key, when in known if when is not None],
                )

    def waiting(self) -> dict[str, int]:
        """How many links wait for each archive."""
        rows = self._db.execute(
            f"SELECT next, count(*) FROM archive_links WHERE next IN {ARCHIVES!r} AND {_WANTED} GROUP BY next"
        )
        return dict(rows)

    def large_hosts(self, links: int) -> set[str]:
        """The hosts with more than so many wanted links."""
        rows = self._db.execute(
            "SELECT host_of(url) AS host FROM links WHERE wanted = 1 GROUP BY host HAVING count(*) > ?", (links,)
        )
        return {host for (host,) in rows}

    def next(self, source: str, count: int) -> list[DeadLink]:
        """Up to `count` links that wait for a source, those of one host beside each other. Nothing is claimed: they
        are here until their end is committed."""
        rows = self._db.execute(
            f"SELECT key, url, posted, outcome IS NOT NULL FROM archive_links WHERE next = ? AND {_WANTED} "
            "ORDER BY host LIMIT ?",
            (source, count),
        )
        return [
            DeadLink(
                unsigned_key(key), url, None if posted is None else datetime.fromtimestamp(posted, UTC), bool(live)
            )
            for key, url, posted, live in rows
        ]

    def commit(self, ends: Sequence[Found | Missed | Ruled], grown: Mapping[int, int]) -> None:
        """Make these ends final, and the segments' lengths with them: one transaction, after the segments' fsync.

        Raises:
            Balance: a link was not waiting for the source that this end is of.
        """
        with transaction(self._db):
            for end in ends:
                key = signed_key(end.key)
                waits = self._db.execute(
                    "SELECT url, host, tried, said, outcome, detail FROM archive_links WHERE key = ? AND next = ?",
                    (key, end.source),
                ).fetchone()
                if waits is None:
                    raise Balance("a link ended twice in an archive", hint="a fault of webtext; please report it")
                if isinstance(end, Missed):
                    self._missed(key, end, *waits[1:])
                    continue
                self._db.execute("DELETE FROM archive_links WHERE key = ?", (key,))
                if isinstance(end, Ruled):
                    self._end(key, end.outcome, end.detail)
                else:
                    self._found(key, end, waits[0])
            self._db.executemany("INSERT OR REPLACE INTO segments VALUES(?, ?)", list(grown.items()))

    def put_off(self, reasons: Mapping[str, str]) -> int:
        """End for now the links that still wait for an archive, as `deferred`; their number.

        They stay here: the next crawl takes them up where they are.

        Args:
            reasons: why each archive was not asked to the end.
        """
        before = self._db.total_changes
        with transaction(self._db):
            for source, why in reasons.items():
                self._db.execute(
                    f"UPDATE links SET state = 2, outcome = '{Outcome.DEFERRED}', detail = "
                    "(SELECT ? || CASE WHEN a.outcome IS NULL THEN '' ELSE ' (live: ' || a.outcome || ', ' || a.detail "
                    "|| ')' END FROM archive_links a WHERE a.key = links.key) "
                    "WHERE wanted = 1 AND key IN (SELECT key FROM archive_links WHERE next = ?)",
                    (f"waits for {source}: {why}", source),
                )
        return self._db.total_changes - before

    # ------------------------------------------------------------------------------------------------------------------

    def _missed(
        self, key: int, end: Missed, host: str, tried: str, said: str, outcome: str | None, detail: str | None
    ) -> None:
        tried = f"{tried} {end.source}".strip()
        said = f"{said}; {end.source}: {end.said}"
        after = following(self._orders.of(host), tried.split())
        self._db.execute(
            "UPDATE archive_links SET next = ?, tried = ?, said = ? WHERE key = ?", (after, tried, said, key)
        )
        if after == LIVE:
            self._db.execute("UPDATE links SET state = 0, outcome = NULL, detail = NULL WHERE key = ?", (key,))
        elif not after and outcome is not None:
            self._end(key, outcome, f"{detail}{said}")
        elif not after:
            self._end(key, Outcome.UNREACHABLE, f"no source has it{said}")

    def _to_live(self) -> None:
        """Those that are now to be asked live are pending."""
        self._db.execute(
            f"UPDATE links SET state = 0, outcome = NULL, detail = NULL WHERE (state = {HELD} OR outcome = 'deferred') "
            "AND key IN (SELECT key FROM archive_links WHERE next = 'live' AND outcome IS NULL)"
        )

    def _found(self, key: int, end: Found, url: str) -> None:
        final = end.hops[-1].records.url
        self._db.execute(
            "UPDATE links SET state = 2, outcome = ?, detail = '', final_url = ?, final_key = ?, hop = ? WHERE key = ?",
            (PAGE, final, signed_key(end.final_key), len(end.hops) - 1, key),
        )
        # Of a live answer that broke off; its record stays in the segments.
        self._db.execute("DELETE FROM responses WHERE key = ?", (key,))
        self._db.executemany(
            "INSERT INTO responses VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [response_row(key, hop, placed) for hop, placed in enumerate(end.hops)],
        )
        self._db.execute(
            "INSERT OR REPLACE INTO captures VALUES(?, ?, ?, ?, ?, ?)",
            (key, url, end.source, int(end.captured.timestamp()), end.days_apart, end.address),
        )

    def _end(self, key: int, outcome: str, detail: str) -> None:
        self._db.execute("UPDATE links SET state = 2, outcome = ?, detail = ? WHERE key = ?", (outcome, detail, key))

    def _pages(self, select: str) -> Iterator[list[tuple[Any, ...]]]:
        first, end = -(1 << 63), (1 << 63) - 1
        while rows := self._db.execute(select, (first, _BATCH)).fetchall():
            yield rows
            if rows[-1][0] == end:
                return
            first = rows[-1][0] + 1


_WANTED = "EXISTS (SELECT 1 FROM links l WHERE l.key = archive_links.key AND l.wanted = 1)"
