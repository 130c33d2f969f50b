"""What goes into a ledger and comes out of it, a link at a time, and the rows of its tables that this is."""

from __future__ import annotations

from dataclasses import dataclass

from webtext.corpus.schemas import signed_key
from webtext.crawler.fetch.ledger_content import PAGE
from webtext.crawler.fetch.records import ResponseRecords


@dataclass(frozen=True)
class Link:
    """A link that was claimed."""

    key: int
    url: str


@dataclass(frozen=True)
class Placed:
    """The records of one hop, and where the response lies."""

    records: ResponseRecords
    segment: int
    offset: int


@dataclass(frozen=True)
class Ended:
    """What became of a link: `PAGE` with the hops that led to it, the page last, or an outcome with a detail; where an
    answer broke off, its hops are there too, the last marked WARC-Truncated."""

    key: int
    outcome: str
    detail: str = ""
    final_key: int = 0
    hops: tuple[Placed, ...] = ()


def link_row(result: Ended) -> tuple[object, ...]:
    """What a link's row is set to: outcome, detail, final URL, final key, hop of the page; its key as it is stored."""
    if result.outcome == PAGE:
        final = result.hops[-1].records.url
        return (
            result.outcome,
            result.detail,
            final,
            signed_key(result.final_key),
            len(result.hops) - 1,
            signed_key(result.key),
        )
    return result.outcome, result.detail, None, None, None, signed_key(result.key)


def response_row(key: int, hop: int, placed: Placed) -> tuple[object, ...]:
    """A row of the table responses, of the key as it is stored."""
    records = placed.records
    return (
        key, hop, records.url, records.status, records.mime, placed.segment, placed.offset,
        len(records.response), bytes.fromhex(records.payload_sha256), int(records.fetched.timestamp()),
    )  # fmt: skip
