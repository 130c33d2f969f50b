"""Hugging Face's layout of a GPT-2: config.json, the names of its tensors, and OpenAI's transposed matrices.

Both ways, for weights and for anything shaped like them (an optimizer's moments). No file is opened here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.train.model import GPT2, LAYER_NORM_EPSILON, MLP_RATIO, WEIGHT_STD, GPTConfig

PREFIX = "transformer."
# OpenAI's code computes x @ w + b (conv1d), so these matrices are stored (in, out); PyTorch's layers hold (out, in).
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
# Buffers of the attention mask that old files carry, and the head, which is tied.
IGNORED = (".attn.bias", ".attn.masked_bias", "lm_head.weight")


def to_hugging_face(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under our names and shapes, as Hugging Face stores them: contiguous, on the CPU."""
    return {PREFIX + name: _flip(name, tensor).cpu().contiguous() for name, tensor in tensors.items()}


def from_hugging_face(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse; files without the prefix (as OpenAI's on the hub) are understood, too."""
    named = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if not name.endswith(IGNORED)}
    return {name: _flip(name, tensor).contiguous() for name, tensor in named.items()}


def load_into(model: GPT2, tensors: Mapping[str, Tensor], *, where: object) -> None:
    """Fill `model` with tensors in Hugging Face's layout, of any float type.

    Raises:
        DamagedFile: a tensor is missing, unknown or of another shape.
    """
    found = from_hugging_face(tensors)
    wanted = dict(model.named_parameters())
    if missing := sorted(wanted.keys() - found.keys()):
        raise DamagedFile(f"lacks the weights {missing[0]} ({len(missing)} in all)", where=where)
    if extra := sorted(found.keys() - wanted.keys()):
        raise DamagedFile(f"has weights that a GPT-2 does not have: {extra[0]} ({len(extra)} in all)", where=where)
    with torch.no_grad():
        for name, parameter in wanted.items():
            if parameter.shape != found[name].shape:
                raise DamagedFile(
                    f"{name} has the shape {tuple(found[name].shape)}, config.json says {tuple(parameter.shape)}",
                    where=where,
                )
            parameter.copy_(found[name])


def config_to_json(config: GPTConfig, *, endoftext: int) -> dict[str, Any]:
    """config.json of `transformers`' GPT2LMHeadModel."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "initializer_range": WEIGHT_STD,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "tie_word_embeddings": True,
        "bos_token_id": endoftext,
        "eos_token_id": endoftext,
        "torch_dtype": "float32",
    }


def config_from_json(found: Any, *, where: object) -> GPTConfig:
    """The shape that a config.json names.

    Raises:
        DamagedFile: it is no whole configuration.
        WebtextError: another kind of model, or a GPT-2 with parts that OpenAI's does not have.
    """
    if not isinstance(found, dict):
        raise DamagedFile("is no configuration of a model", where=where)
    kind = found.get("model_type")
    if kind != "gpt2":
        raise WebtextError(f"is the configuration of another model ({kind}), not of a GPT-2", where=where)
    try:
        config = GPTConfig(
            vocab_size=int(found["vocab_size"]),
            context=int(found["n_positions"] if "n_positions" in found else found["n_ctx"]),
            layers=int(found["n_layer"]),
            heads=int(found["n_head"]),
            width=int(found["n_embd"]),
        )
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise DamagedFile(f"is no whole configuration of a GPT-2 ({error})", where=where) from error
    ours: dict[str, tuple[Any, ...]] = {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "layer_norm_epsilon": (LAYER_NORM_EPSILON,),
        "n_inner": (None, MLP_RATIO * config.width),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
        "tie_word_embeddings": (True,),
    }
    for name, allowed in ours.items():
        if name in found and found[name] not in allowed:
            raise WebtextError(f"has {name} = {found[name]!r}; OpenAI's GPT-2 has {allowed[0]!r}", where=where)
    return config


def _flip(name: str, tensor: Tensor) -> Tensor:
    return tensor.t() if name.endswith(TRANSPOSED) else tensor
