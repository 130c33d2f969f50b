"""RFC 9309, section by section: which rule of which group decides, against a table, a slow matcher and Protego."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from webtext.crawler.fetch.robots_rules import fits, parse_robots, path_of
from webtext.crawler.reddit.urls import normalise

A = "http://a.example"

RULES = [
    # 2.2.1: User-agent
    ("the group for everybody", b"User-agent: *\nDisallow: /\n", "/x", False),
    ("a group of our own", b"User-agent: webtext\nDisallow: /\n", "/x", False),
    ("our name in any case", b"USER-AGENT: WebText\nDisallow: /\n", "/x", False),
    ("our name with a version", b"User-agent: webtext/1.0\nDisallow: /\n", "/x", False),
    ("another crawler's group", b"User-agent: otherbot\nDisallow: /\n", "/x", True),
    ("a name that ours begins with", b"User-agent: web\nDisallow: /\n", "/x", True),
    ("a name that begins with ours", b"User-agent: webtext-news\nDisallow: /\n", "/x", True),
    ("our own group instead of everybody's",
     b"User-agent: *\nDisallow: /\n\nUser-agent: webtext\nAllow: /\n",
     "/x", True),
    ("an empty group of our own", b"User-agent: *\nDisallow: /\n\nUser-agent: webtext\nDisallow:\n", "/x", True),
    ("several names, one group", b"User-agent: other\nUser-agent: webtext\nDisallow: /\n", "/x", False),
    ("groups of one name are merged",
     b"User-agent: webtext\nDisallow: /a\n\nUser-agent: webtext\nDisallow: /b\n",
     "/b", False),
    ("also behind another group",
     b"User-agent: webtext\nDisallow: /a\nUser-agent: x\nAllow: /\nUser-agent: webtext\nDisallow: /b\n",
     "/a", False),
    ("groups for everybody are merged", b"User-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n", "/a", False),
    ("rules before any group", b"Disallow: /\nUser-agent: other\nDisallow: /\n", "/x", True),
    ("a blank line ends no group", b"User-agent: webtext\n\nDisallow: /\n", "/x", False),
    # 2.2.2: Allow and Disallow
    ("no rule fits", b"User-agent: *\nDisallow: /private\n", "/x", True),
    ("a rule is a beginning", b"User-agent: *\nDisallow: /private\n", "/private-too/x", False),
    ("an empty Disallow forbids nothing", b"User-agent: *\nDisallow:\n", "/x", True),
    ("paths have a case", b"User-agent: *\nDisallow: /Private\n", "/private", True),
    ("the longest fit allows", b"User-agent: *\nDisallow: /\nAllow: /open/\n", "/open/x", True),
    ("the longest fit forbids", b"User-agent: *\nAllow: /open/\nDisallow: /open/closed/\n", "/open/closed/x", False),
    ("whatever the order", b"User-agent: *\nDisallow: /open/closed/\nAllow: /open/\n", "/open/closed/x", False),
    ("of two as long, Allow", b"User-agent: *\nDisallow: /page\nAllow: /page\n", "/page", True),
    ("the RFC's example 5.2",
     b"User-agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n",
     "/example/page/disallowed.gif", False),
    ("the query belongs to the path", b"User-agent: *\nDisallow: /x?q=\n", "/x?q=1", False),
    ("/robots.txt is always allowed", b"User-agent: *\nDisallow: /\n", "/robots.txt", True),
    ("non-ASCII in the file, encoded in the URL",
     "User-agent: *\nDisallow: /caf\u00e9\n".encode(),
     "/caf%C3%A9", False),
    ("encoded in the file, non-ASCII in the URL", b"User-agent: *\nDisallow: /caf%c3%a9\n", "/caf\u00e9", False),
    ("unreserved ASCII that is encoded in the file", b"User-agent: *\nDisallow: /%7ejoe/\n", "/~joe/x", False),
    ("unreserved ASCII that is encoded in the URL", b"User-agent: *\nDisallow: /~joe/\n", "/%7Ejoe/x", False),
    ("the RFC's /foo/bar/%62%61%7A", b"User-agent: *\nDisallow: /foo/bar/%62%61%7A\n", "/foo/bar/baz", False),
    ("an encoded slash is none", b"User-agent: *\nDisallow: /a/b\n", "/a%2Fb", True),
    ("an encoded slash is itself", b"User-agent: *\nDisallow: /a%2fb\n", "/a%2Fb", False),
    ("a rule with a space", b"User-agent: *\nDisallow: /a b\n", "/a%20b", False),
    ("a latin-1 octet", b"User-agent: *\nDisallow: /caf\xe9\n", "/caf%E9", False),
    # 2.2.3: special characters
    ("a star", b"User-agent: *\nDisallow: /*.php\n", "/a/b.php?x", False),
    ("a star is also nothing", b"User-agent: *\nDisallow: /a*b\n", "/ab", False),
    ("a star at the end", b"User-agent: *\nDisallow: /a*\n", "/abc", False),
    ("several stars", b"User-agent: *\nDisallow: /a*b*c\n", "/a1b2c3", False),
    ("stars in order only", b"User-agent: *\nDisallow: /a*b*c\n", "/a1c2b3", True),
    ("an end", b"User-agent: *\nDisallow: /a$\n", "/a", False),
    ("an end is no beginning", b"User-agent: *\nDisallow: /a$\n", "/ab", True),
    ("star and end", b"User-agent: *\nDisallow: /*.php$\n", "/x.php", False),
    ("star and end, with a query", b"User-agent: *\nDisallow: /*.php$\n", "/x.php?q", True),
    ("a dollar inside is a dollar", b"User-agent: *\nDisallow: /a$b\n", "/a$b", False),
    ("an encoded star is a star sign", b"User-agent: *\nDisallow: /a%2A\n", "/a*", False),
    ("and no wildcard", b"User-agent: *\nDisallow: /a%2A\n", "/abc", True),
    ("an encoded dollar is a dollar sign", b"User-agent: *\nDisallow: /a%24\n", "/a$", False),
    ("a pattern may begin with a star", b"User-agent: *\nDisallow: *.pdf\n", "/x.pdf", False),
    ("a comment", b"User-agent: * # all\nDisallow: / # all of it\n", "/x", False),
    ("a line that is a comment", b"User-agent: *\n# Disallow: /\n", "/x", True),
    # 2.2.4: other records do not interfere
    ("a Sitemap inside of a group",
     b"User-agent: webtext\nSitemap: http://a.example/s.xml\nDisallow: /\n",
     "/x", False),
    ("a Crawl-delay ends no group", b"User-agent: webtext\nCrawl-delay: 5\nUser-agent: x\nDisallow: /\n", "/x", False),
    ("an unknown record", b"User-agent: *\nNoindex: /a\nDisallow: /b\n", "/a", True),
    # syntax
    ("no space behind the colon", b"User-agent:*\nDisallow:/\n", "/x", False),
    ("spaces all over", b"  User-agent :  *  \n\tDisallow\t:  /  \n", "/x", False),
    ("lines that end in CR LF", b"User-agent: *\r\nDisallow: /\r\n", "/x", False),
    ("lines that end in CR", b"User-agent: *\rDisallow: /\r", "/x", False),
    ("no end of the last line", b"User-agent: *\nDisallow: /", "/x", False),
    ("a byte order mark", b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n", "/x", False),
    ("UTF-16 with its mark", "User-agent: *\nDisallow: /\n".encode("utf-16"), "/x", False),
    ("a vertical tab ends no line", b"User-agent: *\nDisallow: /a\x0bAllow: /\n", "/x", True),
    ("a missing colon", b"User-agent *\nDisallow /\n", "/x", False),
    ("a misspelt Disallow", b"User-agent: *\nDissallow: /\n", "/x", False),
    ("a page in its place", b"<html><title>Not found</title></html>", "/x", True),
    ("nothing", b"", "/x", True),
    ("UTF-16 without its mark", "User-agent: *\nDisallow: /\n".encode("utf-16-le"), "/x", False),
    ("the other UTF-16 without its mark", "User-agent: *\nDisallow: /\n".encode("utf-16-be"), "/x", False),
    ("garbage", b"\xff\xfe\x00\x01 garbage \x00", "/x", True),
    ("null octets", b"User-agent: *\x00\nDisallow: /\x00\n", "/x", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "allowed"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_rules(text: bytes, path: str, allowed: bool) -> None:
    assert parse_robots(text).decide(normalise(A + path), "webtext").allowed is allowed


def test_a_decision_says_which_line_of_which_group_it_was() -> None:
    found = parse_robots(b"# us\nUser-agent: *\nDisallow: /\n\nUser-agent: webtext\nDisallow: /a\nAllow: /a/b\n")
    assert found.decide(f"{A}/a/x", "webtext").why == "robots.txt, line 6: Disallow: /a (for webtext)"
    assert found.decide(f"{A}/a/b", "webtext").why == "robots.txt, line 7: Allow: /a/b (for webtext)"
    assert found.decide(f"{A}/c", "webtext").why == "no rule of robots.txt for webtext fits"
    assert found.decide(f"{A}/c", "other").why == "robots.txt, line 3: Disallow: / (for *)"
    assert parse_robots(b"").decide(f"{A}/c", "webtext").why == "no group of robots.txt is for us"


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        (b"User-agent: *\nCrawl-delay: 10\n", 10.0),
        (b"User-agent: *\nCrawl-delay: 0.5\n", 0.5),
        (b"User-agent: *\nCrawl-delay: soon\n", 0.0),
        (b"User-agent: *\nCrawl-delay: -1\n", 0.0),
        (b"User-agent: *\nCrawl-delay: nan\n", 0.0),
        (b"User-agent: *\nCrawl-delay: inf\n", 0.0),
        (b"User-agent: *\nCrawl-delay: 2\nCrawl-delay: 5\n", 5.0),
        (b"User-agent: *\nCrawl-delay: 5\nUser-agent: webtext\nDisallow:\n", 0.0),
        (b"User-agent: *\nDisallow:\nCrawl-delay: 5\n\nUser-agent: webtext\nDisallow:\n", 0.0),
        (b"User-agent: webtext\nCrawl-delay: 7\nDisallow: /x\n", 7.0),
        (b"User-agent: *\nRequest-rate: 1/5\n", 5.0),
        (b"User-agent: *\nRequest-rate: 10/1m 0600-0845\n", 6.0),
        (b"User-agent: *\nRequest-rate: 1/1h\n", 3_600.0),
        (b"User-agent: *\nRequest-rate: 0/5\n", 0.0),
        (b"User-agent: *\nRequest-rate: 1/20\nCrawl-delay: 3\n", 20.0),
    ],
)
def test_delays(text: bytes, delay: float) -> None:
    group = parse_robots(text).group("webtext")
    assert group is not None
    assert group.delay == delay


def test_a_group_of_its_own_is_told_from_the_one_for_everybody() -> None:
    rules = parse_robots(b"User-agent: *\nDisallow: /\n\nUser-agent: GPTBot\nUser-agent: CCBot\nDisallow: /a\n")
    assert rules.agents == ("*", "gptbot", "ccbot")
    assert rules.named("GPTBot") is not None
    assert rules.named("webtext") is None


def test_only_so_much_is_read_and_no_half_record() -> None:
    text = b"User-agent: *\nDisallow: /a\nDisallow: /bcd\n"
    assert not parse_robots(text).decide(f"{A}/bcd", "webtext").allowed
    cut = parse_robots(text, limit=len(text) - 4)  # "Disallow: /" would forbid everything
    assert cut.decide(f"{A}/bcd", "webtext").allowed
    assert cut.decide(f"{A}/x", "webtext").allowed
    assert not cut.decide(f"{A}/a", "webtext").allowed
    padded = b"#" * (500 * 1024) + b"\nUser-agent: *\nDisallow: /\n"
    assert parse_robots(padded).decide(f"{A}/x", "webtext").allowed


def test_patterns_made_to_hurt_take_no_long_time() -> None:
    path = b"/" + b"a" * 4_000
    assert not fits(b"/" + b"a*" * 2_000 + b"b", path)
    assert fits(b"/" + b"*a" * 2_000 + b"$", path)


def _slow(pattern: bytes, path: bytes) -> bool:
    """`fits` as a regular expression."""
    ends = pattern.endswith(b"$")
    parts = (pattern[:-1] if ends else pattern).split(b"*")
    return re.match(b".*".join(map(re.escape, parts)) + (rb"\Z" if ends else b""), path, re.DOTALL) is not None


@given(st.text("ab*$/", min_size=1, max_size=8), st.text("ab$/", max_size=10))
def test_fits_equals_a_regular_expression(pattern: str, path: str) -> None:
    assert fits(pattern.encode(), path.encode()) is _slow(pattern.encode(), path.encode())


LINES = st.one_of(
    st.builds("User-agent: {}".format, st.sampled_from(["*", "webtext", "otherbot"])),
    st.builds("{}: /{}".format, st.sampled_from(["Allow", "Disallow"]), st.text("ab*/", max_size=5)),
    st.sampled_from(["", "# comment", "Sitemap: http://a.example/s"]),
)


@given(st.lists(LINES, max_size=12), st.text("ab/", max_size=6))
def test_protego_says_the_same_where_it_keeps_to_the_rfc(lines: list[str], path: str) -> None:
    text = "\n".join(lines)
    url = f"{A}/{path}"
    assert parse_robots(text.encode()).decide(url, "webtext").allowed is Protego.parse(text).can_fetch(url, "webtext")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://a.example/", b"/"),
        ("http://a.example", b"/"),
        ("http://a.example?q=1", b"/?q=1"),
        ("http://a.example/a%7eb?x=%2f", b"/a~b?x=%2F"),
        ("http://a.example/100%", b"/100%25"),
        ("http://a.example/a#b", b"/a"),
    ],
)
def test_the_path_that_is_compared(url: str, path: bytes) -> None:
    assert path_of(url) == path
