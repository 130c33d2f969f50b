"""The presets differ as the corpora did whose settings they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webtext.corpus.config import Settings
from webtext.corpus.errors import UsageError
from webtext.crawler.reddit.presets import PRESETS, preset_values
from webtext.crawler.reddit.select import Judge
from webtext.crawler.reddit.submissions import Unreadable, parse_block

POSTS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"url": "http://a.example/", "score": 3}],
    "two votes": [{"url": "http://a.example/", "score": 2}],
    "two and one vote": [{"url": "http://a.example/", "score": score, "id": str(score)} for score in (2, 1)],
    "nsfw": [{"url": "http://a.example/", "score": 9, "over_18": True}],
    "removed": [{"url": "http://a.example/", "score": 9, "removed_by_category": "moderator"}],
    "google": [{"url": "https://docs.google.com/x", "score": 9}],
    "pdf": [{"url": "http://a.example/A.PDF?x", "score": 9}],
    "shop": [{"url": "http://www.ebay.com/1", "score": 9}],
    "text file": [{"url": "http://a.example/README.txt", "score": 9}],
    "picture": [{"url": "http://a.example/a.png", "score": 9}],
    "youtube": [{"url": "https://youtu.be/a", "score": 9}],
    "self": [{"url": "https://www.reddit.com/r/a/comments/b/", "score": 9, "is_self": True}],
    "wikipedia": [{"url": "https://de.m.wikipedia.org/wiki/A", "score": 9}],
}  # fmt: skip


def kept(preset: str) -> set[str]:
    settings = Settings().with_values("links", preset_values(preset), where="a test").links
    judge = Judge(settings)
    found = set()
    for name, posts in POSTS.items():
        lines = "\n".join(json.dumps({"is_self": False, **post}) for post in posts).encode()
        entries = [entry for entry in parse_block(lines).entries if not isinstance(entry, Unreadable)]
        scores = [entry.score or 0 for entry in entries if judge(entry)[0] is None]
        karma = (sum if settings.karma_policy == "sum" else max)(scores) if scores else -1
        if karma >= settings.min_karma:
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        ("webtext", {"plain", "google", "pdf", "shop", "text file"}),
        ("openwebtext", {"plain", "removed"}),
        ("openwebtext2", {"plain", "two and one vote", "nsfw", "removed", "shop", "text file"}),
    ],
)
def test_what_each_corpus_kept(preset: str, names: set[str]) -> None:
    assert kept(preset) == names


def test_a_preset_sets_every_setting_that_the_others_set() -> None:
    assert len({frozenset(values) for values in PRESETS.values()}) == 1
    assert preset_values(None) == {}
    with pytest.raises(UsageError, match="one of webtext, openwebtext, openwebtext2"):
        preset_values("webtext3")
