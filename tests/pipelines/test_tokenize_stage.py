"""The tokenize stage: from clean documents to a tokenizer and shards, in any layout, after any crash, and grown."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from webtext.corpus import faults
from webtext.corpus.config import TokenizeSettings, shaping
from webtext.corpus.errors import DamagedFile, Interrupted, UsageError, WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import file_sha256
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.manifests import Manifest, verify_files
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine
from webtext.pipelines.tokenize import RULES, make_shards, tokenize_inputs
from webtext.tokenize import reference
from webtext.tokenize.choosing import absolute, stated
from webtext.tokenize.files import read_vocabulary, write_vocabulary
from webtext.tokenize.shard_index import ShardIndex, open_shards
from webtext.tokenize.training import train_vocabulary

SETTINGS = TokenizeSettings(vocab_size=300, validation=0.1, shard_tokens=1_000)
WORDS = ("the", "cat", "sat", "on", "a", "mat", "its", "naïve", "owner's", "1999", "hats,", "<|endoftext|>", "fell.")
Document = Mapping[str, object]


def _document(number: int) -> Document:
    url = f"https://site-{number % 7}.example/page/{number}"
    text = "\n".join(" ".join(WORDS[(number * 7 + line * place) % len(WORDS)] for place in range(1, 9 + number % 5))
                     for line in range(1, 3 + number % 3))  # fmt: skip
    day = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    return {
        "key": xxhash.xxh3_64_intdigest(url.encode()), "url": url, "final_url": url, "canonical": None,
        "domain": "example", "title": "", "text": text, "language": "en", "language_score": 1.0, "karma": 3,
        "first_posted": day, "fetched": day, "source": "crawl", "record_id": "",
        "characters": len(text), "words": len(text.split()),
    }  # fmt: skip


def _documents(count: int) -> list[Document]:
    return sorted((_document(number) for number in range(count)), key=lambda document: int(str(document["key"])))


def _clean(corpus: Path, documents: Sequence[Document], *, files: int = 1, group: int = 8_192) -> list[Path]:
    """Write clean/ in any layout of files and row groups."""
    (corpus / "clean").mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        mine = list(documents[len(documents) * number // files : len(documents) * (number + 1) // files])
        path = corpus / "clean" / f"part-{number:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(mine, schema=DOCUMENTS), path, row_group_size=group)
        paths.append(path)
    return paths


def _tokenize(
    corpus: Path, clean: Sequence[Path], settings: TokenizeSettings = SETTINGS, *, identity: str = "one",
    workers: int = 1, retrain: bool = False, redo: bool = False,
) -> Manifest:  # fmt: skip
    run = StageRun.begin(corpus, Stage.SHARDS, settings=shaping(settings), rules=RULES,
                         inputs=tokenize_inputs(identity), redo=redo or retrain)  # fmt: skip
    assert not run.done
    return make_shards(run, corpus, clean, settings, clean_identity=identity, engine=Engine(workers=workers),
                       accept_loss=False, retrain=retrain)  # fmt: skip


def _bytes(corpus: Path) -> dict[str, str]:
    """The sha256 of all that tokenize made."""
    found = [path for folder in ("tokenizer", "shards") for path in (corpus / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(corpus)): file_sha256(path) for path in sorted(found) if path.name != "stage.json"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 100 documents, tokenized."""
    corpus = tmp_path_factory.mktemp("made")
    _tokenize(corpus, _clean(corpus, _documents(100)))
    return corpus


def test_every_document_lies_in_one_split_in_key_order_as_endoftext_and_its_ids(made: Path) -> None:
    vocabulary = read_vocabulary(made / "tokenizer")
    expected: dict[str, list[tuple[object, ...]]] = {"train": [], "val": []}
    for document in _documents(100):
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


