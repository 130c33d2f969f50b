"""GPT-2's alphabet and split."""

from __future__ import annotations

import unicodedata

import regex
from hypothesis import given
from hypothesis import strategies as st

from webtext.tokenize import reference
from webtext.tokenize.split import POSSESSIVE_SPLIT, SPLIT, WHITE_SPACE, byte_characters, byte_order


def test_ids_of_bytes_begin_with_those_that_print() -> None:
    order = byte_order()
    assert order[0] == ord("!")
    assert order[93] == ord("~")
    assert order[94] == 0xA1
    assert order[187] == 0xFF
    assert order[188] == 0  # the first that does not print
    assert order[-1] == 0xAD  # the soft hyphen, the last
    assert sorted(order) == list(range(256))


def test_bytes_are_written_as_openai_writes_them() -> None:
    written = byte_characters()
    assert written[ord(" ")] == "Ġ"
    assert written[ord("\n")] == "Ċ"
    assert written[ord("a")] == "a"
    assert written[0xAD] == "Ń"
    assert len(set(written)) == 256


def test_pieces_of_a_sentence() -> None:
    assert reference.split("I'll say it's 42!") == ["I", "'ll", " say", " it", "'s", " 42", "!"]


def test_contractions_are_case_sensitive() -> None:
    assert reference.split("IT'S") == ["IT", "'", "S"]


def test_a_word_takes_one_space_and_leaves_the_others() -> None:
    assert reference.split("a   b") == ["a", "  ", " b"]
    assert reference.split("a \n b") == ["a", " \n", " b"]
    assert reference.split("a\n\nb") == ["a", "\n", "\n", "b"]
    assert reference.split("a  ") == ["a", "  "]


def test_white_space_is_unicodes_and_not_pythons() -> None:
    assert regex.fullmatch(f"[{WHITE_SPACE}]+", "".join(chr(code) for code in (9, 13, 32, 0x85, 0xA0, 0x2028, 0x3000)))
    assert not regex.search(f"[{WHITE_SPACE}]", "\x1c\u180e\u200b\ufeff")


@given(st.text(alphabet=st.one_of(st.sampled_from(" \n\t'stredlvmSa1!.\u00a0\u3000é"), st.characters(codec="utf-8"))))
def test_both_patterns_cut_as_the_reference_does(text: str) -> None:
    known = "".join(
        character
        for character in text
        if unicodedata.category(character) != "Cn" and character not in "\x1c\x1d\x1e\x1f"
    )
    pieces = reference.split(known)
    assert "".join(pieces) == known
    # the regex library's `$` also matches before a last newline; `\Z` is what the tokenizer's engine means
    for pattern in (SPLIT, POSSESSIVE_SPLIT.replace("$", r"\Z")):
        assert regex.findall(pattern, known) == pieces
