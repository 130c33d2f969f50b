"""Merges from counted pieces: those of the slow definition, whatever the pieces and their counts."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.tokenize.merging import train_on_counts
from webtext.tokenize.split import byte_order
from webtext.tokenize.vocabulary import Merge, Vocabulary


def _train(counts: dict[bytes, int], vocab_size: int) -> Vocabulary:
    return train_on_counts(list(counts), np.fromiter(counts.values(), np.int64, len(counts)), vocab_size)


def _slowly(counts: dict[bytes, int], vocab_size: int) -> tuple[Merge, ...]:
    """The definition: count all pairs anew, join the most frequent one, among equals that of the smallest ids."""
    tokens = [bytes([byte]) for byte in byte_order()]
    words = {piece: [bytes([byte]) for byte in piece] for piece in counts}
    merges: list[Merge] = []
    while len(tokens) + 1 < vocab_size:
        pairs: Counter[Merge] = Counter()
        for piece, word in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += counts[piece]
        rank = {token: number for number, token in enumerate(tokens)}
        best = min(pairs, key=lambda pair: (-pairs[pair], rank[pair[0]], rank[pair[1]]), default=None)
        if best is None or pairs[best] < 2:
            break
        if best[0] + best[1] not in rank:
            merges.append(best)
            tokens.append(best[0] + best[1])
        for piece, word in words.items():
            joined: list[bytes] = []
            while word:
                take = 2 if tuple(word[:2]) == best else 1
                joined.append(b"".join(word[:take]))
                word = word[take:]
            words[piece] = joined
    return tuple(merges)


PIECES = st.dictionaries(
    st.one_of(
        st.lists(st.sampled_from([b"a", b"b", b"c", b" ", b"\xff", b"\x00"]), min_size=1, max_size=14).map(b"".join),
        st.integers(1, 30).map(lambda times: b"a" * times),
        st.binary(min_size=1, max_size=8),
    ),
    st.integers(1, 9),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.integers(257, 300))
def test_merges_are_those_of_the_definition(counts: dict[bytes, int], size: int) -> None:
    assert _train(counts, size).merges == _slowly(counts, size)


@settings(max_examples=30, deadline=None)
@given(PIECES, st.randoms(use_true_random=False))
def test_the_order_of_the_pieces_decides_nothing(counts: dict[bytes, int], random: object) -> None:
    order = list(counts)
    random.shuffle(order)  # type: ignore[attr-defined]
    assert _train({piece: counts[piece] for piece in order}, 300) == _train(counts, 300)


def test_counts_beyond_32_bits_are_counted() -> None:
    assert _train({b"ab": 2**33, b"cd": 2**33 + 1, b"ef": 5}, 300).merges[:2] == ((b"c", b"d"), (b"a", b"b"))


def test_a_second_way_to_a_token_is_merged_without_a_second_entry() -> None:
    # "aa" + "a" first, then "a" + "aa" elsewhere: b keeps the first a of baaa from its neighbour
    counts = {b"aaa": 9, b"xa": 8, b"xaaa": 7, b"aab": 20}
    vocabulary = _train(counts, 300)
    assert vocabulary.merges == _slowly(counts, 300)
    assert len(set(vocabulary.tokens)) == vocabulary.size - 1


def test_the_number_of_tokens_is_told_as_it_grows() -> None:
    told: list[int] = []
    train_on_counts([b"abab", b"cd"], np.array([3, 2], np.int64), 260, made=told.append)
    assert told == [258, 259, 260]


@pytest.mark.slow
def test_the_vocabulary_of_real_text_is_that_of_the_tokenizers_library(data: object) -> None:
    import json
    from pathlib import Path

    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    from webtext.tokenize.split import byte_characters
    from webtext.tokenize.training import train_vocabulary

    folder = Path(str(data))
    texts = [
        (folder / "eval" / "wikitext-2" / "wiki.test.raw").read_text(),
        *((folder / "eval" / "wmt14" / "en-fr" / "newstest2014.fr").read_text().splitlines()),
    ]
    theirs = Tokenizer(BPE())
    theirs.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = BpeTrainer(
        vocab_size=19_999, min_frequency=2, initial_alphabet=ByteLevel.alphabet(), special_tokens=[],
        show_progress=False,
    )  # fmt: skip
    theirs.train_from_iterator(texts, trainer)
    written = byte_characters()
    vocabulary = train_vocabulary(texts, 20_000)
    ids = {"".join(written[byte] for byte in token): number for number, token in enumerate(vocabulary.tokens)}
    assert ids == json.loads(theirs.to_str())["model"]["vocab"]
    assert len(ids) == 19_999
