"""The short way to a link's place is the long one."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webtext.crawler.reddit import quick_urls
from webtext.crawler.reddit.quick_urls import Places, place_of
from webtext.crawler.reddit.urls import UnusableURL


def outcome(find: object, raw: str) -> object:
    assert callable(find)
    try:
        return tuple(find(raw))
    except UnusableURL as error:
        return error.reason


_PIECES = st.sampled_from([
    "http://", "https://", "HTTP://", "ftp://", "//", "www.", "www.www.", "x", "example.com", "Example.com",
    "a_b.com", "-a-.com", "xn--a", "xn--bcher-kva.de", "a..b.com", "1.2.3.4", "0x7f.1", "a.1", "a.0x", "com",
    "co.uk", ".", "..", "/", "//", "/.", "/..", "/./", "/../", "/%2e%2e/", "/a", "/A", "/a.b", "/.a", "?", "?a=1",
    "?a", "?utm_source=x", "?a=1&b=2", "&amp;", "&", "=", "#", "#f", ":80", ":443", ":8080", "u:p@", "@", ";", "+",
    ",", "'", '"', "(", ")", "*", "!", "~", "$", "|", "^", "`", "{", "\\", " ", "\t", "\n", "%", "%41", "%zz", "é",
    "日", "amp;", "/?", "/a/?b", "/a//", "?/../",
])  # fmt: skip
_URLS = st.one_of(
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["http://", "https://"]),
        st.sampled_from(["", "www.", "a.", "www.www."]),
        st.sampled_from(["example.com", "b-c.example", "a_b.co.uk", "x.com", "com", "example.co"]),
        st.text("abZ09_~!$'()*+,:;=@./-%&?#", max_size=12),
        st.text("ab=?&;/.%", max_size=8),
    ),
    st.lists(_PIECES, max_size=7).map("".join),
    st.builds("http://".__add__, st.lists(_PIECES, max_size=6).map("".join)),
)


@given(_URLS)
@settings(max_examples=1_000, deadline=None)
@example("http://www.com/")
@example("http://x.com\n")
@example("http://x.com/a\n")
@example("http://x.com/?amp;b=1")
@example("http://x.com/a?")
@example("http://x.com?a")
@example("http://x.com/" + "a" * 5_000)
def test_the_short_way_leads_where_the_long_one_does(raw: str) -> None:
    assert outcome(Places(), raw) == outcome(place_of, raw)


@pytest.mark.parametrize("raw", ["http://example.com/a/b.html", "https://www.example.co.uk/", "http://x.com/a?id=1"])
def test_what_is_normal_already_takes_the_short_way(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = place_of(raw)
    monkeypatch.delattr(quick_urls, "place_of")
    places = Places()
    assert places(raw) == slow == places(raw)


def test_a_full_memory_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_urls, "_KEPT_NAMES", 3)
    places = Places()
    raw = [f"http://x{number % 5}.example/" for number in range(20)]
    assert [places(url) for url in raw] == [place_of(url) for url in raw]


def test_real_links_lead_where_they_did(data: Path) -> None:
    july = lzma.decompress((data / "reddit/dumps/RS_v2_2005-07.xz").read_bytes())
    links = [json.loads(line)["url"] for line in july.splitlines()]
    assert len(links) == 1_079
    places = Places()
    assert [outcome(places, raw) for raw in links] == [outcome(place_of, raw) for raw in links]
