"""A folder that an export fills, file by file: locked, begun once, gone on with, and never somebody else's.

`export.json` records what the export is of and which files are whole. Shards have an export of their own
(`webtext.tokenize.exporting`) that works alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, sweep, write_json
from webtext.corpus.lock import corpus_lock
from webtext.tokenize.exporting import RECORD, begun


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
        files = begun(path, described)
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