def test_the_manifest_names_all_files_and_balances(made: Path) -> None:
    run = StageRun.begin(made, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("one"))
    assert run.done
    manifest = run.previous
    assert manifest is not None
    verify_files(made, manifest)
    assert set(manifest.files) == set(_bytes(made))
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
    _tokenize(tmp_path, _clean(tmp_path, _documents(100), files=files, group=group), workers=workers)
    assert _bytes(tmp_path) == _bytes(made)


def test_empty_files_and_files_out_of_order_decide_nothing(made: Path, tmp_path: Path) -> None:
    paths = _clean(tmp_path, _documents(100), files=3)
    empty = tmp_path / "clean" / "part-00003.parquet"
    pq.write_table(DOCUMENTS.empty_table(), empty)
    _tokenize(tmp_path, [empty, *reversed(paths)])
    assert _bytes(tmp_path) == _bytes(made)


# --- crashes


@pytest.mark.parametrize(
    "fault",
    ["stage.started", "tokenize.trained", "tokenize.encoded:2", "files.written:1", "files.written:5", "files.renamed:9",
     "stage.parts", "stage.journal", "stage.moved:1", "stage.moved:3", "stage.published"],
)  # fmt: skip
def test_after_a_failure_anywhere_the_same_command_gives_the_same_bytes(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    clean = _clean(tmp_path, _documents(100), files=2, group=20)
    point, _, turn = fault.partition(":")
    with monkeypatch.context() as broken:
        faults._passed.clear()
        broken.setenv("WEBTEXT_FAULT", f"{point}:{turn or 1}:raise")
        with pytest.raises((InjectedFault, RuntimeError), match=point):
            _tokenize(tmp_path, clean)
    run = StageRun.begin(tmp_path, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("one"))
    if not run.done:
        _tokenize(tmp_path, clean)
    assert _bytes(tmp_path) == _bytes(made)
    assert not (tmp_path / "work").exists()


def test_a_tokenizer_that_was_trained_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path
) -> None:
    clean = _clean(tmp_path, _documents(100))
    with monkeypatch.context() as broken:
        faults._passed.clear()
        broken.setenv("WEBTEXT_FAULT", "tokenize.trained:1:raise")
        with pytest.raises(InjectedFault):
            _tokenize(tmp_path, clean)

    def never(*arguments: object) -> object:
        raise AssertionError("trained again")

    monkeypatch.setattr("webtext.pipelines.tokenize.train_on_corpus", never)
    _tokenize(tmp_path, clean)
    assert _bytes(tmp_path) == _bytes(made)


@pytest.mark.kill
@pytest.mark.parametrize("fault", ["tokenize.trained", "tokenize.encoded:2", "stage.moved:2"])
def test_after_a_kill_another_number_of_workers_gives_the_same_bytes(made: Path, tmp_path: Path, fault: str) -> None:
    clean = _clean(tmp_path, _documents(100), files=2, group=20)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import test_tokenize_stage as t; "
        "c = Path(sys.argv[2]); t._tokenize(c, sorted((c / 'clean').iterdir()))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path)],
        env={**os.environ, "WEBTEXT_FAULT": fault}, capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    run = StageRun.begin(tmp_path, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("one"))
    if not run.done:
        _tokenize(tmp_path, clean, workers=2)
    assert _bytes(tmp_path) == _bytes(made)


def test_a_signal_does_not_wait_for_the_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: object, made: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            pass

    monkeypatch.setattr("webtext.pipelines.training.train_on_counts", endless)
    with pytest.raises(Interrupted), stop_signals(raising=True):
        _tokenize(tmp_path, _clean(tmp_path, _documents(10)))
    assert not (tmp_path / "progress.json").exists()


# --- growth


def _grow(corpus: Path) -> Manifest:
    return _tokenize(corpus, _clean(corpus, _documents(150)), identity="two")


