"""Batches read ahead, in order, and on their way to the device while the model works on the one before.

Threads read (numpy copies without Python's lock); the order is that of the positions, however many threads there are.
On a GPU each batch is copied from pinned memory on a stream of its own. The state stays one integer: the position of
the next batch, which is the caller's to store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from webtext.corpus.errors import UsageError
from webtext.train.boundaries import document_mask
from webtext.train.loader import Windows, share


@dataclass(frozen=True)
class Batch:
    """Consecutive windows of a run, on the device."""

    position: int
    """Of its first window."""
    inputs: Tensor
    """(windows, context) int64."""
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

    def pieces(self, position: int) -> Iterator[tuple[int, int]]:
        """Position and size of each micro-batch of this rank, from the step that begins at `position` on; endless."""
        while True:
            first, count = share(position, self.windows, part=self.rank, parts=self.ranks)
            for offset in range(0, count, self.micro_batch):
                yield first + offset, min(self.micro_batch, count - offset)
            position += self.windows


class Prefetcher:
    """An endless iterator over the batches of a run. Close it, or use it as a context.

    Args:
        position: where the next step begins.
        workers: threads that read.
        ahead: batches that are ready or on their way.

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
        self._pieces = reading.pieces(position)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
        self._waiting: deque[Future[tuple[Batch, torch.cuda.Event | None]]] = deque()
        for _ in range(ahead):
            self._ask()

    def __iter__(self) -> Prefetcher:
        return self

    def __next__(self) -> Batch:
        batch, copied = self._waiting.popleft().result()
        self._ask()
        if copied is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(copied)
            for tensor in (batch.inputs, batch.targets):
                tensor.record_stream(current)  # its memory is not given to another batch before `current` has read it
        if self.reading.endoftext is None:
            return batch
        mask = document_mask(batch.inputs, self.reading.endoftext)
        return Batch(batch.position, batch.inputs, batch.targets, mask)

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no further."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()

    def _ask(self) -> None:
        self._waiting.append(self._pool.submit(self._read, *next(self._pieces)))

    def _read(self, position: int, count: int) -> tuple[Batch, torch.cuda.Event | None]:
        copied = None
        inputs, targets = self.data.batch(position, count, seed=self.reading.seed)
        tensors = [torch.from_numpy(array) for array in (inputs, targets)]
        if self._stream is not None:
            with torch.cuda.stream(self._stream):
                tensors = [tensor.pin_memory().to(self.device, non_blocking=True) for tensor in tensors]
                copied = self._stream.record_event()
        elif self.device.type != "cpu":
            tensors = [tensor.to(self.device) for tensor in tensors]
        return Batch(position, tensors[0], tensors[1], None), copied
