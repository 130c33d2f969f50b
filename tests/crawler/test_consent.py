"""Opt-outs: which words, where they stand, and for whom they are meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.consent import (
    Terms,
    header_opt_out,
    metas_of,
    page_opt_out,
    product_token,
    said_in,
    terms_of,
)

TERMS = terms_of(CrawlSettings())


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("noai", "noai"),
        ("noindex, noai", "noai"),
        ("NOAI", "noai"),
        ("noimageai,noai", "noimageai"),
        ("webtext: noai", "noai"),
        ("WebText: noindex, noml", "noml"),
        ("*: noai", "noai"),
        ("otherbot: noai", None),
        ("otherbot: noindex, noai", None),
        ("otherbot: noindex, webtext: noai", "noai"),
        ("noai, otherbot: noindex", "noai"),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST, noai", "noai"),
        ("max-snippet: 5, noml", "noml"),
        ("noindex, nofollow", None),
        ("noaiplease", None),
        ("noindex", None),
        ("noarchive", None),
        ("none", None),
        ("GPTBot: noai", "noai"),
        ("gptbot: noindex, noml", "noml"),
        ("googlebot: noai", None),
        ("", None),
    ],
)
def test_x_robots_tag(value: str, rule: str | None) -> None:
    found = header_opt_out([("Content-Type", "text/html"), ("x-robots-tag", value)], TERMS)
    assert found == (None if rule is None else f"{rule} in X-Robots-Tag")


def test_every_x_robots_tag_is_read() -> None:
    headers = [("X-Robots-Tag", "otherbot: noai"), ("X-Robots-Tag", "noml")]
    assert header_opt_out(headers, TERMS) == "noml in X-Robots-Tag"


def terms(*words: str, tdm: bool = True, ai_agents: tuple[str, ...] = ()) -> Terms:
    return terms_of(replace(CrawlSettings(), opt_out=words, tdm=tdm, ai_agents=ai_agents))


@pytest.mark.parametrize("word", ["noai", "noimageai", "noindex", "noml", "noarchive"])
def test_which_words_count_is_a_setting(word: str) -> None:
    headers, page = [("X-Robots-Tag", word)], f"<meta name=robots content={word}>".encode()
    assert header_opt_out(headers, terms(word)) == f"{word} in X-Robots-Tag"
    assert page_opt_out(page, terms(word)) == f"{word} in meta robots"
    assert header_opt_out(headers, terms()) is None
    assert page_opt_out(page, terms()) is None


def test_none_is_noindex_in_another_word() -> None:
    assert header_opt_out([("X-Robots-Tag", "none")], terms("noindex")) == "none in X-Robots-Tag"
    assert header_opt_out([("X-Robots-Tag", "none")], terms("noai")) is None


def test_whose_names_speak_to_us_is_a_setting() -> None:
    headers = [("X-Robots-Tag", "ccbot: noai")]
    assert header_opt_out(headers, terms("noai", ai_agents=("CCBot",))) == "noai in X-Robots-Tag"
    assert header_opt_out(headers, terms("noai")) is None


def test_tdm_reservations_in_header_and_page() -> None:
    headers = [("tdm-reservation", "1"), ("tdm-policy", "https://a.example/p.json")]
    why = "tdm-reservation: 1, tdm-policy: https://a.example/p.json"
    page = b'<meta name="tdm-reservation" content="1"><meta name="TDM-Policy" content="https://a.example/p.json">'
    assert header_opt_out(headers, TERMS) == f"{why} in the header"
    assert page_opt_out(page, TERMS) == f"{why} in meta"
    assert header_opt_out(headers, terms("noai", tdm=False)) is None
    assert page_opt_out(page, terms("noai", tdm=False)) is None
    assert header_opt_out([("tdm-reservation", "0")], TERMS) is None
    assert page_opt_out(b'<meta name="tdm-reservation" content="0">', TERMS) is None


def test_evidence_is_all_that_was_said_whether_it_decides_or_not() -> None:
    headers = [("Content-Type", "text/html"), ("x-robots-tag", "otherbot: noai, noindex"), ("TDM-Reservation", "0")]
    metas = metas_of(b"<meta name=robots content='noarchive'><meta name=description content=x>", TERMS)
    assert said_in(headers, metas) == [
        ("X-Robots-Tag", "otherbot: noai, noindex"), ("tdm-reservation", "0"), ("meta robots", "noarchive"),
    ]  # fmt: skip


def test_evidence_is_printable_and_bounded() -> None:
    headers = [("X-Robots-Tag", "\x1b[2J\u202e" + "x" * 5_000)] * 500
    found = said_in(headers, [])
    assert len(found) == 20
    assert found[0] == ("X-Robots-Tag", "?[2J?" + "x" * 194 + "…")
    many = metas_of(b"<meta name=robots content=x>" * 2_000, TERMS)
    assert len(many) == 20


@pytest.mark.parametrize(
    ("page", "rule"),
    [
        (b'<html><head><meta name="robots" content="noai">', "noai"),
        (b"<META NAME=robots CONTENT=noai>", "noai"),
        (b"<meta content='index, NoImageAI' name='ROBOTS' />", "noimageai"),
        (b'<meta\n  name="robots"\n  content="noindex;noml">', "noml"),
        (b'<meta name="webtext" content="noai">', "noai"),
        (b'<meta name="otherbot" content="noai">', None),
        (b'<meta name="description" content="noai">', None),
        (b'<meta name="robots" content="index, follow">', None),
        (b'<!-- <meta name="robots" content="noai"> -->', None),
        (b'<!-- one --><meta name="robots" content="noai"><!-- two -->', "noai"),
        (b'<!-- never closed <meta name="robots" content="noai">', "noai"),
        ('<meta name="robots" content="noai">'.encode("utf-16"), "noai"),
        ('<meta name="robots" content="noai">'.encode("utf-16-be"), "noai"),
        ('<meta name="robots" content="noai">'.encode("utf-32"), "noai"),
        (b"<meta/name=robots/content=noai>", None),  # one attribute to a browser, too
        (b'<meta name="robots" content="no&#97;i">', "noai"),
        (b"", None),
        (b"plain text about noai", None),
    ],
)
def test_meta_robots(page: bytes, rule: str | None) -> None:
    found = page_opt_out(page, TERMS)
    assert (None if found is None else found.partition(" in meta ")[0]) == rule


def test_only_the_first_64_kib_are_searched() -> None:
    meta = b'<meta name="robots" content="noai">'
    assert page_opt_out(b" " * (64 * 1024 - len(meta)) + meta, TERMS) == "noai in meta robots"
    assert page_opt_out(b" " * (64 * 1024) + meta, TERMS) is None


@pytest.mark.parametrize(
    "page", [b"<!--" * 20_000, b"<meta " * 12_000, b"<meta name=" * 6_000, b"<meta " + b"a" * 60_000]
)
def test_hostile_heads_are_read_to_their_end(page: bytes) -> None:
    assert page_opt_out(page, TERMS) is None


@pytest.mark.parametrize(
    ("agent", "token"),
    [("webtext/0.1 (+https://example.org)", "webtext"), ("My-Bot 2.0", "My-Bot"), ("bot", "bot")],
)
def test_the_product_token_is_the_agent_up_to_its_version(agent: str, token: str) -> None:
    assert product_token(agent) == token
