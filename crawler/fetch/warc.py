"""pages/segment-NNNNN.warc.gz: files that only grow, are synced before the ledger counts on them, and are cut after a
crash to what the ledger counted on.

Record bytes are made in `webtext.crawler.fetch.records`. The readers of other projects (warcio, fastwarc) read them.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors, sync_folder
from webtext.crawler.fetch.records import (
    WARC_TIME,
    StoredResponse,
    build_record,
    parse_response,
    parse_warc_time,
    record_id,
)
from webtext.crawler.fetch.shards import Numbering
from webtext.crawler.fetch.walking import PIECE, RawRecord, TornRecord, walk

SEGMENT_BYTES = 1_000_000_000
"""A segment that has grown beyond this is followed by a new one (the WARC specification recommends 1 GB)."""

REFETCH_HINT = "bring the file back from a copy, or begin the crawl anew: webtext crawl CORPUS --refetch"


def segment_name(number: int) -> str:
    """The file name of a segment."""
    return f"segment-{number:05d}.warc.gz"


def segment_number(name: str) -> int:
    """The inverse of `segment_name`."""
    return int(name.removeprefix("segment-").removesuffix(".warc.gz"))


class Segments:
    """The segments of one corpus, open for appending. One writer only: the holder of the ledger.

    A segment whose file has further names belongs to a merged crawl, too: nothing is appended to it, nothing cut off.
    """

    def __init__(
        self,
        folder: Path,
        committed: Mapping[int, int],
        about: Mapping[str, str],
        limit: int = SEGMENT_BYTES,
        numbering: Numbering | None = None,
        closed: Collection[int] = (),
    ) -> None:
        """Cut every segment to its committed length, remove those of which nothing was committed.

        Args:
            committed: number of the segment to bytes, as the ledger has them.
            about: what the warcinfo record says (software, robots, …).
            numbering: the numbers of new segments; 0, 1, 2 … by default.
            closed: segments that nothing may be appended to.

        Raises:
            DamagedFile: a segment is missing or shorter than its committed length.
        """
        self._folder = folder
        self._about = about
        self._limit = limit
        self._numbering = numbering or Numbering()
        self._closed = frozenset(closed)
        self._lengths = dict(committed)
        self._unsynced: set[int] = set()
        self._file: io.BufferedWriter | None = None
        with os_errors(folder):
            check_lengths(folder, committed)
            for path in sorted(folder.glob("segment-*.warc.gz")):
                number = segment_number(path.name)
                if not committed.get(number):  # nothing of it, or no longer (`webtext.crawler.fetch.release`)
                    path.unlink()
                elif path.stat().st_size > committed[number] and not _is_shared(path):
                    with path.open("rb+") as file:
                        file.truncate(committed[number])
                        os.fsync(file.fileno())
        self._number = max(committed, default=-1)

    @property
    def current(self) -> int:
        """The number of the segment that is appended to, or was last; -1 where there is none."""
        return self._number

    @property
    def size(self) -> int:
        """Bytes of all segments together."""
        return sum(self._lengths.values())

    def append(self, *members: bytes, beside: bool = False) -> tuple[int, int]:
        """Append records to the current segment; the number of the segment and the offset of the first.

        They are safe only after `sync`.

        Args:
            beside: they belong to what was appended last: the segment is not changed, however long it is.
        """
        with os_errors(self._folder):
            if self._file is None or (self._lengths[self._number] >= self._limit and not beside):
                self._open()
            file = self._file
            assert file is not None
            offset = self._lengths[self._number]
            for member in members:
                file.write(member)
            self._lengths[self._number] = offset + sum(len(member) for member in members)
            self._unsynced.add(self._number)
            return self._number, offset

    def sync(self) -> dict[int, int]:
        """Bring everything appended to the disk; the new length of each segment that grew."""
        with os_errors(self._folder):
            if self._file is not None and self._unsynced:
                self._file.flush()
                os.fsync(self._file.fileno())
            grown = {number: self._lengths[number] for number in sorted(self._unsynced)}
            self._unsynced.clear()
            return grown

    def close(self) -> None:
        """Close the file; what was not synced may be lost."""
        if self._file is not None:
            # A full disk has been told by the write that met it; closing tries to write the same bytes again.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _open(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        if self._number < 0 or self._lengths[self._number] >= self._limit or self._is_closed():
            self._number = self._numbering.after(self._number)
        path = self._path
        self._file = path.open("ab")
        if not self._lengths.get(self._number):
            sync_folder(self._folder)
            info = self._warcinfo(path.name)
            self._file.write(info)
            self._lengths[self._number] = len(info)

    def _is_closed(self) -> bool:
        deleted = not self._lengths.get(self._number)
        return deleted or self._number in self._closed or _is_shared(self._path)

    @property
    def _path(self) -> Path:
        return self._folder / segment_name(self._number)

    def _warcinfo(self, name: str) -> bytes:
        fields = [
            ("WARC-Type", "warcinfo"),
            ("WARC-Record-ID", f"<{record_id(self._number, 0, '', '', 'warcinfo')}>"),
            ("WARC-Date", datetime.now(UTC).strftime(WARC_TIME)),
            ("WARC-Filename", name),
            ("Content-Type", "application/warc-fields"),
        ]
        return build_record(fields, "".join(f"{name}: {value}\r\n" for name, value in self._about.items()).encode())


def _is_shared(path: Path) -> bool:
    return path.stat().st_nlink > 1


def check_lengths(folder: Path, committed: Mapping[int, int]) -> None:
    """DamagedFile where a segment is missing or shorter than the ledger says."""
    for number, length in committed.items():
        path = folder / segment_name(number)
        if not length:
            continue  # its bodies were deleted on purpose
        if not path.is_file():
            raise DamagedFile("is missing, but the ledger counts on it", where=path, hint=REFETCH_HINT)
        found = path.stat().st_size
        if found < length:
            raise DamagedFile(
                f"has {found:,} bytes, but the ledger counts on {length:,}", where=path, hint=REFETCH_HINT
            )


def read_record(path: Path, offset: int, length: int) -> StoredResponse:
    """The response whose record lies at `offset` in a WARC file, `length` bytes long (as the ledger or the CDXJ says).

    Raises:
        DamagedFile: the file is missing or shorter, or no whole response record lies there.
    """
    where = f"{path} at byte {offset:,}"
    try:
        raw = read_raw(path, offset, length, keep=-1)
        return response_of(raw)
    except (TornRecord, ValueError) as error:
        raise DamagedFile(f"no whole response record lies here ({error})", where=where, hint=REFETCH_HINT) from error


def read_raw(path: Path, offset: int, length: int, keep: int) -> RawRecord:
    """The one record at `offset`; the first `keep` bytes of its block, all of it where `keep` is negative.

    All of the record is read and checked, but no more than a piece of it and `keep` bytes are held.

    Raises:
        TornRecord: it is cut, none, or not `length` bytes long.
    """
    with os_errors(path), path.open("rb") as file:
        record = next(walk(file, keep if keep >= 0 else 1 << 40, offset=offset, piece=max(1, min(length, PIECE))), None)
    if record is None:
        raise TornRecord(offset, "nothing lies here")
    if record.length != length:
        raise TornRecord(offset, f"the record has {record.length:,} bytes instead of {length:,}")
    return record


def response_of(raw: RawRecord) -> StoredResponse:
    """The HTTP answer of a record. ValueError where it holds none."""
    fields = raw.fields
    if fields.get("warc-type") != "response":
        raise ValueError(f"the record is a {fields.get('warc-type')}")
    stored = parse_response(target_of(fields), raw.block, parse_warc_time(fields.get("warc-date", "")))
    cut = fields.get("warc-truncated", "").strip().lower()
    return replace(stored, truncated=cut) if cut else stored


def target_of(fields: Mapping[str, str]) -> str:
    """WARC-Target-URI, without the angle brackets that some writers put around it."""
    return fields.get("warc-target-uri", "").strip("<>")
