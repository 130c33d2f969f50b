"""Which rows go through the model together: those of like length, and those that begin alike. No tensors here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")

BATCH_TOKENS = 4_096
"""Tokens of one forward pass. On two cores tiny took as long for each token from 2,048 on."""
SHARED = 16
"""A common beginning of fewer tokens is not worth a pass of its own."""


def runs(items: Sequence[_Item], size: Callable[[_Item], int], limit: int) -> Iterator[list[_Item]]:
    """Cut a sequence into runs whose number times largest size is at most `limit`; at least one item each."""
    run: list[_Item] = []
    largest = 0
    for item in items:
        largest = max(largest, size(item))
        if run and largest * (len(run) + 1) > limit:
            yield run
            run, largest = [], size(item)
        run.append(item)
    if run:
        yield run


def shared_beginning(rows: Sequence[Sequence[int]]) -> int:
    """How many first tokens all rows have in common."""
    # What the smallest and the largest have in common, all have.
    low, high = min(map(tuple, rows)), max(map(tuple, rows))
    return next(
        (place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )


def families(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of rows that share at least half of what they hold, and of all others; each by length."""
    order = sorted(range(len(rows)), key=lambda place: (len(rows[place]), place))
    alike: dict[tuple[int, ...], list[int]] = {}
    for place in order:
        alike.setdefault(tuple(rows[place][: 4 * SHARED]), []).append(place)
    others: list[int] = []
    found = []
    for places in alike.values():
        shared = shared_beginning([rows[place] for place in places])
        if len(places) > 1 and 2 * shared >= len(rows[places[-1]]):
            found.append(places)
        else:
            others += places
    others.sort(key=lambda place: (len(rows[place]), place))
    return [*found, others] if others else found
