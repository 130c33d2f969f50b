"""A folder that an export fills, file by file: locked, begun once, gone on with, and never somebody else's.

`export.json` records what the export is of and which files are whole. Shards have an export of their own
(`webtext.tokenize.exporting`) that works alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webtext.corpus.errors import UsageError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import TEMPORARY, file_sha256, os_errors, read_json, sweep, write_json
from webtext.corpus.lock import LOCK_NAME, corpus_lock

RECORD = "export.json"


class ExportFolder:
    """The folder, while it is being filled."""

    def __init__(self, path: Path, described: Mapping[str, Any], files: dict[str, dict[str, Any]]) -> None:
        self.path = path
        self.files = files
        """Facts of the whole files, by name."""
        self.made = 0
        """How many this call wrote."""
        self._described = dict(described)

    @classmethod
    @contextmanager
    def opened(cls, path: Path, described: Mapping[str, Any]) -> Iterator[ExportFolder]:
        """Open or make the folder for an export that is `described` so.

        Raises:
            UsageError: it holds other things, or another export.
        """
        files = _begun(path, described)
        with corpus_lock(path, "export"):
            sweep(path)
            folder = cls(path, described, files)
            folder._write()
            yield folder

    def has(self, name: str) -> bool:
        """Whether a file is whole."""
        recorded, path = self.files.get(name), self.path / name
        return recorded is not None and path.is_file() and file_sha256(path) == recorded["sha256"]

    def add(self, name: str, **facts: Any) -> None:
        """Record a file that was written."""
        fault_point("export.written")
        path = self.path / name
        self.files[name] = {**facts, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        self._write()
        self.made += 1

    def _write(self) -> None:
        write_json(self.path / RECORD, {**self._described, "files": self.files})


def _begun(path: Path, described: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    with os_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        inside = [entry.name for entry in path.iterdir() if entry.name != LOCK_NAME and TEMPORARY not in entry.name]
    if (path / RECORD).exists():
        record = read_json(path / RECORD)
        before = {name: record.get(name) for name in described} if isinstance(record, dict) else {}
        wrong = next((name for name in described if before.get(name) != described[name]), None)
        if wrong is not None:
            raise UsageError(
                f"holds another export: its {wrong} is {before.get(wrong)!r}, now it is {described[wrong]!r}",
                where=path,
                hint="name another folder, or remove this one",
            )
        return dict(record["files"])
    if inside:
        raise UsageError(
            f"is not empty ({sorted(inside)[0]}) and holds no export", where=path, hint="name a new or an empty folder"
        )
    return {}
