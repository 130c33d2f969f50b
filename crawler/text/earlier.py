"""What an earlier generation of documents/ has already extracted, and which of it still holds.

Only an address book: which rows are kept and where they lie, a stretch of the plan at a time. Texts are copied by the
pipeline's workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.files import file_sha256
from webtext.corpus.key_ranges import Group, SortedFiles
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.crawler.text.plan import PLAN, PagesDigest, numbers, rows_of
from webtext.crawler.text.stretches import read_stretches

REJECTED_PAGES = "rejected_pages"
"""The fact in the stage's manifest that says which pages its outcomes were made of (`PagesDigest`)."""

DECIDED_ANEW = (Outcome.DUPLICATE_REDIRECT, Outcome.QUALITY)
"""Outcomes that are no rejection of a page: who owns a page, and which of the extracted documents stay, is decided
again by every run. What the quality rules dropped has its text beside the documents (`documents/aside-*`)."""

_DECIDED_ANEW = pa.array([str(outcome) for outcome in DECIDED_ANEW])

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
    """The owned pages of a stretch, divided (each by key): `fresh` are to be extracted (schema `PLAN`), of `documents`
    the texts lie in `sources`, and `outcomes` (schema `OUTCOMES`) are the rejections that still hold."""

    fresh: pa.Table
    documents: pa.Table
    sources: tuple[Source, ...]
    outcomes: pa.Table


def all_fresh(owned: pa.Table) -> Division:
    """The division without an earlier generation."""
    return Division(owned, PLAN.empty_table(), (), OUTCOMES.empty_table())


class Earlier:
    """The earlier generation of documents/ in `corpus`, made with the same settings and rules.

    A text is kept where it was made of the same page. The rejections, whose rows do not name their page, are kept
    where the pages of all of them are the same.

    Args:
        stretches: the files of the plan of all pages.
    """

    def __init__(self, corpus: Path, previous: Manifest, stretches: Sequence[Path]) -> None:
        whole = {name for name, sha256 in previous.files.items() if _is_whole(corpus / name, sha256)}
        self.damaged = len(previous.files) - len(whole)
        """Files of the earlier generation that are missing or have other bytes than its manifest says: not used."""
        self._sha256 = {corpus / name: previous.files[name] for name in whole}
        texts = sorted(name for name in whole if name.startswith(f"{Stage.DOCUMENTS}/"))
        ends = sorted(name for name in previous.files if not name.startswith(f"{Stage.DOCUMENTS}/"))
        self._texts = SortedFiles([corpus / name for name in texts], DOCUMENTS)
        there = [corpus / name for name in ends] if whole.issuperset(ends) else []
        self._ends = SortedFiles(there, OUTCOMES)
        pages = self._pages_rejected(stretches)
        if pages is None or pages != previous.facts.get(REJECTED_PAGES):
            self._ends = SortedFiles([], OUTCOMES)

    def divide(self, owned: pa.Table) -> Division:
        """Divide those rows of a stretch that own their page."""
        if not owned.num_rows:
            return all_fresh(owned)
        found = list(self._same_pages(owned))
        kept = np.concatenate([np.empty(0, np.int64), *(places for _, places in found)])
        sources, start = [], 0
        for group, places in found:  # a part each: what lies where in `documents`
            sources.append(Source(group.path, self._sha256[group.path], group.number, start, len(places)))
            start += len(places)
        outcomes, rejected = self._rejections(owned)
        fresh = np.ones(owned.num_rows, np.bool_)
        fresh[kept] = False
        fresh[rejected] = False
        return Division(owned.filter(pa.array(fresh)), owned.take(pa.array(kept)), tuple(sources), outcomes)

    def _same_pages(self, owned: pa.Table) -> Iterator[tuple[Group, npt.NDArray[np.int64]]]:
        """The row groups of documents, each with the rows of `owned` whose text it holds."""
        for group in self._texts.groups(*_span(owned)):
            rows = self._texts.read_group(group, ["key", *_SAME_PAGE])
            places, there = rows_of(owned, numbers(rows["key"], np.uint64))
            before, now = rows.filter(pa.array(there)), owned.take(pa.array(places[there]))
            same = np.ones(before.num_rows, np.bool_)
            for name in _SAME_PAGE:
                same &= np.asarray(pc.equal(before[name], now[name]))
            if same.any():
                yield group, places[there][same]

    def _rejected(self, low: int, high: int) -> pa.Table:
        """The rejections of pages with these keys."""
        rows = self._ends.read(low, high, OUTCOMES.names)
        return rows.filter(pc.invert(pc.is_in(rows["outcome"], _DECIDED_ANEW)))

    def _pages_rejected(self, stretches: Sequence[Path]) -> str | None:
        """Which pages today's plan has for the keys of the rejections; None where it lacks one of them."""
        digest = PagesDigest()
        # Against all pages, not only the owned ones: that another link owns a page now says nothing about the others.
        found = 0
        for plan in read_stretches(stretches):
            places, there = rows_of(plan, numbers(self._rejected(*_span(plan))["key"], np.uint64))
            digest.add(plan.take(pa.array(places[there])))
            found += int(np.count_nonzero(there))
        return digest.hexdigest() if found == self._rejected_count() else None

    def _rejected_count(self) -> int:
        groups = self._ends.groups(0, 2**64 - 1)
        ends = (self._ends.read_group(group, ["outcome"])["outcome"] for group in groups)
        return sum(len(outcomes) - pc.sum(pc.is_in(outcomes, _DECIDED_ANEW)).as_py() for outcomes in ends)

    def _rejections(self, owned: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """The rejections that still hold, under the addresses of today's links, and their rows of `owned`."""
        rows = self._rejected(*_span(owned))
        places, owns = rows_of(owned, numbers(rows["key"], np.uint64))
        rows, places = rows.filter(pa.array(owns)), places[owns]
        urls = owned["url"].take(pa.array(places))
        return rows.set_column(rows.schema.get_field_index("url"), OUTCOMES.field("url"), urls), places


def _span(rows: pa.Table) -> tuple[int, int]:
    return rows["key"][0].as_py(), rows["key"][-1].as_py()


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
