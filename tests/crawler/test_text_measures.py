"""What is counted of a text, against slow and obvious counts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus.schemas import QUALITY
from webtext.crawler.text.measures import MEASURES, measure


def test_a_short_text_by_hand() -> None:
    text = "The cat sat on the mat.\nThe cat sat on the mat.\n- a list {of} #tags...\nend"
    found = measure(text)
    assert found["tokens"] == 27
    assert (found["sentences"], found["c4_sentences"]) == (3, 3)  # the list has five words and ends with a mark
    assert (found["curly_brackets"], found["lorem_ipsum"], found["stop_words"]) == (2, 0, 1)
    assert found["mean_word_length"] == 57 / 18
    assert (found["hashes"], found["ellipses"]) == (1 / 18, 1 / 18)
    assert (found["bullet_lines"], found["ellipsis_lines"]) == (1 / 4, 1 / 4)
    assert (found["punctuated_lines"], found["short_lines"]) == (3 / 4, 1)
    assert found["alphabetic_words"] == 17 / 18  # all but "-"
    assert (found["duplicate_lines"], found["duplicate_line_characters"]) == (1 / 4, 23 / len(text))
    assert found["top_2grams"] == 2 * len("the mat.") / len(text)
    assert found["duplicate_5grams"] == len("Thecatsatonthe") / len(text)


def test_nothing_can_be_measured_of_nothing() -> None:
    assert set(measure("").values()) == {0.0}


def test_every_measure_has_its_column_and_every_column_its_measure() -> None:
    assert sorted(MEASURES) == sorted(field.name for field in QUALITY)
    assert list(measure("some text")) == list(MEASURES)


@pytest.mark.parametrize(
    ("text", "sentences", "c4"),
    [
        ("One two three four five. Six seven! Eight?", 3, 3),
        ("One two three four five", 1, 0),  # no mark at its end
        ("One two three four.", 0, 0),  # four words
        ("Please enable JavaScript in your browser to read.", 0, 0),
        ("We make use of cookies on this site, as all do.", 0, 0),
        ("He said: \u201cThat is how it was told.\u201d", 1, 1),
        ("It costs 3.50 a day at www.example.org they say.", 1, 1),
    ],
)
def test_sentences(text: str, sentences: int, c4: int) -> None:
    assert (measure(text)["sentences"], measure(text)["c4_sentences"]) == (sentences, c4)


def slow_top(words: list[str], n: int) -> int:
    """datatrove's `find_top_duplicate`: the characters of the most frequent n-gram at all its places."""
    grams = [" ".join(words[start : start + n]) for start in range(len(words) - n + 1)]
    most = max(map(grams.count, grams), default=0)
    return max((len(gram) * most for gram in grams if grams.count(gram) == most), default=0) if most > 1 else 0


def slow_again(words: list[str], n: int) -> int:
    """datatrove's `find_all_duplicate`."""
    seen: set[tuple[str, ...]] = set()
    characters = place = 0
    while place <= len(words) - n:
        gram = tuple(words[place : place + n])
        if gram in seen:
            characters += sum(map(len, gram))
            place += n
        else:
            seen.add(gram)
            place += 1
    return characters


def slow_repeated(parts: list[str]) -> tuple[int, int]:
    again = [part for place, part in enumerate(parts) if part in parts[:place]]
    return len(again), sum(map(len, again))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "cc", "ddd", "\n", "\n\n"]), max_size=80))
def test_repetition_is_that_of_the_slow_counts(pieces: list[str]) -> None:
    text = re.sub(r" *(\n+) *", r"\1", " ".join(pieces)).strip()
    words, found, size = text.split(), measure(text), max(1, len(text))
    for n in (2, 3, 4):
        assert found[f"top_{n}grams"] == slow_top(words, n) / size
    for n in range(5, 11):
        assert found[f"duplicate_{n}grams"] == slow_again(words, n) / size
    lines = [line for line in text.split("\n") if line]
    count, characters = slow_repeated(lines)
    assert (found["duplicate_lines"], found["duplicate_line_characters"]) == (
        count / max(1, len(lines)),
        characters / size,
    )
    count, characters = slow_repeated(re.split(r"\n{2,}", text))
    assert found["duplicate_paragraph_characters"] == characters / size
