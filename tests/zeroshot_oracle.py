"""The GPT-2 of transformers, asked in the plainest way: what an evaluation is held against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import GPT2LMHeadModel

END = "<|endoftext|>"


class Oracle:
    """One row a pass, no cache, no padding."""

    def __init__(self, model: GPT2LMHeadModel, tokenizer: Tokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.context = int(model.config.n_positions)
        self.end = int(tokenizer.token_to_id(END))

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    @torch.no_grad()
    def chances(self, tokens: Sequence[int]) -> Tensor:
        """Log-probabilities (length, vocabulary) of what follows each token."""
        return self.model(torch.tensor([list(tokens)])).logits[0].log_softmax(dim=1)

    def each(self, prefix: Sequence[int], rest: Sequence[int]) -> list[float]:
        """The log-likelihood of each token of `rest` after `prefix`, cut at its beginning."""
        return [float(row[token]) for row, token in self._rows(prefix, rest)]

    def scored(self, prefix: Sequence[int], rest: Sequence[int]) -> tuple[float, list[bool]]:
        """The log-likelihood of `rest` after `prefix`, cut at its beginning, and which of its tokens are likeliest."""
        rows = self._rows(prefix, rest)
        return sum(float(row[token]) for row, token in rows), [int(row.argmax()) == token for row, token in rows]

    def _rows(self, prefix: Sequence[int], rest: Sequence[int]) -> list[tuple[Tensor, int]]:
        rest = list(rest)[: self.context]
        prefix = list(prefix)[-(self.context + 1 - len(rest)) :]
        return list(zip(self.chances([*prefix, *rest][:-1])[len(prefix) - 1 :], rest, strict=True))

    def rolling(self, tokens: Sequence[int], stride: int) -> list[float]:
        """The log-likelihood of each token but the first, in windows that score `stride` tokens after the first one."""
        found = []
        for place in range(1, len(tokens)):
            end = self.context
            if place > end:
                end += -(-(place - end) // stride) * stride
            start = max(0, min(end, len(tokens) - 1) - self.context)
            found.append(float(self.chances(tokens[start:place])[-1][tokens[place]]))
        return found

    def greedy(self, prompt: Sequence[int], most: int, stop: str) -> list[int]:
        """The likeliest tokens, one after the other, until a string or the end of a document."""
        written: list[int] = []
        while len(written) < most and stop not in self.tokenizer.decode(written):
            written.append(int(self.chances([*prompt, *written])[-1].argmax()))
            if written[-1] == self.end:
                break
        return written
