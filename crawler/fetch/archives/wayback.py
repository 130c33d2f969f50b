"""The Wayback Machine's index and playback, as addresses and answers: nothing is asked from here.

The index is the CDX server (github.com/internetarchive/wayback, wayback-cdx-server); `id_` behind the timestamp of a
playback address gives the body as it was archived, and the headers of then under the prefix `X-Archive-Orig-`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from webtext.crawler.fetch.archives.captures import Capture, parse_timestamp, timestamp
from webtext.crawler.fetch.archives.commoncrawl import NotUnderstood
from webtext.crawler.fetch.decoding import Headers
from webtext.crawler.fetch.judging import REDIRECTS
from webtext.crawler.fetch.records import StoredResponse

_ORIGINAL = "x-archive-orig-"
_FIELDS = ("timestamp", "original", "mimetype", "statuscode")
_PRINTABLE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_MOST = 10_000  # rows, one a day at most: of 27 years
_PLAYBACK = re.compile(r"(?:https?://[^/]+)?/web/(\d{4,14})(?:id_)?/(.+)", re.DOTALL)
# What the site's owner has asked the archive for (web.archive.org's words, and openwayback's before them).
_EXCLUSIONS = (b"AdministrativeAccessControlException", b"RobotAccessControlException", b"has been excluded from")
_RUNTIME_ERROR = "x-archive-wayback-runtime-error"


def query_address(api: str, url: str) -> str:
    """The query for the captures of one address: at most one a day, none that says 4xx or 5xx."""
    rest = f"output=json&fl={','.join(_FIELDS)}&filter=!statuscode:[45]..&collapse=timestamp:8&limit={_MOST}&gzip=false"
    return f"{api.rstrip('/')}/cdx/search/cdx?url={quote(url, safe='')}&{rest}"


def parse_captures(answer: StoredResponse) -> list[Capture]:
    """The captures of an answer of the index; none where it is empty or 404.

    Raises:
        NotUnderstood: it is none of the index.
    """
    if answer.status == 404:
        return []
    if answer.status != 200:
        raise NotUnderstood(f"status {answer.status}")
    if not answer.body.strip():
        return []
    try:
        head, *rows = json.loads(answer.body) or [list(_FIELDS)]
        found = [_capture(dict(zip(head, row, strict=True))) for row in rows if row]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise NotUnderstood(f"no index ({type(error).__name__})") from error
    return found


def playback_address(api: str, capture: Capture) -> str:
    """Where a capture is had as it was archived."""
    # The address is the index's word: what is no printable ASCII in it must not reach a request or a WARC header raw.
    return f"{api.rstrip('/')}/web/{timestamp(capture.when)}id_/{quote(capture.url, safe=_PRINTABLE)}"


def is_excluded(answer: StoredResponse) -> bool:
    """Whether the archive does not show this address because its owner does not want it: no sign of a ban."""
    told = (answer.header(_RUNTIME_ERROR) or "").encode("latin-1", "replace")
    return answer.status in (403, 451) and any(mark in told or mark in answer.body[:20_000] for mark in _EXCLUSIONS)


def is_playback(answer: StoredResponse) -> bool:
    """Whether an answer is one of then, not the archive's own about it."""
    return any(name.lower() == "memento-datetime" or name.lower().startswith(_ORIGINAL) for name, _ in answer.headers)


def other_capture(answer: StoredResponse) -> tuple[datetime, str] | None:
    """Where a redirect of the playback leads: the moment of a capture and its address; None where it is none.

    It leads to the same address where the archive takes another moment, and to another where the page of then did.
    """
    if answer.status not in REDIRECTS:
        return None
    found = _PLAYBACK.fullmatch(answer.header("location") or "")
    if found is None:
        return None
    try:
        return parse_timestamp(found[1]), found[2]
    except ValueError:
        return None


def restored(answer: StoredResponse, url: str, when: datetime) -> StoredResponse:
    """The answer of then out of what the playback gives.

    Its headers are those of then; only what says how the body is encoded is that of now, for the archive may have
    packed or unpacked it. A redirect's Location is the address of then.
    """
    headers = original_headers(answer.headers)
    now = [(name, value) for name, value in answer.headers if name.lower() == "content-encoding"]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers += [(name, value) for name, value in answer.headers if name.lower() == "content-type"]
    moved = other_capture(answer)
    if moved is not None:
        headers = [(name, value) for name, value in headers if name.lower() != "location"] + [("Location", moved[1])]
    return replace(answer, url=url, headers=headers + now, fetched=when)


def original_headers(headers: Headers) -> list[tuple[str, str]]:
    """The headers of then, without those about the transfer."""
    about_transfer = ("content-encoding", "transfer-encoding", "content-length", "connection")
    found = [(name[len(_ORIGINAL) :], value) for name, value in headers if name.lower().startswith(_ORIGINAL)]
    return [(name, value) for name, value in found if name.lower() not in about_transfer]


def memento_time(headers: Sequence[tuple[str, str]]) -> datetime | None:
    """When the body that was given was captured (Memento-Datetime, RFC 7089), None where it is not said."""
    for name, value in headers:
        if name.lower() == "memento-datetime":
            try:
                found = parsedate_to_datetime(value)
            except (TypeError, ValueError):
                return None
            return found if found.tzinfo else None
    return None


def _capture(row: dict[str, str]) -> Capture:
    status = str(row["statuscode"])
    return Capture(
        url=str(row["original"]),
        when=parse_timestamp(str(row["timestamp"])),
        status=int(status) if status.isdigit() else None,
        mime=str(row["mimetype"]),
    )
