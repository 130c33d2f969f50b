"""A task made ready: what there is to score, in which parts, how, and what comes of it.

`evaluation` runs jobs and keeps their records in files; the builders are `language`, `cloze` and `asking`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from webtext.corpus.testsets.example import Example
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.task import Score

Record = dict[str, Any]
"""What is kept of one item: JSON."""
Scores = Mapping[str, Score]

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Job:
    """Items 0 … n - 1, each an example or a part of some.

    `examples` names the example of each item (of a window, those it touches: see `language`). `parts` are the items
    that are scored, and written, together: every item in exactly one. `summarise` gets items and records in any number,
    so that scores can be taken over some examples only.
    """

    examples: Sequence[str]
    parts: Sequence[Sequence[int]]
    score: Callable[[Sequence[int]], list[Record]]
    summarise: Callable[[Mapping[int, Record], frozenset[str]], Scores]
    """Of records by item, leaving out the examples of these ids."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What came out of data and model together: example pairs used, prompts cut, …"""


def in_parts(order: Sequence[int], size: int) -> list[list[int]]:
    """Cut an order of items into parts of `size`."""
    return [list(order[first : first + size]) for first in range(0, len(order), size)]


def drawn(examples: Sequence[Example], limit: int | None, seed: int) -> list[Example]:
    """At most `limit` examples, in their order: those whose hash with the seed is smallest."""
    if limit is None or limit >= len(examples):
        return list(examples)
    chosen = sorted(range(len(examples)), key=lambda place: lot(seed, examples[place].id))[:limit]
    return [examples[place] for place in sorted(chosen)]


def lot(seed: int, name: str) -> bytes:
    """A number for drawing lots: the same on every machine and in every version."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def joined(engine: Engine, prefix: str, continuation: str) -> tuple[list[int], list[int]]:
    """The tokens of both, as in one text: white space at the end of the prefix goes to the continuation.

    Where a token would lie across the border the two are encoded for themselves.
    """
    bare = prefix.rstrip()
    continuation = prefix[len(bare) :] + continuation
    before = engine.encode(bare)
    whole = engine.encode(bare + continuation)
    if whole[: len(before)] == before and len(whole) > len(before):
        return before, whole[len(before) :]
    return before, engine.encode(continuation)


def kept(records: Mapping[int, Record], examples: Sequence[str], without: frozenset[str]) -> list[Record]:
    """The records in the order of their items, but those of the examples left out."""
    return [records[item] for item in sorted(records) if examples[item] not in without]
