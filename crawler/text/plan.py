"""What is to be extracted: pages joined with their links, in parts of even size.

Pure functions over Arrow tables of addresses and numbers; no page is read here. Who owns a page that several links lead
to is decided in `owners`; where the tables lie is a matter of `stretches`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.errors import WebtextError
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.crawler.fetch.ledger_content import PAGES

Number = TypeVar("Number", bound=np.generic)

LINK_COLUMNS = ("key", "url", "domain", "karma", "first_posted")
PAGE_COLUMNS = ("final_url", "final_key", "segment", "offset", "length", "record_id", "fetched", "source")

PLAN = pa.schema(
    [
        *(LINKS.field(name) for name in LINK_COLUMNS),
        *(PAGES.field(name) for name in PAGE_COLUMNS),
    ]
)
"""One row a page of a kept link, by key: what a document takes from the link, and where the page's bytes lie."""

# A worker holds one part at a time, and a crash loses at most the parts under way: some seconds of work each.
PART_PAGES = 200
PART_BYTES = 16_000_000  # as stored in pages/
PARTS_A_WORKER = 16  # Beam deals elements out beforehand: fewer would leave workers idle at the end (findings)


def join_links(pages: pa.Table, links: pa.Table) -> pa.Table:
    """The plan (schema `PLAN`, by key) of all pages.

    Args:
        pages: what the ledger has (key and `PAGE_COLUMNS`).
        links: links/ (`LINK_COLUMNS`), one row a key.

    Raises:
        WebtextError: a page's link is not in links/.
    """
    plan, missing = join_known(pages, links)
    refuse_unknown(missing)
    return plan


def join_known(pages: pa.Table, links: pa.Table) -> tuple[pa.Table, int]:
    """The plan of those pages whose link is there, and how many others there are."""
    pages, links = pages.sort_by("key"), links.sort_by("key")
    places, known = rows_of(links, numbers(pages["key"], np.uint64))
    pages = pages.filter(pa.array(known))
    joined = links.select(LINK_COLUMNS).take(pa.array(places[known]))
    for name in PAGE_COLUMNS:
        joined = joined.append_column(PLAN.field(name), pages[name].cast(PLAN.field(name).type))
    return joined.cast(PLAN), int(np.count_nonzero(~known))


def refuse_unknown(count: int) -> None:
    """Raise where there are pages whose links links/ does not hold."""
    if count:
        raise WebtextError(
            f"pages/ holds {count:,} pages whose links links/ does not hold",
            hint="pages/ is of another generation than links/: run webtext crawl again",
        )


def outcome_rows(rows: pa.Table, outcomes: list[Outcome], details: list[str]) -> pa.Table:
    """Rows of a plan as outcomes of this stage."""
    columns = [
        rows["key"],
        rows["url"],
        pa.array([str(Stage.DOCUMENTS)] * rows.num_rows, pa.string()),
        pa.array([str(outcome) for outcome in outcomes], pa.string()),
        pa.array(details, pa.string()),
    ]
    return pa.table(dict(zip(OUTCOMES.names, columns, strict=True))).cast(OUTCOMES)


@dataclass(frozen=True)
class PartSize:
    """The most rows and stored bytes of a part."""

    rows: int
    bytes: int

    @classmethod
    def of(cls, rows: int, stored: int, workers: int) -> PartSize:
        """For so many pages with so many bytes in all: at least 16 parts a worker where there are so many rows, none
        above `PART_PAGES` rows, none above `PART_BYTES` but for a single page that is larger."""
        parts = PARTS_A_WORKER * workers
        return cls(max(1, min(PART_PAGES, rows // parts)), min(PART_BYTES, -(-stored // parts)))


def cut_parts(lengths: npt.NDArray[np.int64], most: PartSize) -> Iterator[tuple[int, int]]:
    """Cut rows into parts (first row, number of rows), in order, evened by bytes."""
    start, size = 0, 0
    for row, length in enumerate(lengths.tolist()):
        if row > start and (size + length > most.bytes or row - start >= most.rows):
            yield start, row - start
            start, size = row, 0
        size += length
    if len(lengths) > start:
        yield start, len(lengths) - start


def made_of(rows: pa.Table) -> list[list[object]]:
    """All that decides what these rows become, as JSON values: a part's name is made of it."""
    plain = rows.select([*LINK_COLUMNS, "final_url", "record_id", "fetched", "source"])
    for name in ("first_posted", "fetched"):
        plain = plain.set_column(plain.schema.get_field_index(name), name, plain[name].cast(pa.int64()))
    return [list(row.values()) for row in plain.to_pylist()]


class PagesDigest:
    """The sha256 (hex) of which pages some rows of a plan have: key, record, final URL, time.

    The record's id holds the payload's hash; a page that was fetched anew has another digest.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, rows: pa.Table) -> None:
        """Further rows, by key, after those that were added before."""
        columns = [rows["key"], rows["record_id"], rows["final_url"], rows["fetched"].cast(pa.int64())]
        for values in zip(*(column.to_pylist() for column in columns), strict=True):
            self._digest.update("\t".join(map(str, values)).encode() + b"\n")

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def rows_of(table: pa.Table, keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each key its row in a table that is sorted by key, and whether it is there."""
    known = numbers(table["key"], np.uint64)
    places = np.searchsorted(known, keys)
    there = places < len(known)
    there[there] = known[places[there]] == keys[there]
    return places.astype(np.int64), there


def numbers(column: pa.ChunkedArray, kind: type[Number]) -> npt.NDArray[Number]:
    """A column without nulls as a numpy array."""
    return np.asarray(column.to_numpy(), dtype=kind)
