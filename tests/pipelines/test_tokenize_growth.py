"""The tokenize stage, when the corpus has grown or is done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizing import SETTINGS, documents, made_bytes, tokenize_documents, write_clean

from webtext.corpus import faults
from webtext.corpus.config import shaping
from webtext.corpus.errors import DamagedFile
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import file_sha256
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import StageRun
from webtext.pipelines.tokenize import RULES, tokenize_inputs
from webtext.tokenize.files import read_vocabulary
from webtext.tokenize.shard_index import ShardIndex, open_shards


def _grow(corpus: Path) -> Manifest:
    return tokenize_documents(corpus, write_clean(corpus, documents(150)), identity="two")


def test_a_grown_corpus_keeps_its_tokenizer_and_equals_one_made_at_once(tmp_path: Path) -> None:
    grown, once = tmp_path / "grown", tmp_path / "once"
    tokenize_documents(grown, write_clean(grown, documents(100)))
    before = file_sha256(grown / "tokenizer" / "tokenizer.json")
    _grow(grown)
    assert file_sha256(grown / "tokenizer" / "tokenizer.json") == before
    tokenize_documents(
        once, write_clean(once, documents(150)), replace(SETTINGS, tokenizer=str(grown / "tokenizer")), identity="two"
    )
    assert {name: digest for name, digest in made_bytes(grown).items() if "/older/" not in name} == made_bytes(once)
    assert sum(len(shard) for split in ("train", "val") for shard in open_shards(grown / "shards", split)) == 150


@pytest.mark.parametrize("fault", ["", "stage.journal:1", "stage.moved:1", "stage.moved:4", "stage.moved:12"])
def test_older_shards_stay_whole_for_the_run_that_pinned_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    tokenize_documents(tmp_path, write_clean(tmp_path, documents(100)))
    before = made_bytes(tmp_path)
    index = ShardIndex.read(tmp_path / "shards")
    faults._passed.clear()
    if fault:
        with monkeypatch.context() as broken:
            broken.setenv("WEBTEXT_FAULT", f"{fault}:raise")
            with pytest.raises(InjectedFault):
                _grow(tmp_path)
    StageRun.begin(tmp_path, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("two"))
    if not fault:
        _grow(tmp_path)
    older = tmp_path / "shards" / "older" / index.identity[:16]
    after = made_bytes(tmp_path)
    for name, digest in before.items():
        if name.startswith("shards/"):
            assert after[f"shards/older/{older.name}/{Path(name).name}"] == digest
    assert ShardIndex.read(older) == index
    assert len(open_shards(older, "train", verify=True)) == len(index.splits["train"])
    assert read_vocabulary(older / "tokenizer").fingerprint == index.tokenizer
    assert ShardIndex.read(tmp_path / "shards").corpus == "two"


def test_retraining_makes_a_new_tokenizer_and_keeps_the_old_beside_its_shards(tmp_path: Path) -> None:
    tokenize_documents(tmp_path, write_clean(tmp_path, documents(30)))
    first = ShardIndex.read(tmp_path / "shards")
    tokenize_documents(tmp_path, write_clean(tmp_path, documents(150)), identity="two", retrain=True)
    second = ShardIndex.read(tmp_path / "shards")
    assert second.tokenizer != first.tokenizer
    assert read_vocabulary(tmp_path / "tokenizer").fingerprint == second.tokenizer
    older = tmp_path / "shards" / "older" / first.identity[:16]
    assert read_vocabulary(older / "tokenizer").fingerprint == first.tokenizer


def test_another_size_with_redo_trains_anew(tmp_path: Path) -> None:
    clean = write_clean(tmp_path, documents(30))
    tokenize_documents(tmp_path, clean)
    tokenize_documents(tmp_path, clean, replace(SETTINGS, vocab_size=280), redo=True)
    assert read_vocabulary(tmp_path / "tokenizer").size == 280


def test_redo_mends_damaged_shards_and_tokenizer_files(tmp_path: Path, made: Path) -> None:
    clean = write_clean(tmp_path, documents(100))
    tokenize_documents(tmp_path, clean)
    (tmp_path / "shards" / "train-00000.arrow").write_bytes(b"")
    (tmp_path / "shards" / "index.json").unlink()
    (tmp_path / "tokenizer" / "tokenizer.json").write_bytes(b"{}")
    tokenize_documents(tmp_path, clean, redo=True)
    assert made_bytes(tmp_path) == made_bytes(made)


def test_a_damaged_tokenizer_of_a_grown_corpus_is_not_silently_replaced(tmp_path: Path) -> None:
    tokenize_documents(tmp_path, write_clean(tmp_path, documents(30)))
    for name in ("tokenizer.json", "vocab.bpe"):
        (tmp_path / "tokenizer" / name).write_bytes(b"{}")
    with pytest.raises(DamagedFile, match="--retrain-tokenizer"):
        _grow(tmp_path)
