"""Runs of an import: merged as streams, level by level, and gone on with where a reading was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus.files import write_parquet_sized
from webtext.corpus.schemas import OUTCOMES
from webtext.corpus.settings import CrawlSettings, ExtractSettings, ImportSettings
from webtext.pipelines import import_lines, import_parts, import_runs
from webtext.pipelines.import_files import Unit, find_files, units
from webtext.pipelines.import_merge import OUTCOME_ORDER
from webtext.pipelines.import_parts import Reading, ReadUnit, together
from webtext.pipelines.import_readers import rows_of
from webtext.pipelines.import_runs import SortedRun, groups_of, merged

Line = tuple[int, str]


def _table(rows: list[Line]) -> pa.Table:
    columns = [[key for key, _ in rows], *([detail for _, detail in rows] for _ in range(4))]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, OUTCOMES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=OUTCOMES)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abé")), max_size=12), max_size=5),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(1, 3),
)
def test_runs_are_merged_as_if_their_rows_were_sorted(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[Line]], low: int, high: int, rows_a_group: int
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    chains = []
    for number, rows in enumerate(runs):
        rows = sorted(rows)
        halves = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]  # a run is a chain of files
        files = [folder / f"{number}-{half}.parquet" for half in range(2)]
        for path, some in zip(files, halves, strict=True):
            write_parquet_sized(path, [_table(some)], OUTCOMES, bytes_a_group=rows_a_group * 64, part=True)
        chains.append(files)
    found = [row for table in merged(chains, OUTCOMES, OUTCOME_ORDER, low, high) for row in table.to_pylist()]
    wanted = sorted(row for rows in runs for row in rows if low <= row[0] <= high)
    assert [(row["key"], row["detail"]) for row in found] == wanted


def test_no_more_runs_are_merged_at_once_than_fit() -> None:
    small, large = SortedRun((), 1, 10), SortedRun((), 1, 16 << 20)
    assert [len(group) for group in groups_of([small] * 100)] == [32, 32, 32, 4]
    assert [len(group) for group in groups_of([large] * 9)] == [4, 4, 1]
    assert [len(group) for group in groups_of([SortedRun((), 1, 1 << 30)] * 5)] == [2, 2, 1]
    assert groups_of([]) == []


# -- reading -----------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    pass


@pytest.fixture
def element(tmp_path: Path) -> ReadUnit:
    lines = [{"id": n % 90, "text": f"text number {n}" if n % 10 else None} for n in range(100)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "b.jsonl").write_text('{"text": "of another file"}\nnope\n')
    found = [unit for file in find_files([tmp_path / "a.jsonl", tmp_path / "b.jsonl"]) for unit in units(file)]
    (some,) = together(found)
    return ReadUnit(some, tmp_path / "work")


def _all(element: ReadUnit) -> list[dict[str, object]]:
    from webtext.corpus.files import read_parquet
    from webtext.corpus.schemas import DOCUMENTS

    record = element.read()
    runs = [(run, DOCUMENTS) for run in element.documents(record)] + [
        (run, OUTCOMES) for run in element.outcomes(record)
    ]
    rows = [row for run, schema in runs for row in read_parquet(run.files[0], schema).to_pylist()]
    return sorted(rows, key=str)


def test_a_reading_goes_on_behind_the_last_run_that_was_written(
    element: ReadUnit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_parts, "RUN_ROWS", 20)
    monkeypatch.setattr(import_lines, "_BATCH_ROWS", 10)
    reading = Reading(ImportSettings(), ExtractSettings(), CrawlSettings(), tmp_path)
    whole = ReadUnit(element.units, tmp_path / "whole")
    reading(whole)
    assert whole.read().whole and whole.read().rows == 102

    taken: list[object] = []

    def counted(*arguments: object) -> object:
        taken.append(arguments)
        if len(taken) == 55:
            raise Stopped
        return take_row(*arguments)  # type: ignore[arg-type]

    take_row = import_parts.take_row
    monkeypatch.setattr(import_parts, "take_row", counted)
    with pytest.raises(Stopped):
        reading(element)
    record = element.read()
    assert (record.whole, record.rows) == (False, 42)
    assert 0.0 < record.share <= 1.0
    reading(element)
    assert len(taken) == 55 + 102 - 42
    # Doubled ids may be told apart in a run or where runs meet: the rows are the same, each once.
    assert element.read().rows == 102
    assert _all(element) == _all(whole)


def test_small_files_are_read_as_one_and_pages_alone(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    (tmp_path / "a.warc").write_bytes(b"WARC/1.0\r\n")
    (tmp_path / "b.warc").write_bytes(b"WARC/1.1\r\n")
    found: list[Unit] = [unit for file in find_files([tmp_path]) for unit in units(file)]
    grouped = together(found)
    kinds = [sorted({unit.file.kind for unit in some}) for some in grouped]
    assert kinds.count(["warc"]) == 2
    assert all(kind in (["warc"], ["text"]) for kind in kinds)
    assert sum(map(len, grouped)) == 7


def test_a_line_that_is_too_long_is_told_and_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_lines, "LINE_BYTES", 100)
    monkeypatch.setattr(import_lines, "_READ", 16)
    lines = ['{"text": "a"}', '{"text": "' + "x" * 500 + '"}', "", '{"text": "b"}']
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\r\n".join(lines))
    (file,) = find_files([tmp_path / "a.jsonl"])
    rows = [row for batch in rows_of(units(file)[0], ImportSettings()) for row in batch]
    assert [(row.number, row.text) for row in rows] == [(1, "a"), (2, None), (4, "b")]
    assert rows[1].problem == "has 513 bytes; a line of at most 100 is read, and a document a line"


def test_one_arrow_batch_is_read_in_pieces(tmp_path: Path) -> None:
    table = pa.table({"text": ["x" * 100_000] * 300, "id": range(300)})
    shares: list[float] = []
    for name, new in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        with new(str(tmp_path / f"{name}.arrow"), table.schema) as writer:
            writer.write_table(table)
        (file,) = find_files([tmp_path / f"{name}.arrow"])
        shares.clear()
        batches = list(_sizes(rows_of(units(file)[0], ImportSettings(), shares.append)))
        assert sum(batches) == 300 and max(batches) < 60
        assert len(shares) == len(batches) and shares == sorted(shares) and 0.5 < shares[-1] <= 1.0


def _sizes(batches: Iterator[list[object]]) -> Iterator[int]:
    for batch in batches:
        yield len(batch)


def test_whole_levels_of_runs_give_what_one_merge_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from webtext.api import Corpus
    from webtext.pipelines import import_levels
    from webtext.pipelines.engine import Engine

    def here(engine: Engine, label: str, function: Any, elements: Any, **more: Any) -> None:
        for element in elements:
            function(element)

    monkeypatch.setattr(Engine, "each", here)  # Beam's pipelines take longer than the work
    rows = [{"id": n * 7 % 90, "text": f"text {n}"} for n in range(120)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = []
    for name in ("one", "levels"):
        corpus = Corpus(tmp_path / name)
        report = corpus.import_files(tmp_path / "a.jsonl", workers=1, accept_loss=True)
        assert report.outcomes == {"duplicate-id": 30}
        files = sorted((corpus.path / folder) for folder in ("documents", "outcomes"))
        made.append({path.name: path.read_bytes() for folder in files for path in folder.glob("*.parquet")})
        monkeypatch.setattr(import_parts, "RUN_ROWS", 20)
        monkeypatch.setattr(import_lines, "_BATCH_ROWS", 10)
        monkeypatch.setattr(import_runs, "MOST_RUNS", 2)
        monkeypatch.setattr(import_levels, "RANGE_BYTES", 20_000)
    assert made[0] == made[1]
