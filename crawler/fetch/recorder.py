"""From ended links to disk, in the order that a crash cannot break: append, fsync, commit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from webtext.corpus.faults import fault_point
from webtext.crawler.fetch.appending import PageAppender
from webtext.crawler.fetch.ledger import Ended, Ledger
from webtext.crawler.fetch.records import ResponseRecords
from webtext.crawler.fetch.site_store import SiteFile
from webtext.crawler.fetch.warc import Segments

BATCH = 200
"""Results a transaction: 25-31 us of processor time a page from 100 on (measured)."""


@dataclass(frozen=True)
class Result:
    """What became of a link, before it is on disk: a page with its hops' records, or an outcome with its detail (and
    the records of an answer that broke off)."""

    key: int
    outcome: str
    detail: str = ""
    final_key: int = 0
    hops: tuple[ResponseRecords, ...] = ()
    site_files: tuple[SiteFile, ...] = ()
    """Those that its evidence speaks of."""


class Recorder:
    """Writes results into segments and ledger, a batch at a time; counts what is final."""

    def __init__(self, ledger: Ledger, segments: Segments) -> None:
        self._ledger = ledger
        self._segments = segments
        self._appender = PageAppender(segments)
        self._batch: list[Ended] = []
        self.total, self.outcomes = ledger.counts()

    @property
    def done(self) -> int:
        """Links whose outcome is final."""
        return self.outcomes.total()

    def add(self, result: Result) -> None:
        """Append a result; final after the next flush, which is here when the batch is full."""
        placed = self._appender.append(result.key, result.hops, result.site_files)
        if placed:
            fault_point("crawl.appended")
        self._batch.append(Ended(result.key, result.outcome, result.detail, result.final_key, placed))
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Make everything added so far final."""
        if not self._batch:
            return
        grown = self._segments.sync()
        fault_point("crawl.synced")
        self._ledger.commit(self._batch, grown)
        fault_point("crawl.committed")
        self.outcomes.update(Counter(ended.outcome for ended in self._batch))
        self._batch.clear()
