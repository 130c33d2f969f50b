"""Rows of files: how they are read, what they become, and what is said of those that are none. Without a corpus."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import ROW_GROUP_ROWS, read_parquet, write_parquet, write_parquet_sized
from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import OUTCOMES
from webtext.corpus.settings import ImportSettings
from webtext.crawler.reddit.urls import text_key, url_key
from webtext.pipelines.import_columns import Row
from webtext.pipelines.import_files import find_files, units
from webtext.pipelines.import_readers import check_file, rows_of
from webtext.pipelines.import_rows import Dropped, Place, take_row

PLACE = Place("0123456789abcdef")


def read(path: Path, **settings: str) -> list[Row]:
    (file,) = find_files([path])
    wanted = ImportSettings(**settings)  # type: ignore[arg-type]
    check_file(file, wanted)
    return [row for unit in units(file) for batch in rows_of(unit, wanted) for row in batch]


LINES = [{"id": 7, "text": "one", "n": 1}, {"id": 8, "text": "two", "n": 2}]


def _lines(path: Path) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in LINES)


def _arrow_stream(path: Path) -> None:
    table = pa.Table.from_pylist(LINES)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


def _arrow_file(path: Path) -> None:
    table = pa.Table.from_pylist(LINES)
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


FORMS = {
    "a.jsonl": lambda path: path.write_bytes(_lines(path)),
    "a.jsonl.gz": lambda path: path.write_bytes(gzip.compress(_lines(path))),
    "a.jsonl.zst": lambda path: path.write_bytes(zstandard.compress(_lines(path))),
    "a.parquet": lambda path: pq.write_table(pa.Table.from_pylist(LINES), path, row_group_size=1),
    "a.arrow": _arrow_stream,
    "b.arrow": _arrow_file,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    FORMS[name](tmp_path / name)
    assert read(tmp_path / name) == [Row(1, "one", 7, None, {"n": 1}), Row(2, "two", 8, None, {"n": 2})]


def test_a_folder_of_datasets_is_read_by_its_own_list_of_files(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_list([{"text": f"text {number}"} for number in range(5)])
    saved = tmp_path / "saved"
    datasets.DatasetDict({"train": made, "test": made.select(range(2))}).save_to_disk(str(saved))
    _arrow_stream(saved / "train" / "cache-left-behind.arrow")
    found = find_files([saved])
    assert sorted(file.path.parent.name for file in found) == ["test", "train"]
    texts = [row.text for file in found for batch in rows_of(units(file)[0], ImportSettings()) for row in batch]
    assert sorted(map(str, texts)) == sorted([*(f"text {n}" for n in range(5)), "text 0", "text 1"])


def test_text_and_markdown_files_are_one_document_each(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_bytes(b"Once upon a time.\n")
    (tmp_path / "latin.txt").write_bytes("Überraschung im Café".encode("latin-1"))
    (tmp_path / "page.md").write_text("---\nauthor: me\nurl: https://example.org/p\n---\n# The title\n\nIts text.\n")
    assert read(tmp_path / "story.txt") == [Row(1, "Once upon a time.\n", None, None, {"title": "story"})]
    assert read(tmp_path / "latin.txt")[0].text == "Überraschung im Café"
    more = {"title": "The title", "author": "me"}
    assert read(tmp_path / "page.md") == [Row(1, "# The title\n\nIts text.\n", None, "https://example.org/p", more)]


def test_columns_may_be_named_or_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1], "body": ["b"], "story": ["s"], "link": ["https://x.example/"]}), path)
    assert read(path)[0].text == "b"
    row = read(path, text_column="story", id_column="none", url_column="link")[0]
    assert (row.text, row.id, row.url, row.more) == ("s", None, "https://x.example/", {"id": 1, "body": "b"})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "has no column of texts: its columns are number, other"),
        ({"text_column": "story"}, "has no column 'story': its columns are number, other"),
        ({"text_column": "number"}, "its column number is int64, not text"),
        ({"text_column": "other", "url_column": "number"}, "its column number is int64, not text"),
    ],
)
def test_a_table_without_the_right_columns_is_refused_by_name(
    tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"number": [1], "other": ["x"]}), path)
    with pytest.raises(WebtextError, match=told):
        read(path, **settings)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("a.parquet", b"something else", "is no parquet file"),
        ("a.arrow", b"\xff\xff\xff\xff\x10\0\0\0cut", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 10_000)[:-40], "cut|end"),
        ("a.jsonl.zst", zstandard.compress(b'{"text": "x"}\n' * 1_000)[:-3], "cut off"),
        ("a.jsonl", b"", "is empty"),
        ("a.docx", b"PK\x03\x04", "is of no kind"),
    ],
)
def test_damaged_and_foreign_files_are_named(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(WebtextError, match=told) as error:
        read(path)
    assert name in str(error.value)


def test_lines_that_are_no_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n\n[1]\nnope\n{"other": 1}\n{"text": "b"}\n')
    rows = read(path)
    assert [(row.number, row.text) for row in rows] == [(1, "a"), (3, None), (4, None), (5, None), (6, "b")]
    assert [row.problem.split(";")[0].split("(")[0].strip() for row in rows] == [
        "", "is no JSON object but a list", "is no JSON", "has no text", "",
    ]  # fmt: skip


# -- rows to documents -------------------------------------------------------------------------------------------------


def test_a_row_is_known_by_its_address_else_its_id_else_its_text() -> None:
    by_url = take_row(Row(1, "some text", 5, "HTTP://www.Example.org/a/?utm_source=x"), PLACE, None)
    by_id = take_row(Row(2, "some text", 5), PLACE, None)
    by_text = take_row(Row(3, "some text"), PLACE, None)
    assert isinstance(by_url, dict) and isinstance(by_id, dict) and isinstance(by_text, dict)
    assert by_url["key"] == url_key("https://example.org/a")
    assert (by_url["domain"], json.loads(by_url["extra"])) == ("example.org", {"id": 5})
    assert (by_id["url"], by_id["key"], by_id["extra"]) == ("id:5", text_key("id:5"), None)
    assert by_text["url"].startswith("content:") and by_text["key"] == url_key(by_text["url"])
    again = take_row(Row(99, "some text"), Place("f" * 16), None)
    assert isinstance(again, dict) and again["key"] == by_text["key"]


def test_other_columns_ride_along_and_those_of_a_document_become_its_own() -> None:
    more = {"title": "T", "language": "de", "karma": 7, "author": "me", "tags": ["a", "b"], "score": float("nan")}
    row = take_row(Row(1, "ein Text", None, None, more), PLACE, None)
    assert isinstance(row, dict)
    assert (row["title"], row["language"], row["karma"], row["source"]) == ("T", "de", 7, "import")
    assert json.loads(row["extra"]) == {"author": "me", "tags": ["a", "b"]}
    assert row["record_id"] == "0123456789abcdef:000000000001"


@pytest.mark.parametrize(
    ("row", "outcome", "detail"),
    [
        (Row(3, None, 5), Outcome.EMPTY, "its text is null: row 3 of the file with sha256 0123456789abcdef"),
        (Row(3, " \n…"), Outcome.EMPTY, "no word in its text: row 3 of the file with sha256 0123456789abcdef"),
        (Row(4, 17), Outcome.UNREADABLE, "its text is int, not text: row 4 of the file with sha256 0123456789abcdef"),
        (Row(5, "x", [1]), Outcome.UNREADABLE, "its id is list: row 5 of the file with sha256 0123456789abcdef"),
        (Row(6, "x", 1, 9), Outcome.UNREADABLE, "its url is int, not text: row 6 of the file with sha256 "
                                                "0123456789abcdef"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_document_says_where_it_stands_and_why(row: Row, outcome: Outcome, detail: str) -> None:
    found = take_row(row, PLACE, None)
    assert isinstance(found, Dropped)
    assert (found.outcome, found.detail) == (outcome, detail)


def test_lone_surrogates_do_not_reach_a_file() -> None:
    row = take_row(Row(1, "a \ud800 b", None, None, {"x": "\udfff"}), PLACE, None)
    assert isinstance(row, dict)
    assert row["text"] == "a \ufffd b"
    assert json.loads(row["extra"]) == {"x": "\ufffd"}


# -- row groups by size ------------------------------------------------------------------------------------------------


def _table(rows: int, size: int) -> pa.Table:
    text = ["x" * size] * rows
    return pa.table({"key": range(rows), "url": text, "stage": text, "outcome": text, "detail": text}).cast(OUTCOMES)


def test_short_rows_give_the_bytes_of_the_usual_writer(tmp_path: Path) -> None:
    table = _table(ROW_GROUP_ROWS + 10, 3)
    write_parquet(tmp_path / "usual", table, OUTCOMES)
    for cuts in ([len(table)], [1, 5, 8_000, len(table)]):
        pieces = [table.slice(start, stop - start) for start, stop in zip([0, *cuts], cuts, strict=False)]
        write_parquet_sized(tmp_path / "sized", pieces, OUTCOMES)
        assert (tmp_path / "sized").read_bytes() == (tmp_path / "usual").read_bytes()
    write_parquet(tmp_path / "none", OUTCOMES.empty_table(), OUTCOMES)
    write_parquet_sized(tmp_path / "no rows", [], OUTCOMES)
    assert (tmp_path / "no rows").read_bytes() == (tmp_path / "none").read_bytes()


def test_long_rows_make_short_row_groups_wherever_the_tables_end(tmp_path: Path) -> None:
    table = _table(10, 1_000)
    found = []
    for cuts in ([10], [1, 4, 10]):
        pieces = [table.slice(start, stop - start) for start, stop in zip([0, *cuts], cuts, strict=False)]
        write_parquet_sized(tmp_path / "a.parquet", pieces, OUTCOMES, bytes_a_group=12_000)
        file = pq.ParquetFile(tmp_path / "a.parquet")
        assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [3, 3, 3, 1]
        assert read_parquet(tmp_path / "a.parquet", OUTCOMES).equals(table)
        found.append((tmp_path / "a.parquet").read_bytes())
    assert found[0] == found[1]


def test_a_damaged_arrow_file_is_damaged(tmp_path: Path) -> None:
    _arrow_file(tmp_path / "a.arrow")
    data = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(data[: len(data) // 2])
    with pytest.raises(DamagedFile):
        read(tmp_path / "a.arrow")
