"""Facts about the crawl: robots rules, opt-outs, redirects, and every way in which a server can fail."""

from __future__ import annotations

import gzip

from webtext.crawler.fetch.lookup import look_up
from webtext.crawler.fetch.warc import read_record
from webtext.crawler.reddit.urls import url_key
from webtext.demo.answers import HTML, Answer, Manner, Place, moved
from webtext.demo.finished import DOCUMENT, Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import Check, asked_times, ends_as, never_asked

PRIVATE = "10.0.0.8"
"""Where the name of a host leads that is nobody's business (RFC 1918)."""


def plant(web: DemoWeb, *, max_bytes: int, timeout: float) -> None:
    """All of them, for a crawl with these settings."""
    _robots(web)
    _opt_outs(web)
    _reservations(web)
    _redirects(web)
    _dead(web)
    _slow(web, timeout)
    _large(web, max_bytes)
    _odd(web)


def _robots(web: DemoWeb) -> None:
    host = "rules.example"
    web.robots(host, "User-agent: *", "Disallow: /private/", "Allow: /private/welcome", "Disallow: /*.cgi$")
    web.plant(
        "what robots.txt forbids is not asked for",
        "robots",
        web.page(host, "/private/diary"),
        web.page(host, "/bin/run.cgi"),
        also=never_asked((host, "/private/diary"), (host, "/bin/run.cgi")),
    )
    web.plant(
        "the longer rule of robots.txt wins",
        DOCUMENT,
        web.page(host, "/private/welcome"),
        web.page(host, "/bin/run.cgi?really=1"),
        also=asked_times(host, "/robots.txt", 1),
    )
    web.robots("named.example", "User-agent: *", "Disallow:", "", "User-agent: webtext", "Disallow: /")
    web.plant("a group of robots.txt that names webtext goes before *", "robots", web.page("named.example", "/"))
    web.robots("others.example", "User-agent: otherbot", "Disallow: /")
    web.plant("rules for other crawlers are not ours", DOCUMENT, web.page("others.example", "/"))
    web.serve("down.example", "/robots.txt", Answer(b"", 503))
    web.plant("a robots.txt that fails forbids everything", "robots", web.page("down.example", "/"), detail="503")
    web.serve("led.example", "/robots.txt", moved("http://rules.example/robots.txt", 301))
    web.plant("a robots.txt that moved is followed", "robots", web.page("led.example", "/private/a"))
    web.plant(
        "a redirect to what robots.txt forbids ends there",
        "robots",
        web.serve("bypass.example", "/", moved("http://rules.example/private/diary")),
    )


def _opt_outs(web: DemoWeb) -> None:
    host = "optout.example"
    web.plant(
        "X-Robots-Tag and meta robots keep a page out",
        "opt-out",
        web.page(host, "/header", X_Robots_Tag="noai, noimageai"),
        web.page(host, "/for-us", X_Robots_Tag="webtext: noai"),
        web.page(host, "/meta", head='<meta name="robots" content="noai, noimageai">'),
    )
    web.plant(
        "an opt-out for another crawler, and rules about indexing, are none",
        DOCUMENT,
        web.page(host, "/for-others", X_Robots_Tag="otherbot: noai"),
        web.page(host, "/noindex", head='<meta name="robots" content="noindex, nofollow">'),
    )


def _reservations(web: DemoWeb) -> None:
    """Fixed pages: none of them becomes a document."""
    page, host = b"<!doctype html><title>An essay</title><p>Not for training.", "notraining.example"
    web.robots(host, "User-agent: GPTBot", "User-agent: CCBot", "Disallow: /", "", "User-agent: *", "Allow: /")
    web.plant(
        "a site that turns crawlers for training away is left alone",
        "opt-out",
        web.serve(host, "/essay", Answer(page)),
        detail="crawlers for training",
        also=never_asked((host, "/essay")),
    )
    host = "reserved.example"
    rules = b'[{"location": "/archive/", "tdm-reservation": 1, "tdm-policy": "http://reserved.example/policy.json"}]'
    web.serve(host, "/.well-known/tdmrep.json", Answer(rules, 200, (("Content-Type", "application/json"),)))
    web.serve(
        "spoken.example", "/ai.txt", Answer(b"User-Agent: *\nDisallow: *.htm\n", 200, (("Content-Type", "text/plain"),))
    )
    web.plant(
        "what a site reserves in tdmrep.json or ai.txt is not asked for",
        "opt-out",
        web.serve(host, "/archive/1", Answer(page)),
        web.serve("spoken.example", "/story.htm", Answer(page)),
        also=never_asked((host, "/archive/1"), ("spoken.example", "/story.htm")),
    )
    reserved = (("Content-Type", HTML), ("tdm-reservation", "1"))
    web.plant(
        "a reservation in a header field or a meta element keeps a page out",
        "opt-out",
        web.serve(host, "/open/header", Answer(page, 200, reserved)),
        web.serve(host, "/open/meta", Answer(page + b'<meta name="tdm-reservation" content="1">')),
        detail="tdm-reservation",
    )


