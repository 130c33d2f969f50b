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
from numpy.lib.stride_tricks import sliding_window_view
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
        # All windows of a shard as rows of one array, which overlap in the file and are copied only when read.
        self._rows = [
            sliding_window_view(tokens, context + 1)[::context] if count else np.empty((0, context + 1), np.uint16)
            for tokens, count in zip(streams, counts.tolist(), strict=True)
        ]
        self.tail_tokens = sum(max(0, len(tokens) - 1) for tokens in streams) - int(counts.sum()) * context
        """Tokens that no window predicts."""

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, window: int) -> tuple[int, int]:
        """The shard that holds `window`, and the place of its first token there."""
        shard = int(self._shards_of(np.array([window], dtype=np.int64))[0])
        return shard, (window - int(self._firsts[shard])) * self.context

    def _shards_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        wrong = (windows < 0) | (windows >= len(self))
        if wrong.any():
            raise UsageError(f"there is no window {windows[wrong][0]}; there are {len(self):,}, from 0")
        return np.searchsorted(self._ends, windows, side="right").astype(np.int64)

    def read(self, windows: Iterable[int] | NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and targets of `windows`, each (windows, context) int64, contiguous; targets are the next tokens."""
        wanted = windows if isinstance(windows, np.ndarray) else np.array(list(windows), dtype=np.int64)
        rows = self.rows(wanted)
        return rows[:, :-1].astype(np.int64), rows[:, 1:].astype(np.int64)

    def rows(self, wanted: NDArray[np.int64]) -> NDArray[np.uint16]:
        """The tokens of windows, (windows, context + 1) uint16: inputs, and the last target."""
        shards = self._shards_of(wanted)
        rows = np.empty((len(wanted), self.context + 1), dtype=np.uint16)
        for shard in np.unique(shards).tolist():
            mine = np.flatnonzero(shards == shard)
            rows[mine] = self._rows[shard][wanted[mine] - self._firsts[shard]]
        return rows

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
