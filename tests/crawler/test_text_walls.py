"""Pages that look like documents and are none, each beside one that only resembles it."""

from __future__ import annotations

import pytest

from webtext.corpus.outcomes import OUTCOMES, Outcome, Stage
from webtext.crawler.text.examine import examine
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules
from webtext.crawler.text.walls import (
    WALL_WORDS,
    reject_consent,
    reject_missing,
    reject_parked,
    reject_paywall,
)
from webtext.crawler.text.words import count_words

ARTICLE = (
    "The keeper of the lighthouse climbed the two hundred steps every evening, in summer and in winter, to light the "
    "lamp before the ships came in. When the lamp was made electric he stayed on as a guide, and told the visitors "
    "about the storms that he had seen from up there in thirty years."
)


def outcome(rejection: Rejection | None) -> Outcome | None:
    return None if rejection is None else rejection.outcome


@pytest.mark.parametrize(
    "title",
    [
        "404",
        "404 Not Found",
        "410 Gone",
        "404 - Page not found",
        "Page Not Found | Example Site",
        "Example Site \u2013 Page not found",
        "Error 404: page not found",
        "This page doesn\u2019t exist.",
        "Page no longer available - The Example Times",
        "The requested page could not be found",
        "The page you are looking for was not found",
        "This article has been removed",
        "Oops! Page not found",
        "This page cannot be found",
        "The page couldn't be found",
    ],
)
def test_a_short_page_whose_title_says_only_that_it_is_missing(title: str) -> None:
    assert outcome(reject_missing(title, "Try the search.", 60)) is Outcome.SOFT_404


@pytest.mark.parametrize("first", ["Page not found", "404", "- Sorry", "The page you requested could not be found."])
def test_a_very_short_page_whose_first_line_says_so(first: str) -> None:
    text = f"{first}\nYou may try the search, or go back to the start."
    expected = None if first == "- Sorry" else Outcome.SOFT_404
    assert outcome(reject_missing("Example Site", text, 20)) is expected
    assert reject_missing("Example Site", text, 80) is None


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("404 Not Found", WALL_WORDS),  # a long text is no error page
        ("How to design a 404 page", 60),
        ("Why \u201cpage not found\u201d is a story in itself", 60),
        ("Peugeot 404", 60),
        ("Not found: the lost films of Georges M\u00e9li\u00e8s", 60),
        ("Lost and not found", 60),
        ("Room 404 | Example Hotel", 60),
        ("Found", 60),
        ("Page found", 60),
        ("The file you were looking for was found", 60),
        ("The page", 60),
        ("Gone", 60),
        ("", 60),
    ],
)
def test_pages_about_missing_pages_stay(title: str, words: int) -> None:
    assert reject_missing(title, ARTICLE, words) is None


@pytest.mark.parametrize(
    "text",
    [
        "example.com This domain is for sale. Inquire now.",
        "The domain example.com is for sale at a good price.",
        "The domain name may be for sale by its owner.",
        "Buy this domain. The owner of example.com is offering it for sale.",
        "This Web page is parked for free: domain parked by Example Registrar.",
        "This domain has expired. If you owned this domain, contact your registrar.",
        "Future home of something quite cool.",
        "Welcome to nginx! If you see this page, the nginx web server is successfully installed and working.",
        "Apache2 Ubuntu Default Page: It works!",
        "This account has been suspended. Contact your hosting provider for more information.",
    ],
)
def test_parked_domains(text: str) -> None:
    assert outcome(reject_parked(text, count_words(text))) is Outcome.PARKED
    assert reject_parked(text, WALL_WORDS) is None


@pytest.mark.parametrize(
    "text",
    [
        "He parked the car by the domain of the old count, which was for sale.",
        "The domain of a function is the set of its arguments.",
        "Her domain had expired in March, and by April someone else was selling shoes there.",
        "We set up nginx and Apache on one machine; the default page of the second showed up on port 8080.",
    ],
)
def test_texts_about_domains_stay(text: str) -> None:
    assert reject_parked(text, count_words(text)) is None