def _redirects(web: DemoWeb) -> None:
    there = web.page("there.example", "/page")
    web.post(there)
    web.plant(
        "redirects to a link that is there are no further documents",
        "duplicate-redirect",
        web.serve("short.example", "/x7", moved(there, 301)),
        web.serve("short.example", "/x8", moved("/x7")),
        also=ends_as(DOCUMENT, there),
    )
    web.page("new.example", "/page")
    old = web.serve("old.example", "/", moved("http://new.example/page", 308))
    web.plant("a page that moved is read at its new address", DOCUMENT, old)
    web.plant(
        "loops, endless chains and redirects to nowhere end as redirect",
        "redirect",
        web.serve("loop.example", "/a", moved("/b")),
        web.serve("loop.example", "/self", moved("/self")),
        web.serve("chain.example", "/0", moved("/1")),
        web.serve("loop.example", "/nowhere", Answer(b"", 302)),
        web.serve("loop.example", "/mail", moved("mailto:someone@loop.example")),
    )
    web.serve("loop.example", "/b", moved("/a"))
    for number in range(1, 14):
        web.serve("chain.example", f"/{number}", moved(f"/{number + 1}"))
    inside = web.name("inside.example", PRIVATE)
    web.plant(
        "nothing leads into this machine or the local network",
        "private-address",
        inside,
        web.serve("trap.example", "/metadata", moved("http://169.254.169.254/latest/meta-data/")),
        web.serve("trap.example", "/home", moved("http://127.0.0.1/")),
        web.serve("trap.example", "/name", moved(inside)),
    )


def _dead(web: DemoWeb) -> None:
    web.plant(
        "a page that is gone: 404", "http-error", web.serve("dead.example", "/404", Answer(b"gone", 404)), detail="404"
    )
    web.plant(
        "a server that fails is asked again, then it is an error",
        "http-error",
        web.serve("dead.example", "/500", Answer(b"oops", 500)),
        detail="500",
        also=asked_times("dead.example", "/500", 2),
    )
    page = Answer(web.html(web.article()))
    web.plant("a failure that passes costs nothing", DOCUMENT, web.serve("flaky.example", "/", Answer(b"", 503), page))
    web.plant(
        "a host that refuses connections", "unreachable", web.name("refused.example", Place.REFUSED), detail="refused"
    )
    web.plant(
        "a name that does not exist", "unreachable", web.name("unknown.example", Place.UNKNOWN), detail="not known"
    )
    cut = web.serve("broken.example", "/cut", Answer(page.body, manner=Manner.CUT))
    web.plant(
        "answers that break off or are none",
        "unreachable",
        cut,
        web.serve("broken.example", "/reset", Answer(manner=Manner.RESET)),
        web.serve("broken.example", "/nonsense", Answer(manner=Manner.NONSENSE)),
        web.serve("broken.example", "/gzip", Answer(gzip.compress(page.body, mtime=0)[:-40], 200, _GZIP)),
        also=_is_marked("disconnect", cut),
    )


def _is_marked(reason: str, *urls: str) -> Check:
    """What came of each answer lies in the archive as WARC-Truncated with this reason."""

    def check(finished: Finished) -> str:
        pages = finished.corpus / "pages"
        for url in urls:
            entry = look_up(pages / "ledger.sqlite", url_key(url))
            if entry is None or not entry.answers:
                return f"{url}: nothing of it is recorded"
            last = entry.answers[-1]
            found = read_record(pages / last.segment, last.offset, last.length).truncated
            if found != reason:
                return f"{url}: is marked {found!r}, not {reason!r}"
        return ""

    return check


def _slow(web: DemoWeb, timeout: float) -> None:
    page = web.html(web.article())
    # Each on a host of its own: a host is asked for one page at a time.
    web.plant(
        "answers that take too long",
        "timeout",
        web.serve("late-answer.example", "/", Answer(page, wait=10 * timeout)),
        web.serve("silent.example", "/", Answer(manner=Manner.SILENT)),
        web.serve("drip.example", "/", Answer(manner=Manner.DRIP)),
    )
    web.serve("slowrules.example", "/robots.txt", Answer(manner=Manner.SILENT))
    web.plant(
        "a host whose robots.txt never comes is not asked further",
        "timeout",
        web.page("slowrules.example", "/"),
        detail="robots.txt",
        also=never_asked(("slowrules.example", "/")),
    )


def _large(web: DemoWeb, max_bytes: int) -> None:
    page = web.html(web.article())
    bomb = gzip.compress(page + b" " * (2 * max_bytes), mtime=0)
    announced = (("Content-Type", HTML), ("Content-Length", str(100 * max_bytes)))
    web.plant(
        "pages without an end, announced giants and gzip bombs",
        "too-large",
        web.serve("large.example", "/endless", Answer(manner=Manner.ENDLESS)),
        web.serve("large.example", "/announced", Answer(page, 200, announced, Manner.CUT)),
        web.serve("large.example", "/bomb", Answer(bomb, 200, _GZIP)),
    )


def _odd(web: DemoWeb) -> None:
    page = web.html(web.article())
    web.plant(
        "what is no text is not taken for a page",
        "content-type",
        web.serve("files.example", "/paper.pdf", Answer(b"%PDF-1.7\n", 200, (("Content-Type", "application/pdf"),))),
        web.serve("files.example", "/data", Answer(page, 200, (("Content-Type", "application/json"),))),
        web.serve("files.example", "/untyped", Answer(b"\x7fELF\x02\x01\x01\x00" * 99, 200, ())),
    )
    web.plant(
        "pages that come compressed, only say so, or say nothing are read",
        DOCUMENT,
        web.serve("packed.example", "/gzip", Answer(gzip.compress(page, mtime=0), 200, _GZIP)),
        web.serve("packed.example", "/not", Answer(web.html(web.article()), 200, _GZIP)),
        web.serve("packed.example", "/untyped", Answer(web.html(web.article()), 200, ())),
    )


_GZIP = (("Content-Type", HTML), ("Content-Encoding", "gzip"))
