"""Shards as windows: what the model reads at which position, and which documents that was.

Window i of a shard is tokens[i*T : i*T+T+1]: T inputs, and the same shifted by one as targets. No window crosses a
shard. The short tail of a shard is never read, but counted. The order of windows is not decided here (`permutation`),
nor who reads ahead (`prefetch`) or what may look at what (`boundaries`).

The sequence of windows is a function of position and seed. Ranks, loader workers and micro-batches only divide a range
of positions (`share`): however it is divided, the same windows are read, each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError, WebtextError
from webtext.train.permutation import windows_at

_BLOCK = 4_096
"""Positions whose windows are computed at once: for a few of them numpy's calls would take longer than the reading."""


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

    @property
    def urls(self) -> Sequence[object]:
        """Their URLs; each a string, or what `str` makes one of."""


def share(position: int, count: int, *, part: int, parts: int) -> tuple[int, int]:
    """The positions that one of `parts` (a rank, a loader's worker) reads of the `count` from `position` on.

    Consecutive, as equal as whole windows allow, and together all of them, each once.

    Returns:
        The first position and how many.

    Raises:
        UsageError: there is no such part.
    """
    if not 0 <= part < parts or count < 0:
        raise UsageError(f"part {part} of {parts} parts of {count} windows; parts count from 0")
    first, last = count * part // parts, count * (part + 1) // parts
    return position + first, last - first


class Windows:
    """The windows of length `context` of some shards, numbered through in the shards' order.

    Raises:
        UsageError: `context` is no length.
    """

    def __init__(self, shards: Sequence[TokenShard], context: int) -> None:
        if context < 1:
            raise UsageError(f"a context of {context} tokens; it takes at least 1")
        self.shards = tuple(shards)
        self._kept: tuple[tuple[int, int], NDArray[np.int64]] | None = None
        self.context = context
        streams = [shard.tokens for shard in self.shards]
        counts = np.array([max(0, len(tokens) - 1) // context for tokens in streams], dtype=np.int64)
        self._ends = np.cumsum(counts)
        self._firsts = self._ends - counts
        # All windows of a shard as one array of opaque items, which overlap in the file and are copied only when read:
        # numpy copies such an item as a whole, and the two-byte numbers of a row one by one.
        self._items = [
            np.ndarray(count, np.dtype((np.void, 2 * (context + 1))), np.ascontiguousarray(tokens), 0, (2 * context,))
            for tokens, count in zip(streams, counts.tolist(), strict=True)
        ]
        self.tail_tokens = sum(max(0, len(tokens) - 1) for tokens in streams) - int(counts.sum()) * context
        """Tokens that no window predicts."""

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, window: int) -> tuple[int, int]:
        """The shard that holds `window`, and the place of its first token there."""
        self._check(window)
        shard = int(np.searchsorted(self._ends, window, side="right"))
        return shard, (window - int(self._firsts[shard])) * self.context

    def _check(self, window: int) -> None:
        if not 0 <= window < len(self):
            raise UsageError(f"there is no window {window}; there are {len(self):,}, from 0")

    def read(self, windows: Iterable[int] | NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and targets of `windows`, each (windows, context) int64, contiguous; targets are the next tokens."""
        wanted = windows if isinstance(windows, np.ndarray) else np.array(list(windows), dtype=np.int64)
        rows = self.rows(wanted)
        return rows[:, :-1].astype(np.int64), rows[:, 1:].astype(np.int64)

    def rows(self, wanted: NDArray[np.int64]) -> NDArray[np.uint16]:
        """The tokens of windows, (windows, context + 1) uint16: inputs, and the last target."""
        items = np.empty(len(wanted), np.dtype((np.void, 2 * (self.context + 1))))
        if len(wanted):
            # Read in the stream's order: those of a shard lie side by side, and the disk is read forwards.
            order = np.argsort(wanted)
            ascending = wanted[order]
            self._check(int(ascending[0]))
            self._check(int(ascending[-1]))
            edges = np.concatenate([[0], np.searchsorted(ascending, self._ends)])
            for shard in np.flatnonzero(np.diff(edges)).tolist():
                here = slice(edges[shard], edges[shard + 1])
                items[order[here]] = self._items[shard][ascending[here] - self._firsts[shard]]
        return items.view(np.uint16).reshape(len(wanted), self.context + 1)

    def batch(self, position: int, count: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and targets of the `count` windows from `position` on, in the order of `seed`.

        Raises:
            WebtextError: the shards hold not even one window.
        """
        return self.read(self.windows_at(position, count, seed=seed))

    def order(self, position: int, count: int, *, seed: int) -> list[int]:
        """The numbers of the windows that `batch` reads."""
        return [int(window) for window in self.windows_at(position, count, seed=seed)]

    def windows_at(self, position: int, count: int, *, seed: int) -> NDArray[np.int64]:
        """The same as an array, (count,) int64."""
        if not len(self):
            raise WebtextError(f"too little text for one window of {self.context} tokens")
        size = self._block_size
        found, place, last = [np.zeros(0, np.int64)], position, position + count
        while place < last:
            block = place // size
            end = min(last, (block + 1) * size)
            found.append(self._block(block, seed)[place - block * size : end - block * size])
            place = end
        return found[1] if len(found) == 2 else np.concatenate(found)

    @property
    def _block_size(self) -> int:
        return min(_BLOCK, len(self))  # more than an epoch at once would be slow: each has keys of its own

    def _block(self, block: int, seed: int) -> NDArray[np.int64]:
        """The windows at the positions of one block. The last one is kept, whole: any thread may read it."""
        size = self._block_size
        kept = self._kept
        if kept is None or kept[0] != (block, seed):
            kept = ((block, seed), windows_at(block * size, size, seed=seed, size=len(self)))
            self._kept = kept
        return kept[1]

    def documents(self, window: int) -> list[int]:
        """The keys of the documents that `window` reads from, in the stream's order."""
        shard, start = self.locate(window)
        offsets = np.asarray(self.shards[shard].offsets)
        first = int(np.searchsorted(offsets, start, side="right")) - 1
        # The last token of a window is read as a target only; it may be the next document's <|endoftext|>.
        last = int(np.searchsorted(offsets, start + self.context, side="right")) - 1
        return [int(key) for key in self.shards[shard].keys[first : last + 1]]
