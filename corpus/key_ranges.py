"""The rows of a range of keys, out of files sorted by key: what is as large as a corpus is read a stretch at a time.

Footers are read once, when the files are opened. Not for the rows of one key (`webtext.corpus.lookup`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.files import open_parquet
from webtext.corpus.lookup import key_bounds


@dataclass(frozen=True)
class Group:
    """A row group of a file, and its smallest and largest key."""

    path: Path
    number: int
    low: int
    high: int


class SortedFiles:
    """Files that are sorted by the column `key`, each in itself; they may overlap.

    Raises:
        DamagedFile: a file is no Parquet file of this schema.
    """

    def __init__(self, paths: Sequence[Path], schema: pa.Schema) -> None:
        self._schema = schema
        self._groups: list[Group] = []
        for path in paths:
            with open_parquet(path, schema) as file:
                for number in range(file.num_row_groups):
                    if file.metadata.row_group(number).num_rows:
                        self._groups.append(Group(path, number, *key_bounds(file, number)))

    def groups(self, low: int, high: int) -> Iterator[Group]:
        """The row groups that may hold keys from `low` to `high`, in the order of the files."""
        return (group for group in self._groups if group.high >= low and group.low <= high)

    def read_group(self, group: Group, columns: Sequence[str]) -> pa.Table:
        """These columns of a row group."""
        with open_parquet(group.path, self._schema) as file:
            return file.read_row_group(group.number, columns=list(columns))

    def read(self, low: int, high: int, columns: Sequence[str]) -> pa.Table:
        """These columns (`key` among them) of the rows with keys from `low` to `high`, file after file."""
        found = [self._schema.empty_table().select(list(columns))]
        for group in self.groups(low, high):
            rows = self.read_group(group, columns)
            keys = rows["key"]
            inside = pc.and_(
                pc.greater_equal(keys, pa.scalar(low, pa.uint64())), pc.less_equal(keys, pa.scalar(high, pa.uint64()))
            )
            found.append(rows.filter(inside))
        return pa.concat_tables(found)
