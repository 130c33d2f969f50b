"""Dividing a ledger's pending links among other ledgers, and taking in what became of them there. No files but ledgers.

Rows are those of the tables as they stand (`webtext.crawler.fetch.ledger`): keys signed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from webtext.crawler.fetch.ledger_content import LedgerContent

Row = tuple[Any, ...]

_BATCH = 20_000  # links a transaction: some MB of journal


TAKEN = "taken"
"""The ledger's note of segments taken from other crawls: whose, to number there, to [number here, length, sha256]."""

Taken = dict[str, dict[str, tuple[int, int, str]]]


class LedgerJoin(LedgerContent):
    """What a ledger gives to others, and takes from them."""

    def taken(self) -> Taken:
        """The segments that were taken from other crawls: nothing may be appended to them."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (TAKEN,)).fetchone()
        found = {} if row is None else json.loads(row[0])
        return {whose: {there: (*entry,) for there, entry in entries.items()} for whose, entries in found.items()}

    def closed(self) -> set[int]:
        """The numbers here of the segments that were taken."""
        return {entry[0] for entries in self.taken().values() for entry in entries.values()}

    def note_taken(self, taken: Taken) -> None:
        """Store what `taken` gives."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (TAKEN, json.dumps(taken)))

    _transaction: Callable[[], AbstractContextManager[None]]

    def pending(self) -> Iterator[list[Row]]:
        """The wanted links that are to be fetched (key, url, domain), in lists of up to 20,000, by key."""
        cursor = self._db.execute(
            "SELECT key, url, domain FROM links WHERE wanted = 1 AND state IN (0, 1) ORDER BY key"
        )
        while rows := cursor.fetchmany(_BATCH):
            yield rows

    def add_pending(self, rows: Sequence[Row]) -> None:
        """Want these links (key, url, domain); those that are known already stay as they are."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO links(key, url, domain, wanted, state) VALUES(?, ?, ?, 1, 0)", rows
            )

    def ended(self) -> Iterator[tuple[list[Row], list[Row]]]:
        """The wanted links that have ended (outcome, detail, final_url, final_key, hop, key) with their responses, in
        lists of up to 20,000 links, by key."""
        last = -(1 << 63) - 1
        while True:
            links = self._db.execute(
                "SELECT outcome, detail, final_url, final_key, hop, key FROM links "
                "WHERE wanted = 1 AND state = 2 AND key >= ? ORDER BY key LIMIT ?",
                (last + 1, _BATCH),
            ).fetchall()
            if not links:
                return
            first, last = links[0][-1], links[-1][-1]
            responses = self._db.execute(
                "SELECT r.* FROM responses r JOIN links l ON l.key = r.key "
                "WHERE r.key BETWEEN ? AND ? AND l.wanted = 1 AND l.state = 2",
                (first, last),
            ).fetchall()
            yield links, responses
            if last == (1 << 63) - 1:
                return

    def adopt(self, links: Sequence[Row], responses: Sequence[Row], numbers: Mapping[int, int]) -> None:
        """Make these outcomes those of our wanted links, where they have none or are deferred: one transaction.

        Args:
            links, responses: as `ended` gives them.
            numbers: of the segments there to those here.
        """
        with self._transaction():
            first, last = links[0][-1], links[-1][-1]
            open_ = {
                key
                for (key,) in self._db.execute(
                    "SELECT key FROM links WHERE key BETWEEN ? AND ? AND wanted = 1 "
                    "AND (state IN (0, 1) OR outcome = 'deferred')",
                    (first, last),
                )
            }
            self._db.executemany(
                "UPDATE links SET state = 2, outcome = ?, detail = ?, final_url = ?, final_key = ?, hop = ? "
                "WHERE key = ?",
                [row for row in links if row[-1] in open_],
            )
            # key, hop, url, status, mime, segment, …
            self._db.executemany(
                "INSERT OR REPLACE INTO responses VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row[:5], numbers[row[5]], *row[6:]) for row in responses if row[0] in open_],
            )

    def add_segments(self, lengths: Mapping[int, int]) -> None:
        """Count on these segments, which lie in the folder, synced."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO segments VALUES(?, ?)", list(lengths.items()))
