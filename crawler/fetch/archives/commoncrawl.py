"""Common Crawl's index server and its files, as addresses and answers: nothing is asked from here.

Each of its crawls has an index of its own, with the API of pywb (https://pywb.readthedocs.io/, "CDXJ Server API"); the
list of crawls is `collinfo.json`; a capture is a gzip member of a WARC file, had with a range request.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from webtext.crawler.fetch.archives.captures import Capture, Place, parse_timestamp
from webtext.crawler.fetch.cdxj import surt
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.walking import TornRecord, walk
from webtext.crawler.fetch.warc import response_of

# Of its captures the index says all that is needed; more fields only make answers longer.
_FIELDS = "url,timestamp,status,mime,length,offset,filename,truncated"
_YEAR_WEEK = re.compile(r"CC-MAIN-(\d{4})-(\d{2})")
_YEARS = re.compile(r"CC-MAIN-(\d{4})(?:-(\d{4}))?")


class NotUnderstood(ValueError):
    """An answer that is not what the protocol says."""


@dataclass(frozen=True)
class Collection:
    """One crawl: its name, and between which moments it visited pages."""

    name: str
    begin: datetime
    end: datetime

    def distance(self, posted: datetime) -> timedelta:
        """The least distance in time between `posted` and a capture of this crawl."""
        return max(self.begin - posted, posted - self.end, timedelta())


def collections_address(api: str) -> str:
    """Where the list of crawls lies."""
    return f"{api.rstrip('/')}/collinfo.json"


def parse_collections(body: bytes) -> tuple[Collection, ...]:
    """The crawls, as collinfo.json lists them; those whose time cannot be known are left out.

    Raises:
        NotUnderstood: it is none.
    """
    entries = _json(body)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "id" in entry for entry in entries):
        raise NotUnderstood("no list of crawls")
    found = [_collection(entry) for entry in entries]
    return tuple(collection for collection in found if collection is not None)


def by_nearness(collections: Sequence[Collection], posted: datetime | None) -> list[Collection]:
    """The crawls, those that can hold the nearest captures first; without a date from the first crawl on."""
    if posted is None:
        return sorted(collections, key=lambda one: (one.begin, one.name))
    return sorted(collections, key=lambda one: (one.distance(posted), one.begin, one.name))


def query_address(api: str, collection: Collection, url: str) -> str:
    """The query for every capture of one address in one crawl."""
    return _query(api, collection, url, f"output=json&fl={_FIELDS}")


def pages_address(api: str, collection: Collection, host: str) -> str:
    """The query for how many pages of the index a host takes."""
    return _query(api, collection, f"{host}/*", "matchType=host&showNumPages=true&output=json", plain=True)


def page_address(api: str, collection: Collection, host: str, page: int) -> str:
    """The query for one page of the captures of a host."""
    return _query(api, collection, f"{host}/*", f"matchType=host&page={page}&output=json&fl={_FIELDS}", plain=True)


def parse_pages(body: bytes) -> int:
    """The number of pages.

    Raises:
        NotUnderstood: it is none.
    """
    value = _json(body)
    pages = value.get("pages") if isinstance(value, dict) else value
    if not isinstance(pages, int):
        raise NotUnderstood("no number of pages")
    return pages


def parse_captures(answer: StoredResponse) -> list[Capture]:
    """The captures of an answer; that there is none is said with a 404 and a message.

    Raises:
        NotUnderstood: the answer is none of the index server.
    """
    if answer.status == 404:
        value = _json(answer.body)
        if isinstance(value, dict) and ("message" in value or "error" in value):
            return []
        raise NotUnderstood("a 404 that is not the index server's")
    if answer.status != 200:
        raise NotUnderstood(f"status {answer.status}")
    return [_capture(_json(line)) for line in answer.body.splitlines() if line.strip()]


def of_address(captures: Sequence[Capture], url: str) -> list[Capture]:
    """Those captures that are of this address, in any spelling that archives take for one."""
    key = surt(url)
    return [capture for capture in captures if surt(capture.url) == key]


def same_address(one: str, other: str) -> bool:
    """Whether archives take two addresses for one."""
    return surt(one) == surt(other)


def record_address(data: str, place: Place) -> tuple[str, str]:
    """Where the WARC record of a capture is had, and the Range to ask for."""
    return f"{data.rstrip('/')}/{quote(place.file)}", f"bytes={place.offset}-{place.offset + place.length - 1}"


def parse_record(data: bytes, url: str) -> StoredResponse:
    """The answer in the bytes of one record (a gzip member or plain).

    Raises:
        NotUnderstood: they are no whole response record, or one of another address than `url`.
    """
    try:
        raw = next(walk(io.BytesIO(data), len(data) + (1 << 26)), None)
        stored = None if raw is None else response_of(raw)
    except (TornRecord, ValueError) as error:
        raise NotUnderstood(f"no whole record ({error})") from error
    if stored is None:
        raise NotUnderstood("no record")
    if surt(stored.url) != surt(url):
        raise NotUnderstood("the record of another address")
    return stored


def _query(api: str, collection: Collection, url: str, rest: str, *, plain: bool = False) -> str:
    text = quote(url, safe="/*:" if plain else "")
    return f"{api.rstrip('/')}/{collection.name}-index?url={text}&{rest}"


def _capture(value: Any) -> Capture:
    try:
        status = str(value.get("status", "-"))
        return Capture(
            url=str(value["url"]),
            when=parse_timestamp(str(value["timestamp"])),
            status=int(status) if status.isdigit() else None,
            mime=str(value.get("mime", "")),
            place=Place(str(value["filename"]), int(value["offset"]), int(value["length"])),
            truncated=str(value.get("truncated") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotUnderstood(f"no line of an index ({error})") from error


def _collection(entry: dict[str, Any]) -> Collection | None:
    name = str(entry["id"])
    try:
        return Collection(name, _moment(entry["from"]), _moment(entry["to"]))
    except (KeyError, TypeError, ValueError):
        pass  # older lists have names only
    if found := _YEAR_WEEK.fullmatch(name):
        week = max(1, min(52, int(found[2])))
        end = datetime.fromisocalendar(int(found[1]), week, 7).replace(tzinfo=UTC)
        return Collection(name, end - timedelta(days=28), end)
    if found := _YEARS.fullmatch(name):
        first, last = int(found[1]), int(found[2] or found[1])
        return Collection(name, datetime(first, 1, 1, tzinfo=UTC), datetime(last, 12, 31, tzinfo=UTC))
    return None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("no JSON") from error
