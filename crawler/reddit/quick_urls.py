"""The short way from a posted URL to its normal form, key, host and path, for the URLs that are normal as they stand.

Half of a scan's time would go to `webtext.crawler.reddit.urls` otherwise. Three quarters of real links need none of its
rules but the slash at the end: what this module cannot be sure of, it leaves to that one.
"""

from __future__ import annotations

import re

import xxhash

from webtext.crawler.reddit.urls import MAX_CHARACTERS, host_of, key_of_normalised, normalise, path_of

# The path's characters are outside its percent-encode set, the query's outside the special-query percent-encode set
# (WHATWG URL standard). "%", ";" (entities), "#" and backslashes have rules, and "/." may begin a dot segment.
_PLAIN = re.compile(
    r"https?://([a-z0-9_.-]+)(/[A-Za-z0-9_~!$'()*+,:;=@./-]*)(\?[A-Za-z0-9_~!$&()*+,:=@./-]*)?"
).fullmatch
# A name whose last label is letters alone is no address of any kind, and without "xn--" there is nothing that IDNA
# could change (WHATWG URL standard, host parsing).
_NAME = re.compile(r"(?!.*xn--)(?:www\.)?((?:[a-z0-9_-]+\.)+[a-z]{2,})").fullmatch
_KEPT_NAMES = 100_000  # 20 MB; a month has some 100,000 hosts, most of its links some 1,000

Place = tuple[str, int, str, str]
"""Where a link leads to: its normal form, key, host and path."""


class Places:
    """`place_of`, with a memory for the names that it has seen."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, raw: str) -> Place:
        """The place of a posted URL. Raises `UnusableURL` as `normalise`."""
        # Reddit's own escaping; what is escaped twice has a ";" left, which no plain query has.
        text = raw.replace("&amp;", "&") if "&" in raw else raw
        found = _PLAIN(text)
        if found is not None and "/." not in text and len(text) <= MAX_CHARACTERS:
            host, path, query = found.groups()
            name = self._names.get(host)
            if name is None:
                name = self._name(host)
            if name:
                if query is None:
                    return text, xxhash.xxh3_64_intdigest((name + path.rstrip("/")).encode()), host, path
                return text, key_of_normalised(text), host, path
        return place_of(raw)

    def _name(self, host: str) -> str:
        """What `host` counts as in the identity form; "" where the rules have to say that."""
        found = _NAME(host)
        if len(self._names) >= _KEPT_NAMES:
            self._names.clear()
        name = self._names[host] = found.group(1) if found else ""
        return name


def place_of(raw: str) -> Place:
    """The place of a posted URL by the rules themselves."""
    url = normalise(raw)
    return url, key_of_normalised(url), host_of(url), path_of(url)