def test_a_grown_corpus_keeps_its_tokenizer_and_equals_one_made_at_once(tmp_path: Path) -> None:
    grown, once = tmp_path / "grown", tmp_path / "once"
    _tokenize(grown, _clean(grown, _documents(100)))
    before = file_sha256(grown / "tokenizer" / "tokenizer.json")
    _grow(grown)
    assert file_sha256(grown / "tokenizer" / "tokenizer.json") == before
    _tokenize(
        once, _clean(once, _documents(150)), replace(SETTINGS, tokenizer=str(grown / "tokenizer")), identity="two"
    )
    assert {name: digest for name, digest in _bytes(grown).items() if "/older/" not in name} == _bytes(once)
    assert sum(len(shard) for split in ("train", "val") for shard in open_shards(grown / "shards", split)) == 150


@pytest.mark.parametrize("fault", ["", "stage.journal:1", "stage.moved:1", "stage.moved:4", "stage.moved:12"])
def test_older_shards_stay_whole_for_the_run_that_pinned_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    _tokenize(tmp_path, _clean(tmp_path, _documents(100)))
    before = _bytes(tmp_path)
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
    after = _bytes(tmp_path)
    for name, digest in before.items():
        if name.startswith("shards/"):
            assert after[f"shards/older/{older.name}/{Path(name).name}"] == digest
    assert ShardIndex.read(older) == index
    assert len(open_shards(older, "train", verify=True)) == len(index.splits["train"])
    assert read_vocabulary(older / "tokenizer").fingerprint == index.tokenizer
    assert ShardIndex.read(tmp_path / "shards").corpus == "two"


def test_retraining_makes_a_new_tokenizer_and_keeps_the_old_beside_its_shards(tmp_path: Path) -> None:
    _tokenize(tmp_path, _clean(tmp_path, _documents(30)))
    first = ShardIndex.read(tmp_path / "shards")
    _tokenize(tmp_path, _clean(tmp_path, _documents(150)), identity="two", retrain=True)
    second = ShardIndex.read(tmp_path / "shards")
    assert second.tokenizer != first.tokenizer
    assert read_vocabulary(tmp_path / "tokenizer").fingerprint == second.tokenizer
    older = tmp_path / "shards" / "older" / first.identity[:16]
    assert read_vocabulary(older / "tokenizer").fingerprint == first.tokenizer


def test_another_size_with_redo_trains_anew(tmp_path: Path) -> None:
    clean = _clean(tmp_path, _documents(30))
    _tokenize(tmp_path, clean)
    _tokenize(tmp_path, clean, replace(SETTINGS, vocab_size=280), redo=True)
    assert read_vocabulary(tmp_path / "tokenizer").size == 280


def test_redo_mends_damaged_shards_and_tokenizer_files(tmp_path: Path, made: Path) -> None:
    clean = _clean(tmp_path, _documents(100))
    _tokenize(tmp_path, clean)
    (tmp_path / "shards" / "train-00000.arrow").write_bytes(b"")
    (tmp_path / "shards" / "index.json").unlink()
    (tmp_path / "tokenizer" / "tokenizer.json").write_bytes(b"{}")
    _tokenize(tmp_path, clean, redo=True)
    assert _bytes(tmp_path) == _bytes(made)


def test_a_damaged_tokenizer_of_a_grown_corpus_is_not_silently_replaced(tmp_path: Path) -> None:
    _tokenize(tmp_path, _clean(tmp_path, _documents(30)))
    for name in ("tokenizer.json", "vocab.bpe"):
        (tmp_path / "tokenizer" / name).write_bytes(b"{}")
    with pytest.raises(DamagedFile, match="--retrain-tokenizer"):
        _grow(tmp_path)


# --- tokenizers


def test_a_tokenizer_of_the_users_own_is_used(tmp_path: Path) -> None:
    own = train_vocabulary(["some other text, some other text"], 270)
    write_vocabulary(tmp_path / "own", own)
    corpus = tmp_path / "corpus"
    _tokenize(corpus, _clean(corpus, _documents(20)), replace(SETTINGS, tokenizer=str(tmp_path / "own")))
    assert read_vocabulary(corpus / "tokenizer") == own


