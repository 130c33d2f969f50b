"""From the lines of a dump to submissions, tolerant of twenty years of drift in the fields.

It decodes and tidies; whether a submission's link is followed is decided in `webtext.crawler.reddit.select`.

Field drift (statistics of six monthly dumps, 2005-06 to 2024-01): `created_utc` is a whole number, a string (2014-01 to
2015-11), a float, 0 or null; `score` is null in a few records of 2017; `url` is null in 23 % of 2022-08; most flags are
absent before 2017; 180 different keys were seen, 23 of them always.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec
import xxhash

_LATEST = 253_402_300_799  # 9999-12-31: later is no time
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


def parse_block(block: bytes) -> Lines:
    """Decode newline-aligned bytes of a dump, one JSON object a line.

    A line at a time: as fast as msgspec's `decode_lines` on the whole block (measured: 2.2 against 2.2 us a line of
    1.4 kB, 7.3 against 9.0 us of 9.5 kB), which takes two objects on one line for two lines and fails as a whole on one
    bad line. The result is that of `parse_block_slowly`.
    """
    decode = msgspec.json.Decoder(_Record).decode

    def quick(line: bytes) -> _Record | str:
        try:
            if not line.isascii():
                line.decode()  # msgspec does not look into the texts that it skips
            return decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _by_json(line)  # a lone surrogate, which only json takes, or a line that is really bad

    return _parse(block, quick)


def parse_block_slowly(block: bytes) -> Lines:
    """`parse_block` with the standard library alone: what it should give."""
    return _parse(block, _by_json)


def _parse(block: bytes, decode: Callable[[bytes], _Record | str]) -> Lines:
    entries: list[Submission | Unreadable] = []
    blank = number = 0
    for number, line in _numbered(block):
        if line.isspace():
            blank += 1
            continue
        record = decode(line)
        if isinstance(record, str):
            entries.append(Unreadable(number - 1, record, xxhash.xxh3_64_intdigest(line.strip())))
        else:
            entries.append(_tidy(record))
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


def _tidy(record: _Record) -> Submission:
    removed = record.removed_by_category
    if not isinstance(removed, str) or not removed:
        # Before 2019-09 a removed submission shows only in its text. The author alone ("[deleted]") says that the
        # account went, not the submission.
        removed = record.selftext if record.selftext in ("[deleted]", "[removed]") else ""
    url = record.url if isinstance(record.url, str) and record.url else record.url_overridden_by_dest
    created = _whole(record.created_utc)
    return Submission(
        id=_text(record.id) or _text(record.name).removeprefix("t3_"),
        url=_text(url),
        subreddit=_text(record.subreddit) or None,
        score=_whole(record.score),
        created=created if created is not None and 0 < created <= _LATEST else None,
        is_self=_flag(record.is_self),
        is_media=_flag(record.is_reddit_media_domain) or _flag(record.is_video) or _flag(record.is_gallery),
        nsfw=_flag(record.over_18),
        removed=_text(removed),
        recognised=url is not None or record.is_self is not None,
    )


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
