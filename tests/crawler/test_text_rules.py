"""What is no document, and what is one although it looks like none."""

from __future__ import annotations

import pytest

from webtext.corpus.outcomes import OUTCOMES, Outcome, Stage
from webtext.crawler.text.examine import examine, judge
from webtext.crawler.text.main_text import MainText
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules
from webtext.crawler.text.rules import (
    count_words,
    reject_consent,
    reject_language,
    reject_missing,
    reject_parked,
    reject_short,
)

RULES = TextRules(language="en", min_language_score=0.8, min_words=40)
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
    [("en", 0.8, True), ("en", 0.79, False), ("de", 1.0, False), ("unknown", 0.0, False)],
)
def test_the_language_and_its_score(code: str, score: float, stays: bool) -> None:
    found = reject_language(code, score, RULES)
    assert (found is None) is stays
    assert found is None or found == Rejection(Outcome.LANGUAGE, f"{code} {score:.2f}")


def test_any_language_stays_if_asked_for() -> None:
    assert reject_language("de", 0.3, TextRules("any", 0.8, 40)) is None


@pytest.mark.parametrize(
    "title",
    [
        "404",
        "404 Not Found",
        "404 - Page not found",
        "Page Not Found | Example Site",
        "Example Site \u2013 Page not found",
        "Error 404: page not found",
        "This page doesn\u2019t exist.",
        "Page no longer available - The Example Times",
    ],
)
def test_a_short_page_whose_title_says_only_that_it_is_missing(title: str) -> None:
    rejection = reject_missing(title, 60)
    assert rejection is not None
    assert rejection.outcome is Outcome.SOFT_404


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("404 Not Found", 150),  # a long text is no error page
        ("How to design a 404 page", 60),
        ("Why “page not found” is a story in itself", 60),
        ("Peugeot 404", 60),
        ("Not found: the lost films of Georges Méliès", 60),
        ("Lost and not found", 60),
        ("Room 404 | Example Hotel", 60),
        ("", 60),
    ],
)
def test_pages_about_missing_pages_stay(title: str, words: int) -> None:
    assert reject_missing(title, words) is None


@pytest.mark.parametrize(
    "text",
    [
        "example.com This domain is for sale. Inquire now.",
        "Buy this domain. The owner of example.com is offering it for sale.",
        "This Web page is parked for free: domain parked by Example Registrar.",
        "This domain has expired. If you owned this domain, contact your registrar.",
    ],
)
def test_parked_domains(text: str) -> None:
    rejection = reject_parked(text, count_words(text))
    assert rejection is not None
    assert rejection.outcome is Outcome.PARKED


@pytest.mark.parametrize(
    "text",
    [
        "He parked the car by the domain of the old count, which was for sale.",
        "The domain of a function is the set of its arguments.",
        "Her domain had expired in March, and by April someone else was selling shoes there.",
    ],
)
def test_texts_about_domains_stay(text: str) -> None:
    assert reject_parked(text, count_words(text)) is None


def test_a_long_text_that_names_a_domain_for_sale_stays() -> None:
    text = ARTICLE * 3 + " On the old site stood: this domain is for sale."
    assert reject_parked(text, count_words(text)) is None


def test_a_consent_dialogue() -> None:
    text = (
        "We use cookies. We and our partners store and access information on a device and process personal data with "
        "your consent or on the basis of legitimate interest. You can withdraw consent at any time. Accept all. "
        "Reject all. Manage options."
    )
    rejection = reject_consent(text, count_words(text))
    assert rejection is not None
    assert rejection.outcome is Outcome.CONSENT_WALL


@pytest.mark.parametrize(
    "text",
    [
        "We use cookies in this recipe for a cheesecake base: crush them, melt the butter, and press them in.",
        "The regulator fined the site because its dialogue had “accept all” but no “reject all”.",
        ARTICLE + " We use cookies. Accept all.",
    ],
)
def test_texts_with_a_phrase_or_two_of_a_consent_dialogue_stay(text: str) -> None:
    assert reject_consent(text, count_words(text)) is None


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
