"""URL lists as sources: which file is one, and its rows as lines under Reddit's own field names.

Text (one URL a line, `#` begins a comment), CSV and TSV with a header, JSON objects a line, Parquet, and answers of
Reddit's listing API. What a file is, is told by its content, never by its name. A row that states no karma was chosen
by whoever made the list: its line says `webtext_chosen`, and the link is kept whatever the other rows say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from webtext.corpus.errors import WebtextError
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import BLOCK_BYTES, DUMP, Block, Source
from webtext.crawler.reddit.tables import CSV, PARQUET, PARQUET_MAGIC, check_parquet, csv_blocks, header, parquet_blocks

TEXT, JSON, LISTING = "text", "json", "listing"

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "u", "link", "uri", "href"),
    "score": ("score", "karma", "k", "ups"),
    "subreddit": ("subreddit", "r", "sub"),
    "id": ("id", "submission_id"),
    "created_utc": ("created_utc", "created", "timestamp", "date"),
    "over_18": ("over_18", "nsfw"),
    "is_self": ("is_self",),
    "removed_by_category": ("removed_by_category",),
    "selftext": ("selftext",),
}
"""Reddit's field, and the names under which lists have it, the first that is there (u, r, k: lsb/webtext's)."""

CHOSEN = "webtext_chosen"

# A JSON object with one of these is a submission of a dump, whose missing score is a score of nothing.
_DUMP_FIELDS = frozenset({"created_utc", "is_self", "subreddit_id", "permalink", "selftext", "num_comments", "author"})

_HEAD = 1 << 16
_LINES = 1_000  # of the head, in which a list has to show a URL
_URL = re.compile(r"\s*https?:[/\\]{2}", re.IGNORECASE)


def kind_of(source: Source) -> str:
    """What reader a file needs, by its content.

    Raises:
        WebtextError: it is neither a dump nor a list, or a table without a column of URLs.
    """
    with source.path.open("rb") as file:
        start = file.read(4_096)
    if start.startswith(PARQUET_MAGIC):
        check_parquet(source.path, COLUMNS)
        return PARQUET
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = "convert it: iconv -f UTF-16 -t UTF-8"
        raise WebtextError("is text in UTF-16; lists and dumps are UTF-8", where=source.path, hint=hint)
    head = _head(source)
    if not head:
        return DUMP  # nothing of it can be read, which its reader will tell
    first = head.lstrip()[:1]
    if first == b"{":
        return _kind_of_objects(head, source)
    if first == b"[":
        return _kind_of_arrays(head, source.path)
    return _kind_of_text(head, source.path)


def blocks(source: Source, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The rows of a list as lines of a dump.

    Raises:
        DamagedFile: as `webtext.crawler.reddit.dumps.blocks`.
    """
    match source.kind:
        case "text":
            yield from _rewritten(dumps.blocks(source, None, size), _text_line)
        case "json":
            yield from _rewritten(dumps.blocks(source, None, size), _object_line)
        case "listing":
            if _is_one_document(source):
                yield Block(0, 0, _listing_lines(source.path.read_bytes()) + b"\n", source.size)
            else:
                yield from _rewritten(dumps.blocks(source, None, size), _listing_lines)
        case "csv":
            yield from csv_blocks(dumps.blocks(source, None, size), COLUMNS, row_line)
        case "parquet":
            yield from parquet_blocks(source.path, COLUMNS, row_line)
        case kind:
            raise ValueError(f"no list is of the kind {kind!r}")


def row_line(row: Mapping[str, Any]) -> bytes:
    """A row under Reddit's field names as one line. A karma that is empty was not stated."""
    stated = {name: value for name, value in row.items() if value is not None and value != ""}
    if "score" not in stated:
        stated[CHOSEN] = True
    stated.setdefault("url", "")
    return msgspec.json.encode(stated)


def _rewritten(found: Iterable[Block], rewrite: Callable[[bytes], bytes]) -> Iterator[Block]:
    """The blocks with each line rewritten; one line a line, so that line numbers stay."""
    for block in found:
        lines = block.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        yield replace(block, data=b"".join(rewrite(line) + b"\n" for line in lines))


def _text_line(line: bytes) -> bytes:
    text = line.strip()
    if not text or text.startswith(b"#"):
        return b""
    try:
        return row_line({"url": text.decode()})
    except UnicodeDecodeError:
        return text  # which the reader of lines counts as no UTF-8