CONSENT = (
    "We use cookies. We and our partners store and access information on a device and process personal data with "
    "your consent or on the basis of legitimate interest. You can withdraw consent at any time. Accept all. "
    "Reject all. Manage options."
)


def test_a_consent_dialogue() -> None:
    assert outcome(reject_consent(CONSENT, count_words(CONSENT))) is Outcome.CONSENT_WALL
    assert reject_consent(CONSENT, WALL_WORDS) is None


@pytest.mark.parametrize(
    "text",
    [
        "We use cookies in this recipe for a cheesecake base: crush them, melt the butter, and press them in.",
        "The regulator fined the site because its dialogue had \u201caccept all\u201d but no \u201creject all\u201d.",
        ARTICLE + " We use cookies. Accept all.",
        "We use cookies. Our cookie policy says which. " + ARTICLE,  # two phrases, and an article
    ],
)
def test_texts_with_a_phrase_or_two_of_a_consent_dialogue_stay(text: str) -> None:
    assert reject_consent(text, count_words(text)) is None


TEASER = "The harbour will be closed for the whole winter, the council decided on Monday after a long debate. "


@pytest.mark.parametrize(
    "door",
    [
        "Subscribe to continue reading.",
        "To continue reading this article, please log in or subscribe.",
        "This article is only available to subscribers.",
        "This story is for paying members.",
        "Sign in to read the full story.",
        "Register now to unlock this and other stories.",
        "You have reached your limit of free articles.",
        "You have used all of your 3 free articles this month.",
        "Become a member to get full access.",
        "Subscriber-only content",
        "Already a subscriber? Sign in. Choose your plan. Cancel anytime.",
    ],
)
def test_the_teaser_of_an_article_that_is_sold(door: str) -> None:
    text = TEASER + door
    assert outcome(reject_paywall(text, count_words(text), closed=False)) is Outcome.PAYWALL
    assert reject_paywall(text, WALL_WORDS, closed=True) is None  # the article is there


@pytest.mark.parametrize(
    "text",
    [
        ARTICLE,
        ARTICLE + " Sign in to leave a comment. Subscribe now.",
        "Newspapers put up walls that say \u201csubscribe to continue reading\u201d, and readers turned back.",
        "He subscribed to three papers and read the full story in each of them before breakfast.",
        "Members of the choir signed in at the door, and continued reading their parts.",
        "The article is about subscribers who left.",
    ],
)
def test_texts_that_speak_of_subscribing_stay(text: str) -> None:
    assert reject_paywall(text, count_words(text), closed=False) is None


def test_a_page_that_declares_itself_not_free_is_a_teaser_only_where_it_is_short() -> None:
    assert outcome(reject_paywall(TEASER, 18, closed=True)) is Outcome.PAYWALL
    assert reject_paywall(TEASER, 18, closed=False) is None


def page(text: str, head: str = "") -> PageBytes:
    body = f"<!doctype html><html><head>{head}</head><body><article><p>{text}</p></article></body></html>"
    return PageBytes("https://example.org/", "text/html; charset=utf-8", body.encode())


@pytest.mark.parametrize(
    ("head", "rejected"),
    [
        ('<script type="application/ld+json">{"@type":"NewsArticle","isAccessibleForFree":false}</script>', True),
        ('<script type="application/ld+json">{"isAccessibleForFree" : "False"}</script>', True),
        ('<meta itemprop="isAccessibleForFree" content="false">', True),
        ('<script type="application/ld+json">{"isAccessibleForFree":true}</script>', False),
        ("", False),
    ],
)
def test_the_declaration_is_read_from_the_page(head: str, rejected: bool) -> None:
    result = examine(page(ARTICLE, head), TextRules(("en",), 0.9, 40))
    assert isinstance(result, Rejection) is rejected
    if isinstance(result, Rejection):
        assert result == Rejection(Outcome.PAYWALL, "the page says it is not free to read")
    else:
        assert isinstance(result, Extracted)


def test_every_outcome_of_the_walls_belongs_to_this_stage() -> None:
    named = {Outcome.SOFT_404, Outcome.PARKED, Outcome.CONSENT_WALL, Outcome.PAYWALL}
    assert named <= set(OUTCOMES[Stage.DOCUMENTS])
