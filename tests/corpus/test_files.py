"""Files appear whole or not at all, and the same rows give the same bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import (
    ROW_GROUP_ROWS,
    atomic,
    canonical_json,
    file_sha256,
    identity_of,
    os_errors,
    read_json,
    read_parquet,
    sweep,
    write_bytes,
    write_json,
    write_parquet,
    write_parquet_groups,
)
from webtext.corpus.schemas import DOCUMENTS, DUPLICATES, LINKS, OUTCOMES


def rows(count: int) -> pa.Table:
    return pa.table(
        {
            "key": pa.array(range(count), pa.uint64()),
            "url": [f"https://site{number % 7}.example/{number}" for number in range(count)],
            "stage": ["links"] * count,
            "outcome": ["karma"] * count,
            "detail": [f"karma {number % 3}" for number in range(count)],
        },
        schema=OUTCOMES,
    )


def test_a_file_is_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    write_bytes(path, b"abc")
    assert path.read_bytes() == b"abc"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError, match="half"), atomic(path) as aside:
        aside.write_bytes(b"ne")
        raise RuntimeError("half")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_a_fault_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    monkeypatch.setattr("webtext.corpus.faults._passed", __import__("collections").Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", "files.written:1:raise")
    with pytest.raises(InjectedFault):
        write_bytes(path, b"new")
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "no permission"), (errno.EROFS, "no permission")],
)
def test_what_the_system_says_is_told_with_the_file(number: int, told: str) -> None:
    with pytest.raises(WebtextError, match=told) as caught, os_errors("links/part-00000.parquet"):
        raise OSError(number, os.strerror(number))
    assert "links/part-00000.parquet" in str(caught.value)


def test_the_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    table = rows(20_000)
    pieces = [table.slice(start, length) for start, length in ((0, 1), (1, 7_000), (7_001, 12_999))]
    chunked = pa.concat_tables(pieces).replace_schema_metadata({"written": "today"})
    assert chunked["url"].num_chunks == 3
    write_parquet(tmp_path / "whole.parquet", table, OUTCOMES)
    write_parquet(tmp_path / "chunked.parquet", chunked, OUTCOMES)
    assert file_sha256(tmp_path / "whole.parquet") == file_sha256(tmp_path / "chunked.parquet")
    assert read_parquet(tmp_path / "chunked.parquet", OUTCOMES).equals(table)


def test_a_foreign_or_broken_parquet_file_is_named(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"key": [1]}), foreign)
    with pytest.raises(DamagedFile, match=r"foreign\.parquet.*url is missing"):
        read_parquet(foreign, OUTCOMES)
    whole = tmp_path / "whole.parquet"
    write_parquet(whole, rows(100), OUTCOMES)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(DamagedFile, match=r"broken\.parquet"):
        read_parquet(broken, OUTCOMES)
    (tmp_path / "empty.parquet").touch()
    with pytest.raises(DamagedFile, match=r"empty\.parquet"):
        read_parquet(tmp_path / "empty.parquet", OUTCOMES)
    with pytest.raises(WebtextError, match="no such file"):
        read_parquet(tmp_path / "missing.parquet", OUTCOMES)


def test_only_the_files_of_some_writers_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".a.parquet.tmp-17-0123abcd").touch()
    (tmp_path / ".b.parquet.tmp-171-0123abcd").touch()
    assert sweep(tmp_path, writers=[17, 5]) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".b.parquet.tmp-171-0123abcd"]
    assert sweep(tmp_path) == 1


def test_texts_are_no_dictionary_and_what_repeats_is_one(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("domain", pa.string()),
            ("text", pa.large_string()),
            ("quality", pa.struct([("words", pa.int32()), ("of", pa.list_(pa.string()))])),
        ]
    )
    row = {"domain": "a.test", "text": "once", "quality": {"words": 7, "of": ["x"]}}
    table = pa.Table.from_pylist([row] * 5, schema=schema)
    write_parquet(tmp_path / "whole.parquet", table, schema)
    write_parquet_groups(tmp_path / "groups.parquet", [table], schema)
    for name in ("whole.parquet", "groups.parquet"):
        group = pq.read_metadata(tmp_path / name).row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
        assert {column.path_in_schema: "RLE_DICTIONARY" in column.encodings for column in columns} == {
            "domain": True,
            "text": False,
            "quality.words": True,
            "quality.of.list.element": True,
        }


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": 1, "a": ["é", None]}) == '{"a":["é",null],"b":1}'.encode()
    # sha256 of the empty object's two bytes, computed with coreutils
    assert identity_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_json_that_is_none_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "stage.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    path.write_bytes(b'{"a": 1')
    with pytest.raises(DamagedFile, match=r"stage\.json"):
        read_json(path)


def test_sweep_takes_unfinished_files_only(tmp_path: Path) -> None:
    write_bytes(tmp_path / "links" / "kept.parquet", b"x")
    (tmp_path / "links" / ".half.parquet.tmp-123-abcd").write_bytes(b"y")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".model.safetensors.tmp-124-abcd").write_bytes(b"z")
    assert sweep(tmp_path, keep="runs") == 1
    assert [path.name for path in (tmp_path / "links").iterdir()] == ["kept.parquet"]
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert sweep(tmp_path) == 1


@pytest.mark.parametrize("schema", [LINKS, DOCUMENTS, DUPLICATES, OUTCOMES], ids=["links", "documents", "dup", "out"])
def test_every_schema_survives_the_file(tmp_path: Path, schema: pa.Schema) -> None:
    path = tmp_path / "empty.parquet"
    write_parquet(path, schema.empty_table(), schema)
    assert read_parquet(path, schema).schema.equals(schema)


@pytest.mark.parametrize("rows", [0, 5, 8_192, 8_193, 20_000])
def test_row_groups_written_one_after_the_other_are_the_bytes_of_the_whole(tmp_path: Path, rows: int) -> None:
    schema = pa.schema([pa.field("key", pa.uint64(), nullable=False), pa.field("text", pa.large_string())])
    texts = [None if number % 7 == 0 else f"text {number % 1_000}" * (number % 5) for number in range(rows)]
    table = pa.table({"key": range(rows), "text": texts}, schema)
    write_parquet(tmp_path / "whole.parquet", table, schema)
    groups = (table.slice(start, ROW_GROUP_ROWS) for start in range(0, rows, ROW_GROUP_ROWS))
    write_parquet_groups(tmp_path / "groups.parquet", groups, schema)
    assert (tmp_path / "groups.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_row_group_of_another_size_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    table = pa.table({"key": [1, 2]}, pa.schema([pa.field("key", pa.int64())]))
    with pytest.raises(ValueError, match="row group of 2 rows"):
        write_parquet_groups(tmp_path / "groups.parquet", [table, table], table.schema)
    assert not list(tmp_path.iterdir())
