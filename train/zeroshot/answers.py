"""Short answers against reference answers: CoQA's F1 and the exact match of open questions.

Both compare what is left after lower case, without punctuation and articles. The rules are those of CoQA's
evaluate-v1.0 and of SQuAD's script before it, which NQ-open's uses too; the code is ours.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normal(answer: str) -> str:
    """Lower case, then without punctuation, then without articles, then with single spaces."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact(answer: str, reference: str) -> float:
    """1 where both are the same after `normal`."""
    return float(normal(answer) == normal(reference))


def f1(answer: str, reference: str) -> float:
    """Of the words of both after `normal`, counted; where either has none, 1 if both have none."""
    told, wanted = normal(answer).split(), normal(reference).split()
    if not told or not wanted:
        return float(told == wanted)
    shared = sum((Counter(told) & Counter(wanted)).values())
    return 2 * shared / (len(told) + len(wanted))


def coqa(answer: str, references: Sequence[str]) -> tuple[float, float]:
    """F1 and exact match of one turn.

    Several references: the mean over all ways to leave one out of the best match with the others, so that people, who
    are measured against the other references, are not at a disadvantage.
    """
    if len(references) == 1:
        return f1(answer, references[0]), exact(answer, references[0])
    left_out = [[*references[:place], *references[place + 1 :]] for place in range(len(references))]
    best_f1 = [max(f1(answer, reference) for reference in others) for others in left_out]
    best_exact = [max(exact(answer, reference) for reference in others) for others in left_out]
    return sum(best_f1) / len(best_f1), sum(best_exact) / len(best_exact)


def open_match(answer: str, references: Sequence[str]) -> bool:
    """Whether the answer is exactly one of the references."""
    return any(normal(answer) == normal(reference) for reference in references)
