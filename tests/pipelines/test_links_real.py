"""The stage links on real dumps, and on the one whose every end is known."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path

import pyarrow as pa

from webtext.corpus.config import shaping
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.reddit.dumps import find_sources
from webtext.crawler.reddit.urls import url_key
from webtext.pipelines.engine import Engine
from webtext.pipelines.links import RULES, links_inputs, make_links


def make(
    corpus: Path, dump: Path, settings: LinksSettings | None = None, *, accept_loss: bool = False
) -> tuple[Manifest, pa.Table, pa.Table]:
    settings = settings or LinksSettings()
    corpus.mkdir()
    sources = find_sources([dump])
    inputs = links_inputs(sources, None)
    run = StageRun.begin(corpus, Stage.LINKS, settings=shaping(settings), rules=RULES, inputs=inputs)
    made = make_links(run, sources, settings, engine=Engine(), accept_loss=accept_loss)
    return (
        made,
        read_parquet(corpus / "links/part-00000.parquet", LINKS),
        read_parquet(corpus / "outcomes/links-00000.parquet", OUTCOMES),
    )


def test_the_dump_whose_ends_are_known_balances(tmp_path: Path, data: Path) -> None:
    made, links, outcomes = make(tmp_path / "corpus", data / "web/RS_2025-01.zst")
    assert made.facts == {"lines": 1_455, "blank_lines": 1, "objects": 1_450, "outcomes": "all"}
    assert made.rows_in == 1_454 == links.num_rows + outcomes.num_rows + 300 + 270
    assert (made.outcomes["self-post"], made.outcomes["media"], made.outcomes["unreadable"]) == (300, 270, 4)
    assert sum(len(posts) for posts in links["submissions"].to_pylist()) > links.num_rows


def test_every_link_that_ends_here_ends_as_expected(tmp_path: Path, data: Path) -> None:
    _, links, outcomes = make(tmp_path / "corpus", data / "web/RS_2025-01.zst")
    karma = dict(zip(links["key"].to_pylist(), links["karma"].to_pylist(), strict=True))
    ends: dict[int, set[str]] = {}
    for key, outcome in zip(outcomes["key"].to_pylist(), outcomes["outcome"].to_pylist(), strict=True):
        ends.setdefault(key, set()).add(outcome)
    here = {"karma", "nsfw", "removed", "unusable-url", "wikipedia"}
    checked: Counter[str] = Counter()
    for row in json.loads((data / "web/expected.json").read_bytes()):
        key, expected = url_key(row["url"]), row["expect"]
        if expected == "private-address" and not row["url"].startswith("http://meta.example/"):  # a redirect: see pages
            assert ends[key] == {"private-address"}, row
        elif expected in here:
            assert key not in karma and ends[key] - {"duplicate-url"} == {expected}, row
        elif expected != "any":
            assert key in karma, row
            assert karma[key] == row.get("karma_max", karma[key]), row
        checked[expected] += 1
    assert {name: checked[name] for name in sorted(here)} == {
        "karma": 53, "nsfw": 8, "removed": 10, "unusable-url": 7, "wikipedia": 4,
    }  # fmt: skip
    assert checked["private-address"] == 6 and checked["document"] == 195


def test_the_sum_of_karma_is_the_expected_one(tmp_path: Path, data: Path) -> None:
    settings = LinksSettings(karma_policy="sum")
    _, links, _ = make(tmp_path / "corpus", data / "web/RS_2025-01.zst", settings)
    karma = dict(zip(links["key"].to_pylist(), links["karma"].to_pylist(), strict=True))
    rows = [row for row in json.loads((data / "web/expected.json").read_bytes()) if row.get("karma_sum", 0) >= 3]
    compared = [row for row in rows if url_key(row["url"]) in karma]
    assert len(compared) > 300
    assert all(karma[url_key(row["url"])] == row["karma_sum"] for row in compared)


def test_two_real_months_of_2005(tmp_path: Path, data: Path) -> None:
    made, links, _ = make(tmp_path / "corpus", data / "reddit/dumps/RS_v2_2005-0*.xz")
    assert made.facts == {"lines": 1_182, "blank_lines": 0, "objects": 1_182, "outcomes": "all"}
    assert min(links["karma"].to_pylist()) == 3
    assert made.outcomes == {"karma": 337, "removed": 5, "duplicate-url": 4, "media": 2, "wikipedia": 1}
    assert links.num_rows == 833 == made.rows_in - sum(made.outcomes.values())
    posts = [
        json.loads(line)
        for month in ("06", "07")
        for line in lzma.decompress((data / f"reddit/dumps/RS_v2_2005-{month}.xz").read_bytes()).splitlines()
    ]
    good = [post for post in posts if post["score"] >= 3]
    assert (len(posts), len(good)) == (1_182, 840)
    left_out = [post for post in good if post["selftext"] == "[deleted]" or "wikipedia.org/" in post["url"]]
    media = [post for post in good if post["url"].endswith((".jpg", ".gif", ".wmv", ".mov", ".mp3"))]
    expected = {url_key(post["url"]) for post in good} - {url_key(post["url"]) for post in [*left_out, *media]}
    assert set(links["key"].to_pylist()) == expected
    best = {post["id"]: post["score"] for post in posts}
    for karma, listed in zip(links["karma"].to_pylist(), links["submissions"].to_pylist(), strict=True):
        assert karma == max(best[post["id"]] for post in listed)


def test_real_submissions_in_the_layout_of_2024(tmp_path: Path, data: Path) -> None:
    made, links, _ = make(tmp_path / "corpus", data / "reddit/dumps/submissions-2024-schema.ndjson")
    assert made.rows_in == 31
    assert made.outcomes == {"self-post": 12, "karma": 9, "media": 4, "blocked": 1, "nsfw": 1}
    assert sorted(links["url"].to_pylist()) == [
        "http://online.wsj.com/public/article/0,,SB111948406207267049-_s5eff_5SbJW3B_RdxwYLvU3s6c_20050723,00.html?mod=blogs",
        "http://www.downingstreetmemo.com/",
        "http://www.paulgraham.com/nerds.html",
        "http://www.wired.com/news/culture/0,1284,67982,00.html?tw=wn_tophead_4",
    ]
