"""What an earlier generation of documents/ has already extracted, and which of it still holds.

Only an address book: which rows are kept and where they lie. Texts are copied by the pipeline's workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.files import file_sha256, open_parquet, read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.crawler.text.plan import PLAN, numbers, pages_digest, rows_of

REJECTED_PAGES = "rejected_pages"
"""The fact in the stage's manifest that says which pages its outcomes were made of (`pages_digest`)."""

DECIDED_ANEW = (Outcome.DUPLICATE_REDIRECT, Outcome.QUALITY)
"""Outcomes that are no rejection of a page: who owns a page, and which of the extracted documents stay, is decided
again by every run. What the quality rules dropped has its text beside the documents (`documents/aside-*`)."""

# What tells that a document's page is the same as before: its record (which names the payload) and when and where.
_SAME_PAGE = ("record_id", "final_url", "fetched")


@dataclass(frozen=True)
class Source:
    """One row group of an earlier documents file (its sha256 with it) that holds the texts of `rows` rows of
    `Division.documents`, from `start` on."""

    path: Path
    sha256: str
    group: int
    start: int
    rows: int


@dataclass(frozen=True)
class Division:
    """The owned pages, divided (each by key): `fresh` are to be extracted (schema `PLAN`), of `documents` the texts lie
    in `sources`, and `outcomes` (schema `OUTCOMES`) are the rejections that still hold."""

    fresh: pa.Table
    documents: pa.Table
    sources: tuple[Source, ...]
    outcomes: pa.Table
    damaged: int
    """Files of the earlier generation that are missing or have other bytes than its manifest says: not used."""


def all_fresh(owned: pa.Table) -> Division:
    """The division without an earlier generation."""
    return Division(owned, PLAN.empty_table(), (), OUTCOMES.empty_table(), 0)


def divide(corpus: Path, previous: Manifest, plan: pa.Table, owned: pa.Table) -> Division:
    """Divide the owned pages by what `previous` (made with the same settings and rules) has.

    A text is kept where it was made of the same page. The rejections, whose rows do not name their page, are kept
    where the pages of all of them are the same.

    Args:
        plan: all pages, by key; `owned`: those rows of it that own their page.
    """
    whole = {name for name, sha256 in previous.files.items() if _is_whole(corpus / name, sha256)}
    texts = sorted(name for name in whole if name.startswith(f"{Stage.DOCUMENTS}/"))
    ends = sorted(name for name in previous.files if not name.startswith(f"{Stage.DOCUMENTS}/"))

    found = [(name, group, places) for name in texts for group, places in _same_pages(corpus / name, owned)]
    kept = _joined([places for *_, places in found])
    sources, start = [], 0
    for name, group, places in found:  # files and row groups are in key order, and so is `kept`
        sources.append(Source(corpus / name, previous.files[name], group, start, len(places)))
        start += len(places)
    outcomes, rejected = OUTCOMES.empty_table(), np.empty(0, np.int64)
    if whole.issuperset(ends):
        outcomes, rejected = _same_rejections([corpus / name for name in ends], previous, plan, owned)

    fresh = np.ones(owned.num_rows, np.bool_)
    fresh[kept] = False
    fresh[rejected] = False
    return Division(
        owned.filter(pa.array(fresh)),
        owned.take(pa.array(kept)),
        tuple(sources),
        outcomes,
        len(previous.files) - len(whole),
    )


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _same_pages(path: Path, owned: pa.Table) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """The row groups of a documents file, each with the rows of `owned` whose text it holds."""
    with open_parquet(path, DOCUMENTS) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=["key", *_SAME_PAGE])
            places, there = rows_of(owned, numbers(rows["key"], np.uint64))
            before, now = rows.filter(pa.array(there)), owned.take(pa.array(places[there]))
            same = np.ones(before.num_rows, np.bool_)
            for name in _SAME_PAGE:
                same &= np.asarray(pc.equal(before[name], now[name]))
            if same.any():
                yield group, places[there][same]


def _same_rejections(
    paths: Sequence[Path], previous: Manifest, plan: pa.Table, owned: pa.Table
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The rejections that still hold, under the addresses of today's links, and their rows of `owned`."""
    rows = pa.concat_tables([OUTCOMES.empty_table(), *(read_parquet(path, OUTCOMES) for path in paths)])
    rows = rows.filter(pc.invert(pc.is_in(rows["outcome"], pa.array([str(outcome) for outcome in DECIDED_ANEW]))))
    keys = numbers(rows["key"], np.uint64)
    places, there = rows_of(plan, keys)
    # Against all pages, not only the owned ones: that another link owns a page now says nothing about the others.
    if not there.all() or pages_digest(plan.take(pa.array(places))) != previous.facts.get(REJECTED_PAGES):
        return OUTCOMES.empty_table(), np.empty(0, np.int64)
    places, owns = rows_of(owned, keys)
    rows, places = rows.filter(pa.array(owns)), places[owns]
    urls = owned["url"].take(pa.array(places))
    return rows.set_column(rows.schema.get_field_index("url"), OUTCOMES.field("url"), urls), places


def _joined(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *arrays])
