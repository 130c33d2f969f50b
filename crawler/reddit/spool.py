"""Sources that cannot be read twice or from here (standard input, remote paths), copied to local files first.

The copies lie in a folder of the corpus until the stage is made (`clear`). A copy of a remote file that was interrupted
goes on where it was; standard input has to be given again, and what was made of the same bytes before is found again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import TEMPORARY, os_errors, read_json, write_json
from webtext.corpus.progress import progress
from webtext.crawler.reddit.remote import Remote, http_remote, is_http, store_remotes

SPOOL = Path("work") / "sources"
"""Below a corpus. Not below work/links, which is cleared when settings change."""

_READ = 1 << 20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # at least two characters: C:/ is no scheme


def is_remote(name: str) -> bool:
    """Whether a source's name is an address (s3://…, https://…) and no local path."""
    return _SCHEME.match(name) is not None


def spool_stdin(folder: Path, corpus: Path | None, stream: BinaryIO | None = None) -> Path:
    """Standard input as a file in `folder`, named by its sha256.

    Raises:
        UsageError: it is a terminal.
        WebtextError: it is empty.
    """
    stream = stream or sys.stdin.buffer
    if stream.isatty():
        raise UsageError("standard input is a terminal", hint="pipe a dump into it: curl … | webtext links CORPUS -")
    digest = hashlib.sha256()
    aside = folder / f".stdin{TEMPORARY}copy"
    size = 0
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file, progress(corpus, "standard input", None, "MB") as shown:
                while data := stream.read(_READ):
                    file.write(data)
                    digest.update(data)
                    size += len(data)
                    shown.set(size >> 20)
            if not size:
                raise WebtextError("is empty", where="standard input", hint="does the command before the pipe fail?")
            path = folder / f"stdin-{digest.hexdigest()[:16]}"
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    return path


def spool_remote(name: str, folder: Path, corpus: Path | None, endings: Sequence[str]) -> list[Path]:
    """Local copies of what a remote path names: a file, a glob, or the files of a folder with one of `endings`.

    Raises:
        WebtextError: nothing there, no access, or the connection broke (what was copied is kept).
    """
    if is_http(name):
        return [_copied(http_remote(name), folder, corpus)]
    return [_copied(remote, folder, corpus) for remote in store_remotes(name, endings)]


def local_path(name: str) -> str | None:
    """The local path that a file:// address names, None for others."""
    if not name.lower().startswith("file://"):
        return None
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(name)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{name} names another machine", hint="file:///absolute/path")
    return unquote(parts.path)


def clear(corpus: Path) -> None:
    """Remove the copies: the stage is made of them."""
    folder = corpus / SPOOL
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _copied(remote: Remote, folder: Path, corpus: Path | None) -> Path:
    # A folder for each address: the file keeps its name, which messages show and whose ending is checked.
    place = folder / hashlib.sha256(remote.address.encode()).hexdigest()[:16]
    path, part, record = place / remote.name, place / f".{remote.name}.part", place / "copy.json"
    with os_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        known = read_json(record) if record.exists() else None
        if known != remote.version or not {"etag", "modified"} & remote.version.keys():  # another one, or who knows
            path.unlink(missing_ok=True)
            part.unlink(missing_ok=True)
            write_json(record, dict(remote.version))
        if path.exists():
            return path
        have = part.stat().st_size if part.exists() else 0
        total = remote.size >> 20 if remote.size else None
        with progress(corpus, f"copy {remote.name}", total, "MB", begun=have >> 20) as shown, part.open("ab") as file:
            for start, data in remote.read(have):
                if start != file.tell():
                    file.truncate(start)  # the server began anew
                    file.seek(start)
                file.write(data)
                shown.set(file.tell() >> 20)
            size = file.tell()
        if remote.size is not None and size != remote.size:
            raise WebtextError(
                f"gave {size:,} of {remote.size:,} bytes", where=remote.address,
                hint="what was copied is kept; the same command goes on where it was",
            )  # fmt: skip
        part.replace(path)
    return path
