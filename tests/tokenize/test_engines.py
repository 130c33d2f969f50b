"""The fast engine: equal to the exact one, and refused where it is not."""

from __future__ import annotations

import itertools
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.tokenize import fast, reference
from webtext.tokenize.encoding import Encoder, Offsets, Tokens
from webtext.tokenize.fast import FastEncoder
from webtext.tokenize.proof import GIGATOKEN, TIKTOKEN, choose_engine, probe
from webtext.tokenize.settled import settle, unsettled, unsettled_rows
from webtext.tokenize.training import train_vocabulary
from webtext.tokenize.vocabulary import Vocabulary

pytest.importorskip("gigatoken")

TEXT = "the cat's hat, the cats' hats:  the end.\n\nthe end 1999 1998 <|endoftext|> naïve naïve aaaa aaaa      " * 3
VOCABULARY = train_vocabulary([TEXT], 330)
FAST = FastEncoder(VOCABULARY)
EXACT = Encoder(VOCABULARY)

# One merge for each class of the split and each first byte of a character: it shows how an engine classes it.
TELLING = Vocabulary.from_merges([(bytes([before]), bytes([lead])) for before in b"a1! " for lead in range(0xC2, 0xF5)])

_RUNS = st.tuples(
    st.sampled_from([" ", "\n", "a", "the", "'s", "<|endoftext|>", "1", "é", "\r\n", "😀", " the", "\u088f"]),
    st.integers(1, 40),
)
ADVERSARIAL = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.text(alphabet=st.sampled_from("aeht \n\t'sS1.\u00a0\u3000é😀\x1c\u088f\u0378")),
    st.lists(_RUNS, max_size=12).map(lambda runs: "".join(text * count for text, count in runs)),
)


def _column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def _texts(found: tuple[Tokens, Offsets]) -> list[list[int]]:
    tokens, offsets = found
    return [tokens[start:end].tolist() for start, end in itertools.pairwise(offsets)]


@settings(max_examples=200, deadline=None)
@given(st.lists(ADVERSARIAL, max_size=6), st.integers(0, 3))
def test_a_column_has_the_ids_of_the_reference(texts: list[str], skip: int) -> None:
    column = _column(texts)[skip:]  # a slice: its offsets begin elsewhere
    expected = [[VOCABULARY.endoftext, *EXACT.encode(text)] for text in texts[skip:]]
    assert _texts(FAST.encode_column(column)) == expected
    assert _texts(EXACT.encode_column(column)) == expected
    for text in texts:
        if not any(unsettled()[ord(character)] for character in text):
            assert EXACT.encode(text).tolist() == reference.encode(text, VOCABULARY)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(alphabet=st.sampled_from("ab c'"), max_size=60), min_size=1, max_size=6),
    st.lists(st.text(alphabet=st.sampled_from("ab c'\u088f"), max_size=60), min_size=1, max_size=6),
)
def test_a_column_has_the_ids_of_the_reference_under_any_trained_vocabulary(
    texts: list[str], others: list[str]
) -> None:
    vocabulary = reference.train(texts, 300)
    expected = [[vocabulary.endoftext, *Encoder(vocabulary).encode(text)] for text in [*texts, *others]]
    assert _texts(FastEncoder(vocabulary).encode_column(_column([*texts, *others]))) == expected
    for text in texts:
        assert [vocabulary.endoftext, *reference.encode(text, vocabulary)] in expected


def test_dtypes_and_empty_columns() -> None:
    for encoder in (FAST, EXACT):
        tokens, offsets = encoder.encode_column(_column([]))
        assert (tokens.tolist(), offsets.tolist(), tokens.dtype, offsets.dtype) == ([], [0], np.uint16, np.int64)
        assert _texts(encoder.encode_column(_column(["", ""]))) == [[VOCABULARY.endoftext], [VOCABULARY.endoftext]]


def test_a_new_cache_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "CACHE_TEXT", 40)
    encoder = FastEncoder(VOCABULARY)
    first = encoder._tokenizer
    found = [_texts(encoder.encode_column(_column([TEXT]))) for _ in range(3)]
    assert encoder._tokenizer is not first
    assert found == [_texts(EXACT.encode_column(_column([TEXT])))] * 3


def test_threads_share_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "CACHE_TEXT", 20_000)  # a new cache now and then, while others use the old one
    texts = [f"{TEXT * (number % 4)} {number} \u088f" for number in range(120)]
    for encoder in (FastEncoder(VOCABULARY), Encoder(VOCABULARY)):
        with ThreadPoolExecutor(4) as threads:
            found = [_texts(one) for one in threads.map(encoder.encode_column, [_column([text]) for text in texts])]
        assert found == [[one] for one in _texts(EXACT.encode_column(_column(texts)))]


