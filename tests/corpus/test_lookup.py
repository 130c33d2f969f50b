"""Looking up one key: every row of it is found, wherever it lies, and little else is read."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus import files
from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import write_parquet
from webtext.corpus.lookup import rows_in_file, rows_of_key
from webtext.corpus.schemas import OUTCOMES

KEYS = st.integers(0, 2**64 - 1) | st.integers(0, 9) | st.integers(2**63 - 3, 2**63 + 3)


def write(folder: Path, keys: list[int], rows_a_file: int) -> list[Path]:
    rows = [
        {"key": key, "url": f"u{number}", "stage": "links", "outcome": "karma", "detail": ""}
        for number, key in enumerate(keys)
    ]
    paths = []
    for number, start in enumerate(range(0, max(len(rows), 1), rows_a_file)):
        path = folder / f"links-{number:05d}.parquet"
        write_parquet(path, pa.Table.from_pylist(rows[start : start + rows_a_file], OUTCOMES), OUTCOMES)
        paths.append(path)
    return paths


@settings(deadline=None, max_examples=40)  # a loaded machine is no failure
@given(st.lists(KEYS, max_size=30), KEYS, st.integers(1, 8), st.integers(1, 4))
def test_all_rows_of_a_key_are_found(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], absent: int, rows_a_file: int, rows_a_group: int
) -> None:
    keys.sort()
    with patch.object(files, "ROW_GROUP_ROWS", rows_a_group):
        paths = write(tmp_path_factory.mktemp("found"), keys, rows_a_file)
    for wanted in {*keys, absent}:
        expected = [{"url": f"u{number}"} for number, key in enumerate(keys) if key == wanted]
        assert rows_of_key(paths, OUTCOMES, wanted, ["url"]) == expected
        alone = [row for path in paths for row in rows_in_file(path, OUTCOMES, wanted, ["url"])]
        assert alone == expected


def test_of_many_files_a_few_footers_and_one_row_group_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ROW_GROUP_ROWS", 4)
    paths = write(tmp_path, list(range(0, 2_000, 2)), 8)
    opened: list[str] = []
    read: list[int] = []
    real_open, real_read = pq.ParquetFile.__init__, pq.ParquetFile.read_row_group

    def opening(self: pq.ParquetFile, source: Path, *arguments: object, **more: object) -> None:
        opened.append(Path(source).name)
        real_open(self, source, *arguments, **more)

    def reading(self: pq.ParquetFile, group: int, *arguments: object, **more: object) -> pa.Table:
        read.append(group)
        return real_read(self, group, *arguments, **more)

    monkeypatch.setattr(pq.ParquetFile, "__init__", opening)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", reading)
    assert rows_of_key(paths, OUTCOMES, 1_000, ["key", "url"]) == [{"key": 1_000, "url": "u500"}]
    assert len(paths) == 125
    assert len(opened) <= 9
    assert len(read) == 2  # the keys of one row group, then its other columns
    read.clear()
    assert rows_of_key(paths, OUTCOMES, 1_001, ["url"]) == []
    assert len(read) <= 1


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "links-00000.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DamagedFile, match="is no readable Parquet file"):
        rows_of_key([path], OUTCOMES, 1, ["url"])
