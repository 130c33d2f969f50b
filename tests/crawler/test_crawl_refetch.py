"""Fetching everything anew: an interrupted one goes on, a finished one begins again, a refused loss can be accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import crawl
from small_web import write_warc

from webtext.corpus.errors import WebtextError
from webtext.corpus.outcomes import LossAlarm
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.ledger import Ledger

HTML = [("Content-Type", "text/html")]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """300 pages: two batches of results."""
    path = tmp_path_factory.mktemp("many") / "web.warc.gz"
    urls = [f"http://a.example/{number}" for number in range(300)]
    write_warc(path, [(url, 200, HTML, b"<p>x") for url in urls])
    return path, urls


def killed(corpus: Path, urls: Sequence[str], warc: Path, monkeypatch: pytest.MonkeyPatch, *, refetch: bool) -> None:
    """A crawl that dies with some of its links done, in a ledger that is then marked."""
    monkeypatch.setenv("WEBTEXT_FAULT", "crawl.committed:1")
    with pytest.raises(WebtextError, match="SIGKILL"):
        crawl(corpus, urls, replay=[warc], refetch=refetch)
    monkeypatch.delenv("WEBTEXT_FAULT")
    with Ledger.writing(corpus / "pages/ledger.sqlite") as ledger:
        total, outcomes = ledger.counts()
        assert (total, set(outcomes)) == (300, {"page"})
        # The first commit is a full batch of 200, or what there was of it when a slow machine's interval had passed.
        assert 0 < outcomes["page"] < 300
        assert ledger.meta("mark") is None
        ledger.set_meta("mark", "here")


def is_marked(corpus: Path) -> bool:
    with Ledger.reading(corpus / "pages/ledger.sqlite") as ledger:
        return ledger.meta("mark") == "here"


def test_a_refetch_that_was_interrupted_goes_on(
    tmp_path: Path, many: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    warc, urls = many
    manifest = crawl(tmp_path, urls, replay=[warc])
    killed(tmp_path, urls, warc, monkeypatch, refetch=True)
    assert crawl(tmp_path, urls, replay=[warc], refetch=True).identity == manifest.identity
    assert is_marked(tmp_path)
    # A finished one is no longer under way: the next begins anew.
    crawl(tmp_path, urls, replay=[warc], refetch=True)
    assert not is_marked(tmp_path)


def test_a_refetch_goes_on_only_where_it_can(
    tmp_path: Path, many: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    warc, urls = many
    killed(tmp_path, urls, warc, monkeypatch, refetch=False)  # no refetch: nothing of it may stay
    killed(tmp_path, urls, warc, monkeypatch, refetch=True)
    # Damage would otherwise be met again and again.
    with (tmp_path / "pages/segment-00000.warc.gz").open("rb+") as file:
        file.truncate(100)
    killed(tmp_path, urls, warc, monkeypatch, refetch=True)
    other = replace(CrawlSettings(), max_redirects=1)
    assert crawl(tmp_path, urls, replay=[warc], settings=other, refetch=True).rows_out == 300
    assert not is_marked(tmp_path)


def test_a_refetch_whose_loss_was_refused_can_be_accepted_or_begun_anew(
    tmp_path: Path, many: tuple[Path, list[str]]
) -> None:
    warc, _ = many
    urls = [f"http://lost.example/{number}" for number in range(1_100)]
    for _ in range(2):
        with pytest.raises(LossAlarm, match="unreachable"):
            crawl(tmp_path, urls, replay=[warc], refetch=True)
        assert not is_marked(tmp_path)
        with Ledger.writing(tmp_path / "pages/ledger.sqlite") as ledger:
            ledger.set_meta("mark", "here")
            ledger.rest()
    assert crawl(tmp_path, urls, replay=[warc], refetch=True, accept_loss=True).rows_out == 0
    assert is_marked(tmp_path)
