"""Lists of the pages of sealed segments: what can be extracted while the crawl goes on.

Sealed is a segment that this process will not append to any more, with everything in it committed. Which pages lie in
it is remembered as they are committed: the ledger has no index over segments, and a look through it would halt the
crawl.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from webtext.corpus.files import write_parquet
from webtext.crawler.fetch.ledger import Ended, Ledger
from webtext.crawler.fetch.ledger_content import CRAWL, PAGE, PAGES
from webtext.crawler.fetch.records import record_id
from webtext.crawler.fetch.warc import segment_name

_Row = Sequence[Any]


def list_path(folder: Path, number: int) -> Path:
    """Where the list of a segment's pages (schema `PAGES`) lies."""
    return folder / f"{segment_name(number).partition('.')[0]}.parquet"


class Sealer:
    """Writes the list of a segment once it is sealed.

    Args:
        ledger: recovered, of this process alone; every commit from now on is seen.
        lengths: the committed segments.
        known: of segments that an earlier, finished crawl has left, how many bytes: pages in them are not listed.
    """

    def __init__(
        self, folder: Path, ledger: Ledger, lengths: Mapping[int, int], known: Mapping[int, int] | None = None
    ) -> None:
        self._folder = folder
        self._known = known or {}
        self._rows: dict[int, list[_Row]] = defaultdict(list)
        for number, length in lengths.items():
            if length > self._known.get(number, 0) and not list_path(folder, number).exists():
                for row in ledger.pages(number).to_pylist():
                    if row["offset"] >= self._known.get(number, 0):
                        self._rows[number].append([row[name] for name in PAGES.names])
        ledger.committed.append(self._note)

    def look(self, current: int) -> None:
        """Write the lists of all segments but `current`; everything in them is committed."""
        for number in sorted(self._rows):
            if number != current:
                rows = sorted(self._rows.pop(number), key=_key)
                columns = zip(*rows, strict=True)
                arrays = [pa.array(column, field.type) for column, field in zip(columns, PAGES, strict=True)]
                write_parquet(list_path(self._folder, number), pa.Table.from_arrays(arrays, schema=PAGES), PAGES)

    def _note(self, results: Sequence[Ended]) -> None:
        for result in results:
            if result.outcome != PAGE:
                continue
            last = result.hops[-1]
            records, hop = last.records, len(result.hops) - 1
            known: dict[str, Any] = {
                "key": result.key,
                "url": result.hops[0].records.url,
                "final_url": records.url,
                "final_key": result.final_key,
                "segment": segment_name(last.segment),
                "offset": last.offset,
                "length": len(records.response),
                "record_id": record_id(result.key, hop, records.url, records.payload_sha256),
                "payload_sha256": records.payload_sha256,
                "fetched": records.fetched,
                "source": CRAWL,
            }
            self._rows[last.segment].append([known[name] for name in PAGES.names])


def _key(row: _Row) -> int:
    return int(row[0])
