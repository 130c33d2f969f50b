"""pages/ without what is forgotten: rows of the ledger, and records of the segments that hold them.

A link whose own address is forgotten leaves the ledger; one that led to a forgotten address ends as `forgotten`. A
segment that holds such a record is written again without it, under a new number: until the ledger's one transaction
names it nobody counts on it, and from then on nobody on the old one, so a crash at any moment leaves a whole archive
(`Segments` removes what is not named). Records that nothing points to (of an address that a link had before) go with
it. WARC files that were replayed belong to whoever made them and are not touched.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from webtext.corpus.errors import DamagedFile
from webtext.corpus.faults import fault_point
from webtext.corpus.files import os_errors, sync_folder
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import unsigned_key
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.hashing import heed
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest, generation
from webtext.crawler.fetch.shards import WHOLE, Shard
from webtext.crawler.fetch.site_store import STORE_NAME
from webtext.crawler.fetch.verify import named_ledger
from webtext.crawler.fetch.walking import RawRecord, TornRecord, walk
from webtext.crawler.fetch.warc import REFETCH_HINT, Segments, segment_name, target_of
from webtext.crawler.fetch.workers import fold
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.urls import UnusableURL, host_of, normalise

LEADS_TO_FORGOTTEN = "leads to an address that is forgotten"

_BATCH = 10_000
_COPY = 1 << 20


@dataclass(frozen=True)
class Found:
    """What a ledger holds of forgotten addresses: links that are forgotten, links that led to such, their answers."""

    links: int = 0
    leading: int = 0
    responses: int = 0

    def __bool__(self) -> bool:
        return bool(self.links or self.leading)


def find_forgotten(pages: Path, forgotten: Forgotten) -> Found:
    """Count what `forget_pages` would remove.

    Raises:
        WebtextError: a crawl is under way.
    """
    path = pages / LEDGER_NAME
    if not path.exists():
        return Found()
    with Ledger.reading(path) if at_rest(path) else Ledger.writing(path) as ledger:
        return _mark(ledger._db, forgotten)


def forget_pages(pages: Path, forgotten: Forgotten, stop: Stop) -> None:
    """Remove what is forgotten from the ledger and the segments. Idempotent; where nothing is there, nothing changes.

    Raises:
        DamagedFile: the ledger or a segment.
        Interrupted: the user asked to stop.
    """
    path = pages / LEDGER_NAME
    forget_hosts(pages, forgotten)
    if not path.exists() or (at_rest(path) and not _anything(pages, path, forgotten, stop)):
        return
    with Ledger.writing(path) as ledger:
        ledger.recover()
        fold(ledger, pages, stop)  # what the processes of an interrupted crawl have fetched
        db = ledger._db
        lengths = ledger.segments()
        Segments(pages, lengths, {}).close()  # removes what an interrupted forgetting left, and cuts the others
        _mark(db, forgotten)
        ledger.begin_generation()
        fresh = max(lengths, default=-1) + 1
        rewritten: dict[int, tuple[int, int]] = {}
        for number, length in lengths.items():
            if _holds(pages, db, number, length, forgotten, stop):
                rewritten[number] = (fresh, _rewrite(pages, db, number, length, fresh, forgotten, stop))
                fresh += 1
        fault_point("forget.segments")
        _commit(ledger, rewritten)
        fault_point("forget.ledger")
        Segments(pages, ledger.segments(), {}).close()  # the old ones go
        db.execute("VACUUM")  # rows that are deleted still stand in the file until then
        ledger.rest()


def needs_publishing(pages: Path, manifest: Manifest, links: str) -> bool:
    """Whether a manifest of pages/ speaks of another ledger than there is now, or of other links."""
    named = named_ledger(manifest)
    path = pages / LEDGER_NAME
    return manifest.inputs.get("links") != links or named is None or generation(path) != named[1]


def publish_again(run: StageRun, links: Sequence[Path], stop: Stop) -> Manifest:
    """Publish pages/ of a ledger from which links were removed.

    Args:
        run: begun with the inputs of before, but for the identity of links/.
        links: the files of links/.
    """
    from webtext.crawler.fetch.loading import load_links
    from webtext.crawler.fetch.publishing import publish

    shard = Shard.parse(run.inputs["shard"]) if "shard" in run.inputs else WHOLE
    with Ledger.writing(run.folder / LEDGER_NAME) as ledger:
        ledger.begin_generation()
        load_links(ledger, run.inputs["links"], shard, links, stop)
    return publish(run, links, stop, accept_loss=True)


def _anything(pages: Path, path: Path, forgotten: Forgotten, stop: Stop) -> bool:
    """Whether there is anything to remove, or anything that an interrupted removal left."""
    with Ledger.reading(path) as ledger:
        lengths = ledger.segments()
        names = {segment_name(number) for number in lengths}
        if any(file.name not in names for file in pages.glob("segment-*.warc.gz")):
            return True
        db = ledger._db
        return bool(_mark(db, forgotten)) or any(
            _holds(pages, db, number, length, forgotten, stop) for number, length in lengths.items()
        )


def _commit(ledger: Ledger, rewritten: Mapping[int, tuple[int, int]]) -> None:
    """The one transaction: forgotten rows go, the others lie in the new segments."""
    db = ledger._db
    with ledger._transaction():
        db.execute("DELETE FROM links WHERE key IN (SELECT key FROM temp.gone)")
        db.execute(
            "UPDATE links SET state = 2, outcome = ?, detail = ?, final_url = NULL, final_key = NULL, hop = NULL "
            "WHERE key IN (SELECT key FROM temp.leading)",
            (str(Outcome.FORGOTTEN), LEADS_TO_FORGOTTEN),
        )
        optional = "SELECT name FROM sqlite_master WHERE name IN ('captures', 'archive_links')"  # not in older ledgers
        held = ["responses", *(name for (name,) in db.execute(optional))]
        for table in held:
            db.execute(
                f"DELETE FROM {table} WHERE key IN (SELECT key FROM temp.gone UNION SELECT key FROM temp.leading)"
            )
        same = "SELECT {} FROM temp.moved m WHERE m.key = responses.key AND m.hop = responses.hop"
        db.execute(
            f"UPDATE responses SET (segment, offset) = ({same.format('m.segment, m.offset')}) "
            f"WHERE EXISTS ({same.format('1')})"
        )
        for number, (new, length) in rewritten.items():
            db.execute("DELETE FROM segments WHERE number = ?", (number,))
            if length:
                db.execute("INSERT INTO segments VALUES(?, ?)", (new, length))


def forget_hosts(pages: Path, forgotten: Forgotten) -> None:
    """Drop what is remembered of the hosts of a forgotten domain: how they were asked, and their own files."""
    path = pages / STORE_NAME
    if not path.exists():
        return
    with os_errors(path), closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA secure_delete = ON")  # a kill before VACUUM leaves no name in a free page
        before = db.total_changes
        with db:
            for table, column, host in (("hosts", "host", str), ("files", "url", host_of)):
                names = [name for (name,) in db.execute(f"SELECT {column} FROM {table}")]
                gone = [(name,) for name in names if forgotten.host(host(name))]
                db.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)
        if db.total_changes > before:
            db.execute("VACUUM")


def _mark(db: sqlite3.Connection, forgotten: Forgotten) -> Found:
    """Fill the tables temp.gone and temp.leading with the keys of links."""
    db.execute("PRAGMA temp_store = MEMORY")
    for table in ("gone", "leading"):
        db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table}(key INTEGER PRIMARY KEY)")
        db.execute(f"DELETE FROM temp.{table}")
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS moved(key INTEGER, hop INTEGER, segment INTEGER, offset INTEGER, "
        "PRIMARY KEY(key, hop))"
    )
    db.execute("DELETE FROM temp.moved")
    for stored, urls in _batches(db, "SELECT key, url FROM links"):
        keys = np.asarray([unsigned_key(key) for key in stored], np.uint64)
        gone = forgotten.rows(keys, urls)
        db.executemany("INSERT INTO temp.gone VALUES(?)", [(stored[n],) for n in np.flatnonzero(gone).tolist()])
    # The first hop is the link itself; of the others the address decides.
    for stored, urls in _batches(db, "SELECT key, url FROM responses WHERE hop > 0"):
        led = [key for key, url in zip(stored, urls, strict=True) if forgotten.address(url)]
        db.executemany(
            "INSERT OR IGNORE INTO temp.leading SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM temp.gone WHERE key = ?1)",
            [(key,) for key in led],
        )
    counts = [int(db.execute(f"SELECT count(*) FROM temp.{table}").fetchone()[0]) for table in ("gone", "leading")]
    responses = db.execute(
        "SELECT count(*) FROM responses WHERE key IN (SELECT key FROM temp.gone UNION SELECT key FROM temp.leading)"
    ).fetchone()[0]
    return Found(counts[0], counts[1], int(responses))


def _batches(db: sqlite3.Connection, select: str) -> Iterator[tuple[list[int], list[str]]]:
    cursor = db.execute(select)
    while rows := cursor.fetchmany(_BATCH):
        keys, urls = zip(*rows, strict=True)
        yield list(keys), list(urls)


def _named(db: sqlite3.Connection, number: int) -> Iterator[tuple[int, int, int, int, bool]]:
    """Offset, length, key, hop of each answer in a segment, in order, and whether it goes."""
    rows = db.execute(
        "SELECT offset, length, key, hop, key IN (SELECT key FROM temp.gone UNION SELECT key FROM temp.leading) "
        "FROM responses WHERE segment = ? ORDER BY offset",
        (number,),
    ).fetchall()
    for offset, length, key, hop, goes in rows:
        yield offset, length, key, hop, bool(goes)


def _holds(pages: Path, db: sqlite3.Connection, number: int, committed: int, forgotten: Forgotten, stop: Stop) -> bool:
    """Whether a segment holds a record that goes: an answer that the ledger names, or one that it does not."""
    place = 0
    path = pages / segment_name(number)
    with os_errors(path), path.open("rb") as file:
        for offset, length, _, _, goes in (*_named(db, number), (committed, 0, 0, 0, False)):
            heed(stop)
            if goes or any(_is_forgotten(raw, forgotten) for raw in _gap(file, path, place, offset)):
                return True
            place = offset + length
    return False


def _rewrite(
    pages: Path, db: sqlite3.Connection, number: int, committed: int, fresh: int, forgotten: Forgotten, stop: Stop
) -> int:
    """Copy a segment without the records that go; the new one's length. Notes where the others lie (temp.moved)."""
    source, target = pages / segment_name(number), pages / segment_name(fresh)
    with os_errors(target), source.open("rb") as file, target.open("wb") as out:
        place, goes_before = 0, False
        for offset, length, key, hop, goes in (*_named(db, number), (committed, 0, 0, 0, False)):
            heed(stop)
            for raw in list(_gap(file, source, place, offset)):  # copying moves the file
                kind = raw.fields.get("warc-type")
                # Behind an answer stand the request for it and its evidence; an answer that nothing names is of no use
                # to anyone. A file of a site is evidence of further pages, too.
                if kind == "response":
                    goes_before = True
                stays = kind in ("warcinfo", "resource") or not goes_before
                if stays and not _is_forgotten(raw, forgotten):
                    _copy(file, raw.offset, raw.length, out)
            goes_before = goes
            if length and not goes:
                db.execute("INSERT INTO temp.moved VALUES(?, ?, ?, ?)", (key, hop, fresh, out.tell()))
                _copy(file, offset, length, out)
            place = offset + length
        size = out.tell()
        out.flush()
        os.fsync(out.fileno())
    sync_folder(pages)
    return size


def _gap(file: BinaryIO, path: Path, start: int, stop: int) -> Iterator[RawRecord]:
    """The records between two answers that the ledger names."""
    if start >= stop:
        return
    try:
        for raw in walk(file, 0, offset=start, piece=1 << 14):
            yield raw
            if raw.offset + raw.length >= stop:
                return
    except TornRecord as error:
        raise DamagedFile(f"{error}, at byte {error.offset:,}", where=path, hint=REFETCH_HINT) from error


def _is_forgotten(raw: RawRecord, forgotten: Forgotten) -> bool:
    try:
        return forgotten.address(normalise(target_of(raw.fields)))
    except UnusableURL:  # a warcinfo has no address
        return False


def _copy(file: BinaryIO, offset: int, length: int, out: BinaryIO) -> None:
    file.seek(offset)
    while length and (data := file.read(min(length, _COPY))):
        out.write(data)
        length -= len(data)
