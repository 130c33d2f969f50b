"""`webtext shards verify`: what may have happened to a folder of shards, and what is told of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small_shards import make_shards

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import file_sha256
from webtext.tokenize.files import write_vocabulary
from webtext.tokenize.shard_index import ShardIndex
from webtext.tokenize.verifying import ShardsReport, shards_folder, verify_shards
from webtext.tokenize.vocabulary import Vocabulary


def _verify(folder: Path) -> ShardsReport:
    corpus = folder.parent
    hashes = {str(path.relative_to(corpus)): file_sha256(path) for path in folder.parent.rglob("*") if path.is_file()}
    return verify_shards(folder, hashes, corpus / "tokenizer")


def _told(folder: Path) -> list[tuple[str, str]]:
    """Verify without a manifest: what the index alone can tell."""
    report = verify_shards(folder, None, folder.parent / "tokenizer")
    return [(Path(problem.file).name, problem.what) for problem in report.problems]


def test_sound_shards_are_good_and_counted(tmp_path: Path) -> None:
    report = _verify(make_shards(tmp_path))
    assert report.problems == ()
    assert (report.shards, report.documents, report.tokens, report.older) == (4, 12, 360, 0)
    assert str(report).startswith("good: 4 shards, 12 documents, 360 tokens; identity 1111111111111111")


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    path = folder / "train-00001.arrow"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        ((name, _),) = _told(folder)
        assert name == "train-00001.arrow"
    flipped = bytearray(whole)
    flipped[whole.index(np.arange(10, 13, dtype=np.uint64).tobytes())] ^= 4
    path.write_bytes(flipped)
    ((_, what),) = _told(folder)
    assert what.startswith("has other bytes than when it was written (sha256 ")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    (folder / "train-00002.arrow").unlink()
    assert _told(folder) == [("train-00002.arrow", "is missing")]
    last = str(verify_shards(folder, None, tmp_path / "tokenizer")).splitlines()[-1]
    assert last == "1 file is not as it was written; webtext tokenize CORPUS --redo makes shards/ and tokenizer/ again"


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1, -20])
def test_a_truncated_shard_is_named(tmp_path: Path, keep: int) -> None:
    path = make_shards(tmp_path) / "val-00000.arrow"
    path.write_bytes(path.read_bytes()[:keep])
    ((name, what),) = _told(path.parent)
    assert name == "val-00000.arrow"
    assert ("truncated" in what) == (keep not in (0, 4))


def test_a_foreign_file_is_named(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    other = make_shards(tmp_path / "other", seed=1, identity="2" * 64)
    shutil.copy(other / "train-00000.arrow", folder / "train-00000.arrow")
    (folder / "train-00001.arrow").write_bytes(b"PAR1" + b"x" * 500)
    with pa.ipc.new_file(str(folder / "val-00000.arrow"), pa.schema([("x", pa.int8())])) as writer:
        writer.write_table(pa.table({"x": pa.array([1], pa.int8())}))
    (folder / "notes.txt").write_text("mine")
    told = dict(_told(folder))
    assert told["train-00000.arrow"] == f"is foreign: its identity is {'2' * 64}, that of index.json is {'1' * 64}"
    assert told["train-00001.arrow"].startswith("is foreign: is no whole shard")
    assert "no shard of webtext" in told["val-00000.arrow"]
    assert told["notes.txt"] == "is foreign: index.json does not name it"


def test_swapped_shards_are_both_named_with_what_they_hold(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    first, last = folder / "train-00000.arrow", folder / "train-00002.arrow"
    first.rename(folder / "aside")
    last.rename(first)
    (folder / "aside").rename(last)
    assert _told(folder) == [
        ("train-00000.arrow", "is swapped: it holds train-00002.arrow"),
        ("train-00002.arrow", "is swapped: it holds train-00000.arrow"),
    ]


def test_another_index_of_the_same_shards_is_found_by_the_manifest(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    corpus = folder.parent
    hashes = {str(path.relative_to(corpus)): file_sha256(path) for path in corpus.rglob("*") if path.is_file()}
    index = ShardIndex.read(folder)
    fewer = {"train": list(index.splits["train"])[:2], "val": list(index.splits["val"])}
    ShardIndex(index.identity, "c", index.tokenizer, 258, 257, fewer).write(folder / "index.json")
    told = [str(problem) for problem in verify_shards(folder, hashes, corpus / "tokenizer").problems]
    assert any("index.json: has other bytes than stage.json says" in line for line in told)
    assert any("index.json: names other shards than stage.json" in line for line in told)
    assert any("train-00002.arrow: is foreign" in line for line in told)


def test_a_changed_missing_or_other_tokenizer_is_named(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    corpus = folder.parent
    hashes = {str(path.relative_to(corpus)): file_sha256(path) for path in corpus.rglob("*") if path.is_file()}
    (corpus / "tokenizer" / "encoder.json").write_bytes(b"{}")
    (corpus / "tokenizer" / "vocab.bpe").unlink()
    told = [(Path(problem.file).name, problem.what) for problem in
            verify_shards(folder, hashes, corpus / "tokenizer").problems]  # fmt: skip
    assert sorted(told) == [("encoder.json", "has other bytes than stage.json says"), ("vocab.bpe", "is missing")]
    write_vocabulary(corpus / "tokenizer", Vocabulary.from_merges([(b"c", b"d")]))
    assert {name for name, what in _told(folder) if "is another tokenizer" in what} == {"tokenizer.json", "vocab.bpe"}


def test_older_generations_are_verified_too(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    older = make_shards(tmp_path / "before", seed=3, identity="3" * 64)
    shutil.copytree(older, folder / "older" / ("3" * 16))
    shutil.copytree(older.parent / "tokenizer", folder / "older" / ("3" * 16) / "tokenizer")
    assert verify_shards(folder).older == 1
    assert _told(folder) == []
    (folder / "older" / ("3" * 16) / "train-00001.arrow").write_bytes(b"")
    assert [name for name, _ in _told(folder)] == ["train-00001.arrow"]
    (folder / "older" / ("3" * 16)).rename(folder / "older" / ("4" * 16))
    assert ("index.json", f"is the index of {'3' * 16}") in _told(folder)


def test_the_folder_is_found_in_a_corpus_or_alone(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    assert shards_folder(tmp_path) == shards_folder(folder) == folder
    with pytest.raises(WebtextError, match="webtext tokenize"):
        shards_folder(tmp_path / "tokenizer")
    (folder / "index.json").write_bytes(b"{")
    with pytest.raises(DamagedFile, match=r"index\.json: is not JSON"):
        verify_shards(folder)
