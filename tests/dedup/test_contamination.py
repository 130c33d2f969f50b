"""Test text in documents: found whole, named, and cut out with what stands around it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_corpora import words

from webtext.corpus.testsets.sets import read_set
from webtext.dedup.alphanumeric import grams_reference
from webtext.dedup.contamination import Match, TestText, detail, excised
from webtext.dedup.gram_table import read_grams
from webtext.dedup.utf8 import Texts


def sets_of(folder: Path, size: int, **texts: str) -> TestText:
    sets = []
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
        sets.append(read_set(folder / f"{name}.txt"))
    return TestText.of(*read_grams(sets, size))


def test_a_finding_names_every_example_that_has_the_text(tmp_path: Path) -> None:
    known = sets_of(tmp_path, 3, one="a b c d\nx y z\n", two="B C, D e\n")
    found = known.find(Texts.of(["nothing here at all", "q a b c d q", "x. Y (z)", "a b, then c d"]))
    assert [(finding.row, finding.matches) for finding in found] == [
        (1, (Match("one test", "1", 2), Match("two test", "1", 1))),
        (2, (Match("one test", "2", 1),)),
    ]
    assert found[0].spans.tolist() == [[2, 7], [4, 9]]
    assert found[1].spans.tolist() == [[0, 7]]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=12), min_size=1, max_size=8), st.integers(1, 4))
def test_exactly_the_texts_that_share_an_n_gram_are_found(documents: list[list[str]], size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        known = sets_of(Path(folder), size, one="a a b c a\nb b\n")
    tests = {gram for line in ("a a b c a", "b b") for gram in grams_reference(line, size)}
    texts = [" ".join(document) for document in documents]
    expected = [row for row, text in enumerate(texts) if tests & set(grams_reference(text, size))]
    assert [finding.row for finding in known.find(Texts.of(texts))] == expected


def test_a_written_table_finds_the_same(tmp_path: Path) -> None:
    known = sets_of(tmp_path, 3, one="a b c d\n", two="b c d\n")
    known.write(tmp_path / "parts")
    again = TestText.read(tmp_path / "parts", 3)
    texts = Texts.of(["a b c d"])
    (first,), (second,) = known.find(texts), again.find(texts)
    assert first.matches == second.matches
    assert second.matches[0] == Match("one test", "1", 2)


def test_what_is_cut_is_the_match_and_the_window_up_to_white_space() -> None:
    before, after = words(1, 100), words(2, 100)
    match = "é one two three"
    text = f"{before} {match} {after}"
    start = len(before.encode()) + 1
    left = excised(text, np.array([[start, start + len(match.encode())]]), 200)
    assert left is not None
    first, second = left.split("\n\n")
    assert before.startswith(first)
    assert after.endswith(second)
    # 200 characters before and after, the space beside the match among them, and the rest of the word they end in.
    assert 199 <= len(before) - len(first) <= 199 + len("word1234") + 1
    assert 199 <= len(after) - len(second) <= 199 + len("word1234") + 1
    assert first.split() == before.split()[: len(first.split())]


def test_pieces_under_200_characters_go_and_with_them_short_documents() -> None:
    text = f"{'a' * 150} match {'b' * 150}"
    assert excised(text, np.array([[151, 156]]), 10) is None
    text = f"{'word ' * 100}match {'b ' * 60}"
    assert excised(text, np.array([[500, 505]]), 10) == " ".join(["word"] * 98)
    assert excised(text, np.array([[500, 505]]), 12) == " ".join(["word"] * 97)


def test_a_document_in_more_than_ten_pieces_goes_as_a_whole() -> None:
    parts = [words(number, 100) for number in range(12)]
    for count, stays in ((10, True), (11, False)):
        text, spans = "", []
        for part in parts[:count]:
            text += part
            spans.append([len(text) + 1, len(text) + 6])
            text += " match "
        text = text.strip()
        assert (excised(text, np.array(spans), 20) is not None) is stays


def test_in_a_script_without_spaces_a_cut_does_not_take_the_whole_text() -> None:
    text = "漢" * 2_000
    left = excised(text, np.array([[3_000, 3_030]]), 200)
    assert left is not None
    assert len(left) == 2_000 - 10 - 400 + len("\n\n")


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_cuts_equal_those_of_a_slow_reference(seed: int, window: int) -> None:
    choice = random.Random(seed)
    text = " ".join(choice.choice(["é", "word", "漢字", "x" * 9]) for _ in range(300))
    places = sorted(choice.sample(range(len(text) - 20), choice.randrange(1, 5)))
    spans = [(place, place + choice.randrange(1, 20)) for place in places]
    gone = np.zeros(len(text), bool)
    for start, stop in spans:
        low, high = max(0, start - window), min(len(text), stop + window)
        while low > 0 and not (text[low - 1].isspace() or text[low].isspace()):
            low -= 1
        while high < len(text) and not (text[high - 1].isspace() or text[high].isspace()):
            high += 1
        gone[low:high] = True
    pieces = "".join("\0" if cut else letter for letter, cut in zip(text, gone, strict=True)).split("\0")
    kept = [piece.strip() for piece in pieces if len(piece.strip()) >= 200]
    in_bytes = [[len(text[:start].encode()), len(text[:stop].encode())] for start, stop in spans]
    assert excised(text, np.array(in_bytes), window) == ("\n\n".join(kept) or None)


@pytest.mark.parametrize(
    ("matches", "told"),
    [
        ((Match("PTB test", "7", 1),), "holds 1 n-gram of PTB test, example 7"),
        ((Match("A", "1", 9), Match("B", "2", 1)), "holds 9 n-grams of A, example 1, and 1 more example"),
    ],
)
def test_the_detail_names_set_and_example(matches: tuple[Match, ...], told: str) -> None:
    assert detail(matches) == told
