"""What an evaluation asks of a model: how likely tokens are, and how a prompt goes on. Batched, nothing computed twice.

Tokens in, numbers out. What the tokens mean is the tasks' business. Batches are made so that the largest block of
logits and of keys and values stays below a limit; results depend on what stands beside what in their last bits only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from webtext.corpus.errors import WebtextError
from webtext.tokenize.split import ENDOFTEXT
from webtext.train.cache import Cache
from webtext.train.decoding import TextStream, token_bytes
from webtext.train.device import autocast, choose_device
from webtext.train.folders import find_model, load_folder
from webtext.train.model import GPT2
from webtext.train.sampling import Sampling, random_numbers
from webtext.train.zeroshot.windows import Window

_Item = TypeVar("_Item")

BATCH_TOKENS = 4_096
"""Tokens of one forward pass. On two cores tiny took as long for each token from 2,048 on."""
HEAD_ROWS = 128
"""Positions whose logits are computed at once: 26 MB with 50,257 tokens. The loss of each took 41 us on one core, of
256 or more at once 120 us, the logits 350 us."""
CACHE_NUMBERS = 1 << 28
"""Numbers in the keys and values of one batch of choices: 1 GiB in float32."""
SHARED = 16
"""A common beginning of fewer tokens is not worth a pass of its own."""


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


class Engine:
    """A model and its tokenizer, ready to be asked. Give token sequences that fit into `context`."""

    def __init__(self, model: GPT2, tokenizer: Tokenizer) -> None:
        endoftext = tokenizer.token_to_id(ENDOFTEXT)
        if endoftext is None:
            raise WebtextError(f"this tokenizer has no {ENDOFTEXT}")
        self.model = model
        self.tokenizer = tokenizer
        self.endoftext: int = endoftext
        self.context = model.config.context
        self.vocabulary = token_bytes(tokenizer)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Engine:
        """Read a folder: Hugging Face's or OpenAI's of a GPT-2.

        Raises:
            WebtextError, DamagedFile: it is none, or not whole.
        """
        where = choose_device(device)
        model, tokenizer = load_folder(folder)
        return cls(model.to(where), tokenizer)

    @property
    def device(self) -> torch.device:
        return self.model.wte.weight.device

    def encode(self, text: str) -> list[int]:
        """The tokens of a text. No part of it is taken for `<|endoftext|>`'s token but that string itself."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    @torch.inference_mode()
    def windows(self, tokens: Tensor, windows: Sequence[Window]) -> list[Tensor]:
        """Log-probabilities of what each window scores, float32 on the CPU.

        Args:
            tokens: (length,) int64, on the CPU.
            windows: those of one length stand together best.
        """
        found: list[Tensor] = []
        for batch in _runs(windows, lambda window: window.end - window.start, BATCH_TOKENS):
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
        for batch in _runs(
            sorted(single, key=lambda place: _length(fitted[place])), lambda place: _length(fitted[place]), BATCH_TOKENS
        ):
            found |= zip(batch, self._single([fitted[place] for place in batch]), strict=True)
        for batch in _runs(
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
        for batch in _runs(order, lambda place: len(prefixes[place]), BATCH_TOKENS):
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
        for alike in _families([prompt.tokens for prompt in prompts]):
            for batch in _runs(alike, lambda place: len(prompts[place].tokens) + sampling.max_tokens, BATCH_TOKENS):
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

    def identity(self, folder: Path) -> str:
        """The hash of the folder's weights and shape."""
        return find_model(folder).identity()


def shared_beginning(rows: Sequence[Sequence[int]]) -> int:
    """How many first tokens all rows have in common."""
    # What the smallest and the largest have in common, all have.
    low, high = min(map(tuple, rows)), max(map(tuple, rows))
    return next(
        (place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )


def _families(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of rows that share at least half of what they hold, and of all others; each by length."""
    order = sorted(range(len(rows)), key=lambda place: (len(rows[place]), place))
    alike: dict[tuple[int, ...], list[int]] = {}
    for place in order:
        alike.setdefault(tuple(rows[place][: 4 * SHARED]), []).append(place)
    others: list[int] = []
    families = []
    for places in alike.values():
        shared = shared_beginning([rows[place] for place in places])
        if len(places) > 1 and 2 * shared >= len(rows[places[-1]]):
            families.append(places)
        else:
            others += places
    others.sort(key=lambda place: (len(rows[place]), place))
    return [*families, others] if others else families


def _length(group: Group) -> int:
    return len(group.prefix) + max(map(len, group.choices)) - 1


def _runs(items: Sequence[_Item], size: Callable[[_Item], int], limit: int) -> Iterator[list[_Item]]:
    """Cut a sequence into runs whose number times largest size is at most `limit`; at least one item each."""
    run: list[_Item] = []
    largest = 0
    for item in items:
        largest = max(largest, size(item))
        if run and largest * (len(run) + 1) > limit:
            yield run
            run, largest = [], size(item)
        run.append(item)
    if run:
        yield run
