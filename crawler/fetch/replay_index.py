"""Where each address lies in WARC files that are crawled again; every record is checked while the index is made.

An address that several records answer is answered by the one recorded last, whole ones before those marked
WARC-Truncated; of those of one second by the smallest sha256. So neither the order nor the names of the files matter.
An address that was not recorded as it is spelled is answered by another spelling of the same link (`identity_form`:
scheme, www., tracking parameters, trailing slash).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import atomic, os_errors
from webtext.corpus.interrupts import Stop
from webtext.crawler.fetch.hashing import heed, whole_sha256
from webtext.crawler.fetch.records import MAX_HEAD, StoredResponse, parse_warc_time
from webtext.crawler.fetch.walking import RawRecord, TornRecord, walk
from webtext.crawler.fetch.warc import read_raw, response_of, target_of
from webtext.crawler.reddit.urls import UnusableURL, identity_form, normalise, text_key

ENTRY = np.dtype([("url", "<u8"), ("file", "<u4"), ("offset", "<u8"), ("length", "<u8")])
"""One address: xxh3_64 of its normalised URL or of its identity form (which has no scheme, so the two never meet), the
file's number, and the record's place in it. 28 bytes, by url."""

# While the index is made: of the rows of one address the first in order answers.
_ROW = np.dtype([(name, "<u8") for name in ("url", "age", "digest", "file", "offset", "length")])
_LAST = 1 << 40  # seconds; the age of a record is its distance from this moment
_TRUNCATED = 1 << 41  # beyond the age of any whole one
_HINT = "fetch or copy the file again; a file that is still being written cannot be replayed"


def by_sha256(paths: Sequence[Path], stop: Stop | None = None) -> dict[str, Path]:
    """The files by the sha256 of their bytes, sorted; the same file given twice is one.

    Raises:
        DamagedFile: a file is empty.
        Interrupted: the user asked to stop.
        WebtextError: a file is missing or may not be read.
    """
    found: dict[str, Path] = {}
    for path in paths:
        with os_errors(path):
            if not path.stat().st_size:
                raise DamagedFile("is empty: no WARC file", where=path, hint=_HINT)
        found[whole_sha256(path, stop)] = path
    return dict(sorted(found.items()))


def write_index(path: Path, warcs: Sequence[Path], stop: Stop | None = None) -> None:
    """Make the index over `warcs` (in the order of `by_sha256`) and store it as a NumPy file of `ENTRY` rows.

    Raises:
        DamagedFile: a file is no WARC file, is cut, or all of them hold no response; the message has the offset.
        Interrupted: the user asked to stop.
    """
    rows = np.empty(0, _ROW)
    for number, warc in enumerate(warcs):
        with os_errors(warc), warc.open("rb", buffering=1 << 18) as file:
            try:
                found = array("Q")  # 48 bytes an address: archives have hundreds of millions
                for raw in walk(file, MAX_HEAD):
                    heed(stop)
                    if (row := _row(raw)) is not None:
                        url, seconds, digest = row
                        for form in (url, identity_form(url)):
                            found.extend((text_key(form), _LAST - seconds, digest, number, raw.offset, raw.length))
            except TornRecord as error:
                raise DamagedFile(f"{error}, at byte {error.offset:,}", where=warc, hint=_HINT) from error
        rows = np.concatenate([rows, np.frombuffer(found, _ROW)])
    if not len(rows):
        raise DamagedFile("holds no answer of a web server (no response record)", where=", ".join(map(str, warcs)))
    rows.sort()
    _, first = np.unique(rows["url"], return_index=True)
    entries = rows[first][list(ENTRY.names or ())].astype(ENTRY)
    with atomic(path) as aside, aside.open("wb") as out:
        np.save(out, entries, allow_pickle=False)


def _row(raw: RawRecord) -> tuple[str, int, int] | None:
    """Address, seconds and digest of a response record; None for records of other kinds and addresses."""
    if raw.fields.get("warc-type") != "response" or "http" not in raw.fields.get("content-type", ""):
        return None
    try:
        url = normalise(target_of(raw.fields))
    except UnusableURL:
        return None
    try:
        seconds = int(parse_warc_time(raw.fields.get("warc-date", "")).timestamp())
    except ValueError:
        raise TornRecord(raw.offset, "a record has no valid WARC-Date") from None
    if raw.fields.get("warc-truncated", "").strip():
        seconds -= _TRUNCATED
    return url, seconds, int(raw.block_sha256[:16], 16)


class ReplayArchive:
    """Answers from WARC files by normalised address, or by another spelling of the same link."""

    def __init__(self, warcs: Sequence[Path], index: Path) -> None:
        self._warcs = warcs
        self._entries: NDArray[np.void] = np.load(index, mmap_mode="r", allow_pickle=False)
        self._urls = self._entries["url"]

    def find(self, url: str, limit: int) -> StoredResponse | None:
        """What was recorded for a normalised address, with at most a little more than `limit` bytes of its body.

        None where no WARC holds it, or what it holds is no HTTP answer.
        """
        return self._find(url, url, limit) or self._find(url, identity_form(url), limit)

    def _find(self, url: str, form: str, limit: int) -> StoredResponse | None:
        key = np.uint64(text_key(form))
        place = int(np.searchsorted(self._urls, key))
        if place >= len(self._urls) or self._urls[place] != key:
            return None
        entry = self._entries[place]
        warc = self._warcs[int(entry["file"])]
        try:
            raw = read_raw(warc, int(entry["offset"]), int(entry["length"]), keep=limit + MAX_HEAD)
        except TornRecord as error:
            raise DamagedFile(f"was changed while it is replayed ({error})", where=warc, hint=_HINT) from error
        try:
            stored = response_of(raw)
            found = normalise(stored.url)
            if form not in (found, identity_form(found)):
                return None  # another address with the same hash
        except ValueError:
            return None
        return replace(stored, url=url)
