"""The second look at pages of which the fast rules took little, and the parser that all looks share."""

from __future__ import annotations

from lxml.html import HtmlElement, tostring
from trafilatura.utils import load_html

from webtext.crawler.text import rescue as module
from webtext.crawler.text.main_text import extract_main_text
from webtext.crawler.text.parsing import lighten, parse_html
from webtext.crawler.text.rescue import rescue

POSTS = [
    f"Post number {number} says that the lamp of the lighthouse should be lit at {number} in the evening, because the "
    "ships come in early when the wind blows from the west, and everybody in the harbour knows that very well."
    for number in range(1, 30)
]
FORUM = (
    "<!doctype html><html><head><title>Forum</title></head><body><main><article><p>Welcome to the board of the friends "
    "of the lighthouse, where everybody is welcome to ask about lamps.</p></article></main>"
    + "".join(f"<div class='sidebar'><div>{post}</div></div>" for post in POSTS)
    + "</body></html>"
)


def test_a_page_of_which_little_was_taken_is_looked_at_again() -> None:
    tree = parse_html(FORUM)
    assert tree is not None
    text = rescue(tree, 100)
    assert all(post in text for post in POSTS)


def test_a_text_that_covers_its_page_is_not_looked_at_again(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "try_justext", None)
    monkeypatch.setattr(module, "baseline", None)
    tree = parse_html(FORUM)
    assert tree is not None
    whole = len(str(tree.text_content()))
    assert rescue(tree, whole // 2) == ""
    assert rescue(tree, module.SHORT_CHARACTERS) == ""


def test_the_second_look_leaves_the_tree_as_it_was() -> None:
    tree = parse_html(FORUM)
    assert tree is not None
    before = tostring(tree)
    rescue(tree, 10)
    assert tostring(tree) == before


def test_a_second_look_that_finds_little_more_is_not_believed() -> None:
    tree = parse_html("<html><body><div><p>One short line.</p></div><div>and another</div></body></html>")
    assert tree is not None
    assert rescue(tree, 15) == ""


def test_pages_without_a_body_are_no_trouble() -> None:
    tree = parse_html("<html><head><title>x</title></head></html>")
    assert tree is not None
    assert rescue(tree, 0) == ""


def test_the_parser_gives_trafilaturas_tree() -> None:
    pages = [
        FORUM,
        "<?xml version='1.0' encoding='iso-8859-1'?><html><body><p>fo\u00f6</p></body></html>",
        "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML'/>\n<html lang=en/>\n<body><p>a</p><!-- c --><form><input></form>",
        "<p>a</p><p>b\x00c\x0c</p>",
        "x",
        "<p>only one</p>",
    ]
    for page in pages:
        ours, theirs = parse_html(page), load_html(page)
        assert (ours is None) == (theirs is None), page
        if ours is not None:
            assert tostring(ours) == tostring(theirs)
            assert all(type(element) is HtmlElement for element in ours.iter())
    assert parse_html("") is None


def test_forms_and_inputs_change_no_text() -> None:
    sentence = "The lighthouse stands on the northern cape, where two currents meet and the fog is thickest of all. "
    form = f"<form><p>{sentence * 5}</p><select><option>a</option></select><textarea>b</textarea></form>"
    assert extract_main_text(f"<html><body>{form}</body></html>").text == (sentence * 5).strip()


def test_a_lightened_tree_has_the_same_text_around_what_went() -> None:
    tree = parse_html(
        "<html><head><style>a{}</style></head><body><p>one <svg><text>no</text></svg>two <script>x()</script>three"
        "<button>no</button> four</p><script type='application/ld+json'>{}</script><img width=3 alt=x></body></html>"
    )
    assert tree is not None
    lighten(tree)
    assert str(tree.find(".//p").text_content()) == "one two three four"
    assert [script.get("type") for script in tree.iter("script")] == ["application/ld+json"]
    assert dict(tree.find(".//img").attrib) == {"alt": "x"}
