"""Training a byte-level BPE as GPT-2's was: its split, its ids, on a sample of the corpus that fits in memory.

The counting and merging is done by the `tokenizers` library; `reference.train` says the same slowly. The result does
not depend on the order of the texts, on threads or on the process: ties between pairs go to the smallest ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import xxhash

from webtext.tokenize.split import byte_characters
from webtext.tokenize.vocabulary import Merge, Vocabulary

MIN_PAIR_COUNT = 2  # a pair that occurs once names no regularity
SAMPLE_SALT = "tokenizer-sample"


def sample(keys: npt.NDArray[np.uint64], sizes: npt.NDArray[np.integer], limit: int) -> npt.NDArray[np.bool_]:
    """Which documents a tokenizer is trained on: all, or a sample that only keys and sizes decide.

    Args:
        keys: uint64 [n], one a document, in any order.
        sizes: [n], the size of each text, in the unit of `limit`.

    Returns:
        bool [n]. Documents are taken in the order of xxh3_64(salt, key) while their sizes sum to `limit` at most; the
        first is always taken.
    """
    if int(sizes.sum(dtype=np.int64)) <= limit:
        return np.ones(len(keys), dtype=np.bool_)
    hashes = np.fromiter(
        (xxhash.xxh3_64_intdigest(f"{SAMPLE_SALT}:{key:016x}".encode()) for key in keys.tolist()), np.uint64, len(keys)
    )
    order = np.lexsort((keys, hashes))
    taken = np.cumsum(sizes[order], dtype=np.int64) <= limit
    taken[:1] = True
    chosen = np.zeros(len(keys), dtype=np.bool_)
    chosen[order[taken]] = True
    return chosen


def train_vocabulary(texts: Iterable[str], vocab_size: int) -> Vocabulary:
    """Train on `texts`, which are read once.

    Args:
        vocab_size: tokens in all, `<|endoftext|>` included. The result has fewer where no pair of tokens occurs
            `MIN_PAIR_COUNT` times any more: see its `size`.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=True)  # GPT-2's pattern
    trainer = BpeTrainer(
        vocab_size=vocab_size - 1,  # <|endoftext|> comes last, by our own hand
        min_frequency=MIN_PAIR_COUNT,
        initial_alphabet=ByteLevel.alphabet(),  # all 256 bytes, sorted: the order of `byte_order`
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    byte_of = {character: byte for byte, character in enumerate(byte_characters())}
    merges: dict[bytes, Merge] = {}
    for left, right in model["merges"]:
        pair = bytes(byte_of[character] for character in left), bytes(byte_of[character] for character in right)
        # The library lists a second way to the same token as a merge of its own, without an id; tokens are what counts.
        merges.setdefault(pair[0] + pair[1], pair)
    return Vocabulary.from_merges(list(merges.values()))
