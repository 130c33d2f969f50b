"""Facts about what dump and URL list say: spellings, karma, lines that are no link, links that someone chose."""

from __future__ import annotations

from webtext.api import doctor
from webtext.corpus.outcomes import Stage
from webtext.demo.dump import DUMP_NAME
from webtext.demo.finished import DOCUMENT, Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import all_of, counted, ends_as, never_asked, one_link


def plant(web: DemoWeb) -> None:
    """All of them."""
    _spellings(web)
    _karma(web)
    _not_followed(web)
    _no_links(web)
    _chosen(web)
    _doctor(web)


def _spellings(web: DemoWeb) -> None:
    url = web.page("spelling.example", "/a/page?b=2&a=1")
    spellings = (
        url,
        "https://spelling.example/a/page?b=2&a=1",
        "http://www.spelling.example/a/page?a=1&b=2",
        "http://SPELLING.example:80/a/page?b=2&a=1#part-two",
        "http://spelling.example/a/page/?b=2&a=1&utm_source=reddit&utm_medium=social",
        "http://spelling.example/a/%70age?b=2&a=1&fbclid=IwAR0",
    )
    for score, spelling in enumerate(spellings, start=3):
        web.post(spelling, score=score)
    web.expect(
        "six spellings of one address are one link",
        all_of(one_link(*spellings, karma=8), ends_as(DOCUMENT, url)),
        *spellings,
    )
    web.plant(
        "a parameter that is no tracking makes another link",
        DOCUMENT,
        web.page("shelf.example", "/read?id=1"),
        web.page("shelf.example", "/read?id=2"),
    )
    old = web.page("drift.example", "/2011")
    web.dump.post(None, "12", url_overridden_by_dest=old, created_utc="1735700000", is_self=None, over_18=None)
    web.expect("fields of other years are read: text for numbers, null, other names", ends_as(DOCUMENT, old), old)


def _karma(web: DemoWeb) -> None:
    enough = web.page("karma.example", "/three")
    web.post(enough, score=3)
    web.expect("a link with a karma of 3 is followed", ends_as(DOCUMENT, enough), enough)
    low = [web.page("karma.example", f"/low/{number}") for number in range(3)]
    for number, url in enumerate(low):
        web.post(url, score=number)
    low.append(web.page("karma.example", "/below"))
    web.post(low[-1], score=-40)
    web.expect(
        "links with less are not asked for",
        all_of(ends_as("karma", *low), never_asked(*(("karma.example", f"/low/{number}") for number in range(3)))),
        *low,
    )
    twice = web.page("karma.example", "/twice")
    web.post(twice, score=1)
    web.post(twice, score=77)
    web.expect("the best submission of a link gives it its karma", one_link(twice, twice, karma=77), twice)
    # Most of what is posted gets no votes.
    for number in range(120):
        web.post(f"http://unloved.example/{number}", score=number % 3)


def _not_followed(web: DemoWeb) -> None:
    late = web.page("late.example", "/")
    web.dump.post(late, 900, over_18=True)
    unseen = all_of(ends_as("nsfw", late), never_asked(("late.example", "/")))
    web.expect("what is marked over 18 is not followed", unseen, late)
    gone = web.page("gone.example", "/")
    web.dump.post(gone, 900, removed_by_category="moderator")
    web.expect("what moderators removed is not followed", ends_as("removed", gone, detail="moderator"), gone)
    web.plant(
        "other schemes, credentials and endless addresses are no links",
        "unusable-url",
        "ftp://files.example/pub/",
        "http://user:secret@login.example/",
        "http://long.example/" + 5_000 * "a",
    )
    web.plant(
        "addresses of this machine and of the local network are not followed",
        "private-address",
        "http://127.0.0.1/admin",
        "http://[::1]/",
        "http://10.0.0.8/",
        "http://localhost/",
        "http://printer.local/",
        "http://0x7f.1/",
    )
    web.plant("Wikipedia itself is not followed", "wikipedia", "https://en.wikipedia.org/wiki/Umbrella")
    web.plant("pages of Reddit are not followed", "blocked", "https://www.reddit.com/r/books/wiki/index")


def _no_links(web: DemoWeb) -> None:
    dump = web.dump
    for _ in range(60):
        dump.self_post()
    for number in range(40):
        dump.media_post(f"https://i.redd.it/{number:013}.jpg")
        dump.media_post("https://www.youtube.com/watch?v=dQw4w9WgXcQ")
    dump.media_post("http://pictures.example/cat.PNG")
    dump.media_post("https://www.reddit.com/gallery/1abcde", is_gallery=True)
    for line in (
        b"null",
        b"[1, 2]",
        b'{"id": "cut", "url": "http://cut.exa',
        b'{"id": "\xff\xfe", "score": 3}',
        b"\x00\x01",
    ):
        dump.broken_line(line)
    dump.blank_line()
    for outcome, what in (
        ("self-post", "posts of text"),
        ("media", "pictures and videos"),
        ("unreadable", "lines that are no object"),
    ):
        web.expect(f"{what} are counted, every one", counted(Stage.LINKS, outcome, dump.planted[outcome]))


def _chosen(web: DemoWeb) -> None:
    """What a URL list without karma says, beside the dump."""
    alone = web.page("chosen.example", "/only-in-the-list")
    loved_by_one = web.page("chosen.example", "/hardly-loved")
    web.post(loved_by_one, score=1)
    private, wikipedia = "http://192.168.0.7/notes", "https://de.m.wikipedia.org/wiki/Regenschirm"
    web.chosen += ["# what I want to keep", alone, "", loved_by_one, f"{loved_by_one}#top", private, wikipedia]
    web.expect("a URL list's links are followed, whatever their karma", ends_as(DOCUMENT, alone, loved_by_one), alone)
    web.expect(
        "a URL list cannot choose what must not be followed",
        all_of(ends_as("private-address", private), ends_as("wikipedia", wikipedia)),
        private,
    )


def _doctor(web: DemoWeb) -> None:
    def check(finished: Finished) -> str:
        lines, unreadable = len(web.dump.lines), web.dump.planted["unreadable"]
        found = doctor(finished.corpus.parent / DUMP_NAME, workers=1)
        (file,) = found.files
        told = (file.counts.lines, file.counts.unreadable, file.damage, file.month)
        return "" if told == (lines, unreadable, "", "2025-01") else f"doctor says {told}"

    web.expect("webtext doctor finds the dump whole, and every unreadable line in it", check)
