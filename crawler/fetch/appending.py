"""Pages into segments: the records of each hop beside each other, and the files of their site once a segment."""

from __future__ import annotations

from collections.abc import Sequence

from webtext.crawler.fetch.evidence import file_record
from webtext.crawler.fetch.ledger import Placed
from webtext.crawler.fetch.records import ResponseRecords
from webtext.crawler.fetch.site_store import SiteFile
from webtext.crawler.fetch.warc import Segments

_REMEMBERED = 20_000  # files of sites: some MB; one that was forgotten is written again


class PageAppender:
    """Appends pages. What it appends counts after `Segments.sync`, in whose segments a page and its evidence are
    together: a segment can be read, copied and deleted alone."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._segment = -1
        self._there: set[tuple[str, float]] = set()

    def append(self, key: int, hops: Sequence[ResponseRecords], files: Sequence[SiteFile]) -> tuple[Placed, ...]:
        """Append the answers that led to a page, the page last; where each lies.

        Args:
            files: of the page's site, those that its evidence speaks of.
        """
        placed = []
        for records in hops:
            members = (records.response, records.request, records.metadata, records.origin)
            placed.append(Placed(records, *self._segments.append(*(part for part in members if part is not None))))
        if placed:
            self._append_files(placed[-1].segment, key, len(hops) - 1, files)
        return tuple(placed)

    def _append_files(self, segment: int, key: int, hop: int, files: Sequence[SiteFile]) -> None:
        if segment != self._segment or len(self._there) > _REMEMBERED:
            self._segment = segment
            self._there.clear()
        for file in files:
            if (file.url, file.moment) not in self._there:
                self._there.add((file.url, file.moment))
                self._segments.append(file_record(file, key, hop), beside=True)
