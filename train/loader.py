"""Shards as windows: what the model reads at which position, and which documents that was.

Window i of a shard is tokens[i*T : i*T+T+1]: T inputs, and the same shifted by one as targets. No window crosses a
shard. The short tail of a shard is never read, but counted. The order of windows is not decided here (`permutation`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError, WebtextError
from webtext.train.permutation import windows_at


class TokenShard(Protocol):
    """What a shard must offer: `webtext.tokenize.shards.Shard` does."""

    @property
    def tokens(self) -> NDArray[np.uint16]:
        """The flat stream, memory-mapped."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each document begins in `tokens`, and at the end its length: (documents + 1,)."""

    @property
    def keys(self) -> NDArray[np.uint64]:
        """The documents' keys, (documents,)."""


class Windows:
    """The windows of length `context` of some shards, numbered through in the shards' order.

    Raises:
        UsageError: `context` is no length.
    """

    def __init__(self, shards: Sequence[TokenShard], context: int) -> None:
        if context < 1:
            raise UsageError(f"a context of {context} tokens; it takes at least 1")
        self.shards = tuple(shards)
        self.context = context
        self._streams = tuple(shard.tokens for shard in self.shards)
        counts = [max(0, len(tokens) - 1) // context for tokens in self._streams]
        self._ends = tuple(accumulate(counts))
        self.tail_tokens = sum(
            max(0, len(tokens) - 1) - count * context for tokens, count in zip(self._streams, counts, strict=True)
        )
        """Tokens that no window predicts."""

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def locate(self, window: int) -> tuple[int, int]:
        """The shard that holds `window`, and the place of its first token there."""
        if not 0 <= window < len(self):
            raise UsageError(f"there is no window {window}; there are {len(self):,}, from 0")
        shard = bisect_right(self._ends, window)
        first = self._ends[shard - 1] if shard else 0
        return shard, (window - first) * self.context

    def read(self, windows: Iterable[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and targets of `windows`, each (windows, context) int64; targets are the inputs' next tokens."""
        wanted = list(windows)
        rows = np.empty((len(wanted), self.context + 1), dtype=np.int64)
        for row, window in enumerate(wanted):
            shard, start = self.locate(window)
            rows[row] = self._streams[shard][start : start + self.context + 1]
        return rows[:, :-1], rows[:, 1:]

    def batch(self, position: int, count: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and targets of the `count` windows from `position` on, in the order of `seed`.

        Raises:
            WebtextError: the shards hold not even one window.
        """
        return self.read(self.order(position, count, seed=seed))

    def order(self, position: int, count: int, *, seed: int) -> list[int]:
        """The numbers of the windows that `batch` reads."""
        if not len(self):
            raise WebtextError(f"too little text for one window of {self.context} tokens")
        return [int(window) for window in windows_at(position, count, seed=seed, size=len(self))]

    def documents(self, window: int) -> list[int]:
        """The keys of the documents that `window` reads from, in the stream's order."""
        shard, start = self.locate(window)
        offsets = np.asarray(self.shards[shard].offsets)
        first = int(np.searchsorted(offsets, start, side="right")) - 1
        # The last token of a window is read as a target only; it may be the next document's <|endoftext|>.
        last = int(np.searchsorted(offsets, start + self.context, side="right")) - 1
        return [int(key) for key in self.shards[shard].keys[first : last + 1]]
