"""Batches read ahead, in order, and on their way to the device while the model works on the one before.

Threads read (numpy copies without Python's lock); the order is that of the positions, however many threads there are.
Small batches are read many at once and handed out as views: read alone, each would cost more in calls than in copying.
On a GPU they are copied from pinned memory on a stream of its own. The state stays one integer: the position of the
next batch, which is the caller's to store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from webtext.corpus.errors import UsageError
from webtext.train.boundaries import document_mask
from webtext.train.loader import Windows, share

CHUNK_TOKENS = 65_536
"""Read at once, at least: 1 MB of int64 for inputs and targets together, which stays in a core's cache."""


class Batch(NamedTuple):
    """Consecutive windows of a run, on the device."""

    position: int
    """Of its first window."""
    inputs: Tensor
    """(windows, context) int64; a view, as are the targets."""
    targets: Tensor
    """The inputs' next tokens."""
    mask: Tensor | None
    """(windows, 1, context, context) bool, where one was asked for: see `boundaries.document_mask`."""


@dataclass(frozen=True)
class Reading:
    """What is read: steps of `windows` windows each, in micro-batches, of which one rank takes its share."""

    windows: int
    micro_batch: int
    seed: int
    rank: int = 0
    ranks: int = 1
    endoftext: int | None = None
    """Where given, batches carry the mask that keeps attention within documents."""
    again: bool = False
    """Read the same step again and again."""

    def spans(self, position: int, most: int) -> Iterator[tuple[int, int]]:
        """What this rank reads from the step that begins at `position` on, endless: first position and windows of each
        span, in order. A span is whole micro-batches of one step, of about `most` windows together."""
        most = max(1, most // self.micro_batch) * self.micro_batch
        while True:
            first, count = share(position, self.windows, part=self.rank, parts=self.ranks)
            for offset in range(0, count, most):
                yield first + offset, min(most, count - offset)
            position += 0 if self.again else self.windows

    def count(self, rank: int | None = None) -> int:
        """Micro-batches a step, of this rank or of another one."""
        _, mine = share(0, self.windows, part=self.rank if rank is None else rank, parts=self.ranks)
        return -(-mine // self.micro_batch)


_Chunk = tuple[list[tuple[int, int]], Tensor, "torch.cuda.Event | None"]


class Prefetcher:
    """An endless iterator over the batches of a run. Close it, or use it as a context.

    Args:
        position: where the next step begins.
        workers: threads that read.
        ahead: chunks (a batch, or as many small ones as make a chunk) that are ready or on their way.

    Raises:
        UsageError: a number out of range.
    """

    def __init__(
        self,
        data: Windows,
        reading: Reading,
        position: int,
        *,
        device: torch.device,
        workers: int = 1,
        ahead: int = 2,
    ) -> None:
        for name, value in (("windows", reading.windows), ("micro_batch", reading.micro_batch),
                            ("workers", workers), ("ahead", ahead)):  # fmt: skip
            if value < 1:
                raise UsageError(f"{name} is {value}; it takes at least 1")
        if reading.windows < reading.ranks:
            raise UsageError(f"{reading.windows} windows a step are too few for {reading.ranks} ranks")
        self.data = data
        self.reading = reading
        self.device = device
        self._spans = reading.spans(position, -(-CHUNK_TOKENS // data.context))
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
        self._waiting: deque[Future[_Chunk]] = deque()
        self._ready: deque[Batch] = deque()
        for _ in range(ahead):
            self._ask()

    def __iter__(self) -> Prefetcher:
        return self

    def __next__(self) -> Batch:
        if not self._ready:
            self._unpack(*self._waiting.popleft().result())
            self._ask()
        batch = self._ready.popleft()
        if self.reading.endoftext is None:
            return batch
        return batch._replace(mask=document_mask(batch.inputs, self.reading.endoftext))

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no further."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()

    def _ask(self) -> None:
        spans, windows = [], 0
        while windows * self.data.context < CHUNK_TOKENS:
            spans.append(next(self._spans))
            windows += spans[-1][1]
        self._waiting.append(self._pool.submit(self._read, spans))

    def _read(self, spans: list[tuple[int, int]]) -> _Chunk:
        seed = self.reading.seed
        orders = [self.data.windows_at(place, count, seed=seed) for place, count in _joined(spans)]
        rows = self.data.rows(orders[0] if len(orders) == 1 else np.concatenate(orders))
        tokens, copied = torch.from_numpy(rows.astype(np.int64)), None
        if self._stream is not None:
            with torch.cuda.stream(self._stream):
                tokens = tokens.pin_memory().to(self.device, non_blocking=True)
                copied = self._stream.record_event()
        elif self.device.type != "cpu":
            tokens = tokens.to(self.device)
        return spans, tokens, copied

    def _unpack(self, spans: list[tuple[int, int]], tokens: Tensor, copied: torch.cuda.Event | None) -> None:
        if copied is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(copied)
            tokens.record_stream(current)  # its memory is not given to another chunk before `current` has read it
        step = self.reading.micro_batch
        positions = [place for first, count in spans for place in range(first, first + count, step)]
        sizes = [size for _, count in spans for size in (*repeat(step, count // step), count % step) if size]
        # No line of Python a batch: of a window's 128 tokens it would take longer than the reading. The unsafe split
        # keeps no account for gradients, which tokens do not have, and takes a sixth less time.
        inputs, targets = (torch.unsafe_split_with_sizes(of, sizes) for of in (tokens[:, :-1], tokens[:, 1:]))
        self._ready.extend(map(_BATCH, zip(positions, inputs, targets, repeat(None))))


_BATCH = partial(tuple.__new__, Batch)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same positions in as few spans as there are: neighbours become one."""
    found: list[tuple[int, int]] = []
    for position, count in spans:
        if found and sum(found[-1]) == position:
            found[-1] = (found[-1][0], found[-1][1] + count)
        else:
            found.append((position, count))
    return found
