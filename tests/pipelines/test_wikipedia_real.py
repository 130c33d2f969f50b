"""Copies of Wikipedia by content in real text: excerpts of real articles in real news, and the recorded mirrors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from small_corpora import document, store_documents

from webtext.corpus.config import shaping
from webtext.corpus.files import read_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import WIKIPEDIA
from webtext.corpus.settings import DedupSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.text.examine import examine
from webtext.crawler.text.results import Extracted, PageBytes, TextRules
from webtext.dedup import mediawiki_dump
from webtext.dedup.article_index import ArticleIndex
from webtext.dedup.rules import RULES
from webtext.dedup.wikitext import plain_text
from webtext.pipelines.article_index import make_index
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine
from webtext.pipelines.mirrors import find_mirrors


def indexed(folder: Path, source: Path) -> ArticleIndex:
    folder.mkdir()
    return make_index(folder, [source], words=5, engine=Engine())[0]


def cleaned(corpus: Path, rows: Sequence[Mapping[str, Any]], index: ArticleIndex) -> list[Path]:
    """Make clean/ by content alone, without a look at marks; the files of documents/."""
    settings = DedupSettings(wikipedia=False)
    said = {**shaping(settings), "wikipedia_index": index.identity}
    run = StageRun.begin(corpus, Stage.CLEAN, settings=said, rules=RULES, inputs={"documents": "these"})
    paths = store_documents(corpus, rows)
    make_clean(run, corpus, paths, settings, engine=Engine(), accept_loss=True, articles=index)
    return paths


def removed(corpus: Path) -> dict[str, str]:
    """The article that each removed page is a copy of."""
    rows = read_parquet(corpus / "clean/wikipedia.parquet", WIKIPEDIA).to_pylist()
    return {row["removed_url"].rpartition("/")[2]: row["article"] for row in rows}


@pytest.mark.slow
def test_excerpts_of_real_articles_in_real_news(tmp_path: Path, data: Path) -> None:
    """Both ways: a page of news with an excerpt goes if and only if half of it or more is the excerpt."""
    (dump,) = (data / "wikipedia").iterdir()
    spaces = mediawiki_dump.spaces_of(dump)
    index = indexed(tmp_path / "index", dump)
    texts = [
        plain_text(page.wikitext, spaces.hidden).split()
        for piece in mediawiki_dump.cut_dump(dump)
        for page in mediawiki_dump.pages(piece, spaces)
    ]
    long = [text for text in texts if len(text) > 1_000][:20]
    news = [line.split(" ", 1)[1].split() for line in (data / "neardup/articles_1000.train").read_text().splitlines()]
    hosts = [text for text in news if len(text) > 190][:20]
    rows = []
    for number, share in enumerate(range(5, 101, 5)):
        excerpt = long[number][500 : 500 + 2 * share]  # of 200 words
        own = hosts[number][: 200 - len(excerpt)]
        rows.append(document(f"page-{share}", " ".join([*own[::2], *excerpt, *own[1::2]])))
    rows += [document(f"news-{number}", " ".join(text)) for number, text in enumerate(news)]
    cleaned(tmp_path, rows, index)
    assert sorted(removed(tmp_path)) == sorted(f"page-{share}" for share in range(55, 101, 5))


def recorded(data: Path, addresses: set[str]) -> dict[str, str]:
    """The main text of pages of the recorded web, as `extract` takes it."""
    found: dict[str, str] = {}
    with (data / "web/web.warc.gz").open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True, record_types=WarcRecordType.response):
            url = record.headers["WARC-Target-URI"]
            if url in addresses and record.http_headers is not None:
                kind = record.http_headers.get("Content-Type", "")
                page = examine(PageBytes(url, kind, record.reader.read()), TextRules(("en",), 0.9, 40))
                assert isinstance(page, Extracted)
                found[url] = page.text
    return found


@pytest.mark.slow
def test_the_recorded_mirrors_go_by_their_text_and_no_other_page_of_that_web_does(tmp_path: Path, data: Path) -> None:
    rows = json.loads((data / "web/expected.json").read_text())
    article_of = {row["url"]: row["of"] for row in rows if row["expect"] == "wikipedia-mirror"}
    assert len(article_of) == 4
    texts = recorded(data, {*article_of, *article_of.values()})
    (tmp_path / "articles").mkdir()
    for url in article_of.values():
        (tmp_path / "articles" / f"{url.rpartition('/')[2]}.txt").write_text(texts[url])
    documents = [document(url.rpartition("/")[2], texts[url], final_url=url) for url in article_of]
    # The reviewed texts of all other pages, some of which speak about Wikipedia.
    gold = json.loads((data / "web/gold.json").read_text())
    documents += [document(name, page["text"], final_url=page["url"]) for name, page in gold.items()]
    paths = cleaned(tmp_path, documents, indexed(tmp_path / "index", tmp_path / "articles"))
    assert removed(tmp_path) == {
        url.rpartition("/")[2]: article.rpartition("/")[2] for url, article in article_of.items()
    }
    (mirror,) = find_mirrors([tmp_path / "clean/wikipedia.parquet"], paths).hosts
    assert (mirror.host, mirror.copies, mirror.documents) == ("encyclopedia-mirror.example", 4, 4)
