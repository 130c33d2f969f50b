"""Judged lines as Arrow tables: what a scan keeps of a dump, and the links and outcomes decided from it.

Pure functions from bytes and tables to tables; files and Beam are in `webtext.pipelines.links`.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.config import LinksSettings
from webtext.corpus.outcomes import COUNTED_ONLY, Outcome, Stage
from webtext.corpus.schemas import LINKS, OUTCOMES, SUBMISSION, TIME
from webtext.crawler.reddit.select import Candidate, Decision, Judge, decide
from webtext.crawler.reddit.submissions import Unreadable, parse_block
from webtext.crawler.reddit.urls import host_of, registered_domain

LINES = pa.schema(
    [
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("subreddit", pa.string()),
        pa.field("score", pa.int64(), nullable=False),
        pa.field("created", pa.int64()),
    ]
)
"""links/lines/: one row a line that is a link. `outcome` is "" for a candidate; the last four columns are a candidate's
alone (else "", null, 0, null); `created` in seconds since 1970, UTC. Lines that are only counted have no row."""

BLANK = "blank_lines"
OBJECTS = "objects"
SUBMISSIONS = "submissions"
"""Objects that look like submissions and not, say, like comments."""


def judge_lines(data: bytes, first_line: int, source: str, judge: Judge) -> tuple[pa.Table, dict[str, int]]:
    """Judge every line of a block.

    Args:
        first_line: lines of the dump before this block.
        source: the dump's sha256, named in the detail of an unreadable line.

    Returns:
        A table of `LINES`, sorted by key, and the counts "lines" (all), "blank_lines", "objects", "submissions", and
        one for each outcome of `COUNTED_ONLY` that occurs.
    """
    parsed = parse_block(data)
    counts: Counter[str] = Counter({"lines": parsed.lines, BLANK: parsed.blank, OBJECTS: 0, SUBMISSIONS: 0})
    rows: list[tuple[int, str, str, str, str, str | None, int, int | None]] = []
    for entry in parsed.entries:
        if isinstance(entry, Unreadable):
            detail = f"{entry.reason}: line {first_line + entry.line + 1} of the dump with sha256 {source[:16]}"
            rows.append((entry.key, "", Outcome.UNREADABLE.value, detail, "", None, 0, None))
            continue
        counts[OBJECTS] += 1
        counts[SUBMISSIONS] += entry.recognised
        outcome, key, url, detail = judge(entry)
        if outcome is None:
            # A score that no one recorded is no karma.
            rows.append((key, url, "", "", entry.id, entry.subreddit, entry.score or 0, entry.created))
        elif outcome in COUNTED_ONLY:
            counts[outcome.value] += 1
        else:
            rows.append((key, url, outcome.value, detail, "", None, 0, None))
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(LINES.names)
    arrays = [_array(values, field.type) for values, field in zip(columns, LINES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=LINES).sort_by("key"), dict(counts)


def decide_lines(lines: pa.Table, settings: LinksSettings) -> tuple[pa.Table, pa.Table]:
    """Decide every key of a table of `LINES` that holds all lines of its keys.

    Returns:
        Tables of `LINKS` and `OUTCOMES`, each sorted by key. Every line is a link or an outcome.
    """
    candidate = pc.equal(lines["outcome"], "")
    rejected = lines.filter(pc.invert(candidate))
    decisions = [(key, decide(group, settings)) for key, group in _groups(lines.filter(candidate))]
    dropped = [row for key, decision in decisions for row in _outcomes(key, decision)]
    keys, urls, outcomes, details = list(zip(*dropped, strict=True)) or ((),) * 4
    table = pa.Table.from_arrays(
        [
            pa.chunked_array([*rejected["key"].chunks, _array(keys, pa.uint64())]),
            pa.chunked_array([*rejected["url"].chunks, _array(urls, pa.string())]),
            pa.array([Stage.LINKS.value] * (len(rejected) + len(dropped)), pa.string()),
            pa.chunked_array([*rejected["outcome"].chunks, _array(outcomes, pa.string())]),
            pa.chunked_array([*rejected["detail"].chunks, _array(details, pa.string())]),
        ],
        schema=OUTCOMES,
    )
    return _links([(key, decision) for key, decision in decisions if decision.kept]), table.sort_by("key")


def _groups(candidates: pa.Table) -> Iterator[tuple[int, list[Candidate]]]:
    """The candidates of each key, in the order of the keys."""
    table = candidates.sort_by("key")
    rows = map(Candidate, *(table[name].to_pylist() for name in Candidate._fields))
    for key, group in itertools.groupby(zip(table["key"].to_pylist(), rows, strict=True), key=operator.itemgetter(0)):
        yield key, [row for _, row in group]


def _outcomes(key: int, decision: Decision) -> Iterator[tuple[int, str, str, str]]:
    if not decision.kept:
        yield key, decision.url, Outcome.KARMA.value, f"karma {decision.karma}"
    for line in decision.further:
        yield key, line.url, Outcome.DUPLICATE_URL.value, f"submission {line.id}, score {line.score}"


def _links(kept: Sequence[tuple[int, Decision]]) -> pa.Table:
    posts = [post for _, decision in kept for post in decision.submissions]
    offsets = np.cumsum([0, *(len(decision.submissions) for _, decision in kept)], dtype=np.int32)
    submission = pa.StructArray.from_arrays(
        [
            _array([post.id for post in posts], pa.string()),
            _array([post.subreddit for post in posts], pa.string()),
            _array([post.score for post in posts], pa.int64()),
            _array([post.created for post in posts], TIME),
        ],
        fields=list(SUBMISSION),
    )
    columns: Mapping[str, pa.Array] = {
        "key": _array([key for key, _ in kept], pa.uint64()),
        "url": _array([decision.url for _, decision in kept], pa.string()),
        "domain": _array([registered_domain(host_of(decision.url)) for _, decision in kept], pa.string()),
        "karma": _array([decision.karma for _, decision in kept], pa.int64()),
        "submissions": pa.ListArray.from_arrays(pa.array(offsets), submission).cast(LINKS.field("submissions").type),
        "first_posted": _array([decision.first_posted for _, decision in kept], TIME),
    }
    return pa.Table.from_arrays([columns[name] for name in LINKS.names], schema=LINKS)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):  # seconds, whatever unit the schema keeps
        return pa.array(values, pa.int64()).cast(pa.timestamp("s", tz="UTC")).cast(kind)
    return pa.array(values, kind)
