"""The demo's month of Reddit: a `.zst` dump in the field layout of 2024 whose submissions link to the little web."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from webtext.corpus.files import os_errors, write_bytes

DUMP_NAME = "RS_2025-01.zst"

_FIRST = 1_735_689_600  # 2025-01-01T00:00:00Z
_SECONDS = 97  # between two submissions
_SUBREDDITS = ("programming", "python", "science", "todayilearned", "books", "history", "machinelearning", "technology")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Dump:
    """Lines in the order of posting. `planted` counts the lines that never were links, by the outcome's word."""

    lines: list[bytes] = field(default_factory=list)
    planted: Counter[str] = field(default_factory=Counter)

    def post(self, url: str | None, score: object = 10, **fields: Any) -> None:
        """One submission. `url` is escaped as Reddit's API does; `fields` replace or add to the record's."""
        number = len(self.lines)
        name = _base36(80_000_000_000 + 7 * number)
        subreddit = _SUBREDDITS[number * 5 % len(_SUBREDDITS)]
        record: dict[str, Any] = {
            "all_awardings": [], "archived": False, "author": f"reader_{number % 61}",
            "created_utc": _FIRST + _SECONDS * number, "domain": (url or "").partition("://")[2].partition("/")[0],
            "edited": False, "gilded": 0, "id": name, "is_gallery": False, "is_reddit_media_domain": False,
            "is_self": False, "is_video": False, "link_flair_text": None, "locked": False, "name": f"t3_{name}",
            "num_comments": number % 40, "num_crossposts": 0, "over_18": False,
            "permalink": f"/r/{subreddit}/comments/{name}/submission_{number}/", "removed_by_category": None,
            "score": score, "selftext": "", "spoiler": False, "stickied": False, "subreddit": subreddit,
            "subreddit_id": "t5_2fwo", "title": f"submission {number}", "upvote_ratio": 0.9,
            "url": None if url is None else url.replace("&", "&amp;"),
        }  # fmt: skip
        self.lines.append(json.dumps({**record, **fields}).encode())

    def self_post(self) -> None:
        """A text without a link."""
        self.post("https://www.reddit.com/r/books/comments/abc/", is_self=True, selftext="What did you read?")
        self.planted["self-post"] += 1

    def media_post(self, url: str, **fields: Any) -> None:
        """A picture, a video or a sound."""
        self.post(url, **fields)
        self.planted["media"] += 1

    def broken_line(self, line: bytes) -> None:
        """A line that is no submission."""
        self.lines.append(line)
        self.planted["unreadable"] += 1

    def blank_line(self) -> None:
        """A line without anything."""
        self.lines.append(b"")

    def data(self) -> bytes:
        """The whole dump, compressed."""
        return zstandard.ZstdCompressor(level=3).compress(b"\n".join(self.lines) + b"\n")

    def write(self, path: Path) -> None:
        """Write the dump, where it does not lie there already."""
        data = self.data()
        with os_errors(path):
            there = path.exists() and path.read_bytes() == data
        if not there:
            write_bytes(path, data)


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _BASE36[digit] + text
    return text
