"""Which texts become documents: pure functions from a text to an outcome, or None where it stays.

Each rule is simple, and labelled by what it finds; the rules for walls and error pages look only at short texts, so
that an article about them stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.language import LATIN_LANGUAGES, mostly_other_scripts, sample_text
from webtext.crawler.text.results import Rejection, TextRules

RULES: Mapping[str, int] = {"encoding": 1, "text": 2, "language": 1, "reject": 1, "owner": 1}
"""Versions of the rules that shape documents/; a change of what any of them gives raises its number."""

WALL_WORDS = 150  # a wall, an error page or a parked domain says little else; the shortest reviewed article has 53

ANY_LANGUAGE = "any"


# Scripts written without spaces count a word a character, as in the default rules of UAX #29 for ideographs:
# Thai, Lao, Burmese, Khmer, Hiragana, Katakana, Han.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]+")


def count_words(text: str) -> int:
    """Words between blanks; a character is a word in scripts that are written without them."""
    return len(text.split()) if text.isascii() else len(_WORD.findall(text))


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
    if rules.language in LATIN_LANGUAGES and mostly_other_scripts(sample_text(text)):
        return Rejection(Outcome.LANGUAGE, "most letters are not Latin")
    return None


def reject_language(code: str, score: float, rules: TextRules) -> Rejection | None:
    """A text in another language, or in none for sure."""
    if rules.language == ANY_LANGUAGE or (code == rules.language and score >= rules.min_language_score):
        return None
    return Rejection(Outcome.LANGUAGE, f"{code} {score:.2f}")


# A part of the title that says nothing but that the page is missing.
_MISSING = re.compile(
    r"(error[ :]*)?404([ :]*error)?([ :]*(page |file )?not found)?|(error[ :]*)?(page|file|url) (was )?not found"
    r"|(this |the |that )?page (does not|doesn['\u2019]t) exist|page (is )?no longer available",
    re.IGNORECASE,
)
_TITLE_PARTS = re.compile(r"\s+[-\u2013\u2014|\u00b7\u2022\u00bb\u00ab:]+\s+|\s*[|\u00bb\u00ab]\s*")


def reject_missing(title: str, words: int) -> Rejection | None:
    """An error page that was sent with status 200: a short text, and a part of the title says nothing else."""
    if words >= WALL_WORDS:
        return None
    for part in _TITLE_PARTS.split(title):
        if _MISSING.fullmatch(part.strip(" .!")):
            return Rejection(Outcome.SOFT_404, f"title: {part.strip()[:80]}")
    return None


_PARKED = re.compile(
    r"\b(this|the) domain( name)? (is|may be) for sale\b|\bbuy this domain\b|\bdomain (is )?parked (free|by|with|at)\b"
    r"|\bthis domain( name)? (has expired|is parked|was recently registered|has been registered)\b",
    re.IGNORECASE,
)


def reject_parked(text: str, words: int) -> Rejection | None:
    """A page of a domain's seller or registrar."""
    found = _PARKED.search(text) if words < WALL_WORDS else None
    return None if found is None else Rejection(Outcome.PARKED, found.group())


# What the buttons and the boilerplate of consent dialogues say.
_CONSENT = (
    "we use cookies", "we and our partners", "our partners", "legitimate interest", "accept all", "reject all",
    "manage options", "manage preferences", "manage cookies", "cookie settings", "cookie policy", "your consent",
    "withdraw consent", "personalised ads", "personalized ads", "before you continue",
)  # fmt: skip
CONSENT_PHRASES = 4


def reject_consent(text: str, words: int) -> Rejection | None:
    """A short text made of a consent dialogue: several of its phrases at once."""
    if words >= WALL_WORDS:
        return None
    lower = text.lower()
    found = [phrase for phrase in _CONSENT if phrase in lower]
    return Rejection(Outcome.CONSENT_WALL, ", ".join(found)) if len(found) >= CONSENT_PHRASES else None
