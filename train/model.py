"""GPT-2 as OpenAI published it, in the order of the paper: embeddings, blocks, a last LayerNorm, a tied head.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3; what the paper leaves open is
taken from its code (openai/gpt-2, src/model.py, "the code" below). Not here: how the weights are named on disk
(`weights`), the loss (`loss`), training and sampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from webtext.corpus.errors import UsageError
from webtext.train.cache import Cache

LAYER_NORM_EPSILON = 1e-5  # the code, norm()
WEIGHT_STD = 0.02  # the code, conv1d() and model(): weights and token embeddings
POSITION_STD = 0.01  # the code, model(): wpe
MLP_RATIO = 4  # the code, block(): mlp(..., nx*4)
CONTEXT = 1_024  # the paper, section 2.3
VOCABULARY = 50_257  # the paper, section 2.3

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        # The paper's names, table 2; its counts are wrong, as the code's README says.
        "117M": "124M", "345M": "355M", "762M": "774M", "1542M": "1558M",
        # Hugging Face's names of OpenAI's weights.
        "gpt2": "124M", "gpt2-medium": "355M", "gpt2-large": "774M", "gpt2-xl": "1558M",
    }
)  # fmt: skip
"""Other names of the presets."""


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a model. `width` is the paper's d_model."""

    vocab_size: int
    context: int
    layers: int
    heads: int
    width: int

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "layers", "heads", "width"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it takes a number from 1")
        if self.width % self.heads:
            raise UsageError(f"width {self.width} cannot be split into {self.heads} heads")

    @property
    def parameters(self) -> int:
        """How many numbers the model learns; the tied head counts once."""
        block = 12 * self.width**2 + 13 * self.width
        return (self.vocab_size + self.context) * self.width + self.layers * block + 2 * self.width


PRESETS: Mapping[str, GPTConfig] = MappingProxyType(
    {
        # Ours, for CPUs and tests.
        "tiny": GPTConfig(VOCABULARY, 128, layers=4, heads=4, width=128),
        # The paper, table 2; heads from the published hparams.json.
        "124M": GPTConfig(VOCABULARY, CONTEXT, layers=12, heads=12, width=768),
        "355M": GPTConfig(VOCABULARY, CONTEXT, layers=24, heads=16, width=1024),
        "774M": GPTConfig(VOCABULARY, CONTEXT, layers=36, heads=20, width=1280),
        "1558M": GPTConfig(VOCABULARY, CONTEXT, layers=48, heads=25, width=1600),
    }
)


def preset_name(name: str) -> str:
    """The house's name of a preset: 117M is 124M.

    Raises:
        UsageError: no such preset.
    """
    known = ALIASES.get(name, name)
    if known not in PRESETS:
        raise UsageError(f"no such preset: {name}", hint=f"known are {', '.join(PRESETS)}; also {', '.join(ALIASES)}")
    return known


class Attention(nn.Module):
    """Masked multi-head self-attention: each position sees itself and what is before it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, cache: Cache | None, layer: int, mask: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        split = self.c_attn(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        causal = mask is None
        if cache is not None:
            key, value, mask = cache.extend(layer, key, value)
            causal = cache.causal
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        projected: Tensor = self.c_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return projected


class MLP(nn.Module):
    """Four times as wide inside, with the tanh form of GELU (the code, gelu())."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.width, MLP_RATIO * config.width)
        self.c_proj = nn.Linear(MLP_RATIO * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(functional.gelu(self.c_fc(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """LayerNorm stands at the input of each sub-block (the paper, section 2.3); the residual path is never touched."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: Cache | None, layer: int, mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache, layer, mask)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class GPT2(nn.Module):
    """The model. Make one with `build`: the constructor leaves the weights as PyTorch's layers have them."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.width)
        self.wpe = nn.Embedding(config.context, config.width)
        self.h = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.recompute = False
        """In training, keep of a block only its input, and compute the rest again going back (Chen et al. 2016)."""
        self.after_block: Callable[[Tensor], None] | None = None
        """Called with what each block gives."""

    def hidden(self, tokens: Tensor, cache: Cache | None = None, mask: Tensor | None = None) -> Tensor:
        """What the head reads.

        Args:
            tokens: (batch, length) int64; with what `cache` holds at most `config.context`.
            cache: of generation: what came before, extended in place. Without one, nothing is kept.
            mask: without a cache: what may look at what, (batch, 1, length, length) bool, instead of all before it.

        Returns:
            (batch, length, width).
        """
        length, device = tokens.shape[1], tokens.device
        positions = torch.arange(length, device=device) if cache is None else cache.positions(length, device)
        # In float32 also where the weights are held in half of it: it is the residual path, a sum over all layers.
        x = (self.wte(tokens) + self.wpe(positions)).float()
        again = self.recompute and torch.is_grad_enabled()
        for layer, block in enumerate(self.h):
            if again:
                x = checkpoint(block, x, cache, layer, mask, use_reentrant=False, preserve_rng_state=False)
            else:
                x = block(x, cache, layer, mask)
            if self.after_block is not None:
                self.after_block(x)
        if cache is not None:
            cache.advance(length)
        out: Tensor = self.ln_f(x)
        return out

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits (batch, length, vocab_size) of the token that follows each of `tokens`; the head is wte itself."""
        return self.head(self.hidden(tokens, cache))

    def head(self, hidden: Tensor) -> Tensor:
        """Logits of what `hidden` gave, or of a part of it."""
        return functional.linear(hidden, self.wte.weight)


def build(config: GPTConfig, *, seed: int) -> GPT2:
    """A new model on the CPU in float32, initialised from `seed` alone.

    Weights N(0, .02), positions N(0, .01), biases 0, LayerNorm 1 and 0 (the code). The paper scales "the weights of
    residual layers at initialization by a factor of 1/sqrt(N)", N being their number: two a block.
    """
    with torch.device("meta"):  # PyTorch's own initialisation would be work for nothing
        model = GPT2(config)
    model.to_empty(device="cpu")
    random = torch.Generator().manual_seed(seed)
    residual_std = WEIGHT_STD / math.sqrt(2 * config.layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.zero_()
            elif parameter.dim() == 1:
                parameter.fill_(1.0)
            elif name == "wpe.weight":
                parameter.normal_(0.0, POSITION_STD, generator=random)
            elif name.endswith("c_proj.weight"):
                parameter.normal_(0.0, residual_std, generator=random)
            else:
                parameter.normal_(0.0, WEIGHT_STD, generator=random)
    return model
