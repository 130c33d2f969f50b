"""URL lists: which file is one, and its rows as lines under Reddit's field names."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.crawler.reddit.lists import CHOSEN
from webtext.crawler.reddit.sources import blocks, find_sources, pieces
from webtext.crawler.reddit.submissions import Unreadable, parse_block

A, B = "http://a.example/", "https://b.example/x?y=1,2"


def read(path: Path, size: int = 1 << 20) -> tuple[str, bytes]:
    (source,) = find_sources([path])
    found = [block for piece in pieces(source) for block in blocks(source, piece, size)]
    place = 0
    for number, block in enumerate(found):
        assert (block.number, block.first_line) == (number, place)
        place += block.data.count(b"\n")
    return source.kind, b"".join(block.data for block in found)


def rows(path: Path, size: int = 1 << 20) -> list[dict[str, Any] | None]:
    """The rows, None for a blank line."""
    return [json.loads(line) if line else None for line in read(path, size)[1].splitlines()]


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def chosen(url: str, **fields: object) -> dict[str, object]:
    return {"url": url, CHOSEN: True, **fields}


def test_a_url_a_line_is_a_list_of_chosen_links(tmp_path: Path) -> None:
    path = write(tmp_path / "urls.txt", f"# my links\n{A}\r\n\n  {B}  \nno url\n")
    assert rows(path) == [None, chosen(A), None, chosen(B), chosen("no url")]
    assert read(path)[0] == "text"


@pytest.mark.parametrize("name", ["urls", "urls.list", "urls.csv", "urls.json"])
def test_what_a_list_is_does_not_depend_on_its_name(tmp_path: Path, name: str) -> None:
    assert rows(write(tmp_path / name, f"{A}\n")) == [chosen(A)]


def test_a_list_may_be_compressed_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "urls.txt.gz").write_bytes(gzip.compress(f"\ufeff{A}\n".encode()))
    assert rows(tmp_path / "urls.txt.gz") == [chosen(A)]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_a_table_with_a_header_in_any_order(tmp_path: Path, separator: str) -> None:
    text = "\n".join(
        separator.join(row)
        for row in (["Title", "Karma", "URL", "subreddit"], ['"a, ""b"""', "5", f'"{B}"', "news"], ["", "", A, ""])
    )
    assert rows(write(tmp_path / "urls.csv", text)) == [
        {"url": B, "score": "5", "subreddit": "news"},
        chosen(A),
    ]


def test_a_quoted_field_may_hold_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "urls.csv", f'title,url,score\n"one\ntwo\n\nthree",{A},7\nx,"{B}",8\n')
    assert rows(path, 1 << 10) == [{"url": A, "score": "7"}, {"url": B, "score": "8"}]


def test_rows_that_are_no_table_are_counted_each(tmp_path: Path) -> None:
    path = write(tmp_path / "urls.csv", f"url,score\n{A},1\n".encode() + b"http://\xff.example/,2\n" + b'5" disk,3\n')
    parsed = parse_block(read(path)[1])
    assert [entry.reason if isinstance(entry, Unreadable) else entry.url for entry in parsed.entries] == [
        A, "not UTF-8", '5" disk',
    ]  # fmt: skip


def test_a_quote_that_does_not_close_ends_with_the_longest_field(tmp_path: Path) -> None:
    path = write(tmp_path / "urls.csv", f'url,title\n{A},a\n{B},"open\n' + "more\n" * 30_000 + f'x"\n{A},b\n')
    parsed = parse_block(read(path)[1])
    ends = [entry.reason if isinstance(entry, Unreadable) else entry.url for entry in parsed.entries]
    assert ends[:2] == [A, "no JSON object"] and ends[-1] == A


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ({"u": A, "r": "news", "k": 9}, {"url": A, "subreddit": "news", "score": 9}),
        ({"url": A}, chosen(A)),
        ({"url": A, "score": None}, chosen(A)),
        ({"URL": A, "Karma": 3, "note": [1]}, {"url": A, "score": 3, "note": [1]}),
        ({"u": A, "url": B, "k": 1, "score": 2}, {"u": A, "k": 1, "url": B, "score": 2}),
    ],
)
def test_objects_a_line_under_any_known_names(tmp_path: Path, line: dict[str, Any], row: dict[str, Any]) -> None:
    path = write(tmp_path / "urls.jsonl", json.dumps(line) + "\n")
    assert read(path)[0] == "json"
    assert rows(path) == [row]


def test_broken_objects_stay_for_the_reader_of_lines_to_count(tmp_path: Path) -> None:
    path = write(tmp_path / "urls.jsonl", json.dumps({"url": A}).encode() + b'\n[1, 2]\n{"url": \n"\xff"\n\nnull\n')
    parsed = parse_block(read(path)[1])
    assert [entry.reason for entry in parsed.entries if isinstance(entry, Unreadable)] == [
        "no JSON object", "not JSON", "not UTF-8", "no JSON object",
    ]  # fmt: skip
    assert (parsed.lines, parsed.blank) == (6, 1)


