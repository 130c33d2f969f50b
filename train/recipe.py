"""How each preset is trained: every number with where it is from, the schedule, and who gets weight decay.

The paper names only the batch (512 sequences of 1,024) and that the learning rate was tuned. The rest follows GPT-3's
appendix B (Brown et al. 2020) as nanoGPT, build-nanogpt and llm.c do when they reproduce GPT-2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch.nn import Parameter

from webtext.corpus.errors import UsageError
from webtext.train.model import PRESETS, preset_name


@dataclass(frozen=True)
class Recipe:
    """What decides the weights that come out, besides data, seed and model; `save_every` does not."""

    learning_rate: float
    """The highest, after the warm-up."""
    batch_tokens: int
    """Tokens a step, whatever fits into memory at once."""
    steps: int
    """Where no number of steps is asked for."""
    warmup_steps: int
    """Steps of linear warm-up; a run shorter than ten times that warms up over a tenth of it."""
    save_every: int
    """Steps between two checkpoints."""
    beta1: float = 0.9  # GPT-3, appendix B
    beta2: float = 0.95  # GPT-3, appendix B
    epsilon: float = 1e-8  # GPT-3, appendix B
    weight_decay: float = 0.1  # GPT-3, appendix B
    clip: float = 1.0  # GPT-3, appendix B: global norm of the gradient
    final_share: float = 0.1  # GPT-3, appendix B: cosine down to a tenth


# 512 sequences of 1,024 tokens (the paper). Steps: one pass over 10 B tokens, as build-nanogpt and llm.c take; WebText
# is 40 GB, about 9 B tokens. Learning rates: GPT-3, table 2.1, for models of these sizes; llm.c's for 1558M (2e-4).
# Warm-up: 700 steps of 524,288 tokens (llm.c), about GPT-3's 375 M tokens.
_STEPS = 19_073
_PAPER_BATCH = 512 * 1_024


def _paper(learning_rate: float) -> Recipe:
    return Recipe(learning_rate, batch_tokens=_PAPER_BATCH, steps=_STEPS, warmup_steps=700, save_every=250)


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        # Ours: with a vocabulary of 20,000, 200 steps (205,000 tokens) take 70 s on one core. Their validation loss on
        # 1.3 M tokens of English was 6.68, 6.33, 6.12, 6.10 with learning rates 5e-4, 1e-3, 2e-3, 4e-3.
        "tiny": Recipe(learning_rate=2e-3, batch_tokens=8 * 128, steps=200, warmup_steps=100, save_every=50),
        "124M": _paper(6e-4),
        "355M": _paper(3e-4),
        "774M": _paper(2.5e-4),
        "1558M": _paper(2e-4),
    }
)


def recipe_for(preset: str) -> Recipe:
    """The recipe of a preset, by any of its names."""
    return RECIPES[preset_name(preset)]


def learning_rate(step: int, *, recipe: Recipe, decay_steps: int) -> float:
    """The learning rate of step `step` (from 0): linear warm-up, a cosine to a tenth at `decay_steps`, then that."""
    warmup = max(1, min(recipe.warmup_steps, decay_steps // 10))
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    least = recipe.learning_rate * recipe.final_share
    if step >= decay_steps:
        return least
    progress = (step - warmup) / max(1, decay_steps - warmup)
    return least + 0.5 * (1.0 + math.cos(math.pi * progress)) * (recipe.learning_rate - least)


def parameter_groups(parameters: Iterable[Parameter], *, weight_decay: float) -> list[dict[str, Any]]:
    """The optimizer's groups: matrices (embeddings too) decay, biases and LayerNorms do not."""
    matrices: list[Parameter] = []
    others: list[Parameter] = []
    for parameter in parameters:
        (matrices if parameter.dim() >= 2 else others).append(parameter)
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def nearest_preset(parameters: int) -> str:
    """The preset whose recipe suits a model of so many parameters best: the nearest by ratio."""
    return min(PRESETS, key=lambda name: abs(math.log(PRESETS[name].parameters / parameters)))


def batch_windows(batch_tokens: int, context: int) -> int:
    """Windows a step.

    Raises:
        UsageError: `batch_tokens` is no multiple of the context; the message names the nearest ones.
    """
    if batch_tokens < context or batch_tokens % context:
        below = max(1, batch_tokens // context) * context
        raise UsageError(
            f"{batch_tokens:,} tokens a step are no whole number of windows of {context:,}",
            hint=f"take {below} or {below + context}",
        )
    return batch_tokens // context
