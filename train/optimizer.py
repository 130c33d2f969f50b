"""AdamW over the recipe's groups, and its moments as named tensors that lie in a file beside the weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import AdamW

from webtext.corpus.errors import DamagedFile
from webtext.train.model import GPT2
from webtext.train.parallel import part_like, whole_on_first
from webtext.train.ranks import Ranks
from webtext.train.recipe import Recipe, parameter_groups
from webtext.train.weights import from_hugging_face, to_hugging_face

_KINDS = {"exp_avg.": "exp_avg", "exp_avg_sq.": "exp_avg_sq"}  # prefix in the file: PyTorch's name


def make_optimizer(model: GPT2, recipe: Recipe) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019) with the recipe's constants; the learning rate is set before each step."""
    kind = model.wte.weight.device.type
    return AdamW(
        parameter_groups(model.parameters(), weight_decay=recipe.weight_decay),
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
        fused=kind in ("cpu", "cuda"),
    )


def set_learning_rate(optimizer: AdamW, value: float) -> None:
    """Use `value` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = value


def read_moments(model: GPT2, optimizer: AdamW, ranks: Ranks) -> dict[str, Tensor]:
    """The moments under `exp_avg.` and `exp_avg_sq.` and the weights' names, in Hugging Face's layout; on rank 0.

    Before the first update they are zero. Called by all ranks.
    """
    found: dict[str, Tensor] = {}
    for prefix, kind in _KINDS.items():
        moments = {
            name: optimizer.state[parameter][kind] if parameter in optimizer.state else torch.zeros_like(parameter)
            for name, parameter in model.named_parameters()
        }
        whole = whole_on_first(moments, ranks)
        if ranks.first:
            found |= {prefix + name: moment for name, moment in to_hugging_face(whole).items()}
    return found


def load_moments(model: GPT2, optimizer: AdamW, moments: Mapping[str, Tensor], *, updates: int, where: object) -> None:
    """Put the optimizer where it was after `updates` steps.

    Raises:
        DamagedFile: a moment is missing or of another shape.
    """
    named = {
        kind: from_hugging_face(
            {name.removeprefix(prefix): moment for name, moment in moments.items() if name.startswith(prefix)}
        )
        for prefix, kind in _KINDS.items()
    }
    names = {parameter: name for name, parameter in model.named_parameters()}
    state = {}
    for number, parameter in enumerate(_in_order(optimizer)):
        name = names[parameter]
        entry = {}
        for kind, found in named.items():
            moment = found.get(name)
            if moment is None or moment.shape != parameter.shape:
                raise DamagedFile(f"holds no moment of {name} in its shape", where=where)
            entry[kind] = part_like(moment, parameter)
        state[number] = {"step": torch.tensor(float(updates)), **entry}
    # The optimizer's own way in: it knows which of these belong on which device.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _in_order(optimizer: AdamW) -> list[Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
