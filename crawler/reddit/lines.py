"""Judged lines as Arrow tables: what a scan keeps of a source.

Pure functions from bytes to tables; what is decided from them is in `webtext.crawler.reddit.decisions`, files and Beam
are in `webtext.pipelines.links_scan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from webtext.corpus.outcomes import COUNTED_ONLY, Outcome
from webtext.crawler.reddit.counts import BLANK, FIRST_UNREADABLE, LINES, OBJECTS, SUBMISSIONS, Counts, by_month
from webtext.crawler.reddit.select import Judge
from webtext.crawler.reddit.submissions import Unreadable, parse_block

SCHEMA = pa.schema(
    [
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("subreddit", pa.string()),
        pa.field("score", pa.int64()),
        pa.field("created", pa.int64()),
    ]
)
"""links/lines/: one row a line that is a link. `outcome` is "" for a candidate; the last four columns are a candidate's
alone (else "", null, 0, null). `score` is null where the link is followed whatever its karma; `created` in seconds
since 1970, UTC. Lines that are only counted have no row."""

_UNREADABLE = Outcome.UNREADABLE.value


def judge_lines(
    data: bytes, first_line: int, judge: Judge, *, rejected: bool = True, lists: bool = False
) -> tuple[pa.Table, Counts]:
    """Judge every line of a block.

    Args:
        first_line: lines of the piece before this block.
        rejected: keep a row for each line that has an outcome by itself; else they are counted only.
        lists: the source is no dump but a list: a row of it may say that its link is followed whatever its karma.

    Returns:
        A table of `SCHEMA` in the order of the lines, in which `created` of an unreadable one is its number in the
        piece, 1-based (see `with_places`); and the counts, with line numbers from this block's first on.
    """
    parsed = parse_block(data)
    outcomes: Counter[Outcome] = Counter()
    submissions = objects = 0
    keys: list[int] = []
    texts: list[str] = []
    ids: list[str] = []
    subreddits: list[str | None] = []
    scores: list[int | None] = []
    times: list[int | None] = []
    dropped: list[tuple[int, str, str, str, int | None]] = []
    all_times: list[int] = []
    all_scores: list[int] = []
    bad: list[tuple[int, str]] = []
    for entry in parsed.entries:
        if isinstance(entry, Unreadable):
            outcomes[Outcome.UNREADABLE] += 1
            if len(bad) < FIRST_UNREADABLE:
                bad.append((entry.line + 1, entry.reason))
            if rejected:
                dropped.append((entry.key, "", _UNREADABLE, entry.reason, first_line + entry.line + 1))
            continue
        objects += 1
        submissions += entry.recognised
        created, score = entry.created, entry.score
        if created is not None and score is not None:
            all_times.append(created)
            all_scores.append(score)
        outcome, key, url, detail = judge(entry)
        if outcome is None:
            keys.append(key)
            texts.append(url)
            ids.append(entry.id)
            subreddits.append(entry.subreddit)
            # In a dump, a score that no one recorded is no karma.
            scores.append(score if score is not None else None if lists and entry.chosen else 0)
            times.append(created)
        else:
            outcomes[outcome] += 1
            if rejected and outcome not in COUNTED_ONLY:
                dropped.append((key, url, outcome.value, detail, None))
    numbers = Counter({LINES: parsed.lines, BLANK: parsed.blank, OBJECTS: objects, SUBMISSIONS: submissions})
    numbers.update({outcome.value: count for outcome, count in outcomes.items()})
    counts = Counts(numbers, by_month(all_times, all_scores), bad)
    blank = [""] * len(keys)
    kept = _table(keys, texts, blank, blank, ids, subreddits, scores, times)
    return (pa.concat_tables([kept, _dropped(dropped)]) if dropped else kept), counts


def lost_line(reason: str, first_line: int, *, rejected: bool = True) -> tuple[pa.Table, Counts]:
    """As `judge_lines`, of a part of a source that could not be read: one unreadable line."""
    row = (xxhash.xxh3_64_intdigest(reason.encode()), "", _UNREADABLE, reason, first_line + 1)
    table = _dropped([row]) if rejected else SCHEMA.empty_table()
    return table, Counts(Counter({LINES: 1, BLANK: 0, _UNREADABLE: 1}), {}, [(1, reason)])


def with_places(table: pa.Table, lines_before: int, source: str) -> pa.Table:
    """Say in the detail of each unreadable line where it is.

    Args:
        lines_before: lines of the source before the piece that the rows are of.
        source: the source's sha256.
    """
    unreadable = pc.equal(table["outcome"], _UNREADABLE)
    if not pc.any(unreadable).as_py():
        return table
    number = pc.add(pc.fill_null(table["created"], 0), lines_before).cast(pa.string())
    detail = pc.binary_join_element_wise(
        table["detail"], ": line ", number, f" of the dump with sha256 {source[:16]}", ""
    )
    none = pa.scalar(None, pa.int64())
    columns = {
        "detail": pc.if_else(unreadable, detail, table["detail"]),
        "created": pc.if_else(unreadable, none, table["created"]),
    }
    return pa.Table.from_arrays([columns.get(name, table[name]) for name in SCHEMA.names], schema=SCHEMA)


def sorted_by_key(table: pa.Table) -> pa.Table:
    """The rows by key, then by every other column: an order that only the rows decide."""
    keys = table["key"].to_numpy()
    order = np.argsort(keys, kind="stable")
    same = np.diff(keys[order]) == 0
    tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    if tied.any():  # the few rows that share their key are compared by their texts, too
        places = order[tied]
        columns = [(name, "ascending") for name in table.schema.names]
        within = pc.sort_indices(table.take(pa.array(places)), sort_keys=columns)
        order[tied] = places[within.to_numpy()]
    return table.take(pa.array(order))


def _dropped(rows: Sequence[tuple[int, str, str, str, int | None]]) -> pa.Table:
    keys, texts, outcomes, details, lines = zip(*rows, strict=True)
    number = len(rows)
    return _table(keys, texts, outcomes, details, [""] * number, [None] * number, [0] * number, lines)


def _table(*columns: Sequence[Any]) -> pa.Table:
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
