"""What benchmarks/guest.py asks of crawlers: one host a rule, what it serves, and what a polite guest does there."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from webtext.demo.answers import HTML, NOT_FOUND, Answer, Manner, Place

PAGE = b"<!doctype html><html><head><title>A page</title></head><body><p>" + b"All kinds of words. " * 60
TEXT = (("Content-Type", "text/plain"),)


@dataclass(frozen=True)
class Case:
    """One rule: what is expected is "asked", "not asked", "kept", "not kept", or "N s" between two requests."""

    rule: str
    expected: str
    robots: bytes | Answer | None = None
    page: Answer = field(default_factory=lambda: Answer(PAGE))
    path: str = "/a/page"
    more: tuple[tuple[str, Answer], ...] = ()
    further: tuple[str, ...] = ()
    watched: str = ""
    """The target whose requests are looked at, where it is not `path`."""


def robots(*lines: str) -> bytes:
    """A robots.txt."""
    return "\n".join(lines).encode() + b"\n"


def page(head: str = "", **headers: str) -> Answer:
    """A page with further elements and header fields."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(PAGE.replace(b"<head>", b"<head>" + head.encode()), 200, (("Content-Type", HTML), *fields))


ALL = "User-agent: *"
SLOW = 1.5


def cases(port: int) -> list[Case]:
    """All of them; `port` is the server's own, for what leads back into this machine."""
    here = f"http://127.0.0.1:{port}/secret"
    tdm = json.dumps([{"location": "/a/", "tdm-reservation": 1}]).encode()
    return [
        Case("Disallow", "not asked", robots(ALL, "Disallow: /a")),
        Case("the longest rule wins (2.2.2)", "asked", robots(ALL, "Disallow: /a", "Allow: /a/page")),
        Case("of two as long, Allow", "asked", robots(ALL, "Disallow: /a/page", "Allow: /a/page")),
        Case(
            "a group of our own goes before * (2.2.1)",
            "asked",
            robots(ALL, "Disallow: /", "", "User-agent: webtext", "Allow: /"),
        ),
        Case(
            "groups of one name are merged",
            "not asked",
            robots("User-agent: webtext", "Disallow: /b", "", "User-agent: webtext", "Disallow: /a"),
        ),
        Case('"User-agent: web" is not webtext', "asked", robots("User-agent: web", "Disallow: /")),
        Case(
            "other records end no group (2.2.4)",
            "not asked",
            robots("User-agent: webtext", "Crawl-delay: 0", "User-agent: x", "Disallow: /"),
        ),
        Case("Allow: /index.html allows no /", "not asked", robots(ALL, "Disallow: /", "Allow: /index.html"), path="/"),
        Case("wildcards and $ (2.2.3)", "not asked", robots(ALL, "Disallow: /*/pag*e$")),
        Case("percent-encoding is compared decoded", "not asked", robots(ALL, "Disallow: /%61/p%61ge")),
        Case("UTF-8 paths", "not asked", robots(ALL, "Disallow: /caf\u00e9"), path="/caf%C3%A9"),
        Case("a byte order mark", "not asked", b"\xef\xbb\xbf" + robots(ALL, "Disallow: /")),
        Case("lines that end in CR", "not asked", b"User-agent: *\rDisallow: /\r"),
        Case(
            "robots.txt compressed",
            "not asked",
            Answer(gzip.compress(robots(ALL, "Disallow: /")), 200, (*TEXT, ("Content-Encoding", "gzip"))),
        ),
        Case("4xx: no restriction (2.3.1.3)", "asked", Answer(b"Disallow: /", 403, TEXT)),
        Case("5xx: everything is disallowed (2.3.1.4)", "not asked", Answer(b"", 503, TEXT)),
        Case("no answer: everything is disallowed", "not asked", Answer(manner=Manner.RESET)),
        Case(
            "redirects of robots.txt are followed",
            "not asked",
            Answer(b"", 301, (("Location", "/rules"),)),
            more=(("/rules", Answer(robots(ALL, "Disallow: /"), 200, TEXT)),),
        ),
        Case(
            "also behind a redirect of the page",
            "not asked",
            robots(ALL, "Disallow: /private"),
            page=Answer(b"", 302, (("Location", "/private"),)),
            more=(("/private", Answer(PAGE)),),
            watched="/private",
        ),
        Case("Crawl-delay", f"{SLOW} s", robots(ALL, f"Crawl-delay: {SLOW}"), further=("/a/2", "/a/3")),
        Case("Request-rate", "2 s", robots(ALL, "Request-rate: 1/2"), further=("/a/2",)),
        Case("429 with Retry-After", "2 s", page=Answer(b"", 429, (("Retry-After", "2"),)), watched="/a/page"),
        Case("503 with Retry-After", "2 s", page=Answer(b"", 503, (("Retry-After", "2"),)), watched="/a/page"),
        Case("X-Robots-Tag: noai", "not kept", page=page(X_Robots_Tag="noai")),
        Case("X-Robots-Tag: noimageai, noml", "not kept", page=page(X_Robots_Tag="noimageai, noml")),
        Case("X-Robots-Tag: webtext: noai", "not kept", page=page(X_Robots_Tag="webtext: noai")),
        Case("X-Robots-Tag: otherbot: noai", "kept", page=page(X_Robots_Tag="otherbot: noai")),
        Case("meta robots noai", "not kept", page=page('<meta name="robots" content="noai">')),
        Case("meta robots noml", "not kept", page=page("<META CONTENT='noml' NAME=ROBOTS>")),
        Case("tdm-reservation: 1 in the header", "not kept", page=page(tdm_reservation="1")),
        Case("tdm-reservation: 1 in meta", "not kept", page=page('<meta name="tdm-reservation" content="1">')),
        Case(
            "tdmrep.json",
            "not asked",
            more=(("/.well-known/tdmrep.json", Answer(tdm, 200, (("Content-Type", "application/json"),))),),
        ),
        Case(
            "ai.txt", "not asked", more=(("/ai.txt", Answer(robots("User-Agent: *", "Disallow: *.html"), 200, TEXT)),)
        ),
        Case("a group for GPTBot", "not asked", robots("User-agent: GPTBot", "Disallow: /")),
        Case(
            "a redirect into this machine",
            "not asked",
            page=Answer(b"", 302, (("Location", here),)),
            watched="127.0.0.1/secret",
        ),
        Case(
            "meta refresh into this machine",
            "not asked",
            page=page(f'<meta http-equiv="refresh" content="0;url={here}2">'),
            watched="127.0.0.1/secret2",
        ),
        Case(
            "what is no page is not read",
            "not kept",
            page=Answer(b"%PDF" + b"x" * 100_000, 200, (("Content-Type", "application/pdf"),)),
        ),
    ]


