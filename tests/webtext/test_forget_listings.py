"""`webtext forget` and what Reddit's API answered: a source that only the corpus has is rid of what is forgotten."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from commands import litter, webtext
from reddit_api import IDENTITY, SECRET, fake_reddit, submission
from remains import bytes_of, everything

from webtext.api import Corpus
from webtext.corpus.errors import WebtextError
from webtext.crawler.forgotten import Forgotten, tombstones_of
from webtext.crawler.reddit.listing_forget import remembered

DOMAIN, ADDRESS = "example.org", "https://www.site.example/2/?utm_source=mail"
LISTING = "/r/science/new"

STAYS = submission(3, selftext="about nothing", title="3")
ALSO = submission(4, title="see Example.org!", selftext="[it](http://site.example/2)", media={"x": ["//a.example"]})
GONE = [
    submission(2, thumbnail="http://site.example/2/thumb.png"),
    submission(5, url="https://sub.example.org/5", domain="sub.example.org"),
    submission(6, url="https://example.org/x.jpg"),  # a picture: no link, a line that is counted only
    submission(7, url="https://www.reddit.com/r/science/comments/a5/", crosspost_parent="t3_a5",
               crosspost_parent_list=[{"url": "https://example.org/5", "title": "5"}]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDDIT_CLIENT_ID", IDENTITY)
    monkeypatch.setenv("REDDIT_CLIENT_SECRET", SECRET)


def gathered(corpus: Corpus, *submissions: dict[str, Any]) -> Corpus:
    with fake_reddit(pages={LISTING: [list(submissions[:3]), list(submissions[3:])]}) as reddit:
        where = (reddit.endpoints.token, reddit.endpoints.api)
        corpus.links(f"reddit:{LISTING}", workers=1, _reddit=where)
    return corpus


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        _credentials.__wrapped__(patch)  # type: ignore[attr-defined]
        return gathered(Corpus(tmp_path_factory.mktemp("full") / "corpus"), STAYS, ALSO, *GONE).path


def test_a_listing_is_rid_of_it_as_one_that_was_gathered_later(full: Path, tmp_path: Path) -> None:
    after = Corpus(shutil.copytree(full, tmp_path / "after"))
    seen = after.forget([ADDRESS], domains=[DOMAIN], dry_run=True)
    assert seen.rows["submissions in listings"] == 5
    assert bytes_of(after.path) == bytes_of(full)
    assert after.forget([ADDRESS], domains=[DOMAIN], workers=1).rows == seen.rows
    told = Corpus(tmp_path / "told")
    told.forget([ADDRESS], domains=[DOMAIN])
    gathered(told, STAYS, ALSO, *GONE)
    never = gathered(Corpus(tmp_path / "never"), STAYS, {**ALSO, "title": "", "selftext": ""})
    assert bytes_of(after.path) == bytes_of(told.path)
    with_tombstones = {name: data for name, data in bytes_of(after.path).items() if name != "tombstones.parquet"}
    assert with_tombstones == bytes_of(never.path)
    identities = [corpus.status().stages[0].identity for corpus in (after, told, never)]
    assert len(set(identities)) == 1
    for trace in (b"example.org", b"site.example/2", b"Example.org"):
        assert trace in everything(full)
        assert trace not in everything(after.path)
    assert litter(after.path) == []


@pytest.mark.slow
def test_what_is_left_can_be_named_again(full: Path, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(full, tmp_path / "corpus"))
    corpus.forget([ADDRESS], domains=[DOMAIN], workers=1)
    before = corpus.status().stages[0].identity
    (kept,) = (corpus.path / "listings").iterdir()
    assert corpus.links(kept, workers=1).made is False
    assert corpus.links(kept, workers=1, redo=True).identity == before


@pytest.mark.slow
def test_a_listing_of_which_nothing_is_left_goes(full: Path, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(full, tmp_path / "corpus"))
    dump = tmp_path / "more.ndjson"
    dump.write_text(json.dumps(submission(9, url="https://other.example/9")) + "\n")
    corpus.links(dump, workers=1)
    corpus.forget([], domains=[DOMAIN, "site.example", "reddit.com"], workers=1)
    assert not (corpus.path / "listings").exists()
    assert corpus.links(dump, workers=1).rows_out == 1
    alone = Corpus(shutil.copytree(full, tmp_path / "alone"))
    alone.forget([], domains=[DOMAIN, "site.example", "reddit.com"], workers=1)
    assert alone.status().stages[0].rows_in == 0
    assert alone.links(dump, workers=1).identity == corpus.status().stages[0].identity
    with pytest.raises(WebtextError, match="has only submissions that are forgotten"):
        gathered(corpus, *GONE)


def test_a_listing_that_is_no_source_yet_is_rid_of_it_too(full: Path, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    shutil.copytree(full / "listings", corpus.path / "listings")
    corpus.forget([ADDRESS], domains=[DOMAIN], workers=1)
    assert b"example.org" not in everything(corpus.path)
    assert len(list((corpus.path / "listings").iterdir())) == 1


@pytest.mark.kill
@pytest.mark.parametrize("point", ["forget.noted:1", "files.renamed:3", "stage.journal:1", "forget.listings:1"])
def test_killed_in_the_middle_it_goes_on(full: Path, tmp_path: Path, point: str) -> None:
    flags = ("--urls", tmp_path / "list.txt", "--domain", DOMAIN, "--yes", "--workers", 1)
    (tmp_path / "list.txt").write_text(ADDRESS)
    corpora = [shutil.copytree(full, tmp_path / name) for name in ("killed", "whole")]
    killed = webtext("forget", corpora[0], *flags, fault=point, expect=None)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    webtext("forget", corpora[0], "--workers", 1)
    webtext("forget", corpora[1], *flags)
    assert bytes_of(corpora[0]) == bytes_of(corpora[1])
    assert litter(corpora[0]) == []


def test_only_what_names_it_is_silent_and_no_link_is_changed() -> None:
    gone = Forgotten(tombstones_of(["http://a.example/x"], ["example.org"]))
    kept = [
        {"url": "https://b.example/?to=example.org", "title": "a.example/y, notexample.org, e.g. this"},
        {"url": "https://web.archive.example/example.org/", "preview": {"images": [{"width": 3}]}},
    ]
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in kept)
    assert remembered(lines, gone) == lines
    told = {"url": "https://b.example/", "title": "(example.org)", "selftext": "http://www.a.example/x/.", "score": 5}
    (found,) = map(json.loads, remembered(json.dumps(told).encode() + b"\n", gone).splitlines())
    assert found == {"url": "https://b.example/", "title": "", "selftext": "", "score": 5}
