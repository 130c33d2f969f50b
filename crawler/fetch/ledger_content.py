"""What a ledger holds, as counts, tables, an identity and an index. Only reading; how it comes about is in `ledger`."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from webtext.corpus.schemas import OUTCOMES, TIME, unsigned_key
from webtext.crawler.fetch.cdxj import cdxj_line
from webtext.crawler.fetch.records import record_id
from webtext.crawler.fetch.warc import segment_name

PAGE = "page"
"""The outcome of a link that has a page; all others are words of `webtext.corpus.outcomes`."""

CRAWL = "crawl"
"""Where a page came from that its own server gave; others are names of archives."""

_BATCH = 50_000

PAGES = pa.schema(
    [
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("final_url", pa.string(), nullable=False),
        pa.field("final_key", pa.uint64(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("payload_sha256", pa.string(), nullable=False),
        pa.field("fetched", TIME, nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""One row a link that ended as a page, by key; `segment`, `offset`, `length` for `warc.read_record`; `source` is crawl,
or the archive that `fetched` it then."""


class LedgerContent:
    """The wanted links of a ledger and what became of them. Keys are unsigned outside, two's complement inside."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def counts(self) -> tuple[int, Counter[str]]:
        """How many links are wanted, and how many of them have ended, by outcome (`PAGE` is one of them)."""
        total = int(self._db.execute("SELECT count(*) FROM links WHERE wanted = 1").fetchone()[0])
        ended = self._db.execute(
            "SELECT outcome, count(*) FROM links WHERE wanted = 1 AND state = 2 GROUP BY outcome ORDER BY outcome"
        )
        return total, Counter(dict(ended))

    def has_outcomes(self) -> bool:
        """Whether any link has ended, wanted or not."""
        return self._db.execute("SELECT 1 FROM links WHERE state = 2 LIMIT 1").fetchone() is not None

    def pages(self, segment: int | None = None) -> pa.Table:
        """The wanted links that ended as a page, by key (schema `PAGES`); only those of one segment, if it is given."""
        return pa.concat_tables([PAGES.empty_table(), *self.page_tables(segment)])

    def page_tables(self, segment: int | None = None, rows: int = _BATCH) -> Iterator[pa.Table]:
        """The same in tables of up to so many rows."""
        select = (
            "SELECT l.key, l.url, l.final_url, l.final_key, r.segment, r.offset, r.length, l.hop, r.payload_sha256, "
            f"r.fetched, {self._source()} FROM links l JOIN responses r ON r.key = l.key AND r.hop = l.hop "
            "WHERE l.wanted = 1 AND l.state = 2 AND l.outcome = 'page' AND {range} "
            + ("" if segment is None else f"AND r.segment = {segment:d} ")
            + "ORDER BY l.key"
        )
        for found in self._by_key(select, "l.key", rows):
            keys, urls, finals, final_keys, segments, offsets, lengths, hops, digests, fetched, sources = zip(
                *found, strict=True
            )
            unsigned = [unsigned_key(key) for key in keys]
            hexes = [digest.hex() for digest in digests]
            ids = [record_id(*row) for row in zip(unsigned, hops, finals, hexes, strict=True)]
            columns = [
                unsigned, urls, finals, [unsigned_key(key) for key in final_keys],
                [segment_name(number) for number in segments], offsets, lengths, ids, hexes,
                [datetime.fromtimestamp(seconds, UTC) for seconds in fetched], sources,
            ]  # fmt: skip
            arrays = [pa.array(column, field.type) for column, field in zip(columns, PAGES, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=PAGES)

    def outcomes(self) -> Iterator[pa.Table]:
        """The wanted links that did not become a page, by key (schema `OUTCOMES`), in tables of up to 50,000 rows."""
        select = (
            "SELECT key, url, 'pages', outcome, detail FROM links "
            "WHERE wanted = 1 AND state = 2 AND outcome <> 'page' AND {range} ORDER BY key"
        )
        for rows in self._by_key(select, "key"):
            keys, *columns = zip(*rows, strict=True)
            arrays = [
                pa.array([unsigned_key(key) for key in keys], pa.uint64()),
                *(pa.array(c, pa.string()) for c in columns),
            ]
            yield pa.Table.from_arrays(arrays, schema=OUTCOMES)

    def identity(self) -> str:
        """The sha256 (hex) of what the wanted links became, by key: key, outcome, final URL, payload sha256, and the
        archive that a page came from."""
        digest = hashlib.sha256()
        select = (
            f"SELECT l.key, l.outcome, coalesce(l.final_url, ''), coalesce(r.payload_sha256, x''), {self._source()} "
            "FROM links l LEFT JOIN responses r ON r.key = l.key AND r.hop = l.hop "
            "WHERE l.wanted = 1 AND l.state = 2 AND {range} ORDER BY l.key"
        )
        for rows in self._by_key(select, "l.key"):
            for key, outcome, final_url, payload, source in rows:
                line = f"{unsigned_key(key):016x}\t{outcome}\t{final_url}\t{payload.hex()}"
                digest.update((line if source == CRAWL else f"{line}\t{source}").encode() + b"\n")
        return digest.hexdigest()

    def cdxj(self) -> Iterator[str]:
        """The lines of the index over every response that counts, sorted as bytes (SQLite sorts beyond memory)."""
        self._db.create_function("cdxj", 8, _index_line, deterministic=True)
        lines = self._db.execute(
            "SELECT cdxj(url, fetched, status, mime, payload_sha256, segment, offset, length) AS line FROM responses "
            "WHERE length > 0 ORDER BY line"
        )
        for (line,) in lines:
            yield line

    def _source(self) -> str:
        """What in a query over links `l` says where a page came from. Older ledgers have no captures."""
        there = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'captures'").fetchone()
        if there is None:
            return f"'{CRAWL}'"
        found = "SELECT c.source FROM captures c WHERE c.key = l.key AND c.url = l.url AND l.outcome = 'page'"
        return f"coalesce(({found}), '{CRAWL}')"

    def _by_key(self, select: str, column: str, count: int = _BATCH) -> Iterator[list[Any]]:
        # SQLite sorts keys as signed: the upper half of the unsigned ones comes first there, last here.
        for span in (f"{column} >= 0", f"{column} < 0"):
            cursor = self._db.execute(select.format(range=span))
            while rows := cursor.fetchmany(count):
                yield rows


def _index_line(
    url: str, fetched: int, status: int, mime: str, digest: bytes, segment: int, offset: int, length: int
) -> str:
    return cdxj_line(
        url,
        datetime.fromtimestamp(fetched, UTC),
        status=status,
        mime=mime,
        digest=digest.hex(),
        segment=segment_name(segment),
        offset=offset,
        length=length,
    )
