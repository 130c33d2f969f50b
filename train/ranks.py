"""One process or many: which rank this is, and what all of them agree on. `torchrun` says it in the environment.

Data parallel only: every rank reads its share of each batch. The collectives here are of a few numbers; gradients are
`parallel`'s. With one rank nothing is sent and nothing is waited for.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

from webtext.corpus.errors import UsageError, WebtextError
from webtext.train.device import choose_device

Result = TypeVar("Result")

# Rank 0 hashes every byte of the shards while the others wait: a terabyte takes half an hour.
PATIENCE = datetime.timedelta(hours=1)


def own_rank() -> int:
    """The rank that the environment gives this process; 0 where there is only one."""
    return _number("RANK", 0)


def ranks_here() -> int:
    """How many ranks this machine has."""
    return max(1, _number("LOCAL_WORLD_SIZE", 1))


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run."""

    device: torch.device
    rank: int = 0
    ranks: int = 1

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes and speaks."""
        return self.rank == 0

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over all ranks, in float64, the same everywhere."""
        if self.ranks == 1:
            return list(numbers)
        held = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(held)
        found: list[float] = held.tolist()
        return found

    def least(self, number: int) -> int:
        """The smallest that any rank has."""
        if self.ranks == 1:
            return number
        held = torch.tensor([number], dtype=torch.int64, device=self.device)
        dist.all_reduce(held, op=dist.ReduceOp.MIN)
        return int(held.item())

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank."""
        return bool(self.total(float(flag))[0]) if self.ranks > 1 else flag

    def told(self, work: Callable[[], Result]) -> Result:
        """Let rank 0 do `work`; every rank gets what it gave, or the error that it raised."""
        if self.ranks == 1:
            return work()
        held: list[Result | WebtextError | None] = [None]
        if self.first:
            try:
                held[0] = work()
            except WebtextError as error:
                held[0] = error
        dist.broadcast_object_list(held, src=0, device=self.device)
        found = held[0]
        if isinstance(found, WebtextError):
            raise found
        return found  # type: ignore[return-value]

    def gathered(self, value: Result) -> list[Result]:
        """What each rank has, in their order, on every rank."""
        if self.ranks == 1:
            return [value]
        held: list[Result | None] = [None] * self.ranks
        dist.all_gather_object(held, value)
        return held  # type: ignore[return-value]


@contextmanager
def join_ranks(device: str) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started, if it did; only rank 0's standard error is seen.

    Raises:
        WebtextError: no such device here, or the other ranks cannot be reached.
        UsageError: a device that has no ranks.
    """
    ranks = _number("WORLD_SIZE", 1)
    if ranks == 1:
        yield Ranks(choose_device(device))
        return
    where = choose_device(device)
    if where.type == "mps":
        raise UsageError("Apple's GPUs do not work together: one process, or --device cpu")
    if where.type == "cuda":
        where = torch.device("cuda", _number("LOCAL_RANK", 0))
        torch.cuda.set_device(where)
    ours = not dist.is_initialized()  # a caller that trains several runs joins once, and leaves by itself
    try:
        if ours:
            dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise WebtextError(
            f"the {ranks} ranks do not find each other: {str(error).splitlines()[0]}",
            hint="start them with torchrun; each node must reach the address of the first one",
        ) from error
    with _silent() if dist.get_rank() else nullcontext():
        yield Ranks(where, dist.get_rank(), dist.get_world_size())
    # Not after an error: the others may be waiting for this rank, and it would wait for them. `torchrun` ends them.
    if ours:
        dist.destroy_process_group()


@contextmanager
def _silent() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield


def _number(name: str, default: int) -> int:
    found = os.environ.get(name, "")
    return int(found) if found.isdecimal() else default
