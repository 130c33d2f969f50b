"""How prompts go on: greedily or drawn, until a stop string, a length, or a rule of the task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from webtext.train.cache import Cache
from webtext.train.decoding import TextStream
from webtext.train.device import autocast
from webtext.train.sampling import Sampling, random_numbers
from webtext.train.text_model import TextModel
from webtext.train.zeroshot.batches import BATCH_TOKENS, SHARED, families, runs, shared_beginning


@dataclass(frozen=True)
class Prompt:
    """Tokens to be continued, and the seed of the random numbers where some are drawn."""

    tokens: tuple[int, ...]
    seed: int = 0


@dataclass(frozen=True)
class Continuation:
    """What was written after a prompt."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    """Up to the stop string, which is not part of it."""


class Continuations(TextModel):
    """A model that is given prompts to continue. What prompts have in common is computed once."""

    def goes_on(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        stop: Sequence[str] = (),
        over: Callable[[str], bool] = lambda text: False,
    ) -> list[Continuation]:
        """Continue each prompt until a stop string, `<|endoftext|>`, `sampling.max_tokens`, or `over` of its text.

        Args:
            prompts: of at most `context - sampling.max_tokens + 1` tokens.
        """
        found: dict[int, Continuation] = {}
        for alike in families([prompt.tokens for prompt in prompts]):
            for batch in runs(alike, lambda place: len(prompts[place].tokens) + sampling.max_tokens, BATCH_TOKENS):
                some = [prompts[place] for place in batch]
                found |= zip(batch, self._continue(some, sampling, stop, over), strict=True)
        return [found[place] for place in range(len(prompts))]

    @torch.inference_mode()
    def _continue(
        self, prompts: Sequence[Prompt], sampling: Sampling, stop: Sequence[str], over: Callable[[str], bool]
    ) -> list[Continuation]:
        randoms = [random_numbers(prompt.seed, 0) for prompt in prompts]
        streams = [TextStream(self.vocabulary, stop) for _ in prompts]
        written: list[list[int]] = [[] for _ in prompts]
        chances: list[list[float]] = [[] for _ in prompts]
        living = list(range(len(prompts)))
        hidden, cache = self._begin([prompt.tokens for prompt in prompts], sampling.max_tokens)
        for left in range(sampling.max_tokens - 1, -1, -1):
            with autocast(self.device):
                logits = self.model.head(hidden)[:, : len(self.vocabulary)].float().cpu()
            logprobs = logits.log_softmax(dim=1)
            staying = []
            for here, row in enumerate(living):
                token = sampling.draw(logits[here], randoms[row])
                written[row].append(token)
                chances[row].append(float(logprobs[here, token]))
                if token != self.endoftext:
                    streams[row].push(token)
                    if not streams[row].stopped and not over(streams[row].text):
                        staying.append(here)
            living = [living[here] for here in staying]
            if not living or not left:
                break
            if len(staying) < len(hidden):
                cache.keep(staying)
            fresh = torch.tensor([[written[row][-1]] for row in living])
            with autocast(self.device):
                hidden = self.model.hidden(fresh.to(self.device), cache)[:, -1]
        for stream in streams:
            stream.close()
        return [
            Continuation(tuple(tokens), tuple(logprobs), stream.text)
            for tokens, logprobs, stream in zip(written, chances, streams, strict=True)
        ]

    def _begin(self, rows: Sequence[Sequence[int]], more: int) -> tuple[Tensor, Cache]:
        """What the head reads at the end of each row, and a cache with room for `more` tokens; what all rows begin with
        is computed once."""
        common = min(shared_beginning(rows), min(map(len, rows)) - 1) if len(rows) > 1 else 0
        rest = [list(row[common if common >= SHARED else 0 :]) for row in rows]
        longest = max(map(len, rest))
        padding = [longest - len(row) for row in rest]
        inputs = torch.tensor([[0] * pad + row for pad, row in zip(padding, rest, strict=True)])
        if common < SHARED:
            cache = Cache(batch=len(rows), capacity=longest + more, padding=padding)
        else:
            first = Cache(batch=1, capacity=common)
            with autocast(self.device):
                self.model.hidden(torch.tensor([list(rows[0][:common])]).to(self.device), first)
            cache = first.branch([0] * len(rows), capacity=common + longest + more, padding=padding)
        with autocast(self.device):
            return self.model.hidden(inputs.to(self.device), cache)[:, -1], cache
