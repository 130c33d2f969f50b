"""The scalable web: it follows from its seed, has the shape that is asked for, and is crawled as it says."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import IMPATIENT, QUICK, crawl, fate_of

from webtext.crawler.text.main_text import extract_main_text
from webtext.demo.answers import Manner, Place
from webtext.demo.finished import DOCUMENT
from webtext.demo.little_web import LittleWeb
from webtext.demo.server import WebServer

LARGE = LittleWeb()
SMALL = LittleWeb(hosts=40, pages=300, fastest=0.0005, slowest=0.01, refused=0.1, unknown=0.1, silent=0.05, missing=0.2)


def test_the_same_seed_gives_the_same_web_and_another_one_another() -> None:
    again, other = replace(SMALL), replace(SMALL, seed=2)
    targets = [(SMALL.host(number), f"/{page}") for number in range(40) for page in range(3)]
    answers = [SMALL.answer(host, target, 0) for host, target in targets]
    assert answers == [again.answer(host, target, 0) for host, target in reversed(targets)][::-1]
    assert answers != [other.answer(host, target, 0) for host, target in targets]
    assert list(SMALL.places()) == list(again.places()) != list(other.places())


@pytest.mark.parametrize(
    "wrong", [{"fastest": 0.0}, {"fastest": 9.0}, {"refused": 0.9, "unknown": 0.2}, {"missing": 2}]
)
def test_a_shape_that_cannot_be_is_refused_at_once(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"no range above 0|more than the whole"):
        LittleWeb(**wrong)  # type: ignore[arg-type]


def test_sizes_fall_with_the_rank() -> None:
    sizes = [LARGE.size(number) for number in range(LARGE.hosts)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=0.01)
    assert sizes[0] == pytest.approx(100 * sizes[99], rel=0.01)
    assert sum(sizes) == pytest.approx(LARGE.pages, rel=0.1)


def test_latencies_lie_evenly_between_the_bounds() -> None:
    found = sorted(LARGE.latency(number) for number in range(2_000))
    assert 0.05 <= found[0] < 0.06
    assert 4.5 < found[-1] <= 5.0
    assert found[1_000] == pytest.approx(0.5, rel=0.1)  # the middle of a logarithmic scale
    waits = [LARGE.answer(LARGE.host(7), f"/{page}", 0).wait for page in range(100)]
    assert len(set(waits)) > 90
    assert all(0.05 <= wait <= 5.0 for wait in waits)


def test_hosts_are_dead_in_the_shares_that_are_asked_for() -> None:
    places = [place for _, place in LARGE.places()]
    assert len(places) == 20_000
    assert places.count(Place.REFUSED) / 20_000 == pytest.approx(LARGE.refused, abs=0.005)
    assert places.count(Place.UNKNOWN) / 20_000 == pytest.approx(LARGE.unknown, abs=0.005)


def test_every_address_is_there_once_and_the_hosts_are_mixed() -> None:
    urls = list(SMALL.urls())
    assert len(urls) == len(set(urls)) == sum(SMALL.size(number) for number in range(40))
    assert len({url.split("/")[2] for url in urls[:40]}) == 40


def test_what_it_answers_is_what_it_expects() -> None:
    for host in range(40):
        for page in range(SMALL.size(host)):
            answer = SMALL.answer(SMALL.host(host), f"/{page}", 0)
            expected = SMALL.expected(host, page)
            if expected == DOCUMENT:
                assert (answer.status, answer.manner) == (200, Manner.WHOLE)
            elif expected == "http-error":
                assert answer.status in (404, 503)
            elif expected == "timeout":
                assert answer.manner is Manner.SILENT
            else:
                assert SMALL.place(host) in (Place.REFUSED, Place.UNKNOWN)


@pytest.mark.parametrize("target", ["/300", "/x", "/-1", "/", "/1?a=2"])
def test_what_it_does_not_have_is_not_found(target: str) -> None:
    lively = next(number for number in range(40) if SMALL.expected(number, 0) in (DOCUMENT, "http-error"))
    assert SMALL.answer(SMALL.host(lively), target, 0).status == 404
    assert SMALL.answer("elsewhere.example", target, 0).status == 404
    assert SMALL.answer(SMALL.host(40), target, 0).status == 404


def test_a_page_has_words_to_extract() -> None:
    host, page = next((h, p) for h in range(40) for p in range(SMALL.size(h)) if SMALL.expected(h, p) == DOCUMENT)
    body = SMALL.answer(SMALL.host(host), f"/{page}", 0).body
    assert len(extract_main_text(body.decode()).text.split()) >= 40


def test_a_page_looks_as_all_pages_of_its_host_and_hosts_differ() -> None:
    marks = ("cookie-banner", "entry-content", "newsletter-signup", "prevnext", "BGCOLOR")
    web = replace(SMALL, refused=0.0, unknown=0.0, silent=0.0, missing=0.0, failing=0.0)
    looks = [
        {mark for page in range(web.size(host)) for mark in marks if mark in body(web, host, page)}
        for host in range(web.hosts)
    ]
    assert all(len(look) == 1 for look in looks)
    assert set().union(*looks) == set(marks)


def body(web: LittleWeb, host: int, page: int) -> str:
    return web.answer(web.host(host), f"/{page}", 0).body.decode()


def test_a_web_of_millions_of_pages_takes_no_memory_to_speak_of() -> None:
    web = LittleWeb(hosts=20_000, pages=10_000_000)
    web.answer(web.host(0), "/0", 0)  # the paragraphs, which all webs have: some 2 MB
    tracemalloc.start()
    server = WebServer(web)
    table = server.resolver_table()
    urls = sum(1 for _ in itertools.islice(web.urls(), 100_000))
    bodies = sum(len(web.answer(web.host(number), "/0", 0).body) > 0 for number in range(500))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(table), urls) == (20_000, 100_000)
    assert bodies > 400
    assert peak < 12_000_000  # the table itself has 4 MB of names


def test_it_is_crawled_as_it_expects(tmp_path: Path) -> None:
    pages = [(host, page) for host in range(40) for page in range(min(4, SMALL.size(host)))]
    server = WebServer(SMALL)
    with server.running():
        urls = [SMALL.url(host, page) for host, page in pages]
        silent = [SMALL.url(host, page) for host, page in pages if SMALL.expected(host, page) == "timeout"]
        for some, patience in ((silent, IMPATIENT), (urls, QUICK)):
            settings = replace(patience, retries=0, concurrency=64)
            crawl(tmp_path, some, settings=settings, allow_loopback=server.resolver_table())
    became = {url: fate_of(tmp_path, url)[0].replace("page", DOCUMENT) for url in urls}
    assert became == {SMALL.url(host, page): SMALL.expected(host, page) for host, page in pages}
    assert set(became.values()) == {DOCUMENT, "http-error", "timeout", "unreachable"}
