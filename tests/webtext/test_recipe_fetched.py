"""A recipe followed over a web that has changed meanwhile, on this machine."""

from __future__ import annotations

import json
import random
from functools import partialmethod
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from crawling import WildServer
from small_web import article_texts, page

from webtext.api import Corpus

KEPT, EDITED, LOST = "kept.test", "edited.test", "lost.test"


@pytest.mark.slow
def test_what_changed_and_what_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = article_texts(random.Random(3), 4)
    with WildServer().running() as web:
        urls = [web.add(host, "/a", page(host, text)) for host, text in zip((KEPT, EDITED, LOST), texts, strict=False)]
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        monkeypatch.setattr(Corpus, "crawl", partialmethod(Corpus.crawl, _little_web=web.hosts()))
        settings = {
            "crawl": {"contact": "me@example.org", "delay": 0.0, "timeout": 5.0, "sources": ["live"]},
            "tokenize": {"vocab_size": 300},
        }
        first = Corpus(tmp_path / "first")
        first.build(tmp_path / "urls.txt", workers=1, settings=settings)
        first.export(tmp_path / "recipe", to="recipe")
        web.add(EDITED, "/a", page("edited", texts[3]))
        del web.answers[LOST, "/a"]
        again = Corpus(tmp_path / "again")
        capsys.readouterr()
        again.build(recipe=tmp_path / "recipe/recipe.parquet", workers=1, settings=settings)
    told = capsys.readouterr().err
    assert "recipe: of 3 pages 2 (66.7%) came back, 1 (33.3%) with the same digest; 1 changed, 1 missing" in told
    assert f"recipe: {urls[1]}: changed" in told
    assert f"recipe: {urls[2]}: http-error" in told
    assert json.loads((again.path / "recipe/report.json").read_bytes())["same"] == 1
    rows = pq.read_table(again.path / "recipe/differences.parquet").to_pylist()
    assert {row["url"]: row["what"] for row in rows} == {urls[1]: "changed", urls[2]: "http-error"}
    documents = [
        {row["url"]: row["text"] for row in pq.read_table(one.path / "clean/part-00000.parquet").to_pylist()}
        for one in (first, again)
    ]
    assert documents[0].keys() == set(urls)
    assert documents[1].keys() == set(urls[:2])
    assert [documents[0][url] == documents[1][url] for url in urls[:2]] == [True, False]
    again.forget([urls[2]], workers=1)
    rows = pq.read_table(again.path / "recipe/differences.parquet").to_pylist()
    assert [row["url"] for row in rows] == [urls[1]]
