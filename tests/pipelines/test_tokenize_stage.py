"""The tokenize stage: from clean documents to a tokenizer and shards, in any layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from tokenizing import SETTINGS, documents, made_bytes, tokenize_documents, write_clean

from webtext.corpus.config import shaping
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.manifests import verify_files
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import StageRun
from webtext.pipelines.tokenize import RULES, tokenize_inputs
from webtext.tokenize import reference
from webtext.tokenize.choosing import absolute, stated
from webtext.tokenize.files import read_vocabulary, write_vocabulary
from webtext.tokenize.shard_index import ShardIndex, open_shards
from webtext.tokenize.training import train_vocabulary


def test_every_document_lies_in_one_split_in_key_order_as_endoftext_and_its_ids(made: Path) -> None:
    vocabulary = read_vocabulary(made / "tokenizer")
    expected: dict[str, list[tuple[object, ...]]] = {"train": [], "val": []}
    for document in documents(100):
        key = int(str(document["key"]))
        held = xxhash.xxh3_64_intdigest(f"webtext:{key:016x}".encode()) / 2**64 < 0.1
        ids = [vocabulary.endoftext, *reference.encode(str(document["text"]), vocabulary)]
        expected["val" if held else "train"].append((key, document["url"], ids))
    assert len(expected["val"]) > 3
    for split, rows in expected.items():
        found = [
            (int(shard.keys[row]), shard.urls[row].as_py(), shard.document(row).tolist())
            for shard in open_shards(made / "shards", split, verify=True)
            for row in range(len(shard))
        ]
        assert found == rows


def test_the_tokenizer_is_the_one_that_all_texts_at_once_give(made: Path) -> None:
    texts = [str(document["text"]) for document in documents(100)]
    assert read_vocabulary(made / "tokenizer") == train_vocabulary(texts, 300)


def test_pieces_that_are_too_many_are_left_out_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = documents(20)
    tokenize_documents(tmp_path, write_clean(tmp_path, few))
    assert "times or more" not in capsys.readouterr().err
    whole = read_vocabulary(tmp_path / "tokenizer")
    monkeypatch.setattr("webtext.pipelines.training.PIECE_BYTES", 20)
    tokenize_documents(tmp_path, write_clean(tmp_path, few), retrain=True)
    assert "pieces of text that occur" in capsys.readouterr().err
    assert read_vocabulary(tmp_path / "tokenizer").size < whole.size


def test_the_manifest_names_all_files_and_balances(made: Path) -> None:
    run = StageRun.begin(made, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("one"))
    assert run.done
    manifest = run.previous
    assert manifest is not None
    verify_files(made, manifest)
    assert set(manifest.files) == set(made_bytes(made))
    assert (manifest.rows_in, manifest.rows_out, manifest.outcomes) == (100, 100, {})
    index = ShardIndex.read(made / "shards")
    assert manifest.facts["identity"] == index.identity
    assert manifest.facts["tokens"] == {split: index.tokens(split) for split in ("train", "val")}
    assert manifest.facts["vocab_size"] == 300 == index.vocab_size
    assert manifest.facts["tokenizer"] == index.tokenizer == read_vocabulary(made / "tokenizer").fingerprint
    assert sum(manifest.facts["documents"].values()) == 100


def test_shards_are_cut_by_tokens_and_named_in_order(made: Path) -> None:
    entries = ShardIndex.read(made / "shards").splits["train"]
    assert [entry.file for entry in entries] == [f"train-{number:05d}.arrow" for number in range(len(entries))]
    assert len(entries) > 3
    assert all(700 < entry.tokens < 1_400 for entry in entries)


def test_a_shard_says_what_it_was_made_of(made: Path) -> None:
    index = ShardIndex.read(made / "shards")
    (shard,) = open_shards(made / "shards", "val")
    assert shard.metadata == {
        "schema_version": "1", "identity": index.identity, "corpus": "one", "tokenizer": index.tokenizer,
        "vocab_size": "300", "endoftext": "299", "split": "val",
        "rules": "encode=1 held-out=1 shards=1 split=1 train=2",
    }  # fmt: skip


def test_nothing_is_left_in_work(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == ["clean", "shards", "tokenizer"]


@pytest.mark.parametrize(("files", "group", "workers"), [(1, 7, 1), (4, 3, 1), (3, 10, 2)])
def test_layout_and_workers_decide_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, group: int, workers: int
) -> None:
    monkeypatch.setattr("webtext.pipelines.tokenize.WORKER_BYTES", 1)  # else so little text is done by one
    tokenize_documents(tmp_path, write_clean(tmp_path, documents(100), files=files, group=group), workers=workers)
    assert made_bytes(tmp_path) == made_bytes(made)


def test_empty_files_and_files_out_of_order_decide_nothing(made: Path, tmp_path: Path) -> None:
    paths = write_clean(tmp_path, documents(100), files=3)
    empty = tmp_path / "clean" / "part-00003.parquet"
    pq.write_table(DOCUMENTS.empty_table(), empty)
    tokenize_documents(tmp_path, [empty, *reversed(paths)])
    assert made_bytes(tmp_path) == made_bytes(made)


# --- tokenizers


def test_a_tokenizer_of_the_users_own_is_used(tmp_path: Path) -> None:
    own = train_vocabulary(["some other text, some other text"], 270)
    write_vocabulary(tmp_path / "own", own)
    corpus = tmp_path / "corpus"
    tokenize_documents(corpus, write_clean(corpus, documents(20)), replace(SETTINGS, tokenizer=str(tmp_path / "own")))
    assert read_vocabulary(corpus / "tokenizer") == own


def test_gpt2s_own_tokenizer_is_used(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTEXT_GPT2_VOCAB", str(data / "tokenizer"))
    manifest = tokenize_documents(tmp_path, write_clean(tmp_path, documents(20)), replace(SETTINGS, tokenizer="gpt2"))
    assert manifest.facts["vocab_size"] == 50_257
    assert (tmp_path / "tokenizer" / "encoder.json").read_bytes() == (data / "tokenizer" / "encoder.json").read_bytes()


def test_gpt2s_own_tokenizer_is_used_from_a_path(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEBTEXT_GPT2_VOCAB", raising=False)
    settings = replace(SETTINGS, tokenizer=f"gpt2:{data / 'tokenizer' / 'vocab.bpe'}")
    assert stated(settings, None) == "gpt2"
    assert tokenize_documents(tmp_path, write_clean(tmp_path, documents(20)), settings).facts["vocab_size"] == 50_257
    with pytest.raises(WebtextError, match="was not found"):
        stated(replace(SETTINGS, tokenizer=f"gpt2:{tmp_path}"), None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("train", "train"), ("gpt2", "gpt2"), ("/a/b", "/a/b"), ("gpt2:/a/b", "gpt2:/a/b"), ("mine", "{}/mine"),
     ("gpt2:mine", "gpt2:{}/mine")],
)  # fmt: skip
def test_a_path_is_kept_as_what_it_is_from_everywhere(given: str, kept: str) -> None:
    assert absolute(given) == kept.format(Path.cwd())


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tokenizer 'nowhere'.*\n.*train, gpt2, gpt2:PATH, or a folder"):
        tokenize_documents(tmp_path, write_clean(tmp_path, documents(5)), replace(SETTINGS, tokenizer="nowhere"))


def test_a_text_that_yields_fewer_tokens_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tokenize_documents(tmp_path, write_clean(tmp_path, documents(3)), replace(SETTINGS, vocab_size=50_257))
    size = manifest.facts["vocab_size"]
    assert 257 < size < 1_000
    assert f"this text yields {size:,} tokens, not 50,257" in capsys.readouterr().err


def test_a_sample_is_said_and_does_not_depend_on_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = replace(SETTINGS, sample_bytes=2_000)
    one, two = tmp_path / "one", tmp_path / "two"
    tokenize_documents(one, write_clean(one, documents(60)), few)
    assert "trained on a sample of" in capsys.readouterr().err
    tokenize_documents(two, write_clean(two, documents(60), files=3, group=4), few)
    assert made_bytes(one) == made_bytes(two)


# --- what may be wrong


def test_an_empty_corpus_says_where_its_documents_went(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    run = StageRun.begin(tmp_path, Stage.CLEAN, settings={}, rules={}, inputs={})
    run.publish({}, {}, rows_in=12, rows_out=0, outcomes={"near-duplicate": 2, "duplicate": 10})
    with pytest.raises(WebtextError, match="nothing to tokenize") as caught:
        tokenize_documents(tmp_path, write_clean(tmp_path, []))
    assert "most went to duplicate 10 (clean), near-duplicate 2 (clean)" in str(caught.value)
    assert "webtext status" in str(caught.value)


def test_no_validation_document_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenize_documents(tmp_path, write_clean(tmp_path, documents(3)), replace(SETTINGS, validation=0.001))
    assert "none of 3 documents" in capsys.readouterr().err
    assert open_shards(tmp_path / "shards", "val") == []


def test_a_damaged_file_of_clean_is_named(tmp_path: Path) -> None:
    (path,) = write_clean(tmp_path, documents(20))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFile, match=r"part-00000\.parquet"):
        tokenize_documents(tmp_path, [path])


def test_a_worker_names_a_page_of_damaged_bytes(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(documents(5), schema=DOCUMENTS)
    broken = pa.array([b"\xff\xfe"] * 5, pa.large_binary()).view(pa.large_string())
    table = table.set_column(table.schema.get_field_index("text"), DOCUMENTS.field("text"), broken)
    (tmp_path / "clean").mkdir()
    pq.write_table(table, tmp_path / "clean" / "part-00000.parquet")
    own = tmp_path / "own"
    write_vocabulary(own, train_vocabulary([], 257))
    for settings in (SETTINGS, replace(SETTINGS, tokenizer=str(own))):
        with pytest.raises(DamagedFile, match=r"part-00000\.parquet.*UTF-?8"):
            tokenize_documents(tmp_path, [tmp_path / "clean" / "part-00000.parquet"], settings)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    twice = [*documents(5), documents(5)[-1]]
    with pytest.raises(DamagedFile, match="twice"):
        tokenize_documents(tmp_path, write_clean(tmp_path, twice))
