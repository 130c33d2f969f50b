"""What a crawl says about itself: rates, the end, several processes as one."""

from __future__ import annotations

import json

from webtext.crawler.fetch.figures import CrawlFigures, HostFigure, Rates, eta, merged


def test_rates_are_those_of_the_last_half_minute() -> None:
    rates = Rates(window=30.0)
    assert rates.at(0.0, 0, 0) == (0.0, 0.0)
    assert rates.at(10.0, 100, 50_000) == (10.0, 5_000.0)
    for second in range(11, 60):
        rates.at(float(second), 100, 50_000)
    assert rates.at(60.0, 100, 50_000) == (0.0, 0.0)


def test_the_end_is_that_of_the_longest_queue_or_of_all_links() -> None:
    long = HostFigure("long.example", waiting=100, pages=3, seconds_per_page=1.0, seconds_left=100.0)
    assert eta(1_000, 50.0, [long]) == 100.0
    assert eta(10_000, 50.0, [long]) == 200.0
    assert eta(10_000, 0.0, [long]) is None
    assert eta(0, 0.0, []) == 0.0


def test_several_processes_are_shown_as_one() -> None:
    first = CrawlFigures(
        10, 20, 8, 800, 2.0, 200.0, {"page": 8, "timeout": 2},
        bounding=[HostFigure("a.example", 5, 3, 1.0, 5.0)], eta_seconds=5.0,
    )  # fmt: skip
    second = CrawlFigures(
        1, 30, 1, 100, 0.5, 50.0, {"page": 1}, bounding=[HostFigure("b.example", 9, 1, 1.0, 9.0)], eta_seconds=60.0
    )
    both = merged([first, second])
    assert (both.done, both.total, both.pages, both.bytes) == (11, 50, 9, 900)
    assert (both.pages_per_second, both.bytes_per_second) == (2.5, 250.0)
    assert both.outcomes == {"page": 9, "timeout": 2}
    assert [host.host for host in both.bounding] == ["b.example", "a.example"]
    assert both.eta_seconds == 60.0


def test_a_picture_passes_through_json() -> None:
    picture = CrawlFigures(
        1, 2, 1, 10, 1.0, 10.0, {"page": 1}, busiest=[HostFigure("a.example", 1, 1, 0.5, 0.5)], eta_seconds=None
    )
    assert CrawlFigures.from_json(json.loads(json.dumps(picture.to_json()))) == picture
