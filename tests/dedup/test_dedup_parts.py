"""Parts between the steps: what is written is what is read, and what is no part says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from webtext.corpus.errors import DamagedFile
from webtext.dedup.parts import (
    OPEN_FILES,
    ListFiles,
    column,
    columns,
    lists,
    lists_of,
    matrix,
    matrix_of,
    read_part,
    write_part,
)


@pytest.mark.parametrize("rows", [0, 3])
def test_numbers_matrices_and_lists_come_back_as_they_were(tmp_path: Path, rows: int) -> None:
    offsets = np.arange(0, 2 * rows + 1, 2)
    values = np.arange(2 * rows, dtype=np.uint64)
    table = pa.table(
        {
            "number": np.arange(rows),
            "matrix": matrix(np.arange(4 * rows, dtype=np.uint8).reshape(rows, 4)),
            "list": lists(offsets, values),
        }
    )
    write_part(tmp_path / "part.arrow", table)
    found = read_part(tmp_path / "part.arrow")
    assert column(found, "number").tolist() == list(range(rows))
    assert matrix_of(found, "matrix").tolist() == np.arange(4 * rows).reshape(rows, 4).tolist()
    assert [array.tolist() for array in lists_of(found, "list")] == [offsets.tolist(), values.tolist()]


def test_a_table_in_chunks_is_written_as_one(tmp_path: Path) -> None:
    chunk = pa.table({"list": lists(np.array([0, 1]), np.array([5], np.uint64)), "m": matrix(np.array([[1, 2]]))})
    write_part(tmp_path / "part.arrow", pa.concat_tables([chunk, chunk]))
    found = read_part(tmp_path / "part.arrow")
    assert [array.tolist() for array in lists_of(found, "list")] == [[0, 1, 2], [5, 5]]
    assert matrix_of(found, "m").tolist() == [[1, 2], [1, 2]]


def test_lists_are_read_from_more_files_than_may_be_open(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.arrow" for number in range(OPEN_FILES + 3)]
    for number, path in enumerate(paths):
        write_part(path, pa.table({"list": lists(np.array([0, 0, 2]), np.array([number, 9], np.uint64))}))
    files = ListFiles(paths, "list")
    for _ in range(2):
        found = [(files.read(number, 0).tolist(), files.read(number, 1).tolist()) for number in range(len(paths))]
        assert found == [([], [number, 9]) for number in range(len(paths))]
        assert len(files._open) == OPEN_FILES
    files.close()
    assert not files._open


def test_columns_of_several_files_stand_one_after_the_other(tmp_path: Path) -> None:
    paths = [tmp_path / "a.arrow", tmp_path / "b.arrow"]
    for path, values in zip(paths, ([1, 2], [3]), strict=True):
        write_part(path, pa.table({"number": pa.array(values, pa.int64())}))
    assert columns(paths, "number", np.int64).tolist() == [1, 2, 3]
    assert columns([], "number", np.int64).dtype == np.int64


@pytest.mark.parametrize("data", [b"", b"ARROW1\0\0 cut short", b"something else entirely"])
def test_what_is_no_part_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "part.arrow"
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"part\.arrow"):
        read_part(path)
