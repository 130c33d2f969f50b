"""Text from any folder of a GPT-2: many prompts at once, streamed, until a length, `<|endoftext|>` or a stop string.

The same prompt, seed and settings give the same text, whatever other prompts or samples are asked for beside it (with
the same PyTorch on the same kind of device: elsewhere logits differ in their last bits, and so, now and then, a token).
Serving many users is not what this is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch import Generator

from webtext.corpus.errors import UsageError
from webtext.train.decoding import TextStream
from webtext.train.sampling import Rows, Sampling, random_numbers
from webtext.train.text_model import TextModel

BATCH_SIZE = 16
"""Rows continued at once. On one core 124M wrote 20 tokens a second of one row, 60 of eight."""


class Writer(TextModel):
    """A model and its tokenizer, ready to write."""

    def write(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        seed: int = 0,
        num_samples: int = 1,
        first: int = 0,
        stop: Sequence[str] = (),
        batch_size: int = BATCH_SIZE,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[list[str]]:
        """Continue each prompt `num_samples` times; the texts of each, beginning with its prompt.

        Args:
            prompts: an empty one begins a document, after `<|endoftext|>`.
            first: the number of the first sample: samples 2 and 3 are the last two of four.
            stop: a text ends before the first of these strings that is written; they are not looked for in a prompt.
            batch_size: rows continued at once.
            stopped: asked between two tokens; what is written by then is given.

        Raises:
            UsageError: a number out of range.
        """
        for name, value in (("num_samples", num_samples), ("batch_size", batch_size)):
            if value < 1:
                raise UsageError(f"{name} is {value}; it takes a number from 1")
        rows = [(place, number) for place in range(len(prompts)) for number in range(num_samples)]
        # Rows of one length need no padding: sorted, few are padded, and those little.
        starts = [self._start(prompt) for prompt in prompts]
        rows.sort(key=lambda row: len(starts[row[0]]))
        texts = [[""] * num_samples for _ in prompts]
        for begin in range(0, len(rows), batch_size):
            batch = rows[begin : begin + batch_size]
            streams = [TextStream(self.vocabulary, _checked(stop)) for _ in batch]
            randoms = [random_numbers(seed, first + number) for _, number in batch]
            living = list(range(len(batch)))
            going = self._rows([starts[place] for place, _ in batch], sampling, randoms)
            for _ in range(sampling.max_tokens):
                if stopped() or not living:
                    break
                goes_on = [
                    here for here, token in enumerate(going.step()) if self._goes_on(streams[living[here]], token)
                ]
                if len(goes_on) < len(living):
                    living = [living[here] for here in goes_on]
                    if living:
                        going.keep(goes_on)
            for (place, number), stream in zip(batch, streams, strict=True):
                stream.close()
                texts[place][number] = prompts[place] + stream.text
        return texts

    def stream(self, prompt: str, sampling: Sampling, *, seed: int = 0, stop: Sequence[str] = ()) -> Iterator[str]:
        """The pieces of one text as they are certain, its prompt not among them."""
        text = TextStream(self.vocabulary, _checked(stop))
        going = self._rows([self._start(prompt)], sampling, [random_numbers(seed, 0)])
        for _ in range(sampling.max_tokens):
            (token,) = going.step()
            if token == self.endoftext:
                break
            if shown := text.push(token):
                yield shown
            if text.stopped:
                break
        if last := text.close():
            yield last

    def _rows(self, starts: Sequence[Sequence[int]], sampling: Sampling, randoms: Sequence[Generator]) -> Rows:
        return Rows(self.model, starts, sampling, randoms, vocabulary=len(self.vocabulary))

    def _start(self, prompt: str) -> list[int]:
        """The tokens a text begins with. `<|endoftext|>` in a prompt is the token: so a document may follow another."""
        return self.encode(prompt) or [self.endoftext]

    def _goes_on(self, stream: TextStream, token: int) -> bool:
        """Push a token; whether the text goes on after it."""
        if token != self.endoftext:
            stream.push(token)
        return token != self.endoftext and not stream.stopped


def generate(
    checkpoint: Path,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = Sampling.temperature,
    top_k: int = Sampling.top_k,
    top_p: float = Sampling.top_p,
    seed: int = 0,
    num_samples: int = 1,
    stop: Sequence[str] = (),
    device: str = "auto",
) -> list[str]:
    """Continue `prompt` with the model of a folder, `num_samples` times: `Writer` and `Sampling` in one call.

    Returns:
        `num_samples` texts, each beginning with `prompt`.

    Raises:
        UsageError: a number out of range.
        WebtextError, DamagedFile: the folder is none of a GPT-2, or not whole.
    """
    sampling = Sampling(max_tokens, temperature, top_k, top_p)
    writer = Writer.load(checkpoint, device=device)
    return writer.write([prompt], sampling, seed=seed, num_samples=num_samples, stop=stop)[0]


def _checked(stop: Sequence[str]) -> Sequence[str]:
    if isinstance(stop, str) or "" in stop:
        raise UsageError(f"stop is {stop!r}; it takes strings, none of them empty")
    return stop
