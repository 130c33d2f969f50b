"""The one way a file comes into being: written aside, synced, renamed. Nothing else opens a final name.

Also here, because they decide bytes: the one Parquet writer, and the hashes of files and of canonical JSON.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.faults import fault_point

TEMPORARY = ".tmp-"
"""Marks the names of unfinished files; `sweep` removes what a killed process left."""

ROW_GROUP_ROWS = 8_192  # 4 kB a document: 32 MB of text, small enough to hold several at once
PARQUET_CODEC = "zstd"
PARQUET_LEVEL = 3
_PARQUET: dict[str, Any] = {
    "compression": PARQUET_CODEC,
    "compression_level": PARQUET_LEVEL,
    "version": "2.6",
    "data_page_version": "1.0",
    "write_statistics": True,
}


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving, sync it and rename it to `path`.

    The name is unique to the attempt, so two attempts never write the same file. On any error the temporary file is
    removed and `path` keeps what it had. An OSError becomes a `WebtextError` that names the file.
    """
    aside = path.with_name(f".{path.name}{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
            fault_point("files.written")
            aside.replace(path)
            sync_folder(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    fault_point("files.renamed")


@contextmanager
def os_errors(path: object) -> Iterator[None]:
    """Turn what the operating system says about `path` into a message for a person."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        full = "No space left" in str(error)  # pyarrow's errors may carry no errno
        if error.errno is None and not full:
            raise
        if full or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WebtextError(
                "no space left on the device", where=where, hint="make room; the same command then goes on where it was"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise WebtextError("no permission", where=where, hint="check owner and mode of the folder") from error
        if error.errno == errno.ENOENT:
            raise WebtextError("no such file or folder", where=where) from error
        raise WebtextError(error.strerror or str(error), where=where) from error


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` as the whole of `path`, atomically."""
    with atomic(path) as aside:
        aside.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON that a person can read, atomically."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file of ours; `DamagedFile` where it is none."""
    try:
        with os_errors(path):
            return json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedFile(f"is not JSON ({error})", where=path) from error


def write_stream(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill the file object of `path`, atomically."""
    with atomic(path) as aside, aside.open("wb") as file:
        write(file)


def write_parquet(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write `table` under `schema`: the same rows give the same bytes, however the table came together.

    pyarrow's bytes depend on chunks and on the order of metadata: chunks are combined, metadata dropped, row groups,
    codec and level fixed. pyarrow itself is pinned.
    """
    plain = _plain(table, schema)
    with atomic(path) as aside:
        pq.write_table(plain, aside, row_group_size=ROW_GROUP_ROWS, use_dictionary=_repeating(schema), **_PARQUET)


def write_parquet_groups(path: Path, groups: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables of `ROW_GROUP_ROWS` rows (the last may have fewer) one after the other: the bytes of
    `write_parquet` for all of them, in the memory of one.

    Raises:
        ValueError: another number of rows; always a fault of webtext's own code.
    """
    repeating = _repeating(schema)
    with atomic(path) as aside, pq.ParquetWriter(aside, schema, use_dictionary=repeating, **_PARQUET) as writer:
        last, count = ROW_GROUP_ROWS, 0
        for group in groups:
            if last < ROW_GROUP_ROWS or not 0 < len(group) <= ROW_GROUP_ROWS:
                raise ValueError(f"a row group of {len(group)} rows, or one after an incomplete one")
            last, count = len(group), count + 1
            writer.write_table(_plain(group, schema), row_group_size=ROW_GROUP_ROWS)
        if not count:
            writer.write_table(_plain(schema.empty_table(), schema))


def _repeating(schema: pa.Schema) -> bool | list[str]:
    """The columns that may be written as a dictionary: all where there are no texts.

    Texts do not repeat. As a dictionary that is given up after its first megabyte they take a third longer to read.
    """
    if "text" not in schema.names:
        return True
    return [leaf for field in schema if field.name != "text" for leaf in _leaves(field.name, field.type)]


def _leaves(path: str, kind: pa.DataType) -> list[str]:
    """Parquet's names of the columns that a field of Arrow becomes."""
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    return [path]


GROUP_BYTES = 64_000_000
"""A row group ends here, too: rows may be books."""


def write_parquet_sized(
    path: Path, tables: Iterable[pa.Table], schema: pa.Schema, *, bytes_a_group: int = GROUP_BYTES, part: bool = False
) -> None:
    """Write the rows of all tables, in the memory of one row group: of `ROW_GROUP_ROWS` rows, or of fewer where they
    have `bytes_a_group` (as Arrow counts them). Which they are depends on the rows alone: short rows give the bytes of
    `write_parquet`. A `part`, which is read once and removed, is packed less tightly."""
    options = {**_PARQUET, "compression": "lz4", "compression_level": None} if part else _PARQUET
    with atomic(path) as aside, pq.ParquetWriter(aside, schema, use_dictionary=_repeating(schema), **options) as writer:
        held: list[pa.Table] = []
        rows, size, count = 0, 0, 0
        for table in tables:
            start = 0
            for row_bytes in _row_bytes(table):
                rows, size = rows + 1, size + row_bytes
                start += 1
                if rows < ROW_GROUP_ROWS and size < bytes_a_group:
                    continue
                taken = sum(map(len, held))
                held.append(table.slice(start - (rows - taken), rows - taken))
                writer.write_table(_plain(pa.concat_tables(held), schema), row_group_size=rows)
                held, rows, size, count = [], 0, 0, count + 1
            taken = sum(map(len, held))
            if rows > taken:  # copied: a slice would hold the whole table
                held.append(table.slice(len(table) - (rows - taken)).combine_chunks())
        if rows or not count:
            rest = pa.concat_tables([schema.empty_table(), *held]) if held else schema.empty_table()
            writer.write_table(_plain(rest, schema), **({"row_group_size": rows} if rows else {}))


def _row_bytes(table: pa.Table) -> list[int]:
    """The bytes of each row's texts: what makes one row larger than another."""
    total = np.full(len(table), 64, np.int64)
    for column, field in zip(table.columns, table.schema, strict=True):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            sizes = pc.fill_null(pc.binary_length(column), 0)
            total += np.asarray(sizes.to_numpy(), np.int64)
    found: list[int] = total.tolist()
    return found


def _plain(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(schema).replace_schema_metadata(None).combine_chunks()


def read_parquet(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read `path`, checked against `schema`; `DamagedFile` where it is no Parquet file or has other columns."""
    with open_parquet(path, schema) as file:
        return file.read(columns=None if columns is None else list(columns))


@contextmanager
def open_parquet(path: Path, schema: pa.Schema, *, buffer_size: int = 0) -> Iterator[pq.ParquetFile]:
    """Open `path` for reading by row groups; `DamagedFile` where it is no Parquet file or has other columns.

    Args:
        buffer_size: bytes of a column that are read at once; 0 reads what a row group holds of it.
    """
    try:
        with os_errors(path), pq.ParquetFile(path, buffer_size=buffer_size) as file:
            found = file.schema_arrow.remove_metadata()
            if not found.equals(schema):
                raise DamagedFile(
                    f"has other columns than webtext writes: {_difference(found, schema)}",
                    where=path,
                    hint="was it written by another version or another program?",
                )
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFile(f"is no readable Parquet file ({_first_line(error)})", where=path) from error


def _difference(found: pa.Schema, wanted: pa.Schema) -> str:
    missing = [name for name in wanted.names if name not in found.names]
    extra = [name for name in found.names if name not in wanted.names]
    if missing or extra:
        return ", ".join([*(f"{name} is missing" for name in missing), *(f"{name} is unknown" for name in extra)])
    changed = [field.name for field in wanted if found.field(field.name) != field]
    return f"another type or order ({', '.join(changed) or 'order'})"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, as hex."""
    with os_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON whose bytes depend on the value alone: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def identity_of(value: Any) -> str:
    """The sha256 of the canonical JSON of `value`, as hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def sweep(folder: Path, *, keep: str | None = None, writers: Collection[int] | None = None) -> int:
    """Remove the unfinished files that killed processes left below `folder`; give their number.

    Only for the holder of the lock: elsewhere such a file may belong to a living writer. `keep` names a folder below
    that has a lock of its own, `writers` the processes whose files these are (None: any).
    """
    whose = ("",) if writers is None else tuple(f"{pid}-" for pid in writers)
    count = 0
    for path in sorted(folder.rglob(f".*{TEMPORARY}*")):
        if not path.name.partition(TEMPORARY)[2].startswith(whose):
            continue
        if path.is_file() and path.relative_to(folder).parts[0] != keep:
            path.unlink(missing_ok=True)
            count += 1
    return count
