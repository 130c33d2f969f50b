"""Test sets as tables of n-grams: the words of the paper, every n-gram, nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus.testsets.sets import read_set
from webtext.dedup import gram_table
from webtext.dedup.alphanumeric import grams, grams_reference, words_reference
from webtext.dedup.gram_table import GramTable, read_grams
from webtext.dedup.utf8 import Texts

LETTERS = st.text(st.sampled_from("aB1_ .'é\u0301ÉßЖж漢\u2019\n"), max_size=30)


def test_words_are_lower_cased_letters_and_digits() -> None:
    assert words_reference("Don't <unk> @-@ Ärger_2, 3.5\nEND") == ["don", "t", "unk", "ärger", "2", "3", "5", "end"]


@settings(deadline=None)
@given(st.lists(LETTERS, max_size=6), st.integers(1, 4))
def test_the_kernel_makes_one_hash_of_one_n_gram(texts: list[str], size: int) -> None:
    found = grams(Texts.of(texts), size)
    expected = [grams_reference(text, size) for text in texts]
    assert np.diff(found.found.offsets).tolist() == [len(each) for each in expected]
    # The same hash if and only if it is the same n-gram.
    flat = [gram for each in expected for gram in each]
    pairs = set(zip(flat, found.found.hashes.tolist(), strict=True))
    assert len(pairs) == len(set(flat)) == len(set(found.found.hashes.tolist()))


@settings(deadline=None)
@given(st.lists(LETTERS, min_size=1, max_size=5), st.integers(1, 4))
def test_a_span_holds_the_words_of_its_n_gram(texts: list[str], size: int) -> None:
    found = grams(Texts.of(texts), size)
    numbers = np.arange(len(found.found.hashes))
    starts, ends = found.span(numbers)
    expected = [gram for text in texts for gram in grams_reference(text, size)]
    for number, text, start, end in zip(numbers, found.text_of(numbers), starts, ends, strict=True):
        cut = texts[text].encode()[start:end].decode()
        assert " ".join(words_reference(cut)) == expected[number]
        assert words_reference(cut[:1])
        assert words_reference(cut[-1:])


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_the_table_finds_its_own_and_no_others(inside: list[int], others: list[int]) -> None:
    table = GramTable.of(8, np.array(inside, np.uint64))
    asked = np.array([*others, *inside], np.uint64)
    at, number = table.find(asked)
    assert at.tolist() == [place for place, value in enumerate(asked.tolist()) if value in set(inside)]
    assert table.hashes[number].tolist() == asked[at].tolist()


def test_a_table_of_neighbouring_hashes_is_exact() -> None:
    table = GramTable.of(8, np.arange(0, 2_000, 2, dtype=np.uint64))
    at, _ = table.find(np.arange(2_000, dtype=np.uint64))
    assert at.tolist() == list(range(0, 2_000, 2))


def test_a_written_table_is_the_same(tmp_path: Path) -> None:
    table = GramTable.of(8, np.arange(1_000, dtype=np.uint64) << np.uint64(54))
    table.write(tmp_path / "table.arrow")
    again = GramTable.read(tmp_path / "table.arrow", 8)
    assert again.hashes.tolist() == table.hashes.tolist()
    assert again.bits.tolist() == table.bits.tolist()


@pytest.mark.parametrize("batch", [1, 1 << 20])
def test_n_grams_do_not_go_from_one_example_to_the_next(
    tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram_table, "BATCH_BYTES", batch)
    path = tmp_path / "news.en.heldout-00000-of-00050"
    path.write_text("a b c\nb c\na b c d\nx\n")
    table, (found,) = read_grams([read_set(path)], 2)
    assert found.totals.tolist() == [2, 1, 3, 0]
    assert len(table) == 3  # a b, b c, c d
    first, second, third = found.gram[:2].tolist(), found.gram[2:3].tolist(), found.gram[3:].tolist()
    assert first == third[:2]
    assert second == first[1:]
    assert found.example.tolist() == [0, 0, 1, 2, 2, 2]


def test_in_a_running_text_they_do(tmp_path: Path) -> None:
    path = tmp_path / "ptb.test.txt"
    path.write_text(" a b \n é c d \n\n e \n")
    _, (found,) = read_grams([read_set(path)], 2)
    assert found.ids == ("1", "2", "3", "4")
    assert found.totals.tolist() == [2, 3, 0, 0]  # a b, b é; é c, c d, d e


def test_sets_share_one_table(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("a b c\n")
    second.write_text("B, C!\n")
    table, (one, two) = read_grams([read_set(first), read_set(second)], 2)
    assert len(table) == 2
    assert two.gram.tolist() == one.gram[1:].tolist()
    assert (one.label, two.label) == ("a test", "b test")
