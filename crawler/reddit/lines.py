"""Judged lines as Arrow tables: what a scan keeps of a source.

Pure functions from bytes to tables; what is decided from them is in `webtext.crawler.reddit.decisions`, files and Beam
are in `webtext.pipelines.links_scan`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from webtext.corpus.outcomes import COUNTED_ONLY, Outcome
from webtext.crawler.reddit.counts import (
    BLANK,
    FIRST_UNREADABLE,
    LINES,
    LOST_BYTES,
    OBJECTS,
    SUBMISSIONS,
    Counts,
    by_month,
)
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
_HELD_ROWS = 50_000  # rows that are Python objects, before they become columns: 20 MB


class JudgedLines:
    """The rows and counts of some consecutive blocks of a piece, as they are judged.

    Args:
        rejected: keep a row for each line that has an outcome by itself; else they are counted only.
        lists: the source is no dump but a list: a row of it may say that its link is followed whatever its karma.
    """

    def __init__(self, judge: Judge, *, rejected: bool = True, lists: bool = False) -> None:
        self._judge = judge
        self._rejected = rejected
        self._lists = lists
        self._tables = [SCHEMA.empty_table()]
        self._counts = Counts()
        self._clear()

    def _clear(self) -> None:
        # Lists of columns: a tuple a row would cost as much as all of them.
        self._keys: list[int] = []
        self._urls: list[str] = []
        self._ids: list[str] = []
        self._subreddits: list[str | None] = []
        self._scores: list[int | None] = []
        self._times: list[int | None] = []
        self._gone: list[tuple[int, str, str, str, int | None]] = []
        self._all_times: list[int] = []
        self._all_scores: list[int] = []

    def add(self, data: bytes, first_line: int) -> None:
        """Judge every line of a block; `first_line`: lines of the piece before it."""
        judge, lists = self._judge, self._lists
        keys, urls, ids, subreddits = self._keys, self._urls, self._ids, self._subreddits
        scores, times, all_times, all_scores = self._scores, self._times, self._all_times, self._all_scores
        outcomes: Counter[Outcome] = Counter()
        submissions = 0
        parsed = parse_block(data)
        before = self._counts.numbers[LINES]
        for entry in parsed.entries:
            if isinstance(entry, Unreadable):
                outcomes[Outcome.UNREADABLE] += 1
                self._unreadable(before + entry.line + 1, first_line + entry.line + 1, entry.reason, entry.key)
                continue
            submissions += entry.recognised
            created, score = entry.created, entry.score
            if created is not None and score is not None:
                all_times.append(created)
                all_scores.append(score)
            outcome, key, url, detail = judge(entry)
            if outcome is None:
                keys.append(key)
                urls.append(url)
                ids.append(entry.id)
                subreddits.append(entry.subreddit)
                # In a dump, a score that no one recorded is no karma.
                scores.append(score if score is not None else None if lists and entry.chosen else 0)
                times.append(created)
            else:
                outcomes[outcome] += 1
                if self._rejected and outcome not in COUNTED_ONLY:
                    self._gone.append((key, url, outcome.value, detail, None))
        numbers = self._counts.numbers
        numbers[LINES] += parsed.lines
        numbers[BLANK] += parsed.blank
        numbers[OBJECTS] += parsed.lines - parsed.blank - outcomes[Outcome.UNREADABLE]
        numbers[SUBMISSIONS] += submissions
        for found, count in outcomes.items():
            numbers[found.value] += count
        if len(all_times) + len(self._gone) >= _HELD_ROWS:
            self._flush()

    def lose(self, reason: str, first_line: int, size: int = 0) -> None:
        """Count a part of the source that could not be read (`size` bytes of its file): one unreadable line."""
        numbers = self._counts.numbers
        numbers[LINES] += 1
        numbers[_UNREADABLE] += 1
        numbers[LOST_BYTES] += size
        key = xxhash.xxh3_64_intdigest(reason.encode())
        self._unreadable(numbers[LINES], first_line + 1, reason, key)

    def take(self) -> tuple[pa.Table, Counts]:
        """What was judged so far.

        Returns:
            Rows of `SCHEMA`, in which `created` of an unreadable line is its number in the piece, 1-based (see
            `with_places`); and the counts, whose line numbers begin with the first block's first line.
        """
        self._flush()
        return pa.concat_tables(self._tables), self._counts

    def _unreadable(self, line: int, line_of_piece: int, reason: str, key: int) -> None:
        if len(self._counts.unreadable) < FIRST_UNREADABLE:
            self._counts.unreadable.append((line, reason))
        if self._rejected:
            self._gone.append((key, "", _UNREADABLE, reason, line_of_piece))

    def _flush(self) -> None:
        blank = pa.repeat("", len(self._keys))
        columns = (self._keys, self._urls, blank, blank, self._ids, self._subreddits, self._scores, self._times)
        self._tables.append(_table(*columns))
        if self._gone:
            gone, number = list(zip(*self._gone, strict=True)), len(self._gone)
            none = pa.nulls(number, pa.string())
            self._tables.append(_table(*gone[:4], pa.repeat("", number), none, pa.repeat(0, number), gone[4]))
        self._counts.add_months(by_month(self._all_times, self._all_scores))
        self._clear()


def judge_lines(data: bytes, judge: Judge, *, rejected: bool = True, lists: bool = False) -> tuple[pa.Table, Counts]:
    """Judge every line of some bytes at once (`JudgedLines`)."""
    judged = JudgedLines(judge, rejected=rejected, lists=lists)
    judged.add(data, 0)
    return judged.take()


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


def _table(*columns: Any) -> pa.Table:
    arrays = [
        values.cast(field.type) if isinstance(values, pa.Array) else pa.array(values, field.type)
        for values, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