def test_a_lone_surrogate_in_a_list_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "urls.jsonl", '{"url": "http://a.example/\\ud83d", "k": 4}\n')
    (entry,) = parse_block(read(path)[1]).entries
    assert not isinstance(entry, Unreadable) and (entry.url, entry.score) == ("http://a.example/\ufffd", 4)


@pytest.mark.parametrize("field", ["created_utc", "is_self", "subreddit_id", "permalink"])
def test_objects_of_a_dump_are_a_dump_where_no_score_is_no_karma(tmp_path: Path, field: str) -> None:
    path = write(tmp_path / "RS.jsonl", json.dumps({"url": A, field: None}) + "\n")
    assert read(path) == ("dump", path.read_bytes())


def test_a_parquet_file_by_the_names_of_its_columns(tmp_path: Path) -> None:
    when = datetime(2025, 1, 2, tzinfo=UTC)
    table = pa.table(
        {"Link": [A, B, None], "karma": [5, None, 1], "created": pa.array([when, None, when], pa.timestamp("us")),
         "other": [b"x", b"y", b"z"]}
    )  # fmt: skip
    pq.write_table(table, tmp_path / "urls.parquet")
    assert rows(tmp_path / "urls.parquet") == [
        {"url": A, "score": 5, "created_utc": 1_735_776_000}, chosen(B),
        {"score": 1, "created_utc": 1_735_776_000, "url": ""},
    ]  # fmt: skip


LISTED = {"kind": "Listing", "data": {"after": None, "children": [{"kind": "t3", "data": {"url": A, "score": 2}}] * 2}}


@pytest.mark.parametrize("text", [json.dumps(LISTED), json.dumps(LISTED, indent=2), json.dumps(LISTED) + "\n"])
def test_answers_of_the_listing_api(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "answer.json", text)
    assert read(path)[0] == "listing"
    assert rows(path) == [{"url": A, "score": 2}] * 2


def test_answers_of_the_listing_api_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "answers.ndjson", f"{json.dumps(LISTED)}\n" * 3)
    assert len(rows(path)) == 6


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"title,karma\na,5\nb,6\n", "has no column of URLs: its first line is 'title,karma'"),
        (f"{A},5\n{B},6\n".encode(), "is a table without a header"),
        (b'[{"url": "http://a.example/"}]', "is one JSON array"),
        (b'[\n {"url": "http://a.example/"},\n {"url": "http://b.example/"}\n]\n', "is one JSON array"),
        (b'["http://a.example/", 5]\n["http://b.example/", 6]\n', "holds JSON arrays where there should be objects"),
        (A.encode("utf-16"), "is text in UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 9, "neither a dump nor a list"),
        (b"PK\x03\x04 this is another program's file\n" * 50, "neither a dump nor a list"),
        (b"Dear reader,\nthis is a letter.\n", "neither a dump nor a list"),
        (b"# nothing\n\n", "holds no URL"),
        (b"\n", "holds no URL"),
    ],
)
def test_what_is_neither_a_dump_nor_a_list_is_told(tmp_path: Path, data: bytes, told: str) -> None:
    path = write(tmp_path / "urls.txt", data)
    with pytest.raises(WebtextError) as caught:
        find_sources([path])
    assert told in caught.value.message
    assert caught.value.where == str(path) and caught.value.hint


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pa.table({"title": ["a"], "karma": [1]}), "has no column of URLs: its columns are title, karma"),
        (pa.table({"url": [1]}), "its column url is int64, not text"),
    ],
)
def test_a_parquet_file_without_urls(tmp_path: Path, table: pa.Table, told: str) -> None:
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(WebtextError, match=told):
        find_sources([tmp_path / "x.parquet"])


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": [A] * 1_000}), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    with pytest.raises(DamagedFile, match="no readable Parquet file"):
        find_sources([write(tmp_path / "cut.parquet", data[:-20])])


def test_an_empty_list(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="is empty"):
        find_sources([write(tmp_path / "urls.txt", b"")])


_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(_CELLS, _CELLS.filter(str.strip), _CELLS), min_size=1, max_size=8), st.integers(16, 200))
def test_a_csv_is_what_the_library_reads(tmp_path_factory: Any, table: list[tuple[str, str, str]], size: int) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("title", "url", "score"), *table])
    path = write(tmp_path_factory.mktemp("csv") / "urls.csv", text.getvalue())
    wanted = list(csv.DictReader(io.StringIO(text.getvalue())))
    found = [row for row in rows(path, size) if row is not None]
    assert [(row["url"], row.get("score", "")) for row in found] == [(row["url"], row["score"]) for row in wanted]
