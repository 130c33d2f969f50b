"""Which texts become documents: pure functions from a text to an outcome, or None where it stays.

Pages that only look like documents are in `walls`, texts that are not worth reading in `quality`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.language import LATIN_LANGUAGES, mostly_other_scripts, sample_text
from webtext.crawler.text.results import Rejection, TextRules

RULES: Mapping[str, int] = {
    "encoding": 1,
    "text": 2,
    "language": 1,
    "reject": 3,
    "owner": 1,
    "measures": 1,
    "columns": 2,
}
"""Versions of the rules that shape documents/; a change of what any of them gives raises its number."""

ANY_LANGUAGE = "any"


MOST_ELEMENTS = 200_000
"""Elements of a page (start tags of its markup) that are still taken apart. Each costs some 25 us, so those of a page
of 5 MB that has nothing else take 6 to 11 s of processor time: whether the limit of 10 is met would be a matter of what
else the machine's cores do. The largest of 510 recorded pages has 10,165."""

_START_TAG = re.compile("<[a-zA-Z]")


def reject_markup(html: str) -> Rejection | None:
    """A page that is nothing but markup, before it is parsed."""
    if html.count("<") <= MOST_ELEMENTS:  # costs nothing
        return None
    elements = sum(1 for _ in _START_TAG.finditer(html))
    if elements <= MOST_ELEMENTS:
        return None
    return Rejection(Outcome.EXTRACT_TIMEOUT, f"{elements:,} elements: more than {MOST_ELEMENTS:,} take too long")


def reject_empty(text: str) -> Rejection | None:
    """A page whose main text has no word."""
    return None if re.search(r"\w", text) else Rejection(Outcome.EMPTY, "no main text")


def reject_short(words: int, rules: TextRules) -> Rejection | None:
    """A text of too few words."""
    if words >= rules.min_words:
        return None
    return Rejection(Outcome.TOO_SHORT, f"{words} words, {rules.min_words} are needed")


def reject_script(text: str, rules: TextRules) -> Rejection | None:
    """A text in other letters than its language could have: seen without counting its words."""
    if LATIN_LANGUAGES.issuperset(rules.languages) and mostly_other_scripts(sample_text(text)):
        return Rejection(Outcome.LANGUAGE, "most letters are not Latin")
    return None


def reject_language(code: str, score: float, rules: TextRules) -> Rejection | None:
    """A text in another language, or in none for sure."""
    if ANY_LANGUAGE in rules.languages or (code in rules.languages and score >= rules.min_language_score):
        return None
    return Rejection(Outcome.LANGUAGE, f"{code} {score:.2f}")