class GuestWeb:
    """Serves the cases, and notes when each target was asked for."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.moments: dict[str, list[float]] = defaultdict(list)
        self.lock = threading.Lock()

    @staticmethod
    def host(number: int) -> str:
        """The host of a case."""
        return f"r{number}.test"

    def places(self) -> Iterator[tuple[str, str]]:
        """As `Web.places`."""
        for number in range(len(self.cases)):
            yield self.host(number), Place.HERE

    def answer(self, host: str, target: str, asked: int) -> Answer:
        """As `Web.answer`."""
        with self.lock:
            self.moments[f"{host}{target}"].append(time.monotonic())
        if not host.startswith("r"):
            return Answer(PAGE)
        case = self.cases[int(host[1:].partition(".")[0])]
        if target == "/robots.txt":
            given = case.robots
            return NOT_FOUND if given is None else given if isinstance(given, Answer) else Answer(given, 200, TEXT)
        for name, answer in case.more:
            if name == target:
                return answer
        if target == case.path:
            return case.page if case.page.status not in (429, 503) or asked == 0 else Answer(PAGE)
        return Answer(PAGE) if target in case.further else NOT_FOUND

    def seen(self, number: int, kept: bool) -> str:
        """What a crawler did at a case, in the words of `expected`."""
        case = self.cases[number]
        watched = case.watched or case.path
        name = watched if watched.startswith("127") else f"{self.host(number)}{watched}"
        moments = self.moments[name]
        if case.expected.endswith(" s"):
            if case.further:
                moments = sorted(
                    t for target in (case.path, *case.further) for t in self.moments[f"{self.host(number)}{target}"]
                )
            gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
            return f"{min(gaps):.2f} s" if gaps else "asked once"
        if case.expected.endswith("asked"):
            return "asked" if moments else "not asked"
        return "kept" if kept else "not kept"


def right(case: Case, found: str) -> bool:
    """Whether what was seen is what is expected; a delay may be longer."""
    if case.expected.endswith(" s"):
        return found.endswith(" s") and float(found[:-2]) >= float(case.expected[:-2]) - 0.005
    return found == case.expected
