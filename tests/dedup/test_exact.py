"""Exact copies: the same text but for white space."""

from __future__ import annotations

import numpy as np
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.exact import digests, first_copies, normalised_reference
from webtext.dedup.utf8 import Texts


def test_white_space_does_not_count_and_all_else_does() -> None:
    same = digests(Texts.of(["A b\n\nc", " A  b\tc \n", "A b c"]))
    assert len(np.unique(same, axis=0)) == 1
    other = digests(Texts.of(["A b c", "a b c", "A b c.", "A bc", "Á b c", ""]))
    assert len(np.unique(other, axis=0)) == 6


def test_the_hash_is_xxh3_128_of_the_text() -> None:
    # xxHash's own test vector: XXH3_128bits of the empty input, seed 0.
    assert [f"{value:016x}" for value in digests(Texts.of(["", " \n"]))[1].tolist()] == [
        "99aa06d3014798d8",
        "6001c324468d497f",
    ]


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.text(alphabet=" \t\n\r\x0b\x0c\x1c\x85\u00a0\u3000abé", max_size=12), max_size=8))
def test_the_hash_is_that_of_the_reference(texts: list[str]) -> None:
    wanted = [xxhash.xxh3_128_intdigest(normalised_reference(text)) for text in texts]
    assert [int(upper) << 64 | int(lower) for upper, lower in digests(Texts.of(texts)).tolist()] == wanted


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.sampled_from(["", " ", "a", "a ", "b", "a b", "a  b"]), max_size=12))
def test_each_document_is_led_to_the_first_with_its_text(texts: list[str]) -> None:
    plain = [normalised_reference(text) for text in texts]
    assert first_copies(digests(Texts.of(texts))).tolist() == [plain.index(text) for text in plain]
