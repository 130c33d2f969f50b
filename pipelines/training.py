"""A tokenizer trained on clean/: pieces counted by row groups, summed by ranges of hashes, merged by the driver.

Two Beam pipelines; the driver holds the most frequent pieces alone (`webtext.tokenize.counting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from webtext.corpus.files import open_parquet, read_json
from webtext.corpus.progress import progress, say
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.settings import TokenizeSettings
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine
from webtext.tokenize.counting import (
    ALL,
    PIECE_BYTES,
    CountedGroup,
    CountGroup,
    Sum,
    frequent,
    sample_below,
    splitting_engine,
    sum_counts,
)
from webtext.tokenize.merging import train_on_counts
from webtext.tokenize.rules import RULES
from webtext.tokenize.vocabulary import BYTES, Vocabulary

_GROUPS_PER_RANGE = 8
"""Row groups of which one range of hashes is summed at once: a million pieces, 100 MB."""


def train_on_corpus(
    run: StageRun,
    groups: Sequence[tuple[Path, int]],
    settings: TokenizeSettings,
    *,
    clean_identity: str,
    engine: Engine,
) -> Vocabulary:
    """Train on the documents of `groups` (file and number of the row group), or on a sample of them."""
    paths = list(dict.fromkeys(path for path, _ in groups))
    below = sample_below(lambda: _sizes(paths), settings.sample_bytes)
    if below != ALL:
        say(f"tokenizer: trained on a sample of {below / ALL:.1%} of the documents (tokenize.sample_bytes)")
    split = splitting_engine(settings.engine)
    ranges = -(-len(groups) // _GROUPS_PER_RANGE)
    made_of = [clean_identity, below, ranges, RULES["split"], RULES["train"]]
    elements = [
        CountedGroup(path, number, run.part("counted", *made_of, path.name, number, suffix=".arrow"))
        for path, number in groups
    ]
    parts = tuple(element.part for element in elements)
    engine.each("count pieces of text", CountGroup(split, below, ranges), elements, made=_there(parts))
    sums = [Sum(number, parts, run.part("summed", *made_of, number, suffix=".arrow")) for number in range(ranges)]
    engine.each("sum the counts", sum_counts, sums, made=_there([one.record for one in sums]))
    engine.rest()  # what follows is one process's
    pieces, counts, least = frequent(sums, PIECE_BYTES)
    if least > min((count for one in sums for count, _ in read_json(one.record)), default=least):
        say(f"tokenizer: trained on the {len(pieces):,} pieces of text that occur {least:,} times or more")
    with progress(run.corpus, "train the tokenizer", settings.vocab_size, "tokens", begun=BYTES + 1) as shown:
        return train_on_counts(pieces, counts, settings.vocab_size, made=shown.set)


def _there(paths: Sequence[Path]) -> Callable[[], int]:
    return lambda: sum(path.exists() for path in paths)


def _sizes(clean: Sequence[Path]) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]]:
    """Keys and sizes of all documents. Characters stand in a column of their own; bytes would take reading all text."""
    for path in clean:
        with open_parquet(path, DOCUMENTS) as file:
            for batch in file.iter_batches(65_536, columns=["key", "characters"]):
                yield (
                    np.asarray(batch["key"].to_numpy(), np.uint64),
                    np.asarray(batch["characters"].to_numpy(), np.int64),
                )
