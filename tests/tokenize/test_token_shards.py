"""Shards: their bytes, their readers, and everything that may be wrong with one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import file_sha256
from webtext.tokenize.shard_index import ShardEntry, ShardIndex, open_shards
from webtext.tokenize.shards import Shard, write_shard

KEYS = np.array([3, 5, 2**64 - 1], dtype=np.uint64)
URLS = ["https://a.example/", "https://b.example/é", "https://c.example/"]
TOKENS = np.array([99, 1, 2, 99, 99, 65535, 4, 5], dtype=np.uint16)
OFFSETS = np.array([0, 3, 4, 8], dtype=np.int64)
METADATA = {
    "identity": "i1",
    "corpus": "c1",
    "tokenizer": "t1",
    "vocab_size": "100",
    "endoftext": "99",
    "split": "train",
}


def _write(path: Path, **changes: str) -> Path:
    write_shard(path, KEYS, URLS, TOKENS, OFFSETS, metadata={**METADATA, **changes})
    return path


def _folder(tmp_path: Path) -> Path:
    """A folder of two training shards and no validation."""
    entries = []
    for name in ("train-00000.arrow", "train-00001.arrow"):
        _write(tmp_path / name)
        entries.append(ShardEntry(name, tokens=8, documents=3, sha256=file_sha256(tmp_path / name)))
    ShardIndex("i1", "c1", "t1", 100, 99, {"train": entries, "val": []}).write(tmp_path / "index.json")
    return tmp_path


def test_a_shard_gives_back_what_was_written(tmp_path: Path) -> None:
    shard = Shard.open(_write(tmp_path / "a.arrow"))
    assert shard.tokens.tolist() == TOKENS.tolist()
    assert shard.offsets.tolist() == OFFSETS.tolist()
    assert shard.keys.tolist() == KEYS.tolist()
    assert shard.urls.to_pylist() == URLS
    assert shard.metadata == {**METADATA, "schema_version": "1"}
    assert len(shard) == 3
    assert shard.document(2).tolist() == [99, 65535, 4, 5]


def test_the_tokens_are_a_view_of_the_file(tmp_path: Path) -> None:
    shard = Shard.open(_write(tmp_path / "a.arrow"))
    assert shard.tokens.dtype == np.uint16
    assert not shard.tokens.flags.owndata
    assert not shard.tokens.flags.writeable
    before = pa.total_allocated_bytes()
    again = Shard.open(tmp_path / "a.arrow")
    assert pa.total_allocated_bytes() - before < 64 + again.path.stat().st_size // 8


def test_an_empty_shard_is_a_shard(tmp_path: Path) -> None:
    empty = np.array([], dtype=np.uint16)
    write_shard(tmp_path / "a.arrow", KEYS[:0], [], empty, OFFSETS[:1], metadata=METADATA)
    shard = Shard.open(tmp_path / "a.arrow")
    assert (len(shard), len(shard.tokens), shard.windows(1)) == (0, 0, 0)


def test_windows_share_their_last_target_and_leave_the_tail(tmp_path: Path) -> None:
    shard = Shard.open(_write(tmp_path / "a.arrow"))  # 8 tokens
    assert [shard.windows(length) for length in (1, 2, 3, 4, 7, 8)] == [7, 3, 2, 1, 1, 0]


def test_the_bytes_depend_on_the_documents_alone(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.arrow").read_bytes()
    backwards = dict(reversed(METADATA.items()))
    longer = np.concatenate([[7, 7], TOKENS, [7]]).astype(np.uint16)
    strided = np.repeat(KEYS, 2)[::2]
    write_shard(tmp_path / "b.arrow", strided, tuple(URLS), longer[2:-1], OFFSETS.astype(np.int32), metadata=backwards)
    assert (tmp_path / "b.arrow").read_bytes() == first
    for number, cuts in enumerate(([0, 8], [0, 1, 1, 5, 8], range(9))):
        path = tmp_path / f"c{number}.arrow"
        write_shard(path, KEYS, URLS, map(TOKENS.__getitem__, itertools.starmap(slice, itertools.pairwise(cuts))),
                    OFFSETS, metadata=METADATA)  # fmt: skip
        assert path.read_bytes() == first


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.lists(st.integers(0, 65535), max_size=20), max_size=20))
def test_any_documents_come_back(tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]]) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.arrow"
    offsets = np.cumsum([0, *(len(document) for document in documents)]).astype(np.int64)
    tokens = np.array([token for document in documents for token in document], dtype=np.uint16)
    keys = np.arange(len(documents), dtype=np.uint64)
    write_shard(path, keys, [f"u{key}" for key in keys], tokens, offsets, metadata=METADATA)
    shard = Shard.open(path)
    assert [shard.document(number).tolist() for number in range(len(shard))] == documents


def test_what_does_not_fit_together_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_shard(tmp_path / "a.arrow", KEYS, URLS, TOKENS, OFFSETS[:-1], metadata=METADATA)
    for tokens in (TOKENS[:-1], [TOKENS, TOKENS[:1]], []):
        with pytest.raises(ValueError, match=f"do not fit offsets to {len(TOKENS)}"):
            write_shard(tmp_path / "a.arrow", KEYS, URLS, tokens, OFFSETS, metadata=METADATA)
    assert not list(tmp_path.iterdir())


# --- other readers


def test_datasets_reads_a_shard(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    path = _write(tmp_path / "a.arrow")
    found = datasets.load_dataset("arrow", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert found[2]["tokens"] == [99, 65535, 4, 5]
    assert found["key"][:] == KEYS.tolist()
    assert found["url"][:] == URLS


def test_polars_reads_a_shard(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    found = polars.read_ipc(_write(tmp_path / "a.arrow"))
    assert found["tokens"].to_list() == [[99, 1, 2], [99], [99, 65535, 4, 5]]
    assert found["key"].to_list() == KEYS.tolist()


def test_duckdb_reads_a_shard_through_pyarrow(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    shard = pa.ipc.open_file(str(_write(tmp_path / "a.arrow"))).read_all()
    found = duckdb.sql("select key, len(tokens), url from shard").fetchall()
    assert found == [(3, 3, URLS[0]), (5, 1, URLS[1]), (2**64 - 1, 4, URLS[2])]
    assert shard.num_rows == 3


# --- what may be wrong


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, -1, -10])
def test_a_truncated_shard_is_refused(tmp_path: Path, keep: float) -> None:
    whole = _write(tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DamagedFile, match=r"a\.arrow"):
        Shard.open(tmp_path / "a.arrow")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.arrow").write_bytes(b"PAR1" + b"x" * 500 + b"PAR1")
    with pytest.raises(DamagedFile, match="no whole shard"):
        Shard.open(tmp_path / "a.arrow")
    with pa.ipc.new_file(str(tmp_path / "b.arrow"), pa.schema([("x", pa.int8())])) as writer:
        writer.write_table(pa.table({"x": pa.array([1], pa.int8())}))
    with pytest.raises(DamagedFile, match="no shard of webtext"):
        Shard.open(tmp_path / "b.arrow")


def test_other_columns_or_batches_are_refused(tmp_path: Path) -> None:
    read = pa.ipc.open_file(str(_write(tmp_path / "a.arrow"))).read_all()
    fewer = read.drop_columns(["url"])
    with pa.ipc.new_file(str(tmp_path / "b.arrow"), fewer.schema) as writer:
        writer.write_table(fewer)
    with pytest.raises(DamagedFile, match="other columns"):
        Shard.open(tmp_path / "b.arrow")
    with pa.ipc.new_file(str(tmp_path / "c.arrow"), read.schema) as writer:
        writer.write_table(read, max_chunksize=2)
    with pytest.raises(DamagedFile, match="2 record batches"):
        Shard.open(tmp_path / "c.arrow")


def test_a_newer_shard_names_its_version(tmp_path: Path) -> None:
    _write(tmp_path / "a.arrow", schema_version="2")
    with pytest.raises(WebtextError, match="schema version 2"):
        Shard.open(tmp_path / "a.arrow")


def test_a_folder_without_shards_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="webtext tokenize"):
        open_shards(tmp_path, "train")


def test_shards_open_in_the_order_of_the_index(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    assert [shard.path.name for shard in open_shards(folder, "train", verify=True)] == [
        "train-00000.arrow", "train-00001.arrow",
    ]  # fmt: skip
    assert open_shards(folder, "val") == []
    index = ShardIndex.read(folder)
    assert index.tokens("train") == 16
    assert index.tokens("val") == 0
    assert index.splits["train"][0].documents == 3


def test_an_unknown_split_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="test"):
        open_shards(_folder(tmp_path), "test")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (_folder(tmp_path) / "train-00001.arrow").unlink()
    with pytest.raises(DamagedFile, match=r"train-00001\.arrow: is missing"):
        open_shards(tmp_path, "train")


@pytest.mark.parametrize("change", [{"tokenizer": "t2"}, {"identity": "i2"}, {"split": "val"}])
def test_a_shard_of_another_generation_is_named(tmp_path: Path, change: dict[str, str]) -> None:
    _write(_folder(tmp_path) / "train-00001.arrow", **change)
    with pytest.raises(DamagedFile, match=r"train-00001\.arrow: belongs elsewhere: its " + next(iter(change))):
        open_shards(tmp_path, "train")


def test_a_shard_of_other_length_is_named(tmp_path: Path) -> None:
    write_shard(_folder(tmp_path) / "train-00001.arrow", KEYS[:2], URLS[:2], TOKENS[:4], OFFSETS[:3], metadata=METADATA)
    with pytest.raises(DamagedFile, match=r"4 tokens in 2 documents, index\.json says 8 in 3"):
        open_shards(tmp_path, "train")


def test_a_flipped_bit_is_found_by_verifying(tmp_path: Path) -> None:
    path = _folder(tmp_path) / "train-00001.arrow"
    data = bytearray(path.read_bytes())
    data[data.index(TOKENS.tobytes())] ^= 1
    path.write_bytes(data)
    open_shards(tmp_path, "train")  # the form is right: only the hash can tell
    with pytest.raises(DamagedFile, match="sha256"):
        open_shards(tmp_path, "train", verify=True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not JSON"),
        (b"[]", "no index"),
        (b'{"schema_version": 9}', "version 9"),
        (b'{"schema_version": 1}', "no whole"),
    ],
)
def test_a_damaged_or_newer_index_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (_folder(tmp_path) / "index.json").write_bytes(content)
    with pytest.raises(WebtextError, match=told):
        open_shards(tmp_path, "train")
