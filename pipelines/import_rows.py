"""A row of a file to a document, or the reason why it is none. Pure functions of one row.

A row is known by its address; without one by its id; without both by its text. The key is that of the address, of
`id:ID` or of `content:HASH`, so that `trace` and `forget` find rows of each kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import xxhash

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import ExtractSettings
from webtext.crawler.reddit.urls import (
    MAX_CHARACTERS,
    UnusableURL,
    host_of,
    key_of_normalised,
    normalise,
    registered_domain,
    text_key,
)
from webtext.crawler.text.clean import one_line
from webtext.crawler.text.language import detect_language
from webtext.crawler.text.main_text import TITLE_CHARACTERS
from webtext.crawler.text.measures import measure
from webtext.crawler.text.results import Rejection, TextRules
from webtext.crawler.text.rules import reject_language, reject_script, reject_short
from webtext.crawler.text.words import count_words
from webtext.pipelines.import_columns import Row
from webtext.pipelines.import_files import DOCUMENT_BYTES

RULES = {"import": 2}
"""Rises with any change of what a row becomes."""

SOURCE = "import"
UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
"""When a row was fetched, which no one recorded."""

_WORD = re.compile(r"\w")
_SURROGATE = re.compile("[\ud800-\udfff]")
_OWN = ("title", "language", "karma")  # columns of a document that a row may bring


@dataclass(frozen=True)
class Place:
    """Where rows come from: the first 16 hex digits of the file's sha256."""

    file: str

    @classmethod
    def of(cls, sha256: str) -> Place:
        """That of a file."""
        return cls(sha256[:16])

    def record(self, row: int) -> str:
        """What stands for a WARC record's id. Rows of one key are preferred in the order of these texts."""
        return f"{self.file}:{row:012d}"

    def told(self, row: int) -> str:
        """The same for people."""
        return told(self.record(row))


def told(record: str) -> str:
    """`Place.record` for people."""
    file, _, row = record.partition(":")
    return f"row {int(row):,} of the file with sha256 {file}"


@dataclass(frozen=True)
class Dropped:
    """A row that is no document. `key` and `url` are 0 and "" where they are not known."""

    key: int
    url: str
    outcome: Outcome
    detail: str


def document_of(row: Row, place: Place, key_url: tuple[int, str, str]) -> dict[str, Any]:
    """A row of documents/ for a row whose text is one; without measures and language."""
    key, url, domain = key_url
    text = str(row.text)
    more = dict(row.more or {})
    own = {name: more.pop(name) for name in _OWN if name in more and _fits(name, more[name])}
    if row.id is not None and not url.startswith("id:"):
        more["id"] = row.id
    extra = {str(name): plain(value) for name, value in more.items()}
    extra = {name: value for name, value in extra.items() if value is not None}
    return {
        "key": key, "url": url, "final_url": url, "canonical": None, "domain": domain,
        "title": one_line(str(own.get("title") or ""), TITLE_CHARACTERS), "text": text,
        "language": str(own.get("language") or "und"), "language_score": 0.0, "karma": int(own.get("karma") or 0),
        "first_posted": None, "fetched": UNKNOWN_TIME, "source": SOURCE, "record_id": place.record(row.number),
        "characters": len(text), "words": count_words(text), "quality": None,
        "extra": _sound(json.dumps(extra, ensure_ascii=False, sort_keys=True)) if extra else None,
    }  # fmt: skip


def take_row(row: Row, place: Place, rules: TextRules | None) -> dict[str, Any] | Dropped:
    """What becomes of a row.

    Args:
        rules: those of [extract], where they are applied to rows, too.
    """
    if row.problem:
        return _nameless(row, place, f"{row.problem}: {place.told(row.number)}")
    for name, value in (("url", row.url), ("text", row.text)):
        if value is not None and not isinstance(value, str):
            return _nameless(row, place, f"its {name} is {type(value).__name__}, not text: {place.told(row.number)}")
    if row.id is not None and (isinstance(row.id, bool) or not isinstance(row.id, str | int)):
        return _nameless(row, place, f"its id is {type(row.id).__name__}: {place.told(row.number)}")
    text = _sound(str(row.text or ""))
    named = name_of(row.url, row.id, text)
    if row.text is None or not _WORD.search(text):
        what = "its text is null" if row.text is None else "no word in its text"
        if not row.url and row.id in (None, ""):
            return _nameless(row, place, f"{what}: {place.told(row.number)}", Outcome.EMPTY)
        return Dropped(named[0], named[1], Outcome.EMPTY, f"{what}: {place.told(row.number)}")
    document = document_of(Row(row.number, text, row.id, row.url, row.more), place, named)
    size = len(text) + len(document["extra"] or "")
    if size > DOCUMENT_BYTES:
        told = f"has {size:,} characters; a document has at most {DOCUMENT_BYTES:,}"
        return Dropped(named[0], named[1], Outcome.UNREADABLE, f"{told}: {place.told(row.number)}")
    if rules is None:
        return document
    rejection: Rejection | None = reject_script(text, rules) or reject_short(document["words"], rules)
    if rejection is None:
        document["language"], document["language_score"] = detect_language(text)
        rejection = reject_language(document["language"], document["language_score"], rules)
    if rejection is not None:
        return Dropped(named[0], named[1], rejection.outcome, rejection.detail)
    return {**document, "quality": measure(text)}


def rules_of(settings: ExtractSettings) -> TextRules:
    """The rules of [extract]."""
    return TextRules(settings.languages, settings.min_language_score, settings.min_words)


def name_of(url: object, own: object, text: str) -> tuple[int, str, str]:
    """Key, address and registered domain of a row.

    Args:
        own: its id.
    """
    if url:
        raw = _sound(str(url))
        try:
            address = normalise(raw)
            return key_of_normalised(address), address, registered_domain(host_of(address))
        except UnusableURL:
            return text_key(raw), raw[:MAX_CHARACTERS], ""
    if own not in (None, ""):
        address = f"id:{_sound(str(own))}"
    else:
        address = f"content:{xxhash.xxh3_128_hexdigest(text.encode())}"
    return text_key(address), address[:MAX_CHARACTERS], ""


def _nameless(row: Row, place: Place, detail: str, outcome: Outcome = Outcome.UNREADABLE) -> Dropped:
    return Dropped(text_key(place.record(row.number)), "", outcome, detail)


def _fits(name: str, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) if name == "karma" else isinstance(value, str)


def _sound(text: str) -> str:
    """The text without lone surrogates, which no file can hold."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def plain(value: Any) -> Any:
    """A value of a column as JSON has it: times in ISO 8601, bytes in hex, NaN as null."""
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Iterable):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Decimal | timedelta) else repr(value)


def kinds(extra: Mapping[str, Any]) -> dict[str, str]:
    """The kind of each further column of a row, as an export names it: string, int64, double, bool or json."""
    found = {}
    for name, value in extra.items():
        kind = {bool: "bool", int: "int64", float: "double", str: "string"}.get(type(value), "json")
        found[name] = "json" if kind == "int64" and not -(1 << 63) <= value < 1 << 63 else kind
    return found
