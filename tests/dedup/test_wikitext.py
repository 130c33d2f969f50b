"""Wikitext: what a reader sees stays, markup goes, in any language."""

from __future__ import annotations

import pytest

from webtext.dedup.wikitext import HIDDEN_SPACES, plain_text


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''Bold''' and ''italic''", "Bold and italic"),
        ("[[Duck]] and [[Duck|ducks]] swim", "Duck and ducks swim"),
        ("A [[:Category:Ducks]] link", "A Category:Ducks link"),
        ("[[File:A.jpg|thumb|A [[duck]] in {{a|b}} water]]After", "After"),
        ("Text[[Category:Birds]][[fr:Canard]]", "Text"),
        ("See [[Star Trek: Picard]]", "See Star Trek: Picard"),
        ("One{{cite|a={{b|c}}|d}} two", "One two"),
        ("{{Infobox\n| a = {{b}}\n}}\nFirst.", "First."),
        ("One<ref name=a>Not {{this}}</ref> two<ref name=a/> three<!-- no\nno -->.", "One  two  three."),
        ("E=<math>mc^2</math>.", "E= ."),
        ("a<br/>b <span class=\"x\">c</span> <b>d</b>", "a\nb c d"),
        ("== History ==\n* one\n** two\n# three\n: four", "History\none\ntwo\nthree\nfour"),
        ("before\n{|class=x\n|-\n| a\n{|\n| inner\n|}\n| b\n|}\nafter", "before\nafter"),
        ("a [https://example.org/x?y=z the page] b [http://example.org]", "a the page b"),
        ("5&nbsp;km &amp; 3 &lt; 4 __NOTOC__", "5\u00a0km & 3 < 4"),
        ("Unclosed {{template and [[link", "Unclosed {{template and [[link"),
        ("[[Datei:A.jpg|mini|Ente]]Die [[Ente]]", "Die Ente"),
    ],
)  # fmt: skip
def test_markup_goes_and_text_stays(wikitext: str, text: str) -> None:
    assert plain_text(wikitext, HIDDEN_SPACES | {"datei"}) == text


def test_deep_and_repetitive_markup_ends_soon() -> None:
    deep = "{{a|" * 50 + "x" + "}}" * 50
    assert "{{" in plain_text(deep)  # deeper than pages are: left as it is, not looped over for ever
    assert plain_text("{{" * 20_000 + "x") == "{{" * 20_000 + "x"
    assert plain_text("[[" * 20_000) == "[[" * 20_000
    assert plain_text("<ref>" * 2_000 + "x") == "x"
    assert plain_text("{|\n" * 5_000 + "x") == ""
