"""A diff for people: what stands in one text alone, word by word, with little around it."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.word_diff import MOST_WORDS, word_diff

WORDS = [f"w{number}" for number in range(40)]


def test_equal_texts_have_none() -> None:
    assert word_diff("a b", "a b", "one", "other") == []


def test_one_word_of_a_long_paragraph_is_marked_with_its_surroundings() -> None:
    text = " ".join(WORDS)
    assert word_diff(f"top\n{text}\nend", f"top\n{text.replace('w20', 'new thing')}\nend", "one", "other") == [
        "--- one",
        "+++ other",
        "@@ -1,3 +1,3 @@",
        " top",
        "~… w12 w13 w14 w15 w16 w17 w18 w19 [-w20-] {+new thing+} w21 w22 w23 w24 w25 w26 w27 w28 …",
        " end",
    ]


def test_a_paragraph_more_or_less_is_a_line() -> None:
    assert word_diff("a\nb\nc", "a\nc\nd", "one", "other")[2:] == ["@@ -1,3 +1,3 @@", " a", "-b", " c", "+d"]
    assert word_diff("", "a", "one", "other")[2:] == ["@@ -1,1 +1,1 @@", "~{+a+}"]


def test_paragraphs_of_agreement_are_shortened() -> None:
    text = " ".join(WORDS)
    line = word_diff(text, f"{text}\nmore", "one", "other")[3]
    assert line == " w0 w1 w2 w3 w4 w5 w6 w7 … w32 w33 w34 w35 w36 w37 w38 w39"


def test_very_long_paragraphs_are_shown_whole() -> None:
    long = "word " * MOST_WORDS * 2
    kinds = [line[0] for line in word_diff(f"{long}a", f"{long}b", "one", "other")[3:]]
    assert kinds == ["-", "+"]


def test_a_line_end_that_differs_is_a_sign() -> None:
    assert word_diff("a b\nc", "a\nb c", "one", "other")[3:] == ["~a {+¶+} b [-¶-] c"]


@settings(deadline=None, max_examples=60)  # a loaded machine is no failure
@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_with_either_kind_of_mark_away_either_text_comes_back(one: list[str], other: list[str]) -> None:
    """Texts so short that nothing is left out."""
    lines = word_diff(" ".join(one), " ".join(other), "one", "other")
    if one == other:
        assert lines == []
        return
    (marked,) = lines[3:]
    assert re.sub(r"\[-(.*?)-\]", r"\1", re.sub(r"\{\+.*?\+\}", "", marked[1:])).split() == one
    assert re.sub(r"\{\+(.*?)\+\}", r"\1", re.sub(r"\[-.*?-\]", "", marked[1:])).split() == other