@pytest.mark.parametrize("word", ["the" * 33_334, "a" * 100_000, "é" * 50_000, "1234567" * 14_286, " " * 100_000])
def test_a_word_of_100_kilobytes_is_encoded(word: str) -> None:
    column = _column([word, "x" + word + "y"])
    assert _texts(FAST.encode_column(column)) == _texts(EXACT.encode_column(column))


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["the", " ", "1234567890", "的一是", "ab cd"])
def test_a_word_of_10_megabytes_is_encoded(unit: str) -> None:
    word = unit * (10_000_000 // len(unit.encode())) + "x"
    column = _column([word])
    tokens, _ = FAST.encode_column(column)
    assert np.array_equal(tokens, EXACT.encode_column(column)[0])
    assert EXACT.decode(tokens[1:]) == word


# --- characters that Unicode has not settled


def test_an_unsettled_character_is_found_in_its_row() -> None:
    texts = [
        "plain",
        "naïve “quotes” 😀 的",
        "new \u088f letter",
        "",
        "\U0010ffff private, \ufdd0 no character",
        "\u0378",
    ]
    found = [row for row, text in enumerate(texts) if any(unicodedata.category(letter) == "Cn" for letter in text)]
    assert unsettled_rows(_column(texts)).tolist() == found == [2, 4, 5]
    assert unsettled_rows(_column(texts)[3:]).tolist() == [1, 2]


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_unsettled_rows_are_those_with_such_a_character(texts: list[str]) -> None:
    slow = [row for row, text in enumerate(texts) if settle(text) != text]
    assert unsettled_rows(_column(texts)).tolist() == slow


@pytest.mark.slow
def test_all_of_unicode_has_the_ids_of_the_exact_engine() -> None:
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    texts = [f"a{chr(code)}1{chr(code)}!{chr(code)} {chr(code)} x" for code in codes]
    encoder, exact = FastEncoder(TELLING), Encoder(TELLING)
    odd = 0
    for start in range(0, len(texts), 10_000):
        column = _column(texts[start : start + 10_000])
        odd += len(unsettled_rows(column))
        assert np.array_equal(encoder.encode_column(column)[0], exact.encode_column(column)[0])
    assert odd == int(unsettled().sum())


# --- the choice


def test_the_fast_engine_is_used_where_it_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_engine(VOCABULARY, [_column([TEXT])]).engine == GIGATOKEN
    assert "encodes with gigatoken: it agrees with tiktoken on the probe and on" in capsys.readouterr().err


def test_the_exact_one_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_engine(VOCABULARY, [], "tiktoken").engine == TIKTOKEN
    assert "encodes with tiktoken: asked for" in capsys.readouterr().err


@pytest.mark.parametrize("in_probe", [True, False])
def test_a_difference_in_the_probe_or_in_the_users_text_refuses_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_probe: bool
) -> None:
    original = FastEncoder.encode_column

    def wrong(self: FastEncoder, texts: pa.Array) -> tuple[Tokens, Offsets]:
        tokens, offsets = original(self, texts)
        if (len(texts) == len(probe())) == in_probe:
            tokens[-1] ^= 1
        return tokens, offsets

    monkeypatch.setattr(FastEncoder, "encode_column", wrong)
    assert choose_engine(VOCABULARY, [_column([TEXT, "the very last"])]).engine == TIKTOKEN
    told = capsys.readouterr().err
    assert f"does not agree with it on {'the probe' if in_probe else 'your own text'}" in told
    assert in_probe or "the very last" in told


def test_an_engine_that_fails_or_panics_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class PanicException(BaseException):
        pass

    for failure in (RuntimeError("broken"), PanicException("index out of bounds")):

        def fails(self: FastEncoder, texts: pa.Array, failure: BaseException = failure) -> tuple[Tokens, Offsets]:
            raise failure

        monkeypatch.setattr(FastEncoder, "encode_column", fails)
        assert choose_engine(VOCABULARY, []).engine == TIKTOKEN
        assert str(failure) in capsys.readouterr().err


def test_a_signal_of_the_users_is_not_taken_for_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: FastEncoder, texts: pa.Array) -> tuple[Tokens, Offsets]:
        raise KeyboardInterrupt

    monkeypatch.setattr(FastEncoder, "encode_column", stopped)
    with pytest.raises(KeyboardInterrupt):
        choose_engine(VOCABULARY, [])


def test_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    assert choose_engine(VOCABULARY, []).engine == TIKTOKEN
    assert "webtext[fast]" in capsys.readouterr().err
