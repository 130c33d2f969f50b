"""From the lines of a dump to submissions, tolerant of twenty years of drift in the fields.

It decodes and tidies; whether a submission's link is followed is decided in `webtext.crawler.reddit.select`.

Field drift (statistics of six monthly dumps, 2005-06 to 2024-01): `created_utc` is a whole number, a string (2014-01 to
2015-11), a float, 0 or null; `score` is null in a few records of 2017; `url` is null in 23 % of 2022-08; most flags are
absent before 2017, crossposts (with the whole record that they repeat) come with 2017-08; 180 different keys were seen,
23 of them always.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec
import xxhash

_LATEST = 253_402_300_799  # 9999-12-31: later is no time
_GONE = ("[deleted]", "[removed]")
_LARGEST = 1 << 40  # no score or time of Reddit's comes near; sums of scores stay far from 64 bits


class Submission(msgspec.Struct, frozen=True, gc=False):
    """What is needed of one submission. Texts hold no lone surrogates (Arrow and UTF-8 refuse them)."""

    id: str
    url: str
    """As the dump has it, escaped; "" where it has none."""
    subreddit: str | None
    score: int | None
    created: int | None
    """Seconds since 1970 (UTC); None where the dump has 0 or nothing."""
    is_self: bool
    is_media: bool
    """Reddit itself says that the link is an image, a video or a gallery on its own hosts."""
    nsfw: bool
    removed: str
    """Why it was taken down, "" where it was not."""
    recognised: bool
    """Whether the object has a field that makes it a submission and not, say, a comment."""
    crosspost: bool = False
    """Whether it repeats another submission, whose link is then in `url`."""
    chosen: bool = False
    """Whether the line says itself that its link is to be followed, whatever its karma: rows of lists do."""


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A line that holds no object: its place in the block (0-based), why, and xxh3_64 of its bytes."""

    line: int
    reason: str
    key: int


class Lines(msgspec.Struct, frozen=True):
    """A block, decoded: one entry for each line that is not blank."""

    entries: list[Submission | Unreadable]
    lines: int
    blank: int


class _Record(msgspec.Struct, gc=False):
    """The fields as they stand in a dump. Any: a wrong type in one field must not cost the line."""

    id: Any = None
    name: Any = None
    url: Any = None
    url_overridden_by_dest: Any = None
    subreddit: Any = None
    score: Any = None
    created_utc: Any = None
    is_self: Any = None
    is_video: Any = None
    is_reddit_media_domain: Any = None
    is_gallery: Any = None
    over_18: Any = None
    removed_by_category: Any = None
    selftext: Any = None
    crosspost_parent: Any = None
    crosspost_parent_list: Any = None
    webtext_chosen: Any = None


class _Parent(msgspec.Struct, gc=False):
    """What a crosspost says of the submission that it repeats."""

    url: str | None = None


class _Usual(msgspec.Struct, gc=False):
    """The fields with the types that nearly all dumps have: nothing is left to look at. Other lines are `_Record`s."""

    id: str
    url: str
    subreddit: str
    score: int
    created_utc: int | float | str
    is_self: bool = False
    is_video: bool | None = None
    is_reddit_media_domain: bool | None = None
    is_gallery: bool | None = None
    over_18: bool = False
    removed_by_category: str | None = None
    selftext: str | None = None
    crosspost_parent: str | None = None
    crosspost_parent_list: list[_Parent] | None = None
    webtext_chosen: bool = False


