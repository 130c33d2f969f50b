"""The hosts of a crawl in numbers: queues, pace, and the hosts that a picture of the crawl names."""

from __future__ import annotations

import tracemalloc

import pytest

from webtext.crawler.fetch.figures import HostFigure
from webtext.crawler.fetch.hosts import Hosts

LINKS = [
    (5, "http://b.example/1"), (-7, "http://a.example/1"), (3, "http://b.example:8080/2"), (9, "http://c.example/"),
    (1, "http://a.example/2"), (2, "http://b.example/3"),
]  # fmt: skip


def test_the_first_link_of_a_host_waits_for_its_files_and_the_others_do_not() -> None:
    hosts = Hosts([(1, "http://a.example/1"), (2, "http://a.example/2")], 1.0, files=3)
    hosts.take(0)
    hosts.ended(0, 4.2, page=True)  # robots.txt, two more, the page
    assert hosts.pace[0] == pytest.approx(1.05)
    hosts.ended(0, 2.05, page=True)
    assert hosts.pace[0] == pytest.approx(1.35)


def test_links_lie_by_host_in_their_order() -> None:
    hosts = Hosts(LINKS, pace=1.0)
    assert hosts.names == ["b.example", "a.example", "c.example"]
    assert list(hosts.waiting) == [3, 2, 1]
    assert hosts.longest_first().tolist() == [0, 1, 2]
    assert hosts.next_keys(0, 2) == [5, 3]
    assert hosts.next_keys(0, 9, skip=1) == [3, 2]
    hosts.take(0)
    assert hosts.next_keys(0, 9) == [3, 2]
    assert hosts.next_keys(1, 9) == [-7, 1]
    assert hosts.left == 5


def test_a_picture_names_the_busiest_the_slowest_and_those_that_bound_the_end() -> None:
    hosts = Hosts(LINKS, pace=1.0)
    assert hosts.figures(2) == {
        "busiest": [],
        "slowest": [],
        "bounding": [HostFigure("b.example", 3, 0, 1.0, 3.0), HostFigure("a.example", 2, 0, 1.0, 2.0)],
    }
    hosts.take(1)
    hosts.ended(1, 8.0, page=True)
    hosts.take(2)
    hosts.ended(2, 50.0, page=False)
    a = HostFigure("a.example", 1, 1, 8.0, 8.0)
    assert hosts.figures(1) == {"busiest": [a], "slowest": [a], "bounding": [a]}


def test_pace_follows_the_last_links() -> None:
    hosts = Hosts(LINKS, pace=1.0)
    for seconds in (4.0, 4.0, 4.0):
        hosts.ended(0, seconds, page=True)
    assert hosts.pace[0] == 4.0
    hosts.ended(0, 14.0, page=True)
    assert hosts.pace[0] == 7.0


def test_no_links_are_no_hosts() -> None:
    hosts = Hosts([], pace=1.0)
    assert len(hosts) == 0
    assert hosts.longest_first().tolist() == []
    assert hosts.figures() == {"busiest": [], "slowest": [], "bounding": []}


def test_links_and_hosts_take_few_bytes() -> None:
    tracemalloc.start()
    hosts = Hosts(((number, f"http://host{number % 2_000}.example/{number}") for number in range(50_000)), pace=1.0)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(hosts) == 2_000
    assert size < 50_000 * 9 + 2_000 * 160
