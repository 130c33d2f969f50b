"""A page's title, canonical address and main text."""

from __future__ import annotations

import pytest

from webtext.crawler.text.main_text import extract_main_text, take_plain_text

SENTENCES = [
    "The lighthouse stands on the northern cape, where the two currents meet and the fog is thickest.",
    "Its keeper climbed the two hundred steps every evening, in summer and in winter, for thirty years.",
    "When the lamp was made electric, he stayed on as a guide and told visitors about the storms.",
]
PARAGRAPHS = [" ".join(SENTENCES[turn:] + SENTENCES[:turn]) for turn in range(3)]
ARTICLE = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)


def page(article: str = ARTICLE, head: str = "") -> str:
    return (
        f"<!doctype html><html><head>{head}</head><body><nav><a href=/>Home</a> <a href=/about>About us</a></nav>"
        f"<main><article>{article}</article></main>"
        "<div class='comments' id='comments'><div class=comment><p>First! A lovely story, thank you.</p></div></div>"
        "<footer>Copyright. All rights reserved. <a href=/privacy>Privacy policy</a></footer></body></html>"
    )


def test_paragraphs_are_kept_apart_and_the_rest_of_the_page_is_left_out() -> None:
    assert extract_main_text(page()).text == "\n".join(PARAGRAPHS)


def test_entities_and_invisible_characters_are_gone_from_the_text() -> None:
    article = ARTICLE.replace("northern cape", "northern&nbsp;ca&shy;pe &amp; more\u200b")
    assert "northern cape & more, where" in extract_main_text(page(article)).text


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>The Lighthouse</title>", "The Lighthouse"),
        ("<title>\n  The\n  Light&shy;house &amp; Co </title>", "The Lighthouse & Co"),
        (
            "<title>The Lighthouse | Example</title><meta property='og:title' content='The Lighthouse'>",
            "The Lighthouse",
        ),
        ("<meta content='The Lighthouse' property=og:title>", "The Lighthouse"),
        ("<title>The Lighthouse</title><meta property='og:title' content=' '>", "The Lighthouse"),
        ("", ""),
    ],
)
def test_the_title(head: str, title: str) -> None:
    assert extract_main_text(page(head=head)).title == title


@pytest.mark.parametrize(
    ("href", "canonical"),
    [
        ("https://example.org/light?a=1&amp;b=2", "https://example.org/light?a=1&b=2"),
        ("/light", "https://www.example.org/light"),
        ("  /light\n", "https://www.example.org/light"),
        ("javascript:alert(1)", None),
        ("", None),
        ("https://[::1/", None),
        ("https://example.org/" + "x" * 5_000, None),
    ],
)
def test_the_canonical_address(href: str, canonical: str | None) -> None:
    head = f'<link rel="stylesheet" href="/a.css"><link rel="Canonical" href="{href}">'
    assert (
        extract_main_text(page(head=head), "https://www.example.org/2024/light.html?utm_source=x").canonical
        == canonical
    )


def test_a_relative_canonical_address_is_none_where_the_page_is_nowhere() -> None:
    assert extract_main_text(page(head="<link rel=canonical href=/light>")).canonical is None


@pytest.mark.parametrize(
    "html", ["", " ", "<html></html>", "no markup at all", "<p>", "<html><body><script>x()</script>"]
)
def test_a_page_without_text_is_empty(html: str) -> None:
    assert extract_main_text(html).text == ""


def test_an_xml_declaration_does_no_harm() -> None:
    html = '<?xml version="1.0" encoding="iso-8859-1"?>' + page(ARTICLE.replace("fog", "föhn"))
    assert "föhn" in extract_main_text(html).text


def test_a_page_gives_the_same_text_whatever_came_before_it() -> None:
    first = extract_main_text(page())
    extract_main_text(page(ARTICLE * 3))
    assert extract_main_text(page()) == first


def test_plain_text_is_taken_as_it_is() -> None:
    main = take_plain_text("A title\r\n=======\r\n\r\n\r\n\r\n  * <b>one</b>   \r\n  * two\x00\r\n")
    assert main.text == "A title\n=======\n\n  * <b>one</b>\n  * two"
    assert (main.title, main.canonical) == ("", None)
