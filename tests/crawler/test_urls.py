"""What a posted URL is, and when two are the same link."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from webtext.crawler.reddit import urls
from webtext.crawler.reddit.urls import (
    UnusableURL,
    host_of,
    identity_form,
    key_of_normalised,
    normalise,
    path_of,
    registered_domain,
    text_key,
    url_key,
)


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("http://example.com", "http://example.com/"),
        ("  https://example.com/a \n", "https://example.com/a"),
        ("HTTP://EXAMPLE.com:80/a/../b/./c", "http://example.com/b/c"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("http://example.com/a#top", "http://example.com/a"),
        ("http://example.com/#!/a", "http://example.com/"),
        ("http://example.com/?utm_source=x", "http://example.com/?utm_source=x"),
        ("http://bücher.example/ä?ö=ü", "http://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC"),
        ("http://example.com/a b", "http://example.com/a%20b"),
        ("http://example.com/%7Euser/%c3%a4", "http://example.com/%7Euser/%c3%a4"),
        ("http:\\\\example.com\\a", "http://example.com/a"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:127.0.0.1]:8080/", "http://[::ffff:7f00:1]:8080/"),
        ("http://[2001:DB8:0:0::1]/x", "http://[2001:db8::1]/x"),
        ("http://a_b.example.com/", "http://a_b.example.com/"),
    ],
)
def test_the_normal_form_is_that_of_the_url_standard_without_fragment(raw: str, normal: str) -> None:
    assert normalise(raw) == normal


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("http://x.example/?a=1&amp;b=2", "http://x.example/?a=1&b=2"),
        ("http://x.example/?a=&lt;&gt;", "http://x.example/?a=%3C%3E"),
        # the poster's own "&amp;", which Reddit escaped again: a parameter named "amp;b" stays one
        ("http://x.example/?a=1&amp;amp;b=2", "http://x.example/?a=1&amp%3Bb=2"),
        # no HTML entities of other names: Reddit does not write them, and URLs are full of such parameters
        ("http://x.example/?a=1&copy=2&lt=3", "http://x.example/?a=1&copy=2&lt=3"),
        ("http://x.example/?a=&quot;", "http://x.example/?a=&quot;"),
    ],
)
def test_what_reddit_escaped_is_unescaped_exactly_once(raw: str, normal: str) -> None:
    assert normalise(raw) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("ftp://files.example/a", "scheme ftp"),
        ("mailto:a@b.example", "scheme mailto"),
        ("javascript:alert(1)", "scheme javascript"),
        ("file:///etc/passwd", "scheme file"),
        ("ws://x.example/", "scheme ws"),
        ("http://", "no host"),
        ("https:///", "no host"),
        ("http://?q", "no host"),
        ("http://a&b.example/", "no host name"),
        ("http://user:secret@login.example/x", "credentials in the URL"),
        ("http://user@login.example/x", "credentials in the URL"),
        ("not a url", "not a URL"),
        ("//example.com/a", "not a URL"),
        ("http://example.com:99999/", "not a URL"),
        ("http://exa mple.com/", "not a URL"),
        ("http://999999999999/", "not a URL"),
        ("http://example.com/\ud83d", "not a URL"),
        ("", "no URL"),
        ("   ", "no URL"),
        ("http://x.example/" + "a" * 4_080, "4,097 characters; at most 4,096 are followed"),
        ("http://x.example/" + "ä" * 1_000, "6,017 characters; at most 4,096 are followed"),
    ],
)
def test_what_no_crawler_can_follow_is_unusable_and_says_why(raw: str, reason: str) -> None:
    with pytest.raises(UnusableURL) as caught:
        normalise(raw)
    assert caught.value.reason == reason
    assert isinstance(caught.value, ValueError)


def test_4096_characters_are_still_usable() -> None:
    assert len(normalise("http://x.example/" + "a" * 4_079)) == 4_096


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://www.Example.com/", "example.com"),
        ("http://example.com:443/a/", "example.com/a"),
        ("http://example.com:8080/a/?", "example.com:8080/a"),
        ("http://example.com./a", "example.com/a"),
        ("http://www.com/", "www.com"),
        ("http://www.www.example.com/", "www.example.com"),
        ("http://www2.example.com/", "www2.example.com"),
        ("http://x.example/?b=2&a=1&b=1", "x.example?a=1&b=1&b=2"),
        ("http://x.example/a/?utm_source=y&UTM_Medium=z&fbclid=1&id=7", "x.example/a?id=7"),
        ("http://x.example/?gclid&srsltid=1&mc_cid=2&mc_eid=3&igshid=4&ref_src=5", "x.example"),
        ("http://x.example/?&&a=1&", "x.example?a=1"),
        ("http://x.example/?utm%5Fsource=1", "x.example"),
        ("http://x.example/%7euser/%C3%A4", "x.example/~user/%C3%A4"),
        ("http://x.example/%2f%zz", "x.example/%2F%zz"),
        ("http://[::FFFF:7f00:1]:80/", "[::ffff:7f00:1]"),
        ("http://[::1]:81/", "[::1]:81"),
        ("http://bücher.example/", "xn--bcher-kva.example"),
    ],
)
def test_the_identity_form_drops_what_does_not_make_another_link(url: str, form: str) -> None:
    assert identity_form(url) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://x.example/a", "https://www.x.example/a/"),
        ("http://x.example/?a=1&amp;b=2", "http://x.example/?b=2&a=1#c"),
        ("http://x.example/?a=1&amp;amp;b=2", "http://x.example/?a=1&b=2"),
        ("http://x.example/?a=1&amp%3Butm_source=2", "http://x.example/?a=1"),
        ("http://ex%41mple.com/", "http://EXAMPLE.com/"),
        ("http://127.0.0.1/", "http://2130706433/"),
    ],
)
def test_spellings_of_one_link_have_one_key(one: str, other: str) -> None:
    assert url_key(one) == url_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://x.example/a", "http://x.example/A"),
        ("http://x.example/a", "http://x.example/a?b"),
        ("http://x.example/a?id=1", "http://x.example/a?id=2"),
        ("http://x.example/a?source=1", "http://x.example/a"),
        ("http://x.example/", "http://m.x.example/"),
        ("http://x.example/", "http://x.example:81/"),
        ("http://x.example/a%2Fb", "http://x.example/a/b"),
        ("http://x.example/?a%26b=1", "http://x.example/?a&b=1"),
    ],
)
def test_other_links_have_other_keys(one: str, other: str) -> None:
    assert url_key(one) != url_key(other)


def test_keys_do_not_change_while_the_rules_keep_their_version() -> None:
    assert urls.RULES == {"url": 1}
    assert f"{url_key('https://www.example.com/a/?utm_source=x&b=1'):016x}" == "0fdb8b8ec3e4a1bc"
    assert f"{url_key('http://bücher.example/'):016x}" == "67519d0e20d524a6"
    assert f"{url_key('mailto:a@b.example'):016x}" == "39bae916955ef042"


@pytest.mark.parametrize("raw", ["not a url", "", "http://\ud83d/", "x" * 600_000])
def test_the_key_is_total_and_for_an_unusable_url_that_of_the_text(raw: str) -> None:
    assert url_key(raw) == text_key(raw) < 1 << 64


def test_host_and_path_of_a_normal_form() -> None:
    assert host_of("http://a.example:81/b?c=/d") == "a.example"
    assert host_of("http://[::1]:81/") == "[::1]"
    assert path_of("http://a.example:81/b/c.jpg?d=/e") == "/b/c.jpg"
    assert path_of("http://a.example/") == "/"


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("news.bbc.co.uk", "bbc.co.uk"),
        ("example.com", "example.com"),
        ("a.b.example.com.", "example.com"),
        ("alice.github.io", "alice.github.io"),
        ("x.blogspot.com", "x.blogspot.com"),
        ("github.io", "github.io"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "[::1]"),
        ("no-such-suffix.example", "no-such-suffix.example"),
        ("www.xn--bcher-kva.de", "xn--bcher-kva.de"),
    ],
)
def test_the_registered_domain_is_the_owners(host: str, domain: str) -> None:
    assert registered_domain(host) == domain


def test_the_registered_domain_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    urls._suffixes.cache_clear()
    assert registered_domain("a.example.co.jp") == "example.co.jp"


# Pieces that trip URL code up: entities, percent signs, ports, brackets, unusual spaces, surrogates.
_PIECES = st.sampled_from([
    "http://", "https://", "HTTP:", "//", "/", "\\", "?", "#", "&", "&amp;", "&amp;amp;", "amp;", "&lt;", "&am\tp;",
    "=", ";", "%", "%41", "%2e", "%2E", "%26", "%3B", "%zz", "%c3%a4", ":", ":80", ":443", ":81", "@", "www.", "a", "B",
    "example.com", "..", ".", "/./", "/../", "[::1]", "127.1", "2130706433", "utm_source=x", "utm%5Fterm", "fbclid",
    "bücher", "ß", "☃", " ", "\n", "\t", "\u00a0", "\u3002", "\ud83d", "x" * 1_400,
])  # fmt: skip
_TEXTS = st.one_of(
    st.builds("".join, st.lists(_PIECES, max_size=10)),
    st.builds(lambda pieces: "http://example.com/" + "".join(pieces), st.lists(_PIECES, max_size=10)),
    st.text(max_size=40),
)


@given(_TEXTS)
@example("http://x/?a&am\tp;b")
@example("http://x/?" + "&amp;amp;" * 800)
def test_normalising_twice_is_normalising_once(raw: str) -> None:
    try:
        normal = normalise(raw)
    except UnusableURL:
        return
    assert normalise(normal) == normal
    assert url_key(normal) == url_key(raw) == key_of_normalised(normal)
    assert "#" not in normal and normal.isascii() and len(normal) <= 4_096


@given(_TEXTS)
def test_every_text_has_a_key(raw: str) -> None:
    assert 0 <= url_key(raw) < 1 << 64


def _slow_identity(normal: str) -> str:
    """The identity form by the standard library, rule by rule."""
    parts = urlsplit(normal)
    host = parts.netloc
    for port in (":80", ":443"):
        host = host.removesuffix(port)
    name, colon, port = (host, "", "") if host.endswith("]") else host.partition(":")
    if host.startswith("[") and not host.endswith("]"):
        name, colon, port = host.partition("]:")[0] + "]", ":", host.partition("]:")[2]
    name = name.rstrip(".") or name
    if name.startswith("www.") and "." in name.removeprefix("www."):
        name = name.removeprefix("www.")
    form = name + colon + port + _slow_percent(parts.path).rstrip("/")
    parameters = []
    for parameter in _slow_percent(parts.query).split("&"):
        while parameter.startswith("amp;") or parameter.startswith("amp%3B"):
            parameter = (
                parameter.removeprefix("amp;") if parameter.startswith("amp;") else parameter.removeprefix("amp%3B")
            )
        name = parameter.split("=")[0].lower()
        if parameter and name not in urls.TRACKING_PARAMETERS and not any(map(name.startswith, urls.TRACKING_PREFIXES)):
            parameters.append(parameter)
    return form + ("?" + "&".join(sorted(parameters)) if parameters else "")


def _slow_percent(text: str) -> str:
    done, place = "", 0
    while place < len(text):
        digits = text[place + 1 : place + 3]
        if text[place] == "%" and len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            character = chr(int(digits, 16))
            plain = character.isascii() and (character.isalnum() or character in "-._~")
            done += character if plain else f"%{digits.upper()}"
            place += 3
        else:
            done += text[place]
            place += 1
    return done


@given(_TEXTS)
def test_the_identity_form_is_what_its_rules_say(raw: str) -> None:
    try:
        normal = normalise(raw)
    except UnusableURL:
        return
    slow = _slow_identity(normal)
    assert identity_form(raw) == slow
    assert url_key(raw) == xxhash.xxh3_64_intdigest(slow.encode(), seed=0)
