"""Ranges of keys out of sorted files are the rows that lie in them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus import files
from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import write_parquet
from webtext.corpus.key_ranges import SortedFiles
from webtext.corpus.schemas import OUTCOMES

KEYS = st.one_of(st.integers(0, 20), st.integers(2**64 - 5, 2**64 - 1))


def rows_of(keys: list[int]) -> pa.Table:
    values = [{"key": key, "url": f"u{key}", "stage": "pages", "outcome": "empty", "detail": ""} for key in keys]
    return pa.Table.from_pylist(values, OUTCOMES)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(KEYS, max_size=12), max_size=4), KEYS, KEYS)
def test_a_range_is_what_lies_in_it(lots: list[list[int]], low: int, high: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "ROW_GROUP_ROWS", 3)
        paths = [Path(folder) / f"{number}.parquet" for number in range(len(lots))]
        for path, keys in zip(paths, lots, strict=True):
            write_parquet(path, rows_of(sorted(keys)), OUTCOMES)
        found = SortedFiles(paths, OUTCOMES).read(low, high, ["key", "url"])
    assert found["key"].to_pylist() == [key for keys in lots for key in sorted(keys) if low <= key <= high]
    assert found["url"].to_pylist() == [f"u{key}" for key in found["key"].to_pylist()]


def test_a_damaged_file_is_named_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"no Parquet")
    with pytest.raises(DamagedFile):
        SortedFiles([path], OUTCOMES)
