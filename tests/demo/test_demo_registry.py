"""Checks that can fail: each kind, with a right and a wrong expectation over a real corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_demo import SmallDemo

from webtext.corpus.outcomes import Stage
from webtext.demo.finished import DOCUMENT, Fate, Finished
from webtext.demo.registry import (
    Check,
    Registry,
    all_of,
    asked_times,
    copy_of,
    counted,
    ends_as,
    never_asked,
    one_link,
)

WIRE = "http://wire.example/story"
COPY = "http://first-paper.example/wire/1"
LOW = "http://karma.example/low/0"
TWICE = "http://karma.example/twice"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        (ends_as("karma", LOW), ends_as(DOCUMENT, LOW), "expected document, became karma"),
        (ends_as(DOCUMENT, WIRE), ends_as("robots", WIRE), "expected robots, became document"),
        (
            ends_as("http-error", "http://dead.example/404", detail="404"),
            ends_as("http-error", "http://dead.example/404", detail="500"),
            "expected http-error (500), became http-error (status 404; commoncrawl: no capture; wayback: no capture)",
        ),
        (ends_as(DOCUMENT, WIRE), ends_as(DOCUMENT, "http://never-posted.example/"), "became nothing"),
        (never_asked(("karma.example", "/low/0")), never_asked(("wire.example", "/story")), "wire.example/story"),
        (asked_times("wire.example", "/story", 1), asked_times("wire.example", "/story", 9), "not asked 9 times"),
        (one_link(TWICE, TWICE, karma=77), one_link(TWICE, TWICE, karma=78), "karma 77, not 78"),
        (one_link(TWICE, TWICE, karma=77), one_link(TWICE, karma=77), "2 submissions, not 1"),
        (one_link(TWICE, TWICE, karma=77), one_link(TWICE, WIRE, karma=77), "is a link of its own"),
        (one_link(TWICE, TWICE, karma=77), one_link(LOW, karma=0), "is no link: karma"),
        (copy_of("near-duplicate", WIRE, COPY), copy_of("near-duplicate", TWICE, COPY), "its keeper is http://wire"),
        (copy_of("near-duplicate", WIRE, COPY), copy_of("duplicate", WIRE, COPY), "became near-duplicate"),
        (copy_of("near-duplicate", WIRE, COPY), copy_of("near-duplicate", COPY, COPY), "expected document"),
        (counted(Stage.LINKS, "self-post", 60), counted(Stage.LINKS, "self-post", 61), "60 self-post, not 61"),
        (all_of(ends_as("karma", LOW)), all_of(ends_as("karma", LOW), ends_as("nsfw", LOW)), "expected nsfw"),
    ],
)
def test_a_right_expectation_holds_and_a_wrong_one_is_told(
    small_demo: SmallDemo, right: Check, wrong: Check, told: str
) -> None:
    assert right(small_demo.finished) == ""
    assert told in wrong(small_demo.finished)


def test_a_planted_fact_fails_where_the_corpus_has_something_else(small_demo: SmallDemo) -> None:
    empty = Finished(small_demo.folder / "no-corpus-at-all")
    broken = {broken.fact.name for broken in small_demo.web.facts.broken(empty)}
    # Without any corpus, nothing holds but what is about the dump, or about furniture that is not there.
    assert {fact.name for fact in small_demo.web.facts} - broken == {
        "no banner, newsletter, advertisement or comment is in their text",
        "webtext doctor finds the dump whole, and every unreadable line in it",
    }
    assert broken <= {fact.name for fact in small_demo.web.facts}


def test_what_does_not_hold_is_told_with_its_address() -> None:
    registry = Registry()
    registry.add("holds", lambda finished: "", "http://a.example/")
    registry.add("does not hold", lambda finished: "it is otherwise", "http://b.example/", "http://c.example/")
    registry.add("cannot be checked", lambda finished: 1 / 0 and "")
    assert [str(broken) for broken in registry.broken(Finished(Path()))] == [
        "does not hold\n    http://b.example/ and 1 more\n    it is otherwise",
        "cannot be checked\n    could not be checked: ZeroDivisionError: division by zero",
    ]


def test_every_spelling_of_an_address_has_its_fate(small_demo: SmallDemo) -> None:
    finished = small_demo.finished
    assert (
        finished.fate("https://WWW.wire.example/story/?utm_source=x") == finished.fate(WIRE) == Fate("clean", DOCUMENT)
    )
    assert finished.fate("http://dead.example/404") == Fate(
        "pages", "http-error", "status 404; commoncrawl: no capture; wayback: no capture"
    )
    assert finished.text(WIRE)
    assert finished.text(LOW) == ""
    assert finished.copy_of(COPY)["keeper_url"] == WIRE  # type: ignore[index]
    assert sum(map(len, finished.shards.values())) == len(finished.texts)
    assert len(finished.losses) == 5
