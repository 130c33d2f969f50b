"""Which documents a step of a run read, and which submissions on Reddit they came from.

Nothing of it was stored: the order is a function of seed and position, a window's documents follow from the shard, and
their submissions stand in links/. Works as well for steps that are still to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import open_parquet
from webtext.corpus.lookup import key_bounds
from webtext.corpus.schemas import LINKS, key_text
from webtext.tokenize.shard_index import open_shards
from webtext.train.data import pinned_shards
from webtext.train.loader import TokenShard, Windows
from webtext.train.log import LOG_NAME, read_log
from webtext.train.recipe import batch_windows
from webtext.train.runs import read_run, run_folder


@dataclass(frozen=True)
class TracedSubmission:
    """A submission on Reddit that posted a document's link. `created` is UTC, as ISO 8601."""

    id: str
    subreddit: str | None
    score: int | None
    created: str | None


@dataclass(frozen=True)
class TracedDocument:
    """A document, its posted URL and submissions; and how many tokens of it the step read, in how many windows."""

    key: str
    url: str
    tokens: int
    windows: int
    submissions: tuple[TracedSubmission, ...]


@dataclass(frozen=True)
class TracedWindow:
    """A window: its number, the shard it lies in, its first token there, and the keys of the documents in it."""

    window: int
    shard: str
    start: int
    documents: tuple[str, ...]


@dataclass(frozen=True)
class StepTrace:
    """What one step of a run read, in its order."""

    run: str
    step: int
    taken: bool
    """Whether the run has come that far."""
    position: int
    """The step's first place in the run's order of windows."""
    loss: float | None
    shards: str
    """Identity of the shards."""
    windows: tuple[TracedWindow, ...]
    documents: tuple[TracedDocument, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        when = f"loss {self.loss:.4f}" if self.loss is not None else "no loss" if self.taken else "not taken yet"
        lines = [
            f"step {self.step:,} of run {self.run} ({when}): {len(self.windows):,} windows from position "
            f"{self.position:,}, {len(self.documents):,} documents"
        ]
        for document in self.documents:
            places = f"{document.windows} window{'s' if document.windows > 1 else ''}"
            lines.append(f"{document.key}  {document.url}  ({document.tokens:,} tokens in {places})")
            lines += [f"  {_told(submission)}" for submission in document.submissions] or ["  no submission is known"]
        return "\n".join(lines)


def trace_step(corpus: Path, *, run: str = "default", step: int) -> StepTrace:
    """Find what step `step` (from 1) of a run read.

    Raises:
        UsageError: no such step.
        WebtextError: no such run, or the shards it reads are gone.
        DamagedFile: run, shards or links are not as they were written.
    """
    if step < 1:
        raise UsageError(f"step is {step}; it takes a whole number from 1")
    folder = run_folder(corpus, run)
    settings = read_run(folder)
    if settings is None:
        raise WebtextError("there is no such run", where=folder, hint=f"webtext train CORPUS --run {run} makes it")
    place, index = pinned_shards(corpus, settings.shards)
    windows = Windows(open_shards(place, "train"), settings.config().context)
    count = batch_windows(settings.batch_tokens, windows.context)
    position = 0 if settings.overfit_one_batch else (step - 1) * count
    files = [entry.file for entry in index.splits["train"]]
    traced, read = read_at(windows, position, count, seed=settings.seed, files=files)
    keys = [int(document.key, 16) for document in read]
    posted = _submissions(sorted((corpus / "links").glob("part-*.parquet")), keys)
    line = next((line for line in read_log(folder / LOG_NAME) if line["step"] == step and "loss" in line), None)
    return StepTrace(
        run=run,
        step=step,
        taken=line is not None,
        position=position,
        loss=None if line is None else line["loss"],
        shards=settings.shards,
        windows=tuple(traced),
        documents=tuple(
            replace(document, submissions=posted.get(key, ())) for key, document in zip(keys, read, strict=True)
        ),
    )


def read_at(
    windows: Windows, position: int, count: int, *, seed: int, files: Sequence[str]
) -> tuple[list[TracedWindow], list[TracedDocument]]:
    """The `count` windows from `position` on, and the documents in them, in the order of reading; no submissions yet.

    Args:
        files: the names of the shards of `windows`.
    """
    read: dict[int, list[int]] = {}
    urls: dict[int, str] = {}
    traced = []
    for window in windows.order(position, count, seed=seed):
        shard, start = windows.locate(window)
        pieces = _documents(windows.shards[shard], start, windows.context)
        for key, url, tokens in pieces:
            read.setdefault(key, []).append(tokens)
            urls[key] = url
        traced.append(TracedWindow(window, files[shard], start, tuple(key_text(key) for key, _, _ in pieces)))
    return traced, [
        TracedDocument(key_text(key), urls[key], sum(tokens), len(tokens), ()) for key, tokens in read.items()
    ]


def _documents(shard: TokenShard, start: int, context: int) -> list[tuple[int, str, int]]:
    """Key, URL and tokens of each document in the window at `start`, its last target counted."""
    end = start + context + 1
    offsets = np.asarray(shard.offsets)
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, end - 1, side="right")) - 1
    return [
        (
            int(shard.keys[number]),
            str(shard.urls[number]),
            int(min(end, offsets[number + 1]) - max(start, offsets[number])),
        )
        for number in range(first, last + 1)
        if offsets[number] < offsets[number + 1]
    ]


def _submissions(parts: Sequence[Path], keys: Iterable[int]) -> Mapping[int, tuple[TracedSubmission, ...]]:
    """The submissions of each key. Parts are sorted by key: only row groups that may hold one are read."""
    wanted = np.sort(np.fromiter(keys, dtype=np.uint64))
    found: dict[int, tuple[TracedSubmission, ...]] = {}
    for part in parts:
        with open_parquet(part, LINKS) as file:
            for group in range(file.num_row_groups):
                least, most = map(np.uint64, key_bounds(file, group))
                if np.searchsorted(wanted, least) == np.searchsorted(wanted, most, side="right"):
                    continue
                rows = file.read_row_group(group, columns=["key", "submissions"])
                here = np.flatnonzero(np.isin(rows["key"].to_numpy(), wanted))
                for row in rows.take(here).to_pylist():
                    found[row["key"]] = tuple(map(_submission, row["submissions"]))
    return found


def _submission(row: Mapping[str, Any]) -> TracedSubmission:
    created = row["created"]
    return TracedSubmission(
        row["id"], row["subreddit"], row["score"], None if created is None else created.strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _told(submission: TracedSubmission) -> str:
    subreddit = f"r/{submission.subreddit}" if submission.subreddit else "no subreddit"
    score = "no score" if submission.score is None else f"score {submission.score:,}"
    return f"{submission.id}  {subreddit}  {score}  {submission.created or 'no date'}"
