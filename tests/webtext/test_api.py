"""The front door for programs: its examples run, its steps are those of the command line."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path

import pytest
from commands import status
from walks import Walk

import webtext.api
from webtext.api import Corpus
from webtext.corpus.errors import ChangedSettings, UsageError, WebtextError
from webtext.train.sampling import Sampling


def test_the_examples_of_the_api_hold() -> None:
    found = doctest.testmod(webtext.api, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert found.attempted >= 6
    assert found.failed == 0


def test_a_whole_build_from_python_equals_the_commands(walk: Walk, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    reports = corpus.build(
        walk.web.dump, replay=[walk.web.warc], workers=1, settings={"tokenize": {"vocab_size": 1000}}
    )
    assert [report.stage for report in reports] == ["links", "pages", "documents", "clean", "shards"]
    assert all(report.made for report in reports)
    assert corpus.status().fingerprint == walk.fingerprint
    assert corpus.settings.tokenize.vocab_size == 1000
    again = corpus.build(workers=1)
    assert not any(report.made for report in again)
    report = corpus.train(preset="tiny", steps=2, samples=0)
    assert report.step == 2
    (text,) = corpus.generate("The", max_tokens=5)
    assert text.startswith("The")
    assert corpus.writer(checkpoint="2").write(["The"], Sampling(5))[0] == [text]
    read = corpus.trace_step(step=1)
    assert (read.taken, read.loss is not None) == (True, True)
    assert all(document.submissions for document in read.documents)
    assert status(corpus.path)["runs"]["default"]["step"] == 2


def test_errors_are_values_a_program_can_tell_apart(walk: Walk, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(walk.corpus, tmp_path / "corpus"))
    with pytest.raises(ChangedSettings, match="min_words"):
        corpus.extract(min_words=3)
    with pytest.raises(UsageError, match="did you mean min_words"):
        corpus.extract(min_word=3)
    with pytest.raises(UsageError, match="no section 'train'"):
        corpus.build(settings={"train": {}})
    with pytest.raises(WebtextError, match="no corpus here"):
        Corpus(tmp_path / "nowhere", create=False)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_which_init_was_killed_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".webtext.toml.tmp-1-ab").write_text("half")
    assert Corpus(tmp_path).settings.links.min_karma == 3
