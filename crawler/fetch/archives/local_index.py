"""Common Crawl's columnar index as Parquet files on this machine, and WARC files beside it: no server is asked.

The files are those of `s3://commoncrawl/cc-index/table/cc-main/warc/` (github.com/commoncrawl/cc-index-table): sorted
by `url_surtkey` within a file, so that of a file only the row groups are read that can hold an address.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors
from webtext.crawler.fetch.archives.captures import Capture, Place
from webtext.crawler.fetch.cdxj import surt

KEY = "url_surtkey"
_NEEDED = (
    KEY, "url", "fetch_time", "fetch_status", "content_mime_type", "warc_filename", "warc_record_offset",
    "warc_record_length",
)  # fmt: skip
_TRUNCATED = "content_truncated"  # only since 2019
_ROWS = 1 << 16  # of a row group that are held at once


def index_files(names: Sequence[str]) -> list[Path]:
    """The Parquet files of the setting `archives.commoncrawl_index`: files, or folders with files at any depth.

    Raises:
        WebtextError: a name leads to none.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        with os_errors(path):
            files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
            if not files or not all(file.is_file() for file in files):
                raise WebtextError(
                    "holds no index of Common Crawl (no .parquet file)",
                    where=path,
                    hint="set archives.commoncrawl_index to the files of its cc-index table, or to a folder with them",
                )
        found += files
    return found


def find_captures(files: Sequence[Path], urls: Sequence[str]) -> dict[str, list[Capture]]:
    """The captures of each address that has any, over all files.

    Raises:
        DamagedFile: a file is no Parquet file, or no such index.
    """
    by_key: dict[str, list[str]] = {}
    for url in urls:
        by_key.setdefault(surt(url), []).append(url)
    keys = sorted(by_key)
    found: dict[str, list[Capture]] = {}
    for path in files:
        for key, capture in _captures(path, keys):
            for url in by_key[key]:
                found.setdefault(url, []).append(capture)
    return found


def read_local(folder: str, place: Place) -> bytes | None:
    """The bytes of a record in a WARC file below `folder` (under its name in the index, or its last part alone); None
    where the file is not there.

    Raises:
        DamagedFile: the file is shorter.
    """
    if not folder:
        return None
    root = Path(folder).expanduser()
    for path in (root / place.file, root / Path(place.file).name):
        # A name in an index is others' words: it must not lead out of the folder.
        if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
            continue
        with os_errors(path), path.open("rb") as file:
            file.seek(place.offset)
            data = file.read(place.length)
        if len(data) < place.length:
            raise DamagedFile(
                f"ends before byte {place.offset + place.length:,}, where the index has a record",
                where=path,
                hint="fetch the file again, or take it away: it is then read from archives.commoncrawl_data",
            )
        return data
    return None


def _captures(path: Path, keys: Sequence[str]) -> Iterator[tuple[str, Capture]]:
    try:
        with os_errors(path), pq.ParquetFile(path, memory_map=True) as file:
            names = file.schema_arrow.names
            if missing := [name for name in _NEEDED if name not in names]:
                raise DamagedFile(f"is no index of Common Crawl (no column {', '.join(missing)})", where=path)
            rest = [*_NEEDED[1:], *([_TRUNCATED] if _TRUNCATED in names else [])]
            for group in range(file.num_row_groups):
                wanted = _within(file.metadata.row_group(group), keys)
                if wanted:
                    yield from _in_group(file, group, wanted, rest)
    except pa.ArrowException as error:
        raise DamagedFile(f"is no whole Parquet file ({error})", where=path, hint="fetch the file again") from error


def _in_group(
    file: pq.ParquetFile, group: int, wanted: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[str, Capture]]:
    """The captures of these keys in a row group. The keys are read first: most groups hold other addresses of the same
    range, and then nothing else of them is read. In pieces, for a group may have a million rows."""
    values = pa.array(wanted, pa.string())
    masks, found = [], []
    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[KEY]):
        keys = batch.column(0).cast(pa.string())
        mask = pc.is_in(keys, values)
        masks.append(mask)
        found.append(keys.filter(mask).to_pylist())
    if any(found):
        batches = file.iter_batches(_ROWS, row_groups=[group], columns=list(columns))
        for batch, mask, keys in zip(batches, masks, found, strict=True):
            if keys:
                rows = batch.filter(mask).to_pylist()
                yield from zip(keys, map(_capture, rows), strict=True)


def _within(group: Any, keys: Sequence[str]) -> Sequence[str]:
    """The keys that can lie in a row group."""
    for number in range(group.num_columns):
        found = group.column(number)
        if found.path_in_schema == KEY and found.statistics is not None and found.statistics.has_min_max:
            low, high = found.statistics.min, found.statistics.max
            end = bisect_left(keys, high)
            return keys[bisect_left(keys, low) : end + (end < len(keys) and keys[end] == high)]
    return keys


def _capture(row: Mapping[str, Any]) -> Capture:
    when = row["fetch_time"]
    return Capture(
        url=row["url"],
        when=when if when.tzinfo else when.replace(tzinfo=UTC),
        status=row["fetch_status"],
        mime=row["content_mime_type"] or "",
        place=Place(row["warc_filename"], row["warc_record_offset"], row["warc_record_length"]),
        truncated=row.get(_TRUNCATED) or "",
    )
