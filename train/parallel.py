"""How the ranks share a model: each a whole one (DDP), or each a part of every weight (FSDP2). And back to whole ones.

Li et al. 2020 (DDP), Zhao et al. 2023 (FSDP); the library is PyTorch's. What is written and what hooks see are whole
weights under the same names, so a run goes on with any other number of ranks, and either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from webtext.corpus.errors import UsageError
from webtext.train.device import Numerics
from webtext.train.folders import empty_model
from webtext.train.loss import LossOfModel
from webtext.train.memory import BYTES_PER_PARAMETER, whole_bytes
from webtext.train.model import GPT2, GPTConfig
from webtext.train.ranks import Ranks

WAYS = ("auto", "ddp", "fsdp")
SHARD_FROM = 0.25
"""Of a device's memory: where weights, gradient and moments take more, `auto` has each rank hold a part of them only.
1558M takes 25 GB; whole on each of several 80 GB cards, it would leave less room for windows than it gains."""


def choose_way(name: str, config: GPTConfig, ranks: Ranks) -> str:
    """ddp or fsdp; `one` where there is one rank.

    Raises:
        UsageError: no such way.
    """
    if name not in WAYS:
        raise UsageError(f"no such way to work in parallel: {name}", hint=f"known are {', '.join(WAYS)}")
    if ranks.ranks == 1:
        return "one"
    if name != "auto":
        return name
    large = BYTES_PER_PARAMETER * config.parameters > SHARD_FROM * whole_bytes(ranks.device)
    return ranks.told(lambda: "fsdp" if large else "ddp")


def share_model(trained: LossOfModel, way: str, ranks: Ranks, numerics: Numerics) -> nn.Module:
    """The module whose forward gives the loss and whose backward leaves each rank the mean gradient of all.

    Args:
        trained: on the device, with the same weights on every rank.
        way: as `choose_way` gives it. With `fsdp`, the parameters of `trained` are changed in place.
    """
    if way == "one":
        return trained
    if way == "ddp":
        return DistributedDataParallel(trained, gradient_as_bucket_view=True, device_ids=_ids(ranks))
    # Imported where several ranks are: it takes a second.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(ranks.device.type, (ranks.ranks,))
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(numerics.precision)
    # Gathered in half precision, as the products use them; gradients are summed in float32; the residual path stays.
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in trained.model.h:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(trained, mesh=mesh, mp_policy=policy)
    return trained


def _ids(ranks: Ranks) -> list[torch.device] | None:
    return [ranks.device] if ranks.device.type == "cuda" else None


@contextmanager
def gradients_kept_back(shared: nn.Module, kept: bool) -> Iterator[None]:
    """While inside, DDP adds up gradients here and sends nothing: all but the last micro-batch of a step."""
    if kept and isinstance(shared, DistributedDataParallel):
        with shared.no_sync():
            yield
    else:
        yield


def in_step(shared: nn.Module) -> bool:
    """Whether every forward and backward is one of all ranks together: then all take as many micro-batches."""
    return any(map(in_parts, shared.parameters()))


def in_parts(tensor: Tensor) -> bool:
    """Whether this rank holds a part of a tensor only (PyTorch's DTensor)."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor of which this rank may hold a part. Called by all ranks, in the same order."""
    found: Tensor = tensor.full_tensor() if in_parts(tensor) else tensor  # type: ignore[attr-defined]
    return found


def whole_on_first(tensors: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Whole tensors on rank 0, on the CPU where they were in parts; nothing on the others. Called by all ranks."""
    found = {}
    for name, tensor in tensors.items():
        all_of_it = whole(tensor.detach())
        if ranks.first:
            found[name] = all_of_it.cpu() if in_parts(tensor) else all_of_it
    return found


def part_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Of a whole tensor that every rank has, the part that this rank holds of `parameter`."""
    if not in_parts(parameter):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(parameter, DTensor)
    # Without a source rank nothing is sent: each takes its part of what it has.
    return distribute_tensor(
        tensor.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
    )


@contextmanager
def whole_model(model: GPT2) -> Iterator[GPT2]:
    """The model with whole weights on every rank, to be read: itself, or a copy where ranks hold parts."""
    named = dict(model.named_parameters())
    if not any(map(in_parts, named.values())):
        yield model
        return
    copy = empty_model(model.config).to(model.wte.weight.device)
    with torch.no_grad():
        for name, parameter in copy.named_parameters():
            parameter.copy_(whole(named[name]))
    yield copy
