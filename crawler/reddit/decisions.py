"""Links and outcomes decided from judged lines, as Arrow tables.

Pure functions. The rules are `webtext.crawler.reddit.select.decide`'s; most keys have one line only, and those are
decided column by column.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import LINKS, OUTCOMES, SUBMISSION, TIME
from webtext.corpus.settings import LinksSettings
from webtext.crawler.reddit.lines import sorted_by_key
from webtext.crawler.reddit.select import Candidate, Decision, decide
from webtext.crawler.reddit.urls import host_of, registered_domain

Keys = np.ndarray[tuple[int], np.dtype[np.uint64]]


@dataclass(frozen=True)
class Decided:
    """What becomes of the lines of some keys."""

    links: pa.Table
    """`LINKS`, sorted by key."""
    outcomes: pa.Table
    """`OUTCOMES`, sorted by all columns: a row for each line that is no link; none where they are counted only."""
    counts: Counter[str]
    """Lines by outcome that were decided here: karma and duplicate-url."""


def decide_lines(lines: pa.Table, settings: LinksSettings, *, outcomes: bool = True) -> Decided:
    """Decide every key of a table of judged lines (`webtext.crawler.reddit.lines`) that holds all lines of its keys.

    The result is that of `decide_lines_slowly`.
    """
    candidates = lines.filter(pc.equal(lines["outcome"], "")).combine_chunks()
    keys: Keys = candidates["key"].to_numpy()
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=np.uint64(0)) != 0)
    if len(keys) and not keys[order[0]]:
        starts = np.concatenate([[0], starts])  # the key 0
    sizes = np.diff(starts, append=len(keys))
    alone = candidates.take(pa.array(order[starts[sizes == 1]]))
    several = candidates.take(pa.array(order[np.repeat(sizes != 1, sizes)]))
    kept = pc.fill_null(pc.greater_equal(alone["score"], settings.min_karma), True)
    single, lost = alone.filter(kept), alone.filter(pc.invert(kept))
    decisions = [(key, decide(group, settings)) for key, group in _groups(several)]
    links = pa.concat_tables([_single_links(single), _links([found for found in decisions if found[1].kept])])
    counts = Counter({Outcome.KARMA.value: len(lost)})
    for _, decision in decisions:
        counts[Outcome.KARMA.value] += not decision.kept
        counts[Outcome.DUPLICATE_URL.value] += len(decision.further)
    gone = OUTCOMES.empty_table()
    if outcomes:
        scores = pc.binary_join_element_wise("karma", lost["score"].cast(pa.string()), " ")
        low = _outcomes(lost["key"], lost["url"], Outcome.KARMA.value, scores)
        gone = pa.concat_tables([_rejected(lines), low, _decided_outcomes(decisions)])
    return Decided(links.sort_by("key"), sorted_by_key(gone), counts)


def decide_lines_slowly(lines: pa.Table, settings: LinksSettings) -> Decided:
    """`decide_lines`, key by key: what it should give."""
    candidates = lines.filter(pc.equal(lines["outcome"], "")).sort_by("key")
    decisions = [(key, decide(group, settings)) for key, group in _groups(candidates)]
    gone = pa.concat_tables([_rejected(lines), _decided_outcomes(decisions)])
    counts = Counter(outcome for key, decision in decisions for _, _, outcome, _ in _outcome_rows(key, decision))
    return Decided(_links([found for found in decisions if found[1].kept]), sorted_by_key(gone), counts)


def _groups(candidates: pa.Table) -> Iterator[tuple[int, list[Candidate]]]:
    """The candidates of each key of a table sorted by key, in its order."""
    rows = map(Candidate, *(candidates[name].to_pylist() for name in Candidate._fields))
    pairs = zip(candidates["key"].to_pylist(), rows, strict=True)
    for key, group in itertools.groupby(pairs, key=operator.itemgetter(0)):
        yield key, [row for _, row in group]


def _rejected(lines: pa.Table) -> pa.Table:
    """The lines that have an outcome by themselves."""
    rows = lines.filter(pc.not_equal(lines["outcome"], ""))
    return _outcomes(rows["key"], rows["url"], rows["outcome"], rows["detail"])


def _decided_outcomes(decisions: Sequence[tuple[int, Decision]]) -> pa.Table:
    rows = [row for key, decision in decisions for row in _outcome_rows(key, decision)]
    keys, urls, outcomes, details = list(zip(*rows, strict=True)) or ((),) * 4
    return _outcomes(
        _array(keys, pa.uint64()),
        _array(urls, pa.string()),
        _array(outcomes, pa.string()),
        _array(details, pa.string()),
    )


def _outcome_rows(key: int, decision: Decision) -> Iterator[tuple[int, str, str, str]]:
    if not decision.kept:
        yield key, decision.url, Outcome.KARMA.value, f"karma {decision.karma}"
    for line in decision.further:
        score = "no score" if line.score is None else f"score {line.score}"
        yield key, line.url, Outcome.DUPLICATE_URL.value, f"submission {line.id}, {score}"


def _outcomes(keys: Any, urls: Any, outcomes: Any, details: Any) -> pa.Table:
    number = len(keys)
    stage = pa.repeat(Stage.LINKS.value, number)
    if isinstance(outcomes, str):
        outcomes = pa.repeat(outcomes, number)
    return pa.Table.from_arrays([keys, urls, stage, outcomes, details], schema=OUTCOMES)


def _single_links(rows: pa.Table) -> pa.Table:
    """The links that have one submission each."""
    rows = rows.combine_chunks()
    scores, times = _flat(pc.fill_null(rows["score"], 0)), _time(rows["created"])
    submission = pa.StructArray.from_arrays(
        [_flat(rows["id"]), _flat(rows["subreddit"]), scores, times], fields=list(SUBMISSION)
    )
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32))
    return _links_table(rows["key"], rows["url"], scores, submission, offsets, times)


def _links(kept: Sequence[tuple[int, Decision]]) -> pa.Table:
    posts = [post for _, decision in kept for post in decision.submissions]
    offsets = np.cumsum([0, *(len(decision.submissions) for _, decision in kept)], dtype=np.int32)
    submission = pa.StructArray.from_arrays(
        [
            _array([post.id for post in posts], pa.string()),
            _array([post.subreddit for post in posts], pa.string()),
            _array([post.score or 0 for post in posts], pa.int64()),
            _time(_array([post.created for post in posts], pa.int64())),
        ],
        fields=list(SUBMISSION),
    )
    return _links_table(
        _array([key for key, _ in kept], pa.uint64()),
        _array([decision.url for _, decision in kept], pa.string()),
        _array([decision.karma for _, decision in kept], pa.int64()),
        submission,
        pa.array(offsets),
        _time(_array([decision.first_posted for _, decision in kept], pa.int64())),
    )


def _links_table(
    keys: Any, urls: Any, karma: Any, submission: pa.StructArray, offsets: pa.Array, first_posted: Any
) -> pa.Table:
    columns = {
        "key": keys,
        "url": urls,
        "domain": _domains(urls.to_pylist()),
        "karma": karma,
        "submissions": pa.ListArray.from_arrays(offsets, submission).cast(LINKS.field("submissions").type),
        "first_posted": first_posted,
    }
    return pa.Table.from_arrays([columns[name] for name in LINKS.names], schema=LINKS)


def _domains(urls: Sequence[str]) -> pa.Array:
    hosts = [host_of(url) for url in urls]
    domains = {host: registered_domain(host) for host in set(hosts)}
    return _array([domains[host] for host in hosts], pa.string())


def _flat(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _time(seconds: Any) -> pa.Array:
    return _flat(seconds).cast(pa.timestamp("s", tz="UTC")).cast(TIME)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind)
