"""Sorted output: the same bytes however the rows lay in the parts, cut by row counts only."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from webtext.corpus.files import file_sha256, read_parquet, write_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine
from webtext.pipelines.sorted_output import SortedOutput, sorted_output


def rows(count: int) -> pa.Table:
    """Rows in a fixed random order, with keys that occur up to four times."""
    keys = np.random.default_rng(1).integers(0, max(count // 2, 1), count).astype(np.uint64) << np.uint64(50)
    return pa.table(
        {
            "key": keys,
            "url": [f"https://site.example/{number}" for number in range(count)],
            "stage": ["links"] * count,
            "outcome": ["duplicate-url"] * count,
            "detail": ["" for _ in range(count)],
        },
        schema=OUTCOMES,
    )


def write(corpus: Path, table: pa.Table, cuts: list[int], workers: int = 1) -> tuple[StageRun, SortedOutput]:
    """Deal `table` into parts at `cuts`, each sorted by key as a stage's parts are, and sort them."""
    run = StageRun.begin(corpus, Stage.LINKS, settings={}, rules={}, inputs={})
    parts = []
    bounds = [0, *cuts, len(table)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        part = run.part("parts", number, cuts)
        write_parquet(part, table.slice(start, end - start).sort_by("key"), OUTCOMES)
        parts.append(part)
    pattern = "outcomes/links-{:05d}.parquet"
    return run, sorted_output(Engine(workers), run, "sort", parts, OUTCOMES, pattern=pattern, rows_per_file=1_000)


def test_files_hold_all_rows_in_one_total_order(tmp_path: Path) -> None:
    table = rows(3_500)
    _, output = write(tmp_path, table, [10, 2_000])
    assert list(output.files) == [f"outcomes/links-0000{number}.parquet" for number in range(4)]
    assert output.rows == 3_500
    tables = [read_parquet(path, OUTCOMES) for path in output.files.values()]
    assert [len(each) for each in tables] == [1_000, 1_000, 1_000, 500]
    expected = sorted(table.to_pylist(), key=lambda row: (row["key"], row["url"]))
    assert pa.concat_tables(tables).to_pylist() == expected
    assert {name: file_sha256(path) for name, path in output.files.items()} == output.hashes


@pytest.mark.parametrize(("cuts", "workers"), [([], 1), ([1, 2, 3], 1), ([1_750], 2), ([0, 3_500], 1)])
def test_neither_parts_nor_workers_show_in_the_bytes(tmp_path: Path, cuts: list[int], workers: int) -> None:
    _, plain = write(tmp_path / "plain", rows(3_500), [10, 2_000])
    shuffled = rows(3_500).take(np.random.default_rng(2).permutation(3_500))
    _, other = write(tmp_path / "other", shuffled, cuts, workers)
    assert other.hashes == plain.hashes


def test_no_rows_are_one_empty_file(tmp_path: Path) -> None:
    _, output = write(tmp_path, rows(0), [])
    assert output.rows == 0
    assert [len(read_parquet(path, OUTCOMES)) for path in output.files.values()] == [0]


def test_a_finished_file_is_not_made_again(tmp_path: Path) -> None:
    _, output = write(tmp_path, rows(3_500), [10])
    before = {path: path.stat().st_mtime_ns for path in output.files.values()}
    _, again = write(tmp_path, rows(3_500), [10])
    assert {path: path.stat().st_mtime_ns for path in again.files.values()} == before
