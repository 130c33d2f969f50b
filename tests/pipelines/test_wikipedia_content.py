"""Copies of Wikipedia by content: excerpts of every size, both ways; growth, interruption."""

from __future__ import annotations

import bz2
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from small_corpora import document, store_documents, words

from webtext.corpus import faults
from webtext.corpus.config import shaping
from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import LossAlarm, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES, WIKIPEDIA
from webtext.corpus.settings import DedupSettings
from webtext.corpus.stages import StageRun
from webtext.dedup import article_index, mediawiki_dump
from webtext.dedup.article_index import ArticleIndex
from webtext.dedup.rules import RULES
from webtext.pipelines import article_index as building
from webtext.pipelines import pieces, wikipedia
from webtext.pipelines.article_index import make_index
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine
from webtext.pipelines.mirrors import find_mirrors

ARTICLES = {f"Article {number}": words(number, 400) for number in range(20)}


def write_dump(path: Path, articles: dict[str, str], *, streams: int = 1) -> Path:
    """A dump of these articles, their text in some markup."""
    pages = []
    for title, text in articles.items():
        first, _, rest = text.partition(" ")
        marked = f"{{{{Infobox|a=b}}}}'''{first}''' {rest}<ref>{{{{cite|x}}}}</ref>[[Category:A]]"
        pages.append(
            f"<page><title>{escape(title)}</title><ns>0</ns><revision><text xml:space='preserve'>{escape(marked)}"
            "</text></revision></page>\n"
        )
    size = -(-len(pages) // streams)
    parts = ["<mediawiki>\n", *("".join(pages[at : at + size]) for at in range(0, len(pages), size)), "</mediawiki>"]
    path.parent.mkdir(parents=True, exist_ok=True)
    if streams == 1:
        path.write_bytes(bz2.compress("".join(parts).encode()))
    else:
        path.write_bytes(b"".join(bz2.compress(part.encode()) for part in parts))
    return path


def indexed(folder: Path, *sources: Path, workers: int = 1, redo: bool = False) -> ArticleIndex:
    folder.mkdir(parents=True, exist_ok=True)
    return make_index(folder, sources, words=5, engine=Engine(workers=workers), redo=redo)[0]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ArticleIndex:
    folder = tmp_path_factory.mktemp("articles")
    return indexed(folder / "index", write_dump(folder / "a.xml.bz2", ARTICLES))


def clean(
    corpus: Path,
    paths: Sequence[Path],
    index: ArticleIndex | None,
    *,
    inputs: str = "one",
    workers: int = 1,
    accept_loss: bool = True,
    **changed: Any,
) -> Manifest:
    settings = DedupSettings(**changed)
    said = {**shaping(settings), "wikipedia_index": index.identity if index else ""}
    run = StageRun.begin(corpus, Stage.CLEAN, settings=said, rules=RULES, inputs={"documents": inputs})
    engine = Engine(workers=workers)
    return make_clean(run, corpus, paths, settings, engine=engine, accept_loss=accept_loss, articles=index)


def removed(corpus: Path) -> dict[str, tuple[str | None, float | None]]:
    """What clean/wikipedia.parquet says of each page: the article and how much of the page is in it."""
    rows = read_parquet(corpus / "clean/wikipedia.parquet", WIKIPEDIA).to_pylist()
    return {row["removed_url"].rpartition("/")[2]: (row["article"], row["containment"]) for row in rows}


def planted(share: int, number: int) -> dict[str, Any]:
    """A page of 300 n-grams of which `share` per cent stand in an article, in the midst of other text."""
    inside = 300 * share // 100
    article = ARTICLES[f"Article {number}"].split()[20 : 20 + inside + 4]
    # An excerpt of k n-grams has k + 4 words; the rest of the n-grams hold a word of the page's own.
    own = words(1_000 + number, 300).replace("word", "own").split()
    before = own[: (304 - len(article)) // 2]
    after = own[150 : 150 + 304 - len(article) - len(before)]
    return document(f"page-{share}", " ".join([*before, *article, *after]))


def test_excerpts_of_five_to_a_hundred_per_cent_go_from_the_threshold_on(tmp_path: Path, index: ArticleIndex) -> None:
    rows = [planted(share, share // 5 - 1) for share in range(5, 101, 5)]
    manifest = clean(tmp_path, store_documents(tmp_path, rows), index)
    assert manifest.outcomes == {"wikipedia": 11}
    found = removed(tmp_path)
    assert found == {
        f"page-{share}": (f"Article {share // 5 - 1}", pytest.approx(share / 100, abs=0.005))
        for share in range(50, 101, 5)
    }
    stayed = read_parquet(tmp_path / "clean/part-00000.parquet", DOCUMENTS)["url"].to_pylist()
    assert {url.rpartition("/")[2] for url in stayed} == {f"page-{share}" for share in range(5, 50, 5)}


@pytest.mark.parametrize(("threshold", "goes"), [(0.1, 19), (0.8, 5)])
@pytest.mark.slow
def test_the_threshold_is_a_setting(tmp_path: Path, index: ArticleIndex, threshold: float, goes: int) -> None:
    rows = [planted(share, share // 5 - 1) for share in range(5, 101, 5)]
    manifest = clean(tmp_path, store_documents(tmp_path, rows), index, wikipedia_containment=threshold)
    assert manifest.outcomes == {"wikipedia": goes}


def test_pages_that_quote_or_cite_stay(tmp_path: Path, index: ArticleIndex) -> None:
    quotes = [" ".join(ARTICLES[f"Article {number}"].split()[:40]) for number in range(6)]
    rows = [
        document("quote", f"{words(90, 60)} As Wikipedia says: {quotes[0]} (Wikipedia, the free encyclopedia)."),
        document("cites", f"{words(91, 200)} https://en.wikipedia.org/wiki/Article_1 [1] From Wikipedia."),
        # Most of it is quoted, but from six articles: a page about them, not a copy of one.
        document("survey", " ".join(quotes) + " " + words(92, 60)),
        document("other", words(93, 300)),
        document("short", "Article 3"),
        document("empty", ""),
    ]
    manifest = clean(tmp_path, store_documents(tmp_path, rows), index)
    assert manifest.outcomes == {}
    assert removed(tmp_path) == {}


@pytest.mark.slow
def test_a_copy_of_a_part_of_an_article_is_a_copy(tmp_path: Path, index: ArticleIndex) -> None:
    text = ARTICLES["Article 7"].split()
    rows = [document(f"part-{size}", " ".join(text[50 : 50 + size])) for size in (60, 100, 200)]
    clean(tmp_path, store_documents(tmp_path, rows), index)
    assert removed(tmp_path) == {row["title"]: ("Article 7", 1.0) for row in rows}


def test_what_outcomes_say_names_the_article(tmp_path: Path, index: ArticleIndex) -> None:
    rows = [document("copy", ARTICLES["Article 3"]), document("marked", words(95, 80), title="Duck - Wikipedia")]
    clean(tmp_path, store_documents(tmp_path, rows), index)
    told = read_parquet(tmp_path / "outcomes/clean-00000.parquet", OUTCOMES).to_pylist()
    assert {row["url"].rpartition("/")[2]: (row["outcome"], row["detail"]) for row in told} == {
        "copy": ("wikipedia", "copy of Wikipedia: 100% of its 5-grams stand in the article 'Article 3'"),
        "marked": ("wikipedia", "copy of Wikipedia: title 'Duck - Wikipedia'"),
    }


@pytest.mark.slow
def test_with_marks_off_content_still_counts_and_without_an_index_nothing_does(
    tmp_path: Path, index: ArticleIndex
) -> None:
    rows = [document("copy", ARTICLES["Article 3"]), document("marked", words(95, 80), title="Duck - Wikipedia")]
    paths = store_documents(tmp_path, rows)
    assert clean(tmp_path / "a", paths, index, wikipedia=False).outcomes == {"wikipedia": 1}
    assert clean(tmp_path / "b", paths, None, wikipedia=False).outcomes == {}
    assert not (tmp_path / "b/clean/wikipedia.parquet").exists()


@pytest.mark.slow
def test_mirrors_are_listed_by_host(tmp_path: Path, index: ArticleIndex) -> None:
    rows = [
        document(f"m{number}", ARTICLES[f"Article {number}"], final_url=f"https://mirror.example/{number}")
        for number in range(4)
    ]
    rows += [document("one", ARTICLES["Article 9"], final_url="https://blog.example/copied")]
    rows += [document(f"b{number}", words(50 + number, 90), final_url="https://blog.example/x") for number in range(3)]
    paths = store_documents(tmp_path, rows)
    clean(tmp_path, paths, index)
    found = find_mirrors([tmp_path / "clean/wikipedia.parquet"], paths)
    assert [(mirror.host, mirror.copies, mirror.documents) for mirror in found.hosts] == [
        ("mirror.example", 4, 4),
        ("blog.example", 1, 4),
    ]
    assert found.hosts[1].articles == ("Article 9",)
    assert "mirror.example" in str(found)


@pytest.mark.slow
def test_neither_files_nor_pieces_nor_workers_nor_tables_matter(
    tmp_path: Path, index: ArticleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [planted(share, share // 5 - 1) for share in range(5, 101, 5)]
    rows += [document(f"n{number}", words(300 + number, 80)) for number in range(20)]
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", rows), index).identity
    with monkeypatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", 7)
        assert clean(tmp_path / "two", store_documents(tmp_path / "two", rows, [3, 25]), index).identity == wanted
    with monkeypatch.context() as patch:
        patch.setattr(article_index, "TABLE_ENTRIES", 50)
        patch.setattr(building, "ARTICLES_A_FILE", 3)
        many = indexed(tmp_path / "index", write_dump(tmp_path / "a.xml.bz2", ARTICLES))
    assert (len(many.tables), len(many.sets)) == (32, 7)
    paths = store_documents(tmp_path / "three", rows)
    clean(tmp_path / "three", paths, many)
    assert removed(tmp_path / "three") == removed(tmp_path / "one")


def test_adding_documents_equals_doing_all_at_once(tmp_path: Path, index: ArticleIndex) -> None:
    rows = [planted(share, share // 5 - 1) for share in range(5, 101, 5)]
    rows += [document("again", planted(20, 3)["text"], karma=2), document("new", ARTICLES["Article 19"] + " more")]
    at_once = clean(tmp_path / "one", store_documents(tmp_path / "one", rows), index, inputs="all")
    grown = tmp_path / "two"
    clean(grown, store_documents(grown, rows[::2]), index, inputs="half")
    assert clean(grown, store_documents(grown, rows), index, inputs="all").identity == at_once.identity


@pytest.mark.slow
def test_far_more_copies_than_usual_ring_the_alarm(tmp_path: Path, index: ArticleIndex) -> None:
    rows = [document(f"d{number}", words(5_000 + number, 8)) for number in range(880)]
    rows += [
        document(f"c{number}", " ".join(ARTICLES["Article 1"].split()[number : number + 60])) for number in range(120)
    ]
    with pytest.raises(LossAlarm, match=r"would drop 120 of 1,000 rows \(12%\) as wikipedia"):
        clean(tmp_path, store_documents(tmp_path, rows), index, accept_loss=False)


# -- the index --------------------------------------------------------------------------------------------------------


def grams(index: ArticleIndex) -> dict[str, tuple[int, ...]]:
    """Each article's n-grams, out of the index."""
    reader = index.reader()
    found = {reader.title(number): tuple(reader.grams(number).tolist()) for number in range(index.articles)}
    reader.close()
    return found


def test_a_folder_of_text_is_as_good_as_a_dump(tmp_path: Path, index: ArticleIndex) -> None:
    for title, text in list(ARTICLES.items())[:10]:
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / "texts" / f"{title}.txt").write_text(text)
    rest = [json.dumps({"title": title, "text": text}) for title, text in list(ARTICLES.items())[10:]]
    (tmp_path / "texts" / "rest.jsonl").write_text("\n".join(rest))
    assert grams(indexed(tmp_path / "index", tmp_path / "texts")) == grams(index)


@pytest.mark.slow
def test_multistream_or_not_and_with_any_workers_the_index_is_the_same(
    tmp_path: Path, index: ArticleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediawiki_dump, "PIECE_BYTES", 2_000)
    monkeypatch.setattr(building, "ARTICLES_A_FILE", 2)
    path = write_dump(tmp_path / "b.xml.bz2", ARTICLES, streams=7)
    assert len(mediawiki_dump.cut_dump(path)) > 3
    assert grams(indexed(tmp_path / "index", path)) == grams(index)


def test_a_standing_index_is_used_again_and_one_of_other_articles_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dump(tmp_path / "a.xml.bz2", dict(list(ARTICLES.items())[:3]))
    first = indexed(tmp_path / "index", path)
    monkeypatch.setenv("WEBTEXT_FAULT", "wikipedia.read:1:raise")
    index, made = make_index(tmp_path / "index", [path, path], words=5, engine=Engine(), redo=False)
    assert (index.identity, made) == (first.identity, False)
    monkeypatch.delenv("WEBTEXT_FAULT")
    other = write_dump(tmp_path / "b.xml.bz2", ARTICLES)
    with pytest.raises(WebtextError, match="holds an index of other articles or words"):
        indexed(tmp_path / "index", other)
    assert indexed(tmp_path / "index", other, redo=True).articles == 20
    assert sorted(entry.name for entry in (tmp_path / "index").iterdir()) == ["index.json", "sets", "tables"]


@pytest.mark.parametrize(
    "point", ["wikipedia.hashed:3", "wikipedia.read:2", "wikipedia.table:2", "wikipedia.indexed:1"]
)
@pytest.mark.slow
def test_an_index_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    monkeypatch.setattr(building, "ARTICLES_A_FILE", 4)
    monkeypatch.setattr(article_index, "TABLE_ENTRIES", 300)
    sources = [
        write_dump(tmp_path / "a.xml.bz2", dict(list(ARTICLES.items())[:11])),
        write_dump(tmp_path / "b.xml.bz2", dict(list(ARTICLES.items())[11:])),
    ]
    wanted = indexed(tmp_path / "whole", *sources)
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:raise")
    with pytest.raises(Exception, match=point.partition(":")[0]):
        indexed(tmp_path / "cut", *sources)
    monkeypatch.delenv("WEBTEXT_FAULT")
    for left in ("lock", "progress.json", ".index.json.tmp-1-a"):  # as a killed command leaves them
        (tmp_path / "cut" / left).write_text("{}")
    again = indexed(tmp_path / "cut", *sources)
    assert again.identity == wanted.identity
    for name in (*again.sets, *again.tables):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_no_index_or_a_damaged_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="holds no index of articles"):
        ArticleIndex.open(tmp_path)
    index = indexed(tmp_path / "index", write_dump(tmp_path / "a.xml.bz2", ARTICLES))
    table = tmp_path / "index" / index.tables[0]
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match=r"table-0000\.arrow: has another length"):
        ArticleIndex.open(tmp_path / "index")
    changed = (tmp_path / "index/index.json").read_text().replace('"articles": 20', '"articles": 21')
    (tmp_path / "index/index.json").write_text(changed)
    with pytest.raises(DamagedFile, match="was changed after it was written"):
        ArticleIndex.open(tmp_path / "index")


def test_sources_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.xml").write_text("<mediawiki></mediawiki>")
    for source, message in (
        ("missing.xml.bz2", "no such dump or folder"),
        ("page.html", "is no dump by its name"),
        ("empty", "holds no text"),
        ("none.xml", "no article in it"),
    ):
        with pytest.raises(WebtextError, match=message):
            indexed(tmp_path / "index", tmp_path / source)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    with pytest.raises(WebtextError, match="holds other things than an index"):
        indexed(tmp_path / "full", write_dump(tmp_path / "a.xml.bz2", ARTICLES))


@pytest.mark.parametrize("point", ["dedup.sampled:2", "dedup.looked-up:1", "dedup.judged:2"])
@pytest.mark.slow
def test_a_dedup_that_stopped_goes_on_and_gives_the_same(
    tmp_path: Path, index: ArticleIndex, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    rows = [planted(share, share // 5 - 1) for share in range(5, 101, 5)]
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", rows, [8]), index)
    paths = store_documents(tmp_path / "two", rows, [8])
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:raise")
    with pytest.raises(Exception, match=point.partition(":")[0]):
        clean(tmp_path / "two", paths, index)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert clean(tmp_path / "two", paths, index).identity == wanted.identity


@pytest.mark.slow
def test_alone_and_in_workers_it_is_the_same(
    tmp_path: Path, index: ArticleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wikipedia, "ALONE_ROWS", 0)
    rows = [planted(share, share // 5 - 1) for share in range(5, 101, 5)]
    clean(tmp_path, store_documents(tmp_path, rows, [10]), index, workers=2)
    assert len(removed(tmp_path)) == 11
