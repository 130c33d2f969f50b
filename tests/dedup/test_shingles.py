"""Words and shingles: the kernel gives what the obvious reference gives, whatever the text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.shingles import shingle_sets, shingles, shingles_reference, words_reference
from webtext.dedup.utf8 import BLOCK, Texts

# Few letters and many separators, so that words repeat, touch the ends, are missing altogether, and fill many loads.
SMALL = st.text(alphabet="aAbZé_9 \n.,-'\u2019İßẞΣς中\u200c\U00010400", max_size=60)
TEXTS = st.lists(st.one_of(SMALL, st.text(max_size=40)), max_size=8)


def as_lists(texts: list[str], size: int) -> list[list[int]]:
    found = shingles(Texts.of(texts), size)
    return [part.tolist() for part in np.split(found.hashes, found.offsets[1:-1])] if texts else []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("... --- !", []),
        ("Don't stop", ["don", "t", "stop"]),
        ("snake_case 4th", ["snake_case", "4th"]),
        ("ÉCOLE Straße", ["école", "straße"]),
        ("“quoted”—text", ["quoted", "text"]),
        ("İstanbul", ["İstanbul"]),  # its lower case is two characters: left as it is
        ("\u212aelvin ẞ", ["\u212aelvin", "ẞ"]),  # other lengths in UTF-8: left as they are
        ("ΑΣ", ["ασ"]),  # noqa: RUF001 - each character by itself: no final sigma
        ("中文 words", ["中文", "words"]),
    ],
)
def test_words_are_runs_of_letters_digits_and_underscores_in_lower_case(text: str, words: list[str]) -> None:
    assert words_reference(text) == words


def test_a_shingle_is_size_words_in_a_row_and_repeats_are_kept() -> None:
    found = as_lists(["a b a b a"], 2)[0]
    assert len(found) == 4
    assert found[0] == found[2] != found[1] == found[3]


def test_case_punctuation_and_white_space_do_not_count() -> None:
    one, other = as_lists(["The cat sat on the mat.", "the CAT\n\nsat: on—the mat"], 5)
    assert one == other


def test_a_text_with_fewer_words_than_a_shingle_has_none() -> None:
    assert as_lists(["one two three four", "", "one two three four five"], 5)[:2] == [[], []]
    assert len(as_lists(["one two three four", "", "one two three four five"], 5)[2]) == 1


def test_no_shingle_reaches_into_the_next_text() -> None:
    assert as_lists(["a b c", "d e f"], 3) == [shingles_reference("a b c", 3), shingles_reference("d e f", 3)]


def test_the_hash_of_a_known_shingle_stays_what_it_is() -> None:
    # A changed hash changes every corpus: raise RULES["words"] with it.
    assert as_lists(["the quick brown fox jumps"], 5) == [[9708969950297579723]]


@settings(deadline=None)  # a loaded machine is no failure
@given(TEXTS, st.integers(1, 6))
def test_the_kernel_gives_what_the_reference_gives(texts: list[str], size: int) -> None:
    assert as_lists(texts, size) == [shingles_reference(text, size) for text in texts]


def test_every_word_character_of_unicode_is_hashed_as_in_the_reference() -> None:
    text = " ".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert as_lists([text], 1) == [shingles_reference(text, 1)]


@pytest.mark.parametrize("text", ["ab" * BLOCK, "x" * (BLOCK + 1), "a b " * BLOCK])
def test_a_text_longer_than_a_block_is_hashed_as_in_the_reference(text: str) -> None:
    found = as_lists([text, "tail of it"], 2)
    assert found[1] == shingles_reference("tail of it", 2)
    if " " in text:
        assert found[0] == shingles_reference("a b", 2) + (shingles_reference("b a b", 2) * BLOCK)[: len(found[0]) - 1]
        assert len(found[0]) == 2 * BLOCK - 1


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 40))
def test_blocks_cover_all_texts_in_order_and_are_never_empty(lengths: list[int], size: int) -> None:
    texts = Texts.of(["x" * length for length in lengths])
    cut = list(texts.blocks(size))
    assert [text for part in cut for text in range(len(lengths))[part]] == list(range(len(lengths)))
    assert all(part.stop > part.start for part in cut)
    assert all(part.stop == part.start + 1 or sum(lengths[part]) <= size for part in cut)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_are_read_where_arrow_holds_them_slices_and_chunks_included(kind: pa.DataType) -> None:
    array = pa.array(["left out", "eins zwei", "", "déjà vu", "left out"], kind)
    wanted = [shingles_reference(text, 2) for text in array.to_pylist()[1:4]]
    for texts in (array[1:4], pa.chunked_array([array[1:2], array[2:4]])):
        found = shingles(Texts.of(texts), 2)
        assert [part.tolist() for part in np.split(found.hashes, found.offsets[1:-1])] == wanted
    assert len(Texts.of(pa.chunked_array([], kind))) == 0


@settings(deadline=None)  # a loaded machine is no failure
@given(TEXTS, st.integers(1, 4))
def test_shingle_sets_hold_each_shingle_of_a_document_once_in_order(texts: list[str], size: int) -> None:
    found = shingle_sets(Texts.of(texts), size)
    parts = np.split(found.hashes, found.offsets[1:-1]) if texts else []
    assert [part.tolist() for part in parts] == [sorted(set(shingles_reference(text, size))) for text in texts]
