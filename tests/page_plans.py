"""Small tables of links and pages, for tests of the plan of the stage documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from webtext.corpus.schemas import LINKS
from webtext.crawler.text.plan import LINK_COLUMNS, PLAN


def links_table(*rows: tuple[int, str, int]) -> pa.Table:
    values = [
        {"key": key, "url": url, "domain": "example.org", "karma": karma, "submissions": [], "first_posted": None}
        for key, url, karma in rows
    ]
    return pa.Table.from_pylist(values, LINKS).select(LINK_COLUMNS)


def pages_table(*rows: tuple[int, int], day: int = 1) -> pa.Table:
    values = [
        {
            "key": key,
            "url": "ignored",
            "final_url": f"https://example.org/{final_key}",
            "final_key": final_key,
            "segment": "segment-00000.warc.gz",
            "offset": 10 * key % 1_000,
            "length": 10,
            "record_id": f"urn:uuid:{key}",
            "fetched": datetime(2025, 1, day, tzinfo=UTC),
            "source": "crawl",
        }
        for key, final_key in rows
    ]
    schema = pa.schema([PLAN.field(name) for name in ("key", "url", *PLAN.names[5:])])
    return pa.Table.from_pylist(values, schema)
