"""What is to be extracted: pages joined with their links, each page once, in parts of even size.

Pure functions over Arrow tables of addresses and numbers; no page is read here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import write_bytes
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import LINKS, OUTCOMES, key_text
from webtext.crawler.fetch.ledger_content import PAGES
from webtext.crawler.text.owners import NO_TIME, owners

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
    pages, links = pages.sort_by("key"), links.sort_by("key")
    places, known = rows_of(links, numbers(pages["key"], np.uint64))
    if not known.all():
        raise WebtextError(
            f"pages/ holds {np.count_nonzero(~known):,} pages whose links links/ does not hold",
            hint="pages/ is of another generation than links/: run webtext crawl again",
        )
    joined = links.select(LINK_COLUMNS).take(pa.array(places))
    for name in PAGE_COLUMNS:
        joined = joined.append_column(PLAN.field(name), pages[name].cast(PLAN.field(name).type))
    return joined.cast(PLAN)


def split_owned(plan: pa.Table, lost: npt.NDArray[np.uint64] | None = None) -> tuple[pa.Table, pa.Table]:
    """The rows that own their page, and the others as outcomes (schema `OUTCOMES`), both by key.

    Args:
        lost: keys of links whose page cannot be had any more: where another link has the same page, that owns it.
    """
    keys = numbers(plan["key"], np.uint64)
    finals = numbers(plan["final_key"], np.uint64)
    posted = numbers(pc.fill_null(plan["first_posted"].cast(pa.int64()), int(NO_TIME)), np.int64)
    karma = numbers(plan["karma"], np.int64)
    owner = owners(keys, finals, karma, posted)
    if lost is not None and len(lost):
        there = np.flatnonzero(~np.isin(keys, lost))
        among = owners(keys[there], finals[there], karma[there], posted[there])
        heirs = dict(zip(finals[there].tolist(), there[among].tolist(), strict=True))
        owner = np.array([heirs.get(final, old) for final, old in zip(finals.tolist(), owner.tolist(), strict=True)])
    owns = owner == np.arange(len(owner))
    others = plan.filter(pa.array(~owns))
    winners = plan.select(["key", "url"]).take(pa.array(owner[~owns]))
    details = [
        f"the page of {key_text(key)} {url}"
        for key, url in zip(winners["key"].to_pylist(), winners["url"].to_pylist(), strict=True)
    ]
    return plan.filter(pa.array(owns)), outcome_rows(others, [Outcome.DUPLICATE_REDIRECT] * len(details), details)


def check_there(run_work: Path, fresh: pa.Table) -> None:
    """Refuse to extract pages whose bodies were deleted (`crawl.keep_pages = until-extracted`); their addresses are
    listed in a file.

    Raises:
        WebtextError: there are such pages.
    """
    gone = fresh.filter(pc.equal(fresh["length"], 0))
    if not gone.num_rows:
        return
    listed = run_work / "gone-pages.txt"
    write_bytes(listed, "".join(f"{url}\n" for url in gone["url"].to_pylist()).encode())
    raise WebtextError(
        f"the bodies of {gone.num_rows:,} pages that are to be extracted were deleted once documents were made of them "
        f"(crawl.keep_pages = until-extracted), among them {gone['url'][0].as_py()}",
        where=listed,
        hint="leave documents/ as it is (webtext extract CORPUS without --redo, under the settings of before), or set "
        'crawl.keep_pages = "all" and fetch all pages again: webtext crawl CORPUS --refetch',
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


def cut_parts(lengths: npt.NDArray[np.int64], workers: int) -> Iterator[tuple[int, int]]:
    """Cut rows into parts (first row, number of rows), in order, evened by bytes: at least 16 a worker where there are
    so many rows, none above `PART_PAGES` rows, none above `PART_BYTES` but for a single page that is larger."""
    parts = PARTS_A_WORKER * workers
    limit = min(PART_BYTES, -(-int(lengths.sum()) // parts)) if len(lengths) else 0
    most = max(1, min(PART_PAGES, len(lengths) // parts))
    start, size = 0, 0
    for row, length in enumerate(lengths.tolist()):
        if row > start and (size + length > limit or row - start >= most):
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


def pages_digest(rows: pa.Table) -> str:
    """The sha256 (hex) of which pages these rows (by key) have: key, record, final URL, time.

    The record's id holds the payload's hash; a page that was fetched anew has another digest.
    """
    digest = hashlib.sha256()
    columns = [rows["key"], rows["record_id"], rows["final_url"], rows["fetched"].cast(pa.int64())]
    for values in zip(*(column.to_pylist() for column in columns), strict=True):
        digest.update("\t".join(map(str, values)).encode() + b"\n")
    return digest.hexdigest()


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
