"""Opt-outs: which words, where they stand, and for whom they are meant."""

from __future__ import annotations

import pytest

from webtext.crawler.fetch.consent import header_opt_out, meta_opt_out, product_token

WORDS = ("noai", "noimageai", "noml")


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
        ("", None),
    ],
)
def test_x_robots_tag(value: str, rule: str | None) -> None:
    assert header_opt_out([("Content-Type", "text/html"), ("x-robots-tag", value)], WORDS, "webtext") == rule


def test_every_x_robots_tag_is_read() -> None:
    headers = [("X-Robots-Tag", "otherbot: noai"), ("X-Robots-Tag", "noml")]
    assert header_opt_out(headers, WORDS, "webtext") == "noml"


def test_which_words_count_is_a_setting() -> None:
    assert header_opt_out([("X-Robots-Tag", "noindex")], ("noindex",), "webtext") == "noindex"
    assert header_opt_out([("X-Robots-Tag", "noai")], (), "webtext") is None


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
        (b"", None),
        (b"plain text about noai", None),
    ],
)
def test_meta_robots(page: bytes, rule: str | None) -> None:
    assert meta_opt_out(page, WORDS, "webtext") == rule


def test_only_the_first_64_kib_are_searched() -> None:
    meta = b'<meta name="robots" content="noai">'
    assert meta_opt_out(b" " * (64 * 1024 - len(meta)) + meta, WORDS, "webtext") == "noai"
    assert meta_opt_out(b" " * (64 * 1024) + meta, WORDS, "webtext") is None


@pytest.mark.parametrize(
    "page", [b"<!--" * 20_000, b"<meta " * 12_000, b"<meta name=" * 6_000, b"<meta " + b"a" * 60_000]
)
def test_hostile_heads_are_read_to_their_end(page: bytes) -> None:
    assert meta_opt_out(page, WORDS, "webtext") is None


@pytest.mark.parametrize(
    ("agent", "token"),
    [("webtext/0.1 (+https://example.org)", "webtext"), ("My-Bot 2.0", "My-Bot"), ("bot", "bot")],
)
def test_the_product_token_is_the_agent_up_to_its_version(agent: str, token: str) -> None:
    assert product_token(agent) == token
