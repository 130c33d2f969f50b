"""How likely tokens are: windows of a long text, and choices after a prefix. What comes before is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from webtext.train.cache import Cache
from webtext.train.device import autocast
from webtext.train.text_model import TextModel
from webtext.train.zeroshot.batches import BATCH_TOKENS, runs
from webtext.train.zeroshot.windows import Window

HEAD_ROWS = 128
"""Positions whose logits are computed at once: 26 MB with 50,257 tokens. The loss of each took 41 us on one core, of
256 or more at once 120 us, the logits 350 us."""
CACHE_NUMBERS = 1 << 28
"""Numbers in the keys and values of one batch of choices: 1 GiB in float32."""


@dataclass(frozen=True)
class Group:
    """A prefix, and the choices that may follow it. A prefix of no token begins a document."""

    prefix: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Choice:
    """The tokens of a choice as the model sees them."""

    logprobs: tuple[float, ...]
    """Natural logarithms, one a token."""
    greedy: tuple[bool, ...]
    """Whether each token was the likeliest."""

    @property
    def total(self) -> float:
        """The log-likelihood of the choice."""
        return sum(self.logprobs)


class Likelihoods(TextModel):
    """A model that is asked for log-probabilities. Give token sequences that fit into `context`."""

    @torch.inference_mode()
    def windows(self, tokens: Tensor, windows: Sequence[Window]) -> list[Tensor]:
        """Log-probabilities of what each window scores, float32 on the CPU.

        Args:
            tokens: (length,) int64, on the CPU.
            windows: those of one length stand together best.
        """
        found: list[Tensor] = []
        for batch in runs(windows, lambda window: window.end - window.start, BATCH_TOKENS):
            read = [tokens[window.start : window.end] for window in batch]
            inputs = torch.nn.utils.rnn.pad_sequence(read, batch_first=True)  # nothing looks to the right
            with autocast(self.device):
                hidden = self.model.hidden(inputs.to(self.device))
            rows = torch.cat(
                [
                    row[window.first - 1 - window.start : window.end - window.start]
                    for row, window in zip(hidden, batch, strict=True)
                ]
            )
            targets = torch.cat([tokens[window.first : window.end + 1] for window in batch])
            logprobs = self._logprobs(rows, targets, likeliest=False)[0]
            found.extend(torch.split(logprobs, [window.end + 1 - window.first for window in batch]))
        return found

    def choices(self, groups: Sequence[Group]) -> list[list[Choice]]:
        """The log-likelihood of every choice of every group, in their order.

        A group whose longest choice does not leave room for its whole prefix loses the prefix's beginning; a choice
        longer than the context loses its end.
        """
        fitted = [self._fitted(group) for group in groups]
        found: dict[int, list[Choice]] = {}
        single = [place for place, group in enumerate(fitted) if len(group.choices) == 1]
        several = [place for place, group in enumerate(fitted) if len(group.choices) > 1]
        for batch in runs(
            sorted(single, key=lambda place: _length(fitted[place])), lambda place: _length(fitted[place]), BATCH_TOKENS
        ):
            found |= zip(batch, self._single([fitted[place] for place in batch]), strict=True)
        for batch in runs(
            sorted(several, key=lambda place: _length(fitted[place])),
            lambda place: _length(fitted[place]) * len(fitted[place].choices),
            min(8 * BATCH_TOKENS, CACHE_NUMBERS // (2 * self.model.config.layers * self.model.config.width)),
        ):
            found |= zip(batch, self._several([fitted[place] for place in batch]), strict=True)
        return [found[place] for place in range(len(groups))]

    def _fitted(self, group: Group) -> Group:
        choices = tuple(choice[: self.context] for choice in group.choices)
        room = self.context + 1 - max(map(len, choices))
        return Group((group.prefix or (self.endoftext,))[-room:], choices)

    @torch.inference_mode()
    def _single(self, groups: Sequence[Group]) -> list[list[Choice]]:
        """One pass over prefix and choice, padded at the right, where nothing looks."""
        rows = [(*group.prefix, *group.choices[0][:-1]) for group in groups]
        longest = max(map(len, rows))
        inputs = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
        with autocast(self.device):
            hidden = self.model.hidden(inputs.to(self.device))
        wanted = [
            row[len(group.prefix) - 1 : len(group.prefix) - 1 + len(group.choices[0])]
            for row, group in zip(hidden, groups, strict=True)
        ]
        return [[choice] for choice in self._scored(wanted, [group.choices[0] for group in groups])]

    @torch.inference_mode()
    def _several(self, groups: Sequence[Group]) -> list[list[Choice]]:
        """One pass over the prefixes, padded at the left, and one over all choices, padded at the right."""
        longest = max(len(group.prefix) for group in groups)
        padding = [longest - len(group.prefix) for group in groups]
        prefixes = torch.tensor([[0] * pad + list(group.prefix) for pad, group in zip(padding, groups, strict=True)])
        owners = [place for place, group in enumerate(groups) for _ in group.choices]
        choices = [choice for group in groups for choice in group.choices]
        more = max(map(len, choices)) - 1
        cache = Cache(batch=len(groups), capacity=longest, padding=padding)
        with autocast(self.device):
            last = self.model.hidden(prefixes.to(self.device), cache)[:, -1:]
            hidden = last[owners]
            if more:
                inputs = torch.tensor([[*choice[:-1], *[0] * (more + 1 - len(choice))] for choice in choices])
                branch = cache.branch(owners, capacity=longest + more, last=self.context - 1)
                hidden = torch.cat([hidden, self.model.hidden(inputs.to(self.device), branch)], dim=1)
        wanted = [row[: len(choice)] for row, choice in zip(hidden, choices, strict=True)]
        scored = iter(self._scored(wanted, choices))
        return [[next(scored) for _ in group.choices] for group in groups]

    def _scored(self, hidden: Sequence[Tensor], targets: Sequence[Sequence[int]]) -> list[Choice]:
        sizes = [len(target) for target in targets]
        flat = torch.tensor([token for target in targets for token in target])
        logprobs, likeliest = self._logprobs(torch.cat(list(hidden)), flat)
        greedy = likeliest == flat
        return [
            Choice(tuple(chances.tolist()), tuple(hits.tolist()))
            for chances, hits in zip(torch.split(logprobs, sizes), torch.split(greedy, sizes), strict=True)
        ]

    def _logprobs(self, hidden: Tensor, targets: Tensor, *, likeliest: bool = True) -> tuple[Tensor, Tensor]:
        """Of each target, and (where it is asked for) the likeliest token in its place. Both (rows,), on the CPU."""
        chances, best = [], [torch.empty(0, dtype=torch.int64)]
        for rows, wanted in zip(torch.split(hidden, HEAD_ROWS), torch.split(targets, HEAD_ROWS), strict=True):
            with autocast(self.device):
                logits = self.model.head(rows)
            logits = logits.float()
            chances.append(-functional.cross_entropy(logits, wanted.to(logits.device), reduction="none").cpu())
            if likeliest:
                best.append(logits.argmax(dim=1).cpu())
        return torch.cat(chances), torch.cat(best)

    def likeliest(self, prefixes: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """The `count` likeliest next tokens after each prefix, the likeliest first."""
        found: dict[int, list[int]] = {}
        order = sorted(range(len(prefixes)), key=lambda place: len(prefixes[place]))
        for batch in runs(order, lambda place: len(prefixes[place]), BATCH_TOKENS):
            found |= zip(batch, self._tops([prefixes[place] for place in batch], count), strict=True)
        return [found[place] for place in range(len(prefixes))]

    @torch.inference_mode()
    def _tops(self, prefixes: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        rows = [list(prefix)[-self.context :] or [self.endoftext] for prefix in prefixes]
        longest = max(map(len, rows))
        with autocast(self.device):
            hidden = self.model.hidden(torch.tensor([row + [0] * (longest - len(row)) for row in rows]).to(self.device))
            last = torch.stack([hidden[place, len(row) - 1] for place, row in enumerate(rows)])
            logits = self.model.head(last)[:, : len(self.vocabulary)].float().cpu()
        # A stable order: of equal logits the smaller id stands first.
        found: list[list[int]] = logits.sort(descending=True, stable=True, dim=1).indices[:, :count].tolist()
        return found


def _length(group: Group) -> int:
    return len(group.prefix) + max(map(len, group.choices)) - 1
