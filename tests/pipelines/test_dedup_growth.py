"""clean/ of a corpus that grows, or whose dedup was stopped: what is there is not made again, and the bytes are those
of doing all at once.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dedup_stage import changed, clean, grow, mixed_corpus
from small_corpora import document, store_documents, words

import webtext.dedup.signatures as signatures_module
import webtext.pipelines.dedup as pipeline
from webtext.corpus import faults
from webtext.corpus.errors import DamagedFile
from webtext.corpus.manifests import verify_files


def test_more_documents_later_equal_all_at_once(tmp_path: Path) -> None:
    rows = mixed_corpus()
    at_once = clean(tmp_path / "one", store_documents(tmp_path / "one", rows), inputs="grown")
    clean(tmp_path / "two", store_documents(tmp_path / "two", rows[:20]), inputs="first")
    grown = clean(tmp_path / "two", store_documents(tmp_path / "two", rows, [20]), inputs="grown")
    assert grown.identity == at_once.identity
    verify_files(tmp_path / "two", grown)


@pytest.mark.parametrize("seed", range(12))
def test_any_split_into_generations_equals_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rows = mixed_corpus(seed, clusters=8)
    at_once = grow(tmp_path / "one", monkeypatch, rows)
    choice = random.Random(seed)
    choice.shuffle(rows)
    cuts = sorted(choice.sample(range(len(rows)), 3))
    # The last generation also raises the karma of some older documents, as a new month of submissions does.
    before = [{**row, "karma": choice.choice([row["karma"], row["karma"], 1])} for row in rows[: cuts[2]]]
    grown = grow(tmp_path / "two", monkeypatch, before[: cuts[0]], before[: cuts[1]], before, rows)
    assert grown.identity == at_once.identity
    verify_files(tmp_path / "two", grown)


def test_where_documents_went_or_changed_their_text_the_result_is_that_of_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = mixed_corpus(3)
    other = [{**row, "text": words(99, 30)} if number == 4 else row for number, row in enumerate(rows)][2:]
    at_once = grow(tmp_path / "one", monkeypatch, other)
    assert grow(tmp_path / "two", monkeypatch, rows, other).identity == at_once.identity


def test_a_corpus_that_grew_signs_and_collects_only_what_is_new_or_connected_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, other = words(1, 100), words(2, 100)
    old = [document("a", base, karma=9), document("b", changed(base, 1, 2)), document("c", other)]
    old += [document("d", changed(other, 2, 2), karma=4), document("e", words(3, 100))]
    new = [document("f", changed(base, 3, 2), karma=5)]
    seen: list[tuple[str, int]] = []
    for module, name, real in (
        (signatures_module, "_signed", signatures_module._signed),
        (pipeline, "shingle_sets", pipeline.shingle_sets),
    ):

        def counted(texts: Any, *rest: Any, name: str = name, function: Any = real) -> Any:
            seen.append((name, len(texts)))
            return function(texts, *rest)

        monkeypatch.setattr(module, name, counted)
    grow(tmp_path, monkeypatch, old)
    assert seen == [("_signed", 5), ("shingle_sets", 4)]
    seen.clear()
    manifest = clean(tmp_path, store_documents(tmp_path, [*old, *new]), inputs="more")
    assert seen == [("_signed", 1), ("shingle_sets", 3)]
    assert manifest.rows_out == 3


def test_an_index_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_corpus()
    grow(tmp_path, monkeypatch, rows[:20])
    path = tmp_path / "clean/index/part-00000.arrow"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match=r"index/part-00000\.arrow"):
        clean(tmp_path, store_documents(tmp_path, rows), inputs="more")


@pytest.mark.parametrize(
    "point",
    [
        "dedup.signed:2",
        "dedup.matched:7",
        "dedup.collected:2",
        "dedup.decided:1",
        "dedup.written:2",
        "files.written:3",
        "files.renamed:9",
        "files.renamed:36",
        "stage.parts:1",
    ],
)
def test_a_stage_that_stopped_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    rows = mixed_corpus()
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", rows, [10, 30]))
    corpus = tmp_path / "two"
    paths = store_documents(corpus, rows, [10, 30])
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:raise")
    with pytest.raises(Exception, match=point.partition(":")[0]):
        clean(corpus, paths)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert not (corpus / "clean/stage.json").exists()
    assert clean(corpus, paths).identity == wanted.identity
    assert not (corpus / "work").exists()


def test_signatures_that_are_there_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_corpus()
    paths = store_documents(tmp_path, rows, [10, 30])
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", "dedup.signed:2:raise")
    with pytest.raises(Exception, match=r"dedup\.signed"):
        clean(tmp_path, paths)
    monkeypatch.setenv("WEBTEXT_FAULT", "dedup.signed:99:raise")  # counts only
    faults._passed.clear()
    clean(tmp_path, paths)
    assert faults._passed["dedup.signed"] == 1
