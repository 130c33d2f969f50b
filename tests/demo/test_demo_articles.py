"""Articles are prose out of documentation: without markup, without repetition, the same each time."""

from __future__ import annotations

from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from webtext.crawler.text.language import detect_language
from webtext.demo import articles
from webtext.demo.articles import paragraphs_of, write_articles
from webtext.demo.build import SPARE, Size

PROSE = (
    "This is a paragraph of prose that stands in the documentation of some module, and it has enough words to be taken."
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (PROSE, [PROSE]),
        (PROSE.replace("prose that", "prose\n    that"), [PROSE]),
        (
            PROSE.replace("some module", "``some`` :class:`~package.module`"),
            [PROSE.replace("some m", "some package.m")],
        ),
        (PROSE.replace("some module", "L{some} C{module}"), [PROSE]),
        (f"* {PROSE}", [PROSE]),
        (f":returns: {PROSE}", [PROSE]),
        (f"{PROSE}\n\n{PROSE}", [PROSE, PROSE]),
        ("Too short to be prose.", []),
        (f">>> {PROSE}", []),
        (f"Parameters\n----------\n{PROSE}", []),
        (PROSE.lower(), []),
        (PROSE.removesuffix("."), []),
        ("X = [1, 2, 3]; " * 20 + "And so on.", []),
        ("Foo bar baz qux " * 20 + "end.", []),
    ],
)
def test_prose_is_taken_and_nothing_else(written: str, read: list[str]) -> None:
    assert list(paragraphs_of(written)) == read


def test_the_same_machine_gives_the_same_articles() -> None:
    first, again, other = write_articles(10), write_articles(10), write_articles(10, seed=2)
    assert first == again != other
    assert len(first) == 10


def test_articles_are_english_of_many_lengths_and_do_not_repeat() -> None:
    written = write_articles(120)
    assert all(detect_language(" ".join(article.paragraphs))[0] == "en" for article in written)
    lengths = sorted(article.words for article in written)
    assert lengths[0] >= 150
    assert lengths[-1] > 3 * lengths[60]
    paragraphs = [paragraph for article in written for paragraph in article.paragraphs]
    assert len(paragraphs) == len(set(paragraphs))
    assert all(article.title and "\n" not in article.title for article in written)


def test_fewer_come_where_there_is_less_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webtext.demo.articles._PACKAGES", ())
    assert 40 < len(write_articles(100_000)) < 1_000


@pytest.mark.slow
def test_there_is_enough_for_the_demo_and_a_reserve_for_other_versions_of_what_is_installed() -> None:
    assert len(write_articles(100_000)) >= 1.1 * (Size().pages + SPARE)


def test_the_packages_that_are_read_come_with_webtext_itself_and_not_with_its_tests() -> None:
    needed, seen = ["webtext[all]"], set()
    while needed:
        wanted = Requirement(needed.pop())
        for extra in {"", *wanted.extras}:
            if (wanted.name.lower(), extra) in seen:
                continue
            seen.add((wanted.name.lower(), extra))
            needed += [
                line for line in requires(wanted.name) or ()
                if (marker := Requirement(line).marker) is None or marker.evaluate({"extra": extra})
            ]  # fmt: skip
    brought = {name.replace("-", "_") for name, _ in seen} | {"google"}  # protobuf's folder
    assert set(articles._PACKAGES) <= brought
