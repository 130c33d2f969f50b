"""What the extractor's two processes say to each other: length-prefixed JSON, and a page's bytes behind it.

JSON and not pickle, because one side has read hostile input.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass

from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules

_HEAD = struct.Struct(">II")  # bytes of JSON, bytes of body

ReadExactly = Callable[[int], bytes]
"""Gives exactly so many bytes; raises EOFError where the other side has ended."""


@dataclass(frozen=True)
class Terms:
    """What a child is started with: the rules, the limits of each page, and the process it must not outlive."""

    rules: TextRules
    cpu_seconds: float
    memory_bytes: int
    parent: int


@dataclass(frozen=True)
class Answer:
    """A page's result; `worn` where the child ran out of memory and had better be replaced, `trouble` where the fault
    lies not with the page but with what is installed, in words."""

    result: Extracted | Rejection
    worn: bool = False
    trouble: str = ""


def encode_terms(terms: Terms) -> str:
    """Terms as one command-line argument."""
    return json.dumps(asdict(terms))


def decode_terms(text: str) -> Terms:
    """The inverse of `encode_terms`."""
    value = json.loads(text)
    rules = value["rules"]
    return Terms(**{**value, "rules": TextRules(**{**rules, "languages": tuple(rules["languages"])})})


def encode_page(page: PageBytes) -> bytes:
    """A page as a message."""
    return _frame({"url": page.url, "content_type": page.content_type, "audit": page.audit}, page.body)


def decode_page_message(read: ReadExactly) -> PageBytes:
    """Read one page."""
    value, body = _unframe(read)
    return PageBytes(str(value["url"]), str(value["content_type"]), body, bool(value["audit"]))


def encode_answer(answer: Answer) -> bytes:
    """An answer as a message."""
    head = {"kind": type(answer.result).__name__, "worn": answer.worn, "trouble": answer.trouble}
    return _frame({**head, "result": asdict(answer.result)})


def decode_answer(read: ReadExactly) -> Answer:
    """Read one answer."""
    value, _ = _unframe(read)
    fields = dict(value["result"])  # type: ignore[call-overload]
    result = (
        Extracted(**fields)
        if value["kind"] == Extracted.__name__
        else Rejection(Outcome(fields["outcome"]), fields["detail"])
    )
    return Answer(result, bool(value["worn"]), str(value["trouble"]))


def encode_ready(trouble: str = "") -> bytes:
    """A child's first message: it is ready, or why it cannot start."""
    return _frame({"trouble": trouble})


def decode_ready(read: ReadExactly) -> str:
    """Why the child cannot start, "" where it can."""
    return str(_unframe(read)[0]["trouble"])


def _frame(value: object, body: bytes = b"") -> bytes:
    head = json.dumps(value).encode()
    return b"".join([_HEAD.pack(len(head), len(body)), head, body])


def _unframe(read: ReadExactly) -> tuple[dict[str, object], bytes]:
    head, body = _HEAD.unpack(read(_HEAD.size))
    return json.loads(read(head)), read(body)
