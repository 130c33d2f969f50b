"""overlap, wikipedia and dedup's comparisons as their user meets them: commands, files, messages, kills."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import shutil
import signal
from pathlib import Path

import pytest
from commands import leftovers, litter, webtext
from small_corpora import words
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.config import load_settings
from webtext.corpus.errors import ChangedSettings, UsageError, WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.schemas import DOCUMENTS
from webtext.dedup.alphanumeric import words_reference
from webtext.overlap_text import overlap_text
from webtext.overlaps import make_article_index, sets_named


@pytest.fixture
def corpus(walk: Walk, tmp_path: Path) -> Path:
    """A corpus as it is before dedup."""
    return Path(shutil.copytree(walk.after["extract"], tmp_path / "corpus"))


def texts(corpus: Path) -> list[str]:
    found = read_parquet(corpus / "documents/part-00000.parquet", DOCUMENTS)["text"].to_pylist()
    return sorted(found, key=len, reverse=True)


def test_the_whole_way_by_its_commands(corpus: Path, tmp_path: Path) -> None:
    """An index of one document's text, a test set of another's: both documents go, with who and why."""
    copied, tested = texts(corpus)[:2]
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles/Copied.txt").write_text(copied)
    (tmp_path / "questions.jsonl").write_text(json.dumps({"id": "q7", "text": " ".join(tested.split()[5:40])}))
    assert make_article_index(tmp_path / "index", tmp_path / "articles", workers=1)[1]
    opened = Corpus(corpus)
    report = opened.dedup(
        wikipedia_index=tmp_path / "index", decontaminate=[tmp_path / "questions.jsonl"], workers=1, accept_loss=True
    )
    assert report.outcomes["wikipedia"] >= 1
    assert report.outcomes["contaminated"] >= 1
    assert [mirror.articles for mirror in opened.mirrors().hosts if mirror.articles] == [("Copied",)]
    kept = load_settings(corpus / "webtext.toml").dedup
    assert kept.wikipedia_index == str(tmp_path / "index")
    assert kept.decontaminate == (str(tmp_path / "questions.jsonl"),)
    assert not opened.dedup().made  # by webtext.toml alone: nothing to do

    (tmp_path / "moved").mkdir()
    moved = shutil.move(tmp_path / "questions.jsonl", tmp_path / "moved/questions.jsonl")
    with pytest.raises(WebtextError, match="no such test set"):
        opened.dedup()
    assert not opened.dedup(decontaminate=[moved]).made  # a path is no content
    (tmp_path / "moved/questions.jsonl").write_text('{"text": "' + words(1, 20) + '"}')
    with pytest.raises(ChangedSettings, match="decontaminate"):
        opened.dedup()

    found = opened.overlap(tmp_path / "articles/Copied.txt", stage="documents", workers=1)
    assert found.sets[0].share == 100
    assert opened.overlap(tmp_path / "articles/Copied.txt", workers=1).sets[0].share < 5
    told = overlap_text(found, examples=1)
    assert "100.00 %" in told
    assert "paper: WebText" in told
    assert json.loads(json.dumps(found.to_json()))["sets"][0]["found"] == found.sets[0].found
    assert litter(corpus) == []


@pytest.mark.slow
def test_a_small_share_is_not_told_as_none(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "set.txt").write_text(words(1, 60_000) + " " + " ".join(words_reference(texts(corpus)[0])[:9]))
    found = Corpus(corpus).overlap(tmp_path / "set.txt", stage="documents", workers=1)
    assert 0 < found.sets[0].share < 0.005
    assert "< 0.01 %" in overlap_text(found, examples=0)


def test_what_is_wrong_is_said_before_anything_is_done(corpus: Path, tmp_path: Path) -> None:
    opened = Corpus(corpus)
    (tmp_path / "mine.txt").write_text(words(1, 30))
    for wrong, message in (
        ({"wikipedia_index": tmp_path}, "holds no index of articles"),
        ({"decontaminate": [tmp_path / "missing.txt"]}, "no such test set"),
        ({"decontaminate": ["ptbx=" + str(tmp_path / "mine.txt")]}, "no kind of test set 'ptbx'"),
    ):
        with pytest.raises(WebtextError, match=message):
            opened.dedup(**wrong)
        with pytest.raises(WebtextError, match=message):
            opened.build(settings={"dedup": {name: _plain(value) for name, value in wrong.items()}})
    with pytest.raises(UsageError, match="at least one test set"):
        opened.overlap()
    with pytest.raises(WebtextError, match="clean is not finished"):
        opened.overlap(tmp_path / "mine.txt")
    with pytest.raises(UsageError, match="clean or documents"):
        opened.overlap(tmp_path / "mine.txt", stage="pages")
    assert load_settings(corpus / "webtext.toml").dedup.decontaminate == ()
    assert [one.kind for one in sets_named(f"ptb={tmp_path / 'mine.txt'}")] == ["ptb"]


def _plain(value: object) -> object:
    return [str(one) for one in value] if isinstance(value, list) else str(value)


@pytest.mark.parametrize("name", ["missing.xml.bz2", "cut.xml.bz2"])
def test_an_index_that_cannot_be_begun_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "cut.xml.bz2").write_bytes(bz2.compress(b"<mediawiki>" * 9)[:-9])
    with pytest.raises(WebtextError, match=f"{name}: "):
        make_article_index(tmp_path / "index", tmp_path / name, workers=1)
    assert not (tmp_path / "index").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(WebtextError, match=f"{name}: "):
        make_article_index(tmp_path / "mine", tmp_path / name, workers=1)
    assert not list((tmp_path / "mine").iterdir())  # a folder that was there stays


def test_a_dump_is_the_same_index_however_it_is_packed(tmp_path: Path) -> None:
    pages = "".join(
        f"<page><title>A {number}</title><ns>0</ns><revision><text>{words(number, 60)}</text></revision></page>\n"
        for number in range(7)
    )
    dump = f"<mediawiki><siteinfo></siteinfo>{pages}</mediawiki>".encode()
    packed = {".xml": bytes, ".xml.bz2": bz2.compress, ".xml.gz": gzip.compress, ".xml.xz": lzma.compress}
    found = []
    for ending, pack in packed.items():
        path = tmp_path / f"dump{ending}"
        path.write_bytes(pack(dump))
        index, _ = make_article_index(tmp_path / f"index{ending}", path, workers=1)
        assert index.articles == 7
        files = list(index.folder.rglob("*.arrow"))
        found.append({str(path.relative_to(index.folder)): path.read_bytes() for path in files})
    assert len(found[0]) == 2
    assert all(one == found[0] for one in found)


@pytest.mark.kill
@pytest.mark.parametrize("point", ["wikipedia.read:1", "wikipedia.indexed:1"])
def test_an_index_killed_and_made_again_is_the_same(tmp_path: Path, point: str) -> None:
    (tmp_path / "articles").mkdir()
    for number in range(5):
        (tmp_path / f"articles/{number}.txt").write_text(words(number, 100))
    arguments = ("wikipedia", "index", tmp_path / "index", tmp_path / "articles", "--workers", 1)
    assert webtext(*arguments, fault=point, expect=None).returncode == -signal.SIGKILL
    webtext(*arguments)
    make_article_index(tmp_path / "whole", tmp_path / "articles", workers=1)
    whole, again = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "whole", tmp_path / "index")
    )
    assert again == whole
    assert leftovers() == []


@pytest.mark.kill
@pytest.mark.parametrize(
    ("point", "command"),
    [("dedup.judged:1", "dedup"), ("dedup.searched:1", "dedup"), ("overlap.streamed:1", "overlap")],
)
def test_a_comparison_killed_and_run_again_is_the_same(corpus: Path, tmp_path: Path, point: str, command: str) -> None:
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles/Copied.txt").write_text(texts(corpus)[0])
    (tmp_path / "set.txt").write_text(texts(corpus)[1])
    index, _ = make_article_index(tmp_path / "index", tmp_path / "articles", workers=1)
    arguments: tuple[object, ...] = ("dedup", corpus, "--accept-loss", "--wikipedia-index", index.folder)
    arguments = (*arguments, "--decontaminate", tmp_path / "set.txt", "--workers", 1)
    if command == "overlap":
        arguments = ("overlap", corpus, tmp_path / "set.txt", "--stage", "documents", "--json", "--workers", 1)
    other = Path(shutil.copytree(corpus, tmp_path / "other"))
    assert webtext(*arguments, fault=point, expect=None).returncode == -signal.SIGKILL
    again = webtext(*arguments).stdout
    assert litter(corpus) == []
    if command == "overlap":
        found = Corpus(other).overlap(tmp_path / "set.txt", stage="documents", workers=1).to_json()
        assert json.loads(again)["sets"] == json.loads(json.dumps(found))["sets"]
        return
    made = Corpus(other).dedup(
        wikipedia_index=index.folder, decontaminate=[tmp_path / "set.txt"], workers=1, accept_loss=True
    )
    assert json.loads((corpus / "clean/stage.json").read_text())["identity"] == made.identity
