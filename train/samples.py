"""The samples that a run leaves when it is done: unconditional, as openai/gpt-2 publishes them."""

from __future__ import annotations

from pathlib import Path

from webtext.corpus.files import write_bytes
from webtext.train.folders import read_tokenizer
from webtext.train.generation import Writer
from webtext.train.loop import Trainer
from webtext.train.runs import SAMPLES
from webtext.train.sampling import Sampling

SAMPLE_TOKENS = 128


def write_samples(trainer: Trainer, count: int) -> Path:
    """Write `count` samples into samples/step-….txt, where they are not there yet; give the file.

    Raises:
        Interrupted: the user asked to stop; nothing was written.
    """
    name = trainer.checkpoint.name
    path = trainer.folder / SAMPLES / f"{name}.txt"
    if not path.exists():
        tokenizer = read_tokenizer(trainer.tokenizer, trainer.model.config, where=trainer.checkpoint)
        (texts,) = Writer(trainer.model, tokenizer).write(
            [""],
            Sampling(max_tokens=SAMPLE_TOKENS),
            seed=trainer.settings.seed,
            num_samples=count,
            stopped=lambda: trainer.stop.requested,
        )
        if trainer.stop.requested:
            raise trainer.stop.error()
        pieces = [f"{'=' * 40} SAMPLE {number} {'=' * 40}\n{text}\n" for number, text in enumerate(texts, start=1)]
        write_bytes(path, "".join(pieces).encode())
    return path
