"""The evidence of consent that lies beside each page: what its site and it said of its use when it was fetched.

A WARC metadata record (ISO 28500:2017, 6.6) behind the page's response and request: one field a statement, whether it
decided anything or not. So a corpus can be judged again by stricter terms without a request, and shown to who asks.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from webtext.corpus.files import os_errors
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.records import WARC_TIME, ResponseRecords, build_record, record_id
from webtext.crawler.fetch.walking import walk

_FIELD = "consent"
_KEPT = 1 << 16  # bytes of a record's block: statements are short


def with_evidence(records: ResponseRecords, key: int, hop: int, said: Sequence[tuple[str, str]]) -> ResponseRecords:
    """A page's records with the statements (where, what) that were made about it."""
    block = "".join(f"{_FIELD}: {printable(where)}: {printable(what)}\r\n" for where, what in said).encode()
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


def read_evidence(path: Path, offset: int) -> list[tuple[str, str]]:
    """The statements about the page whose response record lies at `offset` of a segment; none where none were kept.

    Raises:
        TornRecord: no record begins there, or one is cut.
    """
    with os_errors(path), path.open("rb") as file:
        wanted = ""
        for number, record in enumerate(walk(file, _KEPT, offset=offset)):
            if number == 0:
                wanted = record.fields.get("warc-record-id", "")
            elif record.fields.get("warc-concurrent-to") != wanted:
                break
            elif record.fields.get("warc-type") == "metadata":
                lines = (line.split(": ", 2) for line in record.block.decode("utf-8", "replace").split("\r\n"))
                return [(line[1], line[2]) for line in lines if len(line) == 3 and line[0] == _FIELD]
    return []
