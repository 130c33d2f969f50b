"""Which files an import reads: files, globs and folders, what each of them is, and the pieces that are read alone.

Parquet, Arrow (stream or file), JSON lines (plain, gz, zst, …), text, Markdown, WARC; folders as Hugging Face's
`datasets` saves them. What a Parquet, Arrow or compressed file is, is told by its content; text by its ending. What
the rows say is not known here (`webtext.pipelines.import_rows`).
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import file_sha256, os_errors, read_json
from webtext.corpus.progress import progress

PARQUET, ARROW_FILE, ARROW_STREAM, JSONL, TEXT, MARKDOWN, WARC = (
    "parquet", "arrow-file", "arrow-stream", "jsonl", "text", "markdown", "warc",
)  # fmt: skip

_ENDINGS = {
    ".parquet": PARQUET, ".arrow": ARROW_STREAM, ".feather": ARROW_FILE, ".jsonl": JSONL, ".ndjson": JSONL,
    ".json": JSONL, ".txt": TEXT, ".md": MARKDOWN, ".markdown": MARKDOWN, ".warc": WARC, ".wet": WARC,
}  # fmt: skip
_COMPRESSED = (".gz", ".zst", ".xz", ".bz2")
_KNOWN = "Parquet, Arrow, JSON lines (.jsonl, also .gz or .zst), .txt, .md, WARC, or a folder of such"

UNIT_BYTES = 64_000_000
"""Row groups of a Parquet file are joined up to this size: a worker's unit of work."""

DOCUMENT_BYTES = 16 << 20
"""A document of more is meant to be something else (the Bible has 4.4 MB), and a worker holds it some eight times."""

Tell = Callable[[float], None]
"""Is told which share of a unit was read."""


@dataclass(frozen=True)
class ImportFile:
    """One file; only its sha256 counts as content."""

    path: Path
    sha256: str
    kind: str


@dataclass(frozen=True)
class Unit:
    """A part of a file that is read on its own: row groups or batches `start` to `stop` (exclusive), 0 to 1 where it is
    read as a whole. `first` rows of the file come before it; `size` is its bytes, about."""

    file: ImportFile
    start: int = 0
    stop: int = 1
    first: int = 0
    size: int = 0


def find_files(names: Sequence[str | Path]) -> list[ImportFile]:
    """The files that `names` stand for, each content once, in the order of their sha256.

    Raises:
        WebtextError: nothing there, a file of no known kind.
        DamagedFile: an empty file, or one that is not what its name says.
    """
    paths = [path for name in names for path in _expand(Path(name))]
    kinds, sizes = [], []
    for path in paths:  # which costs little, and stops before anything is read
        with os_errors(path):
            kinds.append(_kind(path))
            sizes.append(path.stat().st_size)
    found: dict[str, ImportFile] = {}
    with progress(None, "import: look", sum(sizes) >> 20, "MiB") as shown:
        for path, kind, done in zip(paths, kinds, itertools.accumulate(sizes), strict=True):
            sha256 = file_sha256(path)
            found.setdefault(sha256, ImportFile(path, sha256, kind))
            shown.set(done >> 20)
    return [found[sha256] for sha256 in sorted(found)]


def units(file: ImportFile, size: int = UNIT_BYTES) -> list[Unit]:
    """The units of a file: which they are depends on its bytes alone."""
    if file.kind == PARQUET:
        try:
            with os_errors(file.path), pq.ParquetFile(file.path) as opened:
                groups = [opened.metadata.row_group(number) for number in range(opened.num_row_groups)]
                sizes = [(group.num_rows, group.total_byte_size) for group in groups]
        except pa.ArrowException as error:
            raise damaged(file.path, error) from error
        return list(_cut(file, sizes, size))
    with os_errors(file.path):
        return [Unit(file, size=file.path.stat().st_size)]


def damaged(path: Path, error: BaseException) -> DamagedFile:
    """What Arrow says about a file, for a person."""
    return DamagedFile(f"cannot be read ({str(error).strip().splitlines()[0][:200]})", where=path,
                       hint="fetch or copy the file again")  # fmt: skip


def _cut(file: ImportFile, sizes: Sequence[tuple[int, int]], limit: int) -> Iterator[Unit]:
    start = first = rows = held = 0
    for number, (count, size) in enumerate(sizes):
        if number > start and held + size > limit:
            yield Unit(file, start, number, first, held)
            start, first, rows, held = number, first + rows, 0, 0
        rows, held = rows + count, held + size
    if len(sizes) > start:
        yield Unit(file, start, len(sizes), first, held)


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        return _folder(path)
    if not path.exists() and glob.has_magic(str(path)):
        found = sorted(Path(name) for name in glob.glob(str(path)))  # noqa: PTH207 - may be absolute
        if not found:
            raise WebtextError("matches no file", where=path)
        return [file for one in found for file in _expand(one)]
    if not path.exists():
        raise WebtextError("no such file or folder", where=path)
    if not path.is_file():
        raise WebtextError("is no regular file, so it cannot be read again after an interruption", where=path)
    return [path]


def _folder(folder: Path) -> list[Path]:
    """The files of a folder: as `datasets` saved them, or all of a known kind in it and below it."""
    if (folder / "dataset_dict.json").is_file():
        splits = read_json(folder / "dataset_dict.json").get("splits", ())
        return [file for split in splits for file in _folder(folder / str(split))]
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        named = [folder / str(entry["filename"]) for entry in read_json(folder / "state.json").get("_data_files", ())]
        missing = next((path for path in named if not path.is_file()), None)
        if missing is not None:
            raise DamagedFile("is missing, but state.json beside it names it", where=missing)
        return named
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _by_name(path) is not None
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.name not in ("dataset_info.json", "dataset_infos.json", "state.json", "README.md")
    ]  # fmt: skip
    if not found:
        raise WebtextError("holds no file that can be imported", where=folder, hint=f"known are {_KNOWN}")
    return found


def _by_name(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
        kind = _ENDINGS.get(suffixes[-1]) if suffixes else None
        return kind if kind in (JSONL, WARC) else None
    return _ENDINGS.get(suffixes[-1]) if suffixes else None


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise DamagedFile("is empty", where=path)
    named = _by_name(path)
    if start[:4] == b"PAR1":
        return PARQUET
    if start[:6] == b"ARROW1":
        return ARROW_FILE
    if start[:4] == b"\xff\xff\xff\xff" and named in (None, ARROW_STREAM, ARROW_FILE):
        return ARROW_STREAM
    if start[:5] == b"WARC/":
        return WARC
    if named is None:
        raise WebtextError("is of no kind that is known by its name or content", where=path, hint=f"known are {_KNOWN}")
    if named in (PARQUET, ARROW_FILE, ARROW_STREAM):
        raise DamagedFile(f"is no {named.partition('-')[0]} file: its first bytes are {start!r}", where=path)
    return named
