"""The samples that a run leaves: unconditional, as openai/gpt-2 publishes them. Each rank writes its part of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from webtext.corpus.files import write_bytes
from webtext.train.folders import read_tokenizer
from webtext.train.generation import Writer
from webtext.train.hooks import AfterSteps
from webtext.train.loader import share
from webtext.train.model import GPT2
from webtext.train.ranks import Ranks
from webtext.train.runs import SAMPLES
from webtext.train.sampling import Sampling

SAMPLE_TOKENS = 128


def samples_file(run: Path, step: int) -> Path:
    """Where the samples of a step lie."""
    return run / SAMPLES / f"step-{step:06d}.txt"


def samples_hook(
    run: Path, tokenizer: bytes, *, every: int, count: int, seed: int, ranks: Ranks, stopped: Callable[[], bool]
) -> AfterSteps:
    """Write `count` samples into samples/step-….txt, where they are not there yet.

    Args:
        tokenizer: the bytes of its tokenizer.json.
        stopped: asked between two tokens; then nothing is written.
    """

    def write(model: GPT2, step: int) -> dict[str, float]:
        path = samples_file(run, step)
        if ranks.told(path.exists):
            return {}
        writer = Writer(model, read_tokenizer(tokenizer, model.config, where=path))
        first, mine = share(0, count, part=ranks.rank, parts=ranks.ranks)
        (texts,) = writer.write(
            [""], Sampling(max_tokens=SAMPLE_TOKENS), seed=seed, num_samples=mine, first=first, stopped=stopped
        ) if mine else ([],)  # fmt: skip
        cut = ranks.any(stopped())
        together = [text for part in ranks.gathered(texts) for text in part]
        if ranks.first and not cut:
            pieces = [
                f"{'=' * 40} SAMPLE {number} {'=' * 40}\n{text}\n" for number, text in enumerate(together, start=1)
            ]
            write_bytes(path, "".join(pieces).encode())
        return {}

    return AfterSteps(every, write, "samples")