def parse_block(block: bytes) -> Lines:
    """Decode newline-aligned bytes of a dump, one JSON object a line.

    A line at a time: as fast as msgspec's `decode_lines` on the whole block, which takes two objects on one line for
    two lines and fails as a whole on one bad line; to see that neither is so costs what it saves (measured: 3.0 us a
    line of 2.8 kB and 0.6 for the look, against 3.5). The result is that of `parse_block_slowly`.
    """
    usual = msgspec.json.Decoder(_Usual).decode
    decode = msgspec.json.Decoder(_Record).decode

    def quick(line: bytes) -> Submission | str:
        try:
            if not line.isascii():
                line.decode()  # msgspec does not look into the texts that it skips
            try:
                found = _usual(usual(line))
            except msgspec.ValidationError:  # a field has another type, or is not there
                found = None
            return found or _tidy(decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _slow(line)  # a lone surrogate, which only json takes, or a line that is really bad

    return _parse(block, quick)


def parse_block_slowly(block: bytes) -> Lines:
    """`parse_block` with the standard library alone: what it should give."""
    return _parse(block, _slow)


def _slow(line: bytes) -> Submission | str:
    record = _by_json(line)
    return record if isinstance(record, str) else _tidy(record)


def _parse(block: bytes, decode: Callable[[bytes], Submission | str]) -> Lines:
    entries: list[Submission | Unreadable] = []
    blank = number = 0
    for number, line in _numbered(block):
        if line.isspace():
            blank += 1
            continue
        found = decode(line)
        if isinstance(found, str):
            entries.append(Unreadable(number - 1, found, xxhash.xxh3_64_intdigest(line.strip())))
        else:
            entries.append(found)
    return Lines(entries, number, blank)


def _numbered(block: bytes) -> Iterator[tuple[int, bytes]]:
    return enumerate(io.BytesIO(block), 1)  # splits at newlines alone, unlike bytes.splitlines


def _by_json(line: bytes) -> _Record | str:
    """The fields of one line by the standard library; why it holds no object, where it holds none."""
    try:
        found = json.loads(line.decode(), parse_constant=_refuse, parse_int=_integer)
    except UnicodeDecodeError:
        return "not UTF-8"
    except RecursionError:
        return "nested too deeply"
    except ValueError:
        return "not JSON"
    if not isinstance(found, dict):
        return "no JSON object"
    return _Record(**{name: found.get(name) for name in _Record.__struct_fields__})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")  # RFC 8259 has no NaN and no Infinity


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 100 else math.inf  # int() refuses more than 4,300 digits


def _usual(record: _Usual) -> Submission | None:
    """What `_tidy` gives; None for what it has to look at closer."""
    score, created, removed = record.score, record.created_utc, record.removed_by_category
    if type(created) is not int:
        whole = _whole(created)
        created = 0 if whole is None else whole
    if not (record.id and record.url and 0 < created <= _LATEST and -_LARGEST <= score <= _LARGEST):
        return None
    if not removed:
        removed = record.selftext if record.selftext in _GONE else ""
    url, parents = record.url, record.crosspost_parent_list
    if parents and parents[0].url and _leads_to(url, record.crosspost_parent or ""):
        url = parents[0].url
    return Submission(
        record.id,
        url,
        record.subreddit or None,
        score,
        created,
        record.is_self,
        bool(record.is_reddit_media_domain or record.is_video or record.is_gallery),
        record.over_18,
        removed or "",
        True,
        bool(parents or record.crosspost_parent),
        record.webtext_chosen,
    )


def _tidy(record: _Record) -> Submission:
    removed = record.removed_by_category
    if not isinstance(removed, str) or not removed:
        # Before 2019-09 a removed submission shows only in its text. The author alone ("[deleted]") says that the
        # account went, not the submission.
        removed = record.selftext if record.selftext in _GONE else ""
    url = record.url if isinstance(record.url, str) and record.url else record.url_overridden_by_dest
    parent = _parent(record.crosspost_parent_list)
    created = _whole(record.created_utc)
    return Submission(
        id=_text(record.id) or _text(record.name).removeprefix("t3_"),
        url=_crossposted(_text(url), _text(record.crosspost_parent), parent),
        subreddit=_text(record.subreddit) or None,
        score=_whole(record.score),
        created=created if created is not None and 0 < created <= _LATEST else None,
        is_self=_flag(record.is_self),
        is_media=_flag(record.is_reddit_media_domain) or _flag(record.is_video) or _flag(record.is_gallery),
        nsfw=_flag(record.over_18),
        removed=_text(removed),
        recognised=url is not None or record.is_self is not None,
        crosspost=parent is not None or _text(record.crosspost_parent) != "",
        chosen=_flag(record.webtext_chosen),
    )


def _crossposted(url: str, parent: str, record: dict[str, object] | None) -> str:
    """The link that a submission is counted to: of a crosspost, that of the submission it repeats."""
    return (_text(record.get("url")) or url) if record and _leads_to(url, parent) else url


# A crosspost has its parent's link for its own, or the parent's page on Reddit.
_PAGE = re.compile(r"(?:https?://(?:\w+\.)?reddit\.com)?/(?:r|u|user)/[^/]+/comments/(\w+)(?:/|$)").match


def _leads_to(url: str, parent: str) -> bool:
    page = _PAGE(url)
    return page is not None and f"t3_{page.group(1)}" == parent


def _parent(value: object) -> dict[str, object] | None:
    """The submission that a crosspost repeats."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def _text(value: object) -> str:
    if isinstance(value, str):
        # Pairs are whole characters by now; what is left of surrogates stands for nothing.
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _whole(value: object) -> int | None:
    """A whole number out of what a dump may have in its place; None where there is none."""
    if isinstance(value, str):
        try:
            value = float(value) if not value.isdecimal() else int(value[:100])
        except ValueError:
            return None
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= _LARGEST else None


def _flag(value: object) -> bool:
    if value is None or value is False or value is True:
        return value is True
    return value.lower() == "true" if isinstance(value, str) else value == 1
