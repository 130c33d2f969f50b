"""`webtext shards export`: read back as the others do, resumed, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_shards import VOCABULARY, make_shards

from webtext.corpus import faults
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import file_sha256
from webtext.tokenize.exporting import FORMATS, export_shards
from webtext.tokenize.shard_index import ShardIndex, open_shards
from webtext.tokenize.vocabulary import Vocabulary


def _stream(folder: Path, split: str) -> list[int]:
    return [token for shard in open_shards(folder, split) for token in shard.tokens.tolist()]


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def test_nanogpt_reads_the_stream_of_the_shards(tmp_path: Path) -> None:
    source = make_shards(tmp_path)
    report = export_shards(source, tmp_path / "out", "nanogpt", VOCABULARY)
    for split in ("train", "val"):
        # nanoGPT's get_batch: np.memmap(os.path.join(data_dir, 'train.bin'), dtype=np.uint16, mode='r')
        found = np.memmap(tmp_path / "out" / f"{split}.bin", dtype=np.uint16, mode="r")
        assert found.tolist() == _stream(source, split)
    assert report.files["train.bin"]["documents"] == 9
    assert "2 files, read back and equal (2 new)" in str(report)


def test_parquet_holds_the_documents(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    source = make_shards(tmp_path)
    export_shards(source, tmp_path / "out", "parquet", VOCABULARY)
    for split in ("train", "val"):
        for shard in open_shards(source, split):
            found = polars.read_parquet(tmp_path / "out" / f"{shard.path.stem}.parquet")
            assert found.columns == ["tokens", "key", "url"]
            assert found["tokens"].to_list() == [shard.document(row).tolist() for row in range(len(shard))]
            assert found["key"].to_list() == shard.keys.tolist()
            assert found["url"].to_list() == shard.urls.to_pylist()


def test_json_lines_hold_text_and_tokens(tmp_path: Path) -> None:
    source = make_shards(tmp_path)
    export_shards(source, tmp_path / "out", "jsonl", VOCABULARY)
    (shard,) = open_shards(source, "val")
    lines = [json.loads(line) for line in (tmp_path / "out" / "val-00000.jsonl").read_text().splitlines()]
    assert [line["tokens"] for line in lines] == [shard.document(row).tolist() for row in range(3)]
    assert lines[1] == {"key": "000000000000001f", "url": "https://31.example/", "text": "", "tokens": [257]}
    raw = b"".join(([*VOCABULARY.tokens, b"<|endoftext|>"])[token] for token in lines[0]["tokens"][1:])
    assert lines[0]["text"] == raw.decode("utf-8", "replace")


def test_a_second_export_writes_nothing_and_mends_what_was_changed(tmp_path: Path) -> None:
    source = make_shards(tmp_path)
    export_shards(source, tmp_path / "out", "parquet", VOCABULARY)
    before = _hashes(tmp_path / "out")
    assert export_shards(source, tmp_path / "out", "parquet", VOCABULARY).made == 0
    (tmp_path / "out" / "train-00001.parquet").write_bytes(b"")
    (tmp_path / "out" / "val-00000.parquet").unlink()
    assert export_shards(source, tmp_path / "out", "parquet", VOCABULARY).made == 2
    assert _hashes(tmp_path / "out") == before


@pytest.mark.parametrize("to", sorted(FORMATS))
@pytest.mark.parametrize("fault", ["files.written:1", "files.written:2", "files.renamed:3", "export.written:2"])
def test_after_a_failure_anywhere_the_same_call_gives_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, fault: str
) -> None:
    source = make_shards(tmp_path)
    export_shards(source, tmp_path / "whole", to, VOCABULARY)
    with monkeypatch.context() as broken:
        faults._passed.clear()
        broken.setenv("WEBTEXT_FAULT", f"{fault}:raise")
        with pytest.raises(InjectedFault):
            export_shards(source, tmp_path / "out", to, VOCABULARY)
    (tmp_path / "out" / ".train.bin.tmp-1-2").write_bytes(b"left by a kill")
    export_shards(source, tmp_path / "out", to, VOCABULARY)
    assert _hashes(tmp_path / "out") == _hashes(tmp_path / "whole")


def test_what_does_not_read_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_shards(tmp_path)
    write, read = FORMATS["nanogpt"]

    def wrong(path: Path, *rest: object) -> None:
        write(path, *rest)  # type: ignore[arg-type]
        data = bytearray(path.read_bytes())
        data[7] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr("webtext.tokenize.exporting.FORMATS", {"nanogpt": (wrong, read)})
    with pytest.raises(DamagedFile, match=r"train\.bin: reads back as other tokens"):
        export_shards(source, tmp_path / "out", "nanogpt", VOCABULARY)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    source = make_shards(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "lock").write_text("not yours")
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(UsageError, match=r"is not empty \(thesis\.tex\)"):
        export_shards(source, tmp_path / "mine", "nanogpt", VOCABULARY)
    assert (tmp_path / "mine" / "lock").read_text() == "not yours"
    export_shards(source, tmp_path / "out", "nanogpt", VOCABULARY)
    with pytest.raises(UsageError, match="holds another export: its format is 'nanogpt', now it is 'jsonl'"):
        export_shards(source, tmp_path / "out", "jsonl", VOCABULARY)
    other = make_shards(tmp_path / "other", identity="2" * 64)
    with pytest.raises(UsageError, match="its identity is"):
        export_shards(other, tmp_path / "out", "nanogpt", VOCABULARY)
    with pytest.raises(UsageError, match="no export to 'csv'"):
        export_shards(source, tmp_path / "new", "csv", VOCABULARY)


def test_damaged_shards_and_another_tokenizer_are_not_exported(tmp_path: Path) -> None:
    source = make_shards(tmp_path)
    with pytest.raises(WebtextError, match=r"tokenizer \(257 tokens, .*\) is not that of the shards \(258 tokens, "):
        export_shards(source, tmp_path / "out", "nanogpt", Vocabulary.from_merges([]))
    path = source / "train-00002.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"train-00002\.arrow"):
        export_shards(source, tmp_path / "out", "nanogpt", VOCABULARY)


def test_without_validation_there_is_no_empty_file(tmp_path: Path) -> None:
    source = make_shards(tmp_path)
    index = ShardIndex.read(source)
    ShardIndex(index.identity, "c", index.tokenizer, 258, 257, {**index.splits, "val": []}).write(source / "index.json")
    assert set(export_shards(source, tmp_path / "out", "nanogpt", VOCABULARY).files) == {"train.bin"}
