"""Training a byte-level BPE as GPT-2's was: its split, its ids, from texts that fit in memory.

A corpus is trained on by the same steps as a pipeline (`webtext.pipelines.training`); `reference.train` says the same
slowly. The result does not depend on the order of the texts, on engines, threads or the process.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from webtext.tokenize.counting import count_pieces, splitter, splitting_engine
from webtext.tokenize.merging import train_on_counts
from webtext.tokenize.settled import settle
from webtext.tokenize.vocabulary import Vocabulary


def train_vocabulary(texts: Iterable[str], vocab_size: int, *, engine: str = "auto") -> Vocabulary:
    """Train on `texts`, which are read once.

    Args:
        vocab_size: tokens in all, `<|endoftext|>` included. The result has fewer where no pair of tokens occurs twice
            any more: see its `size`.
        engine: what splits the texts, as `splitting_engine` takes it; it changes nothing.
    """
    counts = count_pieces(map(settle, texts), splitter(splitting_engine(engine)))
    return train_on_counts(list(counts), np.fromiter(counts.values(), np.int64, len(counts)), vocab_size)
