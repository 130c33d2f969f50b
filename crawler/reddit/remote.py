"""Remote files: over HTTP(S), read only, and in stores that pyarrow or fsspec know (s3://, gs://, hdfs://, …).

They are found and read from a byte on; copying them is `webtext.crawler.reddit.spool`'s business. Credentials are those
the libraries find in the environment; none is written or logged.
"""

from __future__ import annotations

import fnmatch
import glob
import http.client
import posixpath
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from webtext.corpus.errors import WebtextError

_READ = 1 << 20
_TRIES = 5
_TIMEOUT = 60.0  # seconds without a byte
_STORE_SECONDS = 20
GOES_ON = "what was copied is kept; the same command goes on where it was"


@dataclass(frozen=True)
class Remote:
    """One remote file."""

    address: str
    """As shown to people: without credentials."""
    name: str
    size: int | None
    version: Mapping[str, str]
    """What changes with its content: etag, modified, size, as far as known. Only a copy of the same is gone on with."""
    read: Callable[[int], Iterator[tuple[int, bytes]]]
    """Its bytes from an offset on, each piece with the offset it stands at; that goes back to 0 where it began anew."""


def is_http(name: str) -> bool:
    """Whether an address is read over HTTP."""
    return name.lower().startswith(("http://", "https://"))


def http_remote(url: str, *, pause: Callable[[float], None] = time.sleep) -> Remote:
    """The file at a URL.

    Raises:
        WebtextError: it cannot be had; names the status or the failure.
    """
    shown = _without_credentials(url)
    with _open(url, shown, {}) as answer:
        headers = answer.headers
        length = headers.get("Content-Length")
        said = {"etag": headers.get("ETag"), "modified": headers.get("Last-Modified"), "size": length}
        version = {name: value for name, value in said.items() if value}
    strong = version.get("etag", "W/")
    validator = version.get("modified", "") if strong.startswith("W/") else strong  # RFC 9110, section 13.1.5

    def read(start: int) -> Iterator[tuple[int, bytes]]:
        place, tries = start, 0
        while True:
            try:
                ranged = {"Range": f"bytes={place}-", "If-Range": validator} if place and validator else {}
                place = place if ranged else 0
                with _open(url, shown, ranged) as answer:
                    if answer.status != 206:
                        place = 0
                    while data := answer.read(_READ):
                        yield place, data
                        place += len(data)
                        tries = 0
                if length is None or place >= int(length):
                    return
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                if tries >= _TRIES:
                    raise WebtextError(f"the connection broke: {reason}", where=shown, hint=GOES_ON) from error
            if tries >= _TRIES:
                raise WebtextError(f"gave {place:,} of {int(length or 0):,} bytes", where=shown, hint=GOES_ON)
            tries += 1
            pause(2.0**tries / 2)

    name = posixpath.basename(unquote(urlsplit(url).path)) or "download"
    return Remote(shown, _file_name(name), int(length) if length else None, version, read)


def store_remotes(address: str, endings: Sequence[str]) -> list[Remote]:
    """The files that an address in a store names: a file, a glob, or a folder's files with one of `endings`.

    Raises:
        WebtextError: nothing there, no access, or no library for its scheme.
    """
    from pyarrow import ArrowException
    from pyarrow.fs import FileSelector, FileType

    shown = _without_credentials(address)
    try:
        system, path = _file_system(address)
        if glob.has_magic(path):
            base = posixpath.dirname(path[: re.search(r"[*?\[]", path).start()])  # type: ignore[union-attr]
            found = system.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
            depth = path.count("/")
            infos = [
                info for info in found
                if info.path.count("/") == depth and fnmatch.fnmatchcase(info.path, path)
            ]  # fmt: skip
        else:
            info = system.get_file_info(path)
            infos = [info]
            if info.type == FileType.Directory:
                found = system.get_file_info(FileSelector(path))
                infos = [info for info in found if info.path.endswith(tuple(endings))]
        files = sorted((info for info in infos if info.type == FileType.File), key=lambda info: info.path)
    except (ArrowException, OSError) as error:
        raise _told(error, shown) from error
    if not files:
        raise WebtextError("there is no such file", where=shown, hint=f"a dump's name ends with {', '.join(endings)}")
    base_address = shown[: len(shown) - len(path)] if shown.endswith(path) else shown.partition("://")[0] + "://"
    return [_stored(system, info, f"{base_address}{info.path}") for info in files]


def _stored(system: Any, info: Any, address: str) -> Remote:
    def read(start: int) -> Iterator[tuple[int, bytes]]:
        from pyarrow import ArrowException

        try:
            with system.open_input_file(info.path) as file:
                file.seek(start)
                place = start
                while data := file.read(_READ):
                    yield place, data
                    place += len(data)
        except (ArrowException, OSError) as error:
            raise _told(error, address) from error

    version = {"size": str(info.size), **({"modified": str(info.mtime_ns)} if info.mtime_ns else {})}
    return Remote(address, _file_name(posixpath.basename(info.path)), info.size, version, read)


def _file_system(address: str) -> tuple[Any, str]:
    """pyarrow's own file system for an address, or fsspec's behind pyarrow's interface."""
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    if address.lower().startswith(("gs://", "gcs://")) and "retry_limit_seconds" not in address:
        # By default the store is tried for 15 minutes, in which nothing can stop it.
        address += f"{'&' if '?' in address else '?'}retry_limit_seconds={_STORE_SECONDS:d}"
    try:
        system, path = FileSystem.from_uri(address)
    except ArrowInvalid:
        try:
            from fsspec.core import url_to_fs

            spec, path = url_to_fs(address)
        except (ImportError, ValueError) as error:
            scheme = address.partition("://")[0]
            hint = f"install the file system of fsspec that reads {scheme}://, or copy the file here first"
            raise WebtextError(f"cannot be read: {error}", where=_without_credentials(address), hint=hint) from error
        system = PyFileSystem(FSSpecHandler(spec))
    return system, path


def _open(url: str, shown: str, headers: Mapping[str, str]) -> Any:
    agent = {"User-Agent": "webtext", "Accept-Encoding": "identity"}
    parts = urlsplit(url)
    if parts.username is not None:
        import base64

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        agent["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers={**agent, **headers}), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= 500 and headers:
                raise OSError(f"HTTP {error.code}") from error  # while copying: tried again
        hint = "is the address right, and may it be read without a login?" if error.code < 500 else "try again later"
        raise WebtextError(f"answers {error.code} {error.reason}", where=shown, hint=hint) from error
    except urllib.error.URLError as error:
        if headers:
            raise OSError(str(error.reason)) from error
        raise WebtextError(f"cannot be reached: {error.reason}", where=shown, hint=GOES_ON) from error
    except (ValueError, http.client.HTTPException) as error:
        raise WebtextError(f"is no address that can be read: {error}", where=shown) from error


def _told(error: BaseException, where: str) -> WebtextError:
    said = str(error).strip().splitlines()
    return WebtextError(f"cannot be read: {said[0] if said else type(error).__name__}", where=where, hint=GOES_ON)


def _without_credentials(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "download"
