"""Encoding and decoding with any vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.tokenize import reference
from webtext.tokenize.encoding import Encoder, cut_long_runs
from webtext.tokenize.training import train_vocabulary

TEXT = "the cat's hat, the cats' hats:  the end.\n\nthe end 1999 1998 <|endoftext|> naïve naïve aaaa aaaa      " * 3
VOCABULARY = train_vocabulary([TEXT], 330)
ENCODER = Encoder(VOCABULARY)

# What breaks tokenizers: repetition, spaces of all kinds, contractions, marks, numbers, lone surrogates.
_RUNS = st.tuples(
    st.sampled_from([" ", "\n", "a", "the", "'s", "<|endoftext|>", "1", "é", "\r\n", "😀", " the"]), st.integers(1, 40)
)
ADVERSARIAL = st.one_of(
    st.text(),
    st.text(alphabet=st.sampled_from("aeht \n\t'sS1.\u00a0\u3000é\ud800\udfff😀")),
    st.lists(_RUNS, max_size=12).map(lambda runs: "".join(text * count for text, count in runs)),
)


@settings(max_examples=300, deadline=None)
@given(ADVERSARIAL)
def test_ids_are_those_of_the_reference(text: str) -> None:
    assert ENCODER.encode(text).tolist() == reference.encode(text, VOCABULARY)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(alphabet=st.sampled_from("ab c'"), max_size=60), min_size=1, max_size=6),
    st.lists(st.text(alphabet=st.sampled_from("ab c'"), max_size=60), min_size=1, max_size=6),
)
def test_ids_are_those_of_the_reference_under_any_trained_vocabulary(texts: list[str], others: list[str]) -> None:
    vocabulary = reference.train(texts, 300)
    encoder = Encoder(vocabulary)
    for text in [*texts, *others]:
        assert encoder.encode(text).tolist() == reference.encode(text, vocabulary)


@given(st.text())
def test_decoding_gives_the_text_back(text: str) -> None:
    assert ENCODER.decode(ENCODER.encode(text)) == text


@given(st.binary(max_size=50))
def test_any_bytes_have_ids(data: bytes) -> None:
    ids = [VOCABULARY.ranks[data[place : place + 1]] for place in range(len(data))]
    assert ENCODER.decode_bytes(ids) == data


def test_ids_are_sixteen_bits() -> None:
    assert ENCODER.encode("the").dtype == np.uint16
    assert ENCODER.encode("").dtype == np.uint16


def test_a_literal_endoftext_is_ordinary_text() -> None:
    ids = ENCODER.encode("a<|endoftext|>b")
    assert VOCABULARY.endoftext not in ids
    assert ENCODER.decode(ids) == "a<|endoftext|>b"


def test_lone_surrogates_are_replaced() -> None:
    assert ENCODER.decode(ENCODER.encode("a\ud800b")) == "a\ufffdb"


def test_a_batch_is_one_array_with_offsets() -> None:
    tokens, offsets = ENCODER.encode_batch(["the", "", "cat"], endoftext=True)
    end = VOCABULARY.endoftext
    assert tokens.tolist() == [end, *ENCODER.encode("the"), end, end, *ENCODER.encode("cat")]
    assert offsets.tolist() == [0, 1 + len(ENCODER.encode("the")), 2 + len(ENCODER.encode("the")), len(tokens)]
    assert (tokens.dtype, offsets.dtype) == (np.uint16, np.int64)


def test_an_empty_batch_is_empty() -> None:
    tokens, offsets = ENCODER.encode_batch([])
    assert tokens.tolist() == []
    assert offsets.tolist() == [0]
    assert ENCODER.encode_batch([""])[1].tolist() == [0, 0]


@pytest.mark.parametrize("spaces", [" ", "\n", " \n", "\u3000"])
@pytest.mark.parametrize("end", ["", "the", "!"])
def test_a_million_spaces_are_encoded(spaces: str, end: str) -> None:
    # before a word, the pattern alone overflows the engine's stack from 999,999 spaces on
    text = f"the{spaces * (1_200_000 // len(spaces))}{end}"
    assert ENCODER.decode(ENCODER.encode(text)) == text


@given(st.text(alphabet=st.sampled_from("a1! \n\t\u3000'st"), max_size=40), st.integers(2, 5))
def test_cutting_at_long_runs_changes_no_piece(text: str, least: int) -> None:
    cut = list(cut_long_runs(text, least))
    assert "".join(cut) == text
    assert [piece for part in cut for piece in reference.split(part)] == reference.split(text)


def test_a_word_of_100_kilobytes_is_encoded() -> None:
    word = "the" * 33_334
    assert ENCODER.decode(ENCODER.encode(word)) == word


def test_an_unknown_id_is_named() -> None:
    with pytest.raises(ValueError, match="no token has the id 330"):
        ENCODER.decode([330])
