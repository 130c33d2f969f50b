"""What the ledger says of one link: its outcome, and each answer on the way with its place in the archive.

Only reading, and only of a crawl that is at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from webtext.corpus.schemas import signed_key, unsigned_key
from webtext.crawler.fetch.ledger_file import open_for_reading
from webtext.crawler.fetch.records import record_id
from webtext.crawler.fetch.warc import segment_name


@dataclass(frozen=True)
class Answer:
    """One answer on the way of a link. `fetched` in UTC; of a replayed page, when it was recorded."""

    url: str
    status: int
    mime: str
    fetched: datetime
    segment: str
    offset: int
    length: int
    record_id: str
    payload_sha256: str


@dataclass(frozen=True)
class FromArchive:
    """That a page came out of an archive: which, when it was captured, how many days from the submission (None where
    its date is not known), and where the capture is had."""

    source: str
    captured: datetime
    days_apart: int | None
    address: str


@dataclass(frozen=True)
class Fetch:
    """What became of a link in the crawl. `outcome` is None while it is pending; `wanted`: links/ still names it."""

    url: str
    wanted: bool
    outcome: str | None
    detail: str
    final_url: str | None
    answers: tuple[Answer, ...]
    capture: FromArchive | None = None


def look_up(path: Path, key: int) -> Fetch | None:
    """The entry of a link in the ledger at `path`, None where it has none.

    Raises:
        DamagedFile: no ledger.
        WebtextError: a crawl is under way or was interrupted.
    """
    with open_for_reading(path) as db:
        stored = signed_key(key)
        select = "SELECT url, wanted, outcome, detail, final_url FROM links WHERE key = ?"
        row = db.execute(select, (stored,)).fetchone()
        if row is None:
            return None
        answers = db.execute(
            "SELECT hop, url, status, mime, fetched, segment, offset, length, payload_sha256 FROM responses "
            "WHERE key = ? ORDER BY hop",
            (stored,),
        ).fetchall()
        there = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'captures'").fetchone()
        select = "SELECT source, captured, days_apart, address FROM captures WHERE key = ? AND url = ?"
        captured = db.execute(select, (stored, row[0])).fetchone() if there and row[2] == "page" else None
    url, wanted, outcome, detail, final_url = row
    capture = None
    if captured is not None:
        capture = FromArchive(captured[0], datetime.fromtimestamp(captured[1], UTC), captured[2], captured[3])
    ways = tuple(_answer(key, *found) for found in answers)
    return Fetch(url, bool(wanted), outcome, detail or "", final_url, ways, capture)


def leading_to(path: Path, key: int, most: int = 5) -> list[tuple[int, str]]:
    """Links (key, address) whose page lies at the address with this key; reads the whole table."""
    with open_for_reading(path) as db:
        select = "SELECT key, url FROM links WHERE final_key = ? AND key <> ?1 ORDER BY url LIMIT ?"
        found = db.execute(select, (signed_key(key), most)).fetchall()
    return [(unsigned_key(stored), url) for stored, url in found]


def _answer(
    key: int, hop: int, url: str, status: int, mime: str, fetched: int, segment: int, offset: int, length: int,
    digest: bytes,
) -> Answer:  # fmt: skip
    record = record_id(key, hop, url, digest.hex())
    when = datetime.fromtimestamp(fetched, UTC)
    return Answer(url, status, mime, when, segment_name(segment), offset, length, record, digest.hex())
