"""What is no document, and what is one although it looks like none."""

from __future__ import annotations

import pytest

from webtext.corpus.outcomes import OUTCOMES, Outcome, Stage
from webtext.crawler.text.examine import examine, judge
from webtext.crawler.text.main_text import MainText
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules
from webtext.crawler.text.rules import reject_language, reject_short
from webtext.crawler.text.words import count_words

RULES = TextRules(languages=("en",), min_language_score=0.9, min_words=40)
ARTICLE = (
    "The keeper of the lighthouse climbed the two hundred steps every evening, in summer and in winter, to light the "
    "lamp before the ships came in. When the lamp was made electric he stayed on as a guide, and told the visitors "
    "about the storms that he had seen from up there in thirty years."
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two  three\nfour", 4),
        ("naïve café \u2013 déjà-vu", 4),
        ("漢字とかな", 5),
        ("漢字 and words", 4),
        ("สวัสดี", 6),
        ("привет мир", 2),
    ],
)
def test_words_are_counted_by_blanks_or_characters(text: str, words: int) -> None:
    assert count_words(text) == words


def test_too_few_words() -> None:
    assert reject_short(40, RULES) is None
    assert reject_short(39, RULES) == Rejection(Outcome.TOO_SHORT, "39 words, 40 are needed")


@pytest.mark.parametrize(
    ("code", "score", "stays"),
    [("en", 0.9, True), ("en", 0.89, False), ("de", 1.0, False), ("unknown", 0.0, False)],
)
def test_the_language_and_its_score(code: str, score: float, stays: bool) -> None:
    found = reject_language(code, score, RULES)
    assert (found is None) is stays
    assert found is None or found == Rejection(Outcome.LANGUAGE, f"{code} {score:.2f}")


def test_any_language_stays_if_asked_for() -> None:
    assert reject_language("de", 0.3, TextRules(("any",), 0.9, 40)) is None


def test_the_rules_in_their_order() -> None:
    def outcome(text: str, title: str = "") -> Outcome | None:
        result = judge(MainText(title, None, text), RULES)
        return result.outcome if isinstance(result, Rejection) else None

    assert outcome(ARTICLE) is None
    assert outcome("") is Outcome.EMPTY
    assert outcome("… \u2013 !") is Outcome.EMPTY
    assert outcome("Too short.") is Outcome.TOO_SHORT
    assert outcome("The page you want is gone.", "Page not found") is Outcome.SOFT_404
    # Few words in another script are another language, few words in Latin letters are too few to tell.
    assert outcome("ⵉⵎⴷⴰⵏⴻⵏ, ⴰⴽⴽⴻⵏ ⵎⴰ ⵍⵍⴰⵏ") is Outcome.LANGUAGE
    assert outcome("Drei Worte Deutsch") is Outcome.TOO_SHORT
    assert (
        outcome("Der Wärter stieg jeden Abend die Stufen hinauf, um die Lampe zu entzünden. " * 5) is Outcome.LANGUAGE
    )


def test_every_outcome_of_the_rules_belongs_to_this_stage() -> None:
    named = {Outcome.EMPTY, Outcome.TOO_SHORT, Outcome.LANGUAGE, Outcome.SOFT_404, Outcome.PARKED, Outcome.CONSENT_WALL}
    assert named <= set(OUTCOMES[Stage.DOCUMENTS])


def test_a_page_from_bytes_to_document() -> None:
    html = (
        f"<html><head><title>Light</title><link rel=canonical href=/l></head><body><article><p>{ARTICLE}</p></article>"
    )
    page = PageBytes("https://example.org/light", "text/html; charset=utf-8", html.encode())
    result = examine(page, RULES)
    assert isinstance(result, Extracted)
    assert (result.title, result.canonical) == ("Light", "https://example.org/l")
    assert result.text == ARTICLE
    assert result.language == "en"
    assert result.language_score > 0.99
    assert result.words == len(ARTICLE.split())


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("text/plain", f"<b>{ARTICLE}</b>"),
        ("TEXT/PLAIN; charset=us-ascii", f"<b>{ARTICLE}</b>"),
        ("", ARTICLE),
    ],
)
def test_plain_text_keeps_every_character(content_type: str, text: str) -> None:
    result = examine(PageBytes("https://example.org/a.txt", content_type, text.encode()), RULES)
    assert isinstance(result, Extracted)
    assert result.text == text


def test_a_page_without_a_type_that_looks_like_html_is_html() -> None:
    html = f"<!DOCTYPE html><title>Light</title><body><p>{ARTICLE}</p><p>{ARTICLE}</p></body>"
    result = examine(PageBytes("https://example.org/", "", html.encode()), RULES)
    assert isinstance(result, Extracted)
    assert "<" not in result.text


def test_binary_data_have_no_text() -> None:
    import random

    page = PageBytes("https://example.org/a.jpg", "text/html", random.Random(1).randbytes(20_000))
    assert examine(page, RULES) == Rejection(Outcome.EMPTY, "binary data, no text (text/html)")
