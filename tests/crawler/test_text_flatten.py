"""From trafilatura's tree to plain text."""

from __future__ import annotations

import pytest
from lxml import etree
from trafilatura.xml import xmltotxt

from webtext.crawler.text.flatten import flatten
from webtext.crawler.text.main_text import extract_main_text


def body(inner: str) -> etree._Element:
    return etree.fromstring(f"<body>{inner}</body>")


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<p>one<lb/>two</p>", "one\ntwo"),
        ("<head>Head</head><list><item>a</item><item>b</item></list>", "Head\n- a\n- b"),
        ("<quote><p>said</p></quote><p>then</p>", "said\nthen"),
        # What a page shows stays as it shows it: entities are undone once, by the parser.
        ("<p>write &amp;gt; for &gt;, &amp;amp; for &amp;</p>", "write &gt; for >, &amp; for &"),
        # A bar of the page's own is text, in prose and in tables.
        ("<p>| ls | grep x |</p>", "| ls | grep x |"),
        (
            "<table><row><cell role='head'>key</cell><cell role='head'>value</cell></row>"
            "<row><cell>a|b</cell><cell>2</cell></row><row><cell/><cell>3</cell></row></table><p>| x |</p>",
            "key | value\na|b | 2\n3\n| x |",
        ),
        ("<p>  </p><p/>", ""),
        ("", ""),
    ],
)
def test_blocks_are_lines(inner: str, text: str) -> None:
    assert flatten(body(inner)) == text


def test_without_tables_and_entities_it_is_trafilaturas_own_text() -> None:
    inner = "<head>T</head><p>One <hi rend='#b'>two</hi> three.</p><list><item>a <ref>b</ref></item></list><p>End.</p>"
    assert flatten(body(inner)) == xmltotxt(body(inner), False)


def test_a_page_that_shows_markup_keeps_it() -> None:
    sentence = "<p>The lighthouse stands on the northern cape, where two currents meet and the fog is thickest.</p>"
    html = f"<html><body><article>{sentence * 4}<p>Write &amp;lt;b&amp;gt; and a | b.</p></article></body></html>"
    assert extract_main_text(html).text.endswith("Write &lt;b&gt; and a | b.")
