"""How near an extracted text is to a reviewed one: F1 of multiset 4-grams of words.

The measure of Scrapinghub's article-extraction-benchmark (`evaluate.py`: tokens `\\w+`, 4-grams with their counts).
"""

from __future__ import annotations

import re
from collections import Counter

GRAM_WORDS = 4

_TOKEN = re.compile(r"\w+")


def fourgram_f1(text: str, gold: str) -> tuple[float, float, float]:
    """F1, precision and recall of the 4-grams of `text` against those of `gold`, each 0..1; case counts.

    A text of fewer words is one gram; two texts without words are equal (1, 1, 1).
    """
    found, wanted = _grams(text), _grams(gold)
    if not found and not wanted:
        return 1.0, 1.0, 1.0
    common = (found & wanted).total()
    precision = common / found.total() if found else 0.0
    recall = common / wanted.total() if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return f1, precision, recall


def _grams(text: str) -> Counter[tuple[str, ...]]:
    tokens = _TOKEN.findall(text)
    if not tokens:
        return Counter()
    return Counter(tuple(tokens[start : start + GRAM_WORDS]) for start in range(max(1, len(tokens) - GRAM_WORDS + 1)))
