"""The Arrow schema of every stage, in one place: what passes between the rooms.

Keys are uint64: xxh3_64 (seed 0) of a URL's identity form (`webtext.crawler.reddit.urls`); as text 16 hex digits.
Times are in UTC.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1
"""Rises with any change of these schemas; a newer one on disk is refused."""

TIME = pa.timestamp("ms", tz="UTC")
"""Whole seconds; milliseconds are Parquet's coarsest unit."""


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SUBMISSION = pa.struct(
    [
        _field("id", pa.string()),
        pa.field("subreddit", pa.string()),
        _field("score", pa.int64()),
        pa.field("created", TIME),
    ]
)
"""One Reddit submission of a link. `created` is null where a dump has 0 or nothing."""

LINKS = pa.schema(
    [
        _field("key", pa.uint64()),
        _field("url", pa.string()),
        _field("domain", pa.string()),
        _field("karma", pa.int64()),
        # "element" is what Parquet calls it: another name would not survive the file.
        _field("submissions", pa.list_(_field("element", SUBMISSION))),
        pa.field("first_posted", TIME),
    ]
)
"""links/: one row a kept link; `submissions` by (created, id)."""

QUALITY = pa.struct(
    [
        *(
            pa.field(name, pa.int32())
            for name in ("tokens", "sentences", "c4_sentences", "curly_brackets", "lorem_ipsum", "stop_words")
        ),
        *(
            pa.field(name, pa.float64())
            for name in (
                "mean_word_length", "hashes", "ellipses", "bullet_lines", "ellipsis_lines", "alphabetic_words",
                "duplicate_lines", "duplicate_paragraphs", "duplicate_line_characters",
                "duplicate_paragraph_characters", "top_2grams", "top_3grams", "top_4grams", "duplicate_5grams",
                "duplicate_6grams", "duplicate_7grams", "duplicate_8grams", "duplicate_9grams", "duplicate_10grams",
                "punctuated_lines", "short_lines",
            )
        ),
    ]
)  # fmt: skip
"""Measures of a text, for the quality rules (`webtext.crawler.text.measures` says what they are)."""

DOCUMENTS = pa.schema(
    [
        _field("key", pa.uint64()),
        _field("url", pa.string()),
        _field("final_url", pa.string()),
        pa.field("canonical", pa.string()),
        _field("domain", pa.string()),
        _field("title", pa.string()),
        _field("text", pa.large_string()),
        _field("language", pa.string()),
        _field("language_score", pa.float32()),
        _field("karma", pa.int64()),
        pa.field("first_posted", TIME),
        _field("fetched", TIME),
        _field("source", pa.string()),
        _field("record_id", pa.string()),
        _field("characters", pa.int32()),
        _field("words", pa.int32()),
        pa.field("quality", QUALITY),
        pa.field("extra", pa.string()),
    ]
)
"""documents/ and clean/: one row a page's main text. `canonical` is the address the page names for itself,
`source` says how it came in (crawl, import, or an archive: `fetched` is then when that captured it), `record_id` names
its WARC record, or file and row, `characters`, `words` and `quality` are the measures of its text; `extra` is a JSON
object of the other columns that an imported row had."""

DUPLICATES = pa.schema(
    [
        _field("removed", pa.uint64()),
        _field("removed_url", pa.string()),
        pa.field("keeper", pa.uint64()),
        pa.field("keeper_url", pa.string()),
        pa.field("jaccard", pa.float64()),
        _field("why", pa.string()),
    ]
)
"""clean/duplicates.parquet: what was removed, for which document that stays, how similar, and why
(the outcome's word). A copy of an encyclopedia has no keeper."""

WIKIPEDIA = pa.schema(
    [
        _field("removed", pa.uint64()),
        _field("removed_url", pa.string()),
        _field("host", pa.string()),
        pa.field("mark", pa.string()),
        pa.field("article", pa.string()),
        pa.field("containment", pa.float64()),
    ]
)
"""clean/wikipedia.parquet: the copies of Wikipedia that were removed: the host that answered, and what gave them away:
a mark, or the article and the share of the document's n-grams in it."""

CONTAMINATED = pa.schema(
    [
        _field("key", pa.uint64()),
        _field("url", pa.string()),
        _field("set", pa.string()),
        _field("example", pa.string()),
        _field("grams", pa.int64()),
        _field("action", pa.string()),
        _field("characters", pa.int64()),
    ]
)
"""clean/contaminated.parquet: a row for each example of which a document held text: how many n-grams of it, what was
done (removed, excised), and how many characters of the document went in all."""

OUTCOMES = pa.schema(
    [
        _field("key", pa.uint64()),
        _field("url", pa.string()),
        _field("stage", pa.string()),
        _field("outcome", pa.string()),
        _field("detail", pa.string()),
    ]
)
"""outcomes/STAGE-NNNNN.parquet: one row a link (at links: a line) that ended in this stage."""

SHARD = pa.schema(
    [
        _field("tokens", pa.large_list(pa.field("item", pa.uint16(), nullable=False))),
        _field("key", pa.uint64()),
        _field("url", pa.string()),
    ]
)
"""shards/*.arrow: one row a document; its tokens begin with `<|endoftext|>`."""


def key_text(key: int) -> str:
    """A key as people read it: 16 hex digits."""
    return f"{key:016x}"


def signed_key(key: int) -> int:
    """The key as SQLite stores it: two's complement in a signed 64-bit integer."""
    return key - (1 << 64) if key >= 1 << 63 else key


def unsigned_key(stored: int) -> int:
    """The inverse of `signed_key`."""
    return stored + (1 << 64) if stored < 0 else stored
