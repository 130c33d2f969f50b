"""Sources of every kind meet in one path: the same outcomes, the same manifests, the same growth."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import command, environment, litter, webtext
from reddit_api import IDENTITY, SECRET, fake_reddit, submission

from webtext.api import Corpus
from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.crawler.reddit.presets import PRESETS

ROWS = [
    ("http://a.example/", 5, "news"),
    ("http://www.a.example", 1, "other"),
    ("http://b.example/", 2, "news"),
    ("https://en.wikipedia.org/wiki/A", 9, "news"),
    ("http://c.example/?a=1,2&b=\"3\"", 7, "news"),
    ("not a url", 9, "news"),
]  # fmt: skip


def written(folder: Path) -> dict[str, Path]:
    """The same rows in every form that a source may have."""
    objects = [{"id": "", "url": url, "score": score, "subreddit": sub, "is_self": False} for url, score, sub in ROWS]
    urk = [{"u": url, "r": sub, "k": score} for url, score, sub in ROWS]
    text = io.StringIO()
    csv.writer(text).writerows([("k", "title", "u", "r"), *((score, "a, b", url, sub) for url, score, sub in ROWS)])
    forms = {
        "dump.ndjson": "".join(json.dumps(row) + "\n" for row in objects).encode(),
        "list.jsonl.gz": gzip.compress("".join(json.dumps(row) + "\n" for row in urk).encode(), mtime=0),
        "list.csv": text.getvalue().encode(),
        "answer.json": json.dumps(
            {"kind": "Listing", "data": {"children": [{"kind": "t3", "data": row} for row in objects]}}
        ).encode(),
    }
    for name, data in forms.items():
        (folder / name).write_bytes(data)
    url, score, sub = zip(*ROWS, strict=True)
    pq.write_table(pa.table({"URL": url, "score": score, "subreddit": sub}), folder / "list.parquet")
    return {name: folder / name for name in (*forms, "list.parquet")}


def contents(corpus: Path) -> list[Any]:
    links = read_parquet(corpus / "links/part-00000.parquet", LINKS).to_pylist()
    return [links, read_parquet(corpus / "outcomes/links-00000.parquet", OUTCOMES).to_pylist()]


@pytest.mark.slow
def test_the_same_rows_in_any_form_are_the_same_links(tmp_path: Path) -> None:
    found = {}
    for name, path in written(tmp_path).items():
        corpus = Corpus(tmp_path / f"corpus-{name}")
        report = corpus.links(path, workers=1)
        assert (report.rows_in, report.rows_out) == (6, 2)
        assert report.outcomes == {"duplicate-url": 1, "karma": 1, "wikipedia": 1, "unusable-url": 1}
        found[name] = contents(corpus.path)
    assert all(value == found["dump.ndjson"] for value in found.values())


def test_links_that_state_no_karma_are_kept_and_others_need_it(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(
        "http://b.example/\nhttp://d.example/\nhttps://b.example\nhttps://i.redd.it/x.png\n"
    )
    dump = written(tmp_path)["dump.ndjson"]
    corpus = Corpus(tmp_path / "corpus")
    corpus.links(dump, workers=1, karma_policy="first")
    grown = corpus.links(tmp_path / "urls.txt", workers=1)
    links = {row["url"]: row["karma"] for row in contents(corpus.path)[0]}
    # b.example has a karma of 2, and was chosen; a list cannot choose a picture.
    assert links == {"http://a.example/": 5, "http://b.example/": 2, 'http://c.example/?a=1,2&b=%223%22': 7,
                     "http://d.example/": 0}  # fmt: skip
    at_once = Corpus(tmp_path / "at-once").links(tmp_path / "urls.txt", dump, workers=1, karma_policy="first")
    assert grown.identity == at_once.identity
    assert grown.outcomes["media"] == 1


@pytest.mark.slow
def test_a_listing_grows_a_corpus_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDDIT_CLIENT_ID", IDENTITY)
    monkeypatch.setenv("REDDIT_CLIENT_SECRET", SECRET)
    corpus = Corpus(tmp_path / "corpus")
    corpus.links(written(tmp_path)["dump.ndjson"], workers=1)
    with fake_reddit(pages={"/r/science/new": [[submission(2), submission(3)], [submission(9)]]}) as reddit:
        where = (reddit.endpoints.token, reddit.endpoints.api)
        report = corpus.links("reddit:/r/science/new", workers=1, _reddit=where)
        assert (report.rows_in, report.rows_out) == (9, 4)
        reddit.pages["/r/science/new"] = [[submission(10), submission(9, score=50)]]
        later = corpus.links("reddit:/r/science/new", workers=1, _reddit=where)  # a month later
    assert later.rows_out == 5
    karma = {row["url"]: row["karma"] for row in contents(corpus.path)[0]}
    assert karma["http://site.example/9"] == 50
    assert litter(corpus.path) == []
    kept = sorted((tmp_path / "corpus/listings").iterdir())
    again = corpus.links(written(tmp_path)["dump.ndjson"], *kept, workers=1, redo=True)
    assert again.identity == later.identity


@pytest.mark.slow
def test_standard_input_is_the_source_that_the_file_is(tmp_path: Path) -> None:
    path = written(tmp_path)["list.csv"]
    corpus = tmp_path / "corpus"
    arguments = command("links", corpus, "-", "--workers", 1)
    with path.open("rb") as file:
        subprocess.run(arguments, env=environment(), stdin=file, check=True, capture_output=True)
    assert litter(corpus) == []
    assert "already done" in webtext("links", corpus, path).stderr


def test_a_preset_writes_its_values_into_webtext_toml_and_settings_go_over_it(tmp_path: Path) -> None:
    name = "openwebtext2"
    corpus = Corpus(tmp_path / "corpus")
    corpus.links(written(tmp_path)["list.csv"], workers=1, preset=name, min_karma=4)
    stored = tomllib.loads((corpus.path / "webtext.toml").read_text())["links"]
    wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in PRESETS[name].items()}
    assert {key: stored[key] for key in wanted} == {**wanted, "min_karma": 4}


def test_an_unknown_preset_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    before = (corpus.path / "webtext.toml").read_bytes()
    with pytest.raises(UsageError, match="no such preset: 'webtext3'"):
        corpus.links(written(tmp_path)["list.csv"], preset="webtext3")
    assert (corpus.path / "webtext.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("reddit:/r/science/hot", "names no listing"),
        ("reddit:/r/science/new", "REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET are not set"),
        ("http://127.0.0.1:1/RS.zst", "cannot be reached"),
        ("nosuch://a/b", "cannot be read"),
        ("nowhere.zst", "no such file"),
    ],
)
def test_a_source_that_cannot_be_had_leaves_no_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    for variable in [found for found in os.environ if found.startswith("REDDIT_")]:
        monkeypatch.delenv(variable)
    corpus = Corpus(tmp_path / "corpus")
    with pytest.raises(WebtextError, match=told):
        corpus.links(name)
    assert [path.name for path in corpus.path.iterdir() if path.name != "work"] == ["webtext.toml"]
