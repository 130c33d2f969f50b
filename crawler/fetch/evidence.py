"""The evidence of consent that lies beside each page: what its site and it said of its use when it was fetched.

A WARC metadata record (ISO 28500:2017, 6.6) behind the page's response and request: one field a statement, whether it
decided anything or not. The files of the site that it speaks of (robots.txt, tdmrep.json, ai.txt) lie as resource
records (6.4) in the same segment, once each: address, date and payload digest of one are named in the statement. So a
corpus can be judged again by stricter terms without a request, and shown to who asks.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.records import WARC_TIME, ResponseRecords, build_record, record_id
from webtext.crawler.fetch.site_files import HELD_BYTES, NONE
from webtext.crawler.fetch.site_store import SiteFile
from webtext.crawler.fetch.walking import TornRecord, walk
from webtext.crawler.fetch.warc import REFETCH_HINT

_FIELD = "consent"
_KEPT = 1 << 16  # bytes of a record's block: statements are short
_LONGEST = 500  # characters of one: a digest, a moment and a rule


def with_evidence(records: ResponseRecords, key: int, hop: int, said: Sequence[tuple[str, str]]) -> ResponseRecords:
    """A page's records with the statements (where, what) that were made about it."""
    block = "".join(f"{_FIELD}: {printable(where)}: {printable(what, _LONGEST)}\r\n" for where, what in said).encode()
    ours, response = (
        f"<{record_id(key, hop, records.url, records.payload_sha256, role)}>" for role in ("metadata", "response")
    )
    fields = [
        ("WARC-Type", "metadata"),
        ("WARC-Record-ID", ours),
        ("WARC-Concurrent-To", response),
        ("WARC-Refers-To", response),
        ("WARC-Date", records.fetched.strftime(WARC_TIME)),
        ("WARC-Target-URI", records.url),
        ("WARC-Block-Digest", f"sha256:{hashlib.sha256(block).hexdigest()}"),
        ("Content-Type", "application/warc-fields"),
    ]
    return dataclasses.replace(records, metadata=build_record(fields, block, level=1))


def said_of(file: SiteFile) -> str:
    """What came of a site's file, as a statement: the digest of what it said, or that there is none, and when."""
    if not file.moment:
        return "none in what is replayed"
    when = datetime.fromtimestamp(file.moment, UTC).strftime(WARC_TIME)
    if file.outcome == "":
        return f"sha256 {hashlib.sha256(file.body).hexdigest()}, {when}"
    what = "none" if file.outcome == NONE else "cannot be had"
    return f"{what} ({file.detail}), {when}" if file.detail else f"{what}, {when}"


def file_record(file: SiteFile, key: int, hop: int) -> bytes:
    """The resource record of a site's file, as it was read: decoded, through its redirects.

    Args:
        key, hop: of the page that it is written beside.
    """
    digest = hashlib.sha256(file.body).hexdigest()
    fields = [
        ("WARC-Type", "resource"),
        ("WARC-Record-ID", f"<{record_id(key, hop, file.url, digest, 'resource')}>"),
        ("WARC-Date", datetime.fromtimestamp(file.moment, UTC).strftime(WARC_TIME)),
        ("WARC-Target-URI", file.url),
        ("WARC-Payload-Digest", f"sha256:{digest}"),
        ("WARC-Block-Digest", f"sha256:{digest}"),
        ("Content-Type", "application/json" if file.url.endswith(".json") else "text/plain"),
    ]
    if len(file.body) >= HELD_BYTES:
        fields.append(("WARC-Truncated", "length"))
    return build_record(fields, file.body)


def read_evidence(path: Path, offset: int) -> list[tuple[str, str]]:
    """The statements about the page whose response record lies at `offset` of a segment; none where none were kept.

    Raises:
        DamagedFile: the segment is missing, no record begins there, or one is cut.
    """
    wanted = ""
    try:
        with os_errors(path), path.open("rb") as file:
            for number, record in enumerate(walk(file, _KEPT, offset=offset)):
                if number == 0:
                    wanted = record.fields.get("warc-record-id", "")
                elif record.fields.get("warc-concurrent-to") != wanted:
                    break
                elif record.fields.get("warc-type") == "metadata":
                    lines = (line.split(": ", 2) for line in record.block.decode("utf-8", "replace").split("\r\n"))
                    return [(line[1], line[2]) for line in lines if len(line) == 3 and line[0] == _FIELD]
    except TornRecord as error:
        where = f"{path} at byte {error.offset:,}"
        raise DamagedFile(f"no whole record lies here ({error})", where=where, hint=REFETCH_HINT) from error
    return []
