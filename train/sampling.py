"""The next tokens of several rows of text: which are likely, which of them is drawn, what the cache holds meanwhile.

Tokens in, tokens out: text, prompts and stop strings are `generation`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from webtext.corpus.errors import UsageError
from webtext.train.cache import Cache
from webtext.train.device import autocast
from webtext.train.model import GPT2

TOP_K = 40  # openai/gpt-2, README: the samples it publishes
TEMPERATURE = 1.0  # openai/gpt-2, src/generate_unconditional_samples.py
TOP_P = 1.0  # openai/gpt-2, src/interactive_conditional_samples.py

_FEW_ROWS = 4  # from 8 rows on both ways take as long


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    Raises:
        UsageError: a number out of range.
    """

    max_tokens: int = 200
    """The most tokens that are added to a row."""
    temperature: float = TEMPERATURE
    """Divides the logits; 0 takes the likeliest token each time."""
    top_k: int = TOP_K
    """Only the k likeliest tokens are drawn; 0 for all."""
    top_p: float = TOP_P
    """Of those, only the likeliest ones that together have this probability (Holtzman et al. 2020); 1 for all."""

    def __post_init__(self) -> None:
        for name, least in (("max_tokens", 1), ("temperature", 0), ("top_k", 0)):
            if not getattr(self, name) >= least:  # so that NaN fails, too
                raise UsageError(f"{name} is {getattr(self, name)}; it takes a number from {least}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; it takes a number above 0, up to 1")

    def draw(self, logits: Tensor, random: torch.Generator) -> int:
        """One token, from float32 logits (vocabulary,) on the CPU. Ties of the likeliest go to the smallest id."""
        if self.temperature == 0:
            return int(logits.argmax())
        if 0 < self.top_k < len(logits):
            likeliest, ids = logits.topk(self.top_k)
        elif self.top_p < 1:
            likeliest, ids = logits.sort(descending=True, stable=True)
        else:
            likeliest, ids = logits, None
        chances = torch.softmax(likeliest / self.temperature, dim=0)
        if self.top_p < 1:
            # A token stays as long as the likelier ones do not have the probability yet; so the first always stays.
            chances = chances.where(chances.cumsum(dim=0) - chances < self.top_p, 0)
        place = int(torch.multinomial(chances, 1, generator=random))
        return place if ids is None else int(ids[place])


def random_numbers(seed: int, number: int) -> torch.Generator:
    """The random numbers of sample `number`: asking for more samples does not change the first ones."""
    if seed < 0:
        raise UsageError(f"seed is {seed}; it takes a number from 0")
    # PyTorch seeds its generator with 64 bits; neighbouring seeds must not share samples. The factor is 2^64 divided by
    # the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
    return torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + number) % (1 << 63))


class Rows:
    """Rows of tokens that are continued together, each with random numbers of its own.

    Args:
        starts: what each row begins with, at least one token; of more than the context the last ones are read.
        vocabulary: only ids below are drawn: a model may have more rows than its tokenizer has tokens.
    """

    def __init__(
        self,
        model: GPT2,
        starts: Sequence[Sequence[int]],
        sampling: Sampling,
        randoms: Sequence[torch.Generator],
        *,
        vocabulary: int | None = None,
    ) -> None:
        self._model = model
        self._rows = [list(start) for start in starts]
        self._sampling = sampling
        self._randoms = list(randoms)
        self._vocabulary = vocabulary
        self._most = max(map(len, starts)) + sampling.max_tokens
        self._cache: Cache | None = None
        # How many of its last tokens each row has in the cache.
        self._held = [min(len(start), model.config.context) for start in starts]

    def __len__(self) -> int:
        return len(self._rows)

    @torch.inference_mode()
    def step(self) -> list[int]:
        """Continue every row by one token; give the tokens."""
        context, device = self._model.config.context, self._model.wte.weight.device
        if self._cache is None:
            fresh = self._begin()
        elif self._cache.length == context:
            # Positions are learned: there is none after the last. A row that holds all of them goes on with the last
            # half of its context, so that this happens once in context / 2 tokens; shorter rows as they are.
            self._held = [held + 1 if held < context else max(1, context // 2) for held in self._held]
            fresh = self._begin()
        else:
            self._held = [held + 1 for held in self._held]
            fresh = torch.tensor([[row[-1]] for row in self._rows])
        with autocast(device):
            hidden = self._model.hidden(fresh.to(device), self._cache)[:, -1]
            logits = self._logits(hidden)[:, : self._vocabulary].float().cpu()
        drawn = [self._sampling.draw(row, random) for row, random in zip(logits, self._randoms, strict=True)]
        for row, token in zip(self._rows, drawn, strict=True):
            row.append(token)
        return drawn

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""
        if self._cache is not None:
            self._cache.keep(rows)
        self._rows = [self._rows[row] for row in rows]
        self._held = [self._held[row] for row in rows]
        self._randoms = [self._randoms[row] for row in rows]

    def _logits(self, hidden: Tensor) -> Tensor:
        """As `GPT2.head`. On a CPU a product of the large weight with a few columns is faster than of a few rows with
        it, and two columns faster than one: 50,257 x 768 took 7.8 ms, a single row 13.7 ms, two rows 27.8 ms."""
        if hidden.device.type != "cpu" or len(hidden) > _FEW_ROWS:
            return self._model.head(hidden)
        columns = torch.cat([hidden, hidden]) if len(hidden) == 1 else hidden.contiguous()
        return (self._model.wte.weight @ columns.T).T[: len(hidden)]

    def _begin(self) -> Tensor:
        """Forget what was computed; give the tokens of each row that are held, padded at the left."""
        read = [row[-held:] for row, held in zip(self._rows, self._held, strict=True)]
        longest = max(self._held)
        padding = [longest - held for held in self._held]
        self._cache = Cache(batch=len(read), capacity=min(self._model.config.context, self._most), padding=padding)
        return torch.tensor([[0] * pad + row for pad, row in zip(padding, read, strict=True)])
