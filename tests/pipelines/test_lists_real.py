"""Real URL lists and real answers of Reddit's API through the stage links: every row's end is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import litter

from webtext.api import Corpus
from webtext.corpus.files import read_parquet
from webtext.corpus.schemas import LINKS


# Counted apart from webtext by their hosts: 25 and 23 links to Wikipedia, 2 and 259 to Reddit; of 2008 218 and 592, of
# which 26 and 2 are pictures.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "out", "outcomes"),
    [
        ("RS_v2_2008-03.urk.json-00.gz", 29_614, 25_204,
         {"media": 2_091, "duplicate-url": 1_534, "blocked": 590, "wikipedia": 192, "unusable-url": 3}),
        ("RS_2015-03.urk.json-01.gz", 60_929, 24_598,
         {"media": 27_381, "duplicate-url": 8_922, "wikipedia": 25, "blocked": 2, "unusable-url": 1}),
        ("RS_2018-04.urk.json-02.gz", 93_613, 67_615,
         {"media": 4_125, "duplicate-url": 21_590, "blocked": 259, "wikipedia": 23, "unusable-url": 1}),
    ],
)  # fmt: skip
def test_a_real_list_of_links_with_karma(
    tmp_path: Path, data: Path, name: str, rows: int, out: int, outcomes: dict[str, int]
) -> None:
    corpus = Corpus(tmp_path / "corpus")
    report = corpus.links(data / "reddit/links" / name, workers=1)
    assert (report.rows_in, report.rows_out, report.outcomes) == (rows, out, outcomes)
    assert litter(corpus.path) == []
    links = read_parquet(corpus.path / "links/part-00000.parquet", LINKS)
    assert min(links["karma"].to_pylist()) == 3  # the lists were made so
    assert sum(len(posts) for posts in links["submissions"].to_pylist()) == out + outcomes["duplicate-url"]


@pytest.mark.slow
def test_the_real_lists_grow_month_by_month(tmp_path: Path, data: Path) -> None:
    names = sorted((data / "reddit/links").iterdir())
    grown = Corpus(tmp_path / "grown")
    for path in names[:2]:
        last = grown.links(path, workers=1)
    at_once = Corpus(tmp_path / "at-once").links(*names[:2], workers=1)
    assert last.identity == at_once.identity


def test_real_answers_of_the_listing_api(tmp_path: Path, data: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    report = corpus.links(data / "reddit/listing", workers=1)
    # 100 of a domain listing, all videos of YouTube. The others are listings of a user, where most children are
    # comments, which have no URL.
    assert report.rows_in == 301
    assert (report.rows_out, report.outcomes) == (
        0, {"media": 100, "self-post": 9, "unusable-url": 190, "wikipedia": 1, "blocked": 1},
    )  # fmt: skip
