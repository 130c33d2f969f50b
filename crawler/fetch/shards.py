"""Which part of a crawl a process or a machine does: links are divided by their registered domain.

All hosts of a site are asked by one shard, so delays and robots.txt need no talk between shards. The division follows
from the domain alone: any two machines agree on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from webtext.corpus.errors import UsageError

MOST = 10_000
"""Shards of one crawl: more than anyone has machines; the numbers of segments are spread over them."""


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "2/8".

        Raises:
            UsageError: it is no such text, or there is no such shard.
        """
        found = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
        hint = "I/N, from 1/N to N/N: --shard 2/8 is the second of eight"
        if not found:
            raise UsageError(f"{text!r} names no shard", where="--shard", hint=hint)
        number, count = int(found[1]), int(found[2])
        if not 1 <= number <= count <= MOST:
            raise UsageError(f"there is no shard {number}/{count}", where="--shard", hint=hint)
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def whole(self) -> bool:
        """Whether this is all links."""
        return self.count == 1

    def holds(self, domains: Sequence[str]) -> npt.NDArray[np.bool_]:
        """For each registered domain whether its links belong to this shard."""
        return np.fromiter((shard_of(domain, self.count) == self.number for domain in domains), np.bool_, len(domains))

    def times(self, domain: str) -> int:
        """How many times its delay a host of this registered domain is left alone by this shard, to which redirects may
        lead: 1 for its own; for the others' their number, so that all of them together ask it once a delay at most."""
        return 1 if shard_of(domain, self.count) == self.number else self.count


WHOLE = Shard(1, 1)


def shard_of(domain: str, count: int) -> int:
    """The number (from 1) of the shard that a registered domain belongs to: xxh3_64 (seed 0) of its UTF-8."""
    return xxhash.xxh3_64_intdigest(domain.encode()) % count + 1


@dataclass(frozen=True)
class Numbering:
    """The numbers that a writer gives to its segments: `first`, then each `step` further. No two writers of a crawl
    share one, so files of several can lie in one folder under their own names."""

    first: int = 0
    step: int = 1

    def after(self, number: int) -> int:
        """The first of these numbers beyond `number` (-1 for none)."""
        if number < self.first:
            return self.first
        return self.first + ((number - self.first) // self.step + 1) * self.step

    @classmethod
    def of_shard(cls, shard: Shard) -> Numbering:
        """Those of a machine."""
        return cls(shard.number - 1, shard.count)

    def divide(self, after: int, workers: int) -> list[Numbering]:
        """The numbers beyond `after`, dealt out to so many processes."""
        first = self.after(after)
        return [Numbering(first + self.step * worker, self.step * workers) for worker in range(workers)]
