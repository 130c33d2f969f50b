"""What is left of a text's characters."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.crawler.text.clean import clean_text, one_line


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("one\r\ntwo\rthree\u2028four\u0085five", "one\ntwo\nthree\nfour\nfive"),
        ("one\n\n\n\n\ntwo", "one\n\ntwo"),
        ("one  \t\n \t \n  \ntwo   ", "one\n\ntwo"),
        ("\n\n  indented\n    more\n\n", "  indented\n    more"),
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        ("so\u00adft hy\u00adphen", "soft hyphen"),
        ("ze\u200bro\ufeff wi\u2060dth", "zero width"),
        ("\u202eright to left\u202c", "right to left"),
        ("nul\x00 bell\x07 escape\x1b del\x7f", "nul bell escape del"),
        ("icon \ue001 font \uf0e0", "icon  font"),
        ("cafe\u0301", "caf\u00e9"),
        ("tab\tstays", "tab\tstays"),
        ("x\ud800y", "xy"),
        ("", ""),
        (" \n\t\n ", ""),
    ],
)
def test_what_becomes_of_characters_and_lines(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: mi, non-joiner, khaham
        "\u0915\u094d\u200d\u0937",  # Devanagari: ka, virama, joiner, ssa
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family, joined
    ],
)
def test_joiners_stay_where_they_join(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize("text", ["wo\u200drd", "\u200cword", "word\u200d", "\u0645\u200c word", "a\u200d\u0915"])
def test_joiners_go_where_they_are_only_invisible(text: str) -> None:
    assert "\u200c" not in clean_text(text)
    assert "\u200d" not in clean_text(text)


CHARACTERS = st.one_of(
    st.characters(),
    st.sampled_from("\n\r\t \u00a0\u200b\u200c\u200d\u0301\u0338\u0915\u094d\u3099\u30ab\u00ade\x85\u2028"),
)


@given(st.text(CHARACTERS, max_size=40))
def test_a_clean_text_is_clean(text: str) -> None:
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert not re.search(r"[ \t]\n|[ \t]\Z|\n{3}|\A\n|\n\Z", clean)
    assert not [c for c in clean if unicodedata.category(c) in ("Cc", "Cs", "Co") and c not in "\n\t"]
    assert clean.encode().decode() == clean


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1))
def test_plain_words_are_left_alone(text: str) -> None:
    assert clean_text(text) == text


def test_one_line_has_no_break_and_no_run_of_blanks() -> None:
    assert one_line("  A \n\n title\u200b \t of  words ", 500) == "A title of words"
    assert one_line("A title of words", 8) == "A title"