def _object_line(line: bytes) -> bytes:
    """A JSON object with its names changed to Reddit's; what is no such thing stays as it is, to be counted."""
    if not line.strip():
        return b""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            found = json.loads(line)  # which takes lone surrogates
        except (ValueError, RecursionError):
            return line
    if not isinstance(found, dict):
        return line
    names = {name.lower(): name for name in found}
    known = {field: names[name] for field, aliases in COLUMNS.items() for name in reversed(aliases) if name in names}
    row = {name: value for name, value in found.items() if name not in known.values()}
    row.update((field, found[name]) for field, name in known.items())
    if row.get("score") is None or row["score"] == "":
        row.pop("score", None)
        row[CHOSEN] = True
    try:
        return msgspec.json.encode(row)
    except UnicodeEncodeError:
        return json.dumps(row).encode()  # as ASCII


def _listing_lines(line: bytes) -> bytes:
    """One answer of the listing API as a line for each of its children; anything else as it is."""
    if not line.strip():
        return b""
    try:
        found = json.loads(line)
        children = found["data"]["children"]
        return b"\n".join(json.dumps(child["data"]).encode() for child in children)
    except (ValueError, RecursionError, KeyError, TypeError):
        return line.replace(b"\n", b" ")


def _head(source: Source) -> bytes:
    """The first whole lines of the content."""
    for block in dumps.blocks(source, None, _HEAD):
        if block.data:
            return block.data[: 4 * _HEAD]
    return b""


def _kind_of_objects(head: bytes, source: Source) -> str:
    first = _first_object(head)
    if first is None:
        return LISTING if _is_one_document(source) else DUMP
    if first.get("kind") == "Listing":
        return LISTING
    names = {name.lower() for name in first}
    if names & _DUMP_FIELDS or not names & set(COLUMNS["url"]):
        return DUMP
    return JSON


def _first_object(head: bytes) -> dict[str, Any] | None:
    for line in head.split(b"\n")[:_LINES]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _is_one_document(source: Source) -> bool:
    """Whether the whole file is one answer of the listing API, in however many lines."""
    if source.size > MAX_DOCUMENT:
        return False
    try:
        found = json.loads(source.path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "Listing"


MAX_DOCUMENT = 16 << 20  # an answer has at most 100 children, of a few kB each


def _kind_of_arrays(head: bytes, path: Path) -> str:
    lines = [line for line in head.split(b"\n")[:_LINES] if line.strip()]
    try:
        rows = sum(isinstance(json.loads(line), list) for line in lines[1:]) > 0
    except (ValueError, RecursionError):
        rows = False
    if _first_object(b"\n".join(lines)) is not None and not lines[0].rstrip().endswith((b"[", b",")):
        return DUMP  # one line of many is an array: it is counted, the others are read
    raise WebtextError(
        "holds JSON arrays where there should be objects" if rows else "is one JSON array",
        where=path,
        hint='write one object a line, as {"url": "http://…", "score": 5}'
        + ("" if rows else f": jq -c '.[]' {path.name}"),
    )


def _kind_of_text(head: bytes, path: Path) -> str:
    if b"\0" in head:
        raise _foreign(head, path)
    lines = [line for line in head.decode("utf-8", "replace").split("\n")[:_LINES] if line.strip()]
    rows = [line for line in lines if not line.lstrip().startswith("#")]
    if _first_object(head) is not None:
        return DUMP  # broken lines before it are counted
    if rows and header(rows[0], COLUMNS) is not None:
        return CSV
    if any(_URL.match(line) for line in rows):
        if any(re.match(r"\s*\"?https?://[^\s,;]+\"?\s*[,;\t]", line) for line in rows[:1]):
            raise WebtextError(
                f"is a table without a header: its first line is {rows[0][:60]!r}",
                where=path,
                hint="name its columns in a first line: url,score,subreddit",
            )
        return TEXT
    if _looks_like_table(rows):
        raise WebtextError(
            f"has no column of URLs: its first line is {rows[0][:60]!r}",
            where=path,
            hint=f"call the column one of {', '.join(COLUMNS['url'])}",
        )
    if not rows:
        raise WebtextError("holds no URL: its lines are blank or comments", where=path, hint="one URL a line")
    raise _foreign(head, path)


def _looks_like_table(rows: list[str]) -> bool:
    for separator in ",;\t":
        counts = [line.count(separator) for line in rows[:5]]
        if len(rows) > 1 and counts[0] and len(set(counts)) == 1:
            return True
    return False


def _foreign(head: bytes, path: Path) -> WebtextError:
    return WebtextError(
        f"is neither a dump nor a list of URLs: it begins with {head[:40]!r}",
        where=path,
        hint="a dump has a JSON object a line; a list has a URL (http://… or https://…) a line, or a column url",
    )