def test_gpt2s_own_tokenizer_is_used(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTEXT_GPT2_VOCAB", str(data / "tokenizer"))
    manifest = _tokenize(tmp_path, _clean(tmp_path, _documents(20)), replace(SETTINGS, tokenizer="gpt2"))
    assert manifest.facts["vocab_size"] == 50_257
    assert (tmp_path / "tokenizer" / "encoder.json").read_bytes() == (data / "tokenizer" / "encoder.json").read_bytes()


def test_gpt2s_own_tokenizer_is_used_from_a_path(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEBTEXT_GPT2_VOCAB", raising=False)
    settings = replace(SETTINGS, tokenizer=f"gpt2:{data / 'tokenizer' / 'vocab.bpe'}")
    assert stated(settings, None) == "gpt2"
    assert _tokenize(tmp_path, _clean(tmp_path, _documents(20)), settings).facts["vocab_size"] == 50_257
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
        _tokenize(tmp_path, _clean(tmp_path, _documents(5)), replace(SETTINGS, tokenizer="nowhere"))


def test_a_text_that_yields_fewer_tokens_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = _tokenize(tmp_path, _clean(tmp_path, _documents(3)), replace(SETTINGS, vocab_size=50_257))
    size = manifest.facts["vocab_size"]
    assert 257 < size < 1_000
    assert f"this text yields {size:,} tokens, not 50,257" in capsys.readouterr().err


def test_a_sample_is_said_and_does_not_depend_on_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = replace(SETTINGS, sample_bytes=2_000)
    one, two = tmp_path / "one", tmp_path / "two"
    _tokenize(one, _clean(one, _documents(60)), few)
    assert "trained on a sample of" in capsys.readouterr().err
    _tokenize(two, _clean(two, _documents(60), files=3, group=4), few)
    assert _bytes(one) == _bytes(two)


# --- what may be wrong


def test_an_empty_corpus_says_where_its_documents_went(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    run = StageRun.begin(tmp_path, Stage.CLEAN, settings={}, rules={}, inputs={})
    run.publish({}, {}, rows_in=12, rows_out=0, outcomes={"near-duplicate": 2, "duplicate": 10})
    with pytest.raises(WebtextError, match="nothing to tokenize") as caught:
        _tokenize(tmp_path, _clean(tmp_path, []))
    assert "most went to duplicate 10 (clean), near-duplicate 2 (clean)" in str(caught.value)
    assert "webtext status" in str(caught.value)


def test_no_validation_document_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tokenize(tmp_path, _clean(tmp_path, _documents(3)), replace(SETTINGS, validation=0.001))
    assert "none of 3 documents" in capsys.readouterr().err
    assert open_shards(tmp_path / "shards", "val") == []


def test_a_damaged_file_of_clean_is_named(tmp_path: Path) -> None:
    (path,) = _clean(tmp_path, _documents(20))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFile, match=r"part-00000\.parquet"):
        _tokenize(tmp_path, [path])


def test_a_worker_names_a_page_of_damaged_bytes(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(_documents(5), schema=DOCUMENTS)
    broken = pa.array([b"\xff\xfe"] * 5, pa.large_binary()).view(pa.large_string())
    table = table.set_column(table.schema.get_field_index("text"), DOCUMENTS.field("text"), broken)
    (tmp_path / "clean").mkdir()
    pq.write_table(table, tmp_path / "clean" / "part-00000.parquet")
    own = tmp_path / "own"
    write_vocabulary(own, train_vocabulary([], 257))
    for settings in (SETTINGS, replace(SETTINGS, tokenizer=str(own))):
        with pytest.raises(DamagedFile, match=r"part-00000\.parquet.*UTF-?8"):
            _tokenize(tmp_path, [tmp_path / "clean" / "part-00000.parquet"], settings)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    documents = [*_documents(5), _documents(5)[-1]]
    with pytest.raises(DamagedFile, match="twice"):
        _tokenize(tmp_path, _clean(tmp_path, documents))
