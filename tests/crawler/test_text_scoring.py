"""F1 of multiset 4-grams."""

from __future__ import annotations

import pytest

from webtext.crawler.text.scoring import fourgram_f1


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        ("a b c d e", "a b c d e", (1.0, 1.0, 1.0)),
        ("a, b: c! (d) e.", "a b c d e", (1.0, 1.0, 1.0)),
        ("a b c d", "a b c d e", (2 / 3, 1.0, 0.5)),
        ("A b c d e", "a b c d e", (0.5, 0.5, 0.5)),
        # abcd is twice in one and once in the other: counted once
        ("a b c d a b c d", "a b c d", (1 / 3, 0.2, 1.0)),
        ("a b", "a b", (1.0, 1.0, 1.0)),
        ("a b", "a b c d e", (0.0, 0.0, 0.0)),
        ("", "a b c d", (0.0, 0.0, 0.0)),
        ("a b c d", "", (0.0, 0.0, 0.0)),
        ("…", "", (1.0, 1.0, 1.0)),
    ],
)
def test_f1_precision_recall(text: str, gold: str, expected: tuple[float, float, float]) -> None:
    assert fourgram_f1(text, gold) == pytest.approx(expected)
