"""What is refused, and that a refusal changes nothing: stale stages, settings that do not fit, paths that have gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import litter, status, webtext
from small_web import write_dump
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import ChangedSettings, UsageError, WebtextError
from webtext.corpus.lock import corpus_lock


@pytest.fixture
def corpus(walk: Walk, tmp_path: Path) -> Path:
    return shutil.copytree(walk.corpus, tmp_path / "corpus")


def one_more_dump(folder: Path) -> Path:
    post = {"id": "z1", "subreddit": "later", "created_utc": 1_738_400_000, "is_self": False, "over_18": False}
    path = folder / "later.zst"
    write_dump(path, [json.dumps({**post, "url": "https://new.example/", "score": 9}).encode()])
    return path


def test_a_stage_is_not_made_of_stages_that_do_not_fit_each_other(walk: Walk, corpus: Path, tmp_path: Path) -> None:
    webtext("links", corpus, one_more_dump(tmp_path), "--workers", 1)
    shown = status(corpus)
    assert shown["unfinished"] == ["pages", "documents", "clean", "shards"]
    assert shown["fingerprint"] != walk.fingerprint
    done = webtext("extract", corpus, "--redo", expect=1)
    assert "pages was made of other links than there are now\n  run webtext crawl first" in done.stderr
    done = webtext("tokenize", corpus, expect=1)
    assert "pages was made of other links" in done.stderr


def test_a_build_without_dumps_refuses_changed_links_settings(corpus: Path) -> None:
    done = webtext("build", corpus, "--min-karma", 50, expect=1)
    assert "min_karma = 3, now it is 50" in done.stderr
    assert "min_karma = 3" in (corpus / "webtext.toml").read_text()
    with pytest.raises(UsageError, match="name at least one dump"):
        Corpus(corpus).links(redo=True)


def test_a_build_refuses_before_the_first_stage_what_the_last_would_refuse(walk: Walk, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    for flags in (("--vocab-size", 100), ("--tokenizer", tmp_path / "none")):
        webtext("build", corpus, walk.web.dump, "--replay", walk.web.warc, *flags, expect=2)
    webtext("build", corpus, walk.web.dump, "--replay", tmp_path / "none.warc.gz", expect=1)
    assert [path.name for path in corpus.iterdir()] == ["webtext.toml"]


def test_settings_that_the_stage_itself_refuses_are_not_stored(corpus: Path) -> None:
    before = (corpus / "webtext.toml").read_bytes()
    with pytest.raises(UsageError, match="band_rows is 500"):
        Corpus(corpus).dedup(band_rows=500, redo=True)
    with pytest.raises(UsageError, match="seed"):
        Corpus(corpus).dedup(seed=5_000_000_000, redo=True)
    with pytest.raises(ChangedSettings, match="refetch"):
        Corpus(corpus).crawl(max_redirects=2, redo=True)
    assert (corpus / "webtext.toml").read_bytes() == before
    assert not Corpus(corpus).crawl().made
    assert not Corpus(corpus).dedup().made
    assert litter(corpus) == []  # also the plan of the --redo that was refused


def test_openai_s_vocabulary_that_is_not_there_is_told_and_not_stored(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WEBTEXT_GPT2_VOCAB", "TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    before = (corpus / "webtext.toml").read_bytes()
    done = webtext("tokenize", corpus, "--tokenizer", "gpt2", "--redo", expect=None)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert (corpus / "webtext.toml").read_bytes() == before
    webtext("tokenize", corpus)


def test_a_given_tokenizer_may_go_once_the_corpus_has_it(corpus: Path, tmp_path: Path) -> None:
    given = shutil.copytree(corpus / "tokenizer", tmp_path / "given")
    webtext("tokenize", corpus, "--tokenizer", given, "--redo", "--workers", 1)
    shutil.rmtree(given)
    assert "already done" in webtext("tokenize", corpus).stderr


@pytest.mark.kill
def test_training_does_not_touch_a_corpus_that_is_being_written(corpus: Path) -> None:
    webtext("tokenize", corpus, "--redo", "--workers", 1, fault="stage.journal:1", expect=None)
    assert (corpus / "work" / "shards" / "publish.json").exists()
    with corpus_lock(corpus, "links"):
        done = webtext("train", corpus, "--preset", "tiny", "--steps", 1, expect=1)
    assert "is writing to this corpus" in done.stderr
    webtext("train", corpus, "--preset", "tiny", "--steps", 1)
    assert litter(corpus) == []


@pytest.mark.kill
def test_the_last_unfinished_file_of_a_killed_publication_is_swept(corpus: Path) -> None:
    killed = webtext("dedup", corpus, "--redo", "--workers", 1, fault="stage.published:1", expect=None)
    assert killed.returncode != 0
    (corpus / "clean" / ".stage.json.tmp-1-ab").write_text("half")
    webtext("dedup", corpus)
    assert litter(corpus) == []


@pytest.mark.kill  # for its length alone
def test_files_in_the_working_directory_do_not_hide_libraries(
    walk: Walk, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "queue.py").write_text("raise RuntimeError('not the library')\n")
    monkeypatch.chdir(folder)
    with pytest.raises(WebtextError, match="no corpus here"):
        Corpus("corpus", create=False)
    Corpus(corpus).extract(redo=True, workers=2)
    assert status(corpus)["stages"]["documents"]["identity"] == status(walk.corpus)["stages"]["documents"]["identity"]
