"""What goes into extraction and what comes out: plain values, without the libraries that do the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webtext.corpus.outcomes import Outcome


@dataclass(frozen=True)
class PageBytes:
    """A fetched page: the final address, the Content-Type header ("" for none), the body with encodings undone.

    `audit`: both language detectors are asked about it, whatever its text's hash (`language.detect_language`).
    """

    url: str
    content_type: str
    body: bytes
    audit: bool = False


@dataclass(frozen=True)
class Extracted:
    """What a page gives to a document."""

    title: str
    canonical: str | None
    text: str
    language: str
    language_score: float
    words: int
    measures: Mapping[str, float]
    """By name (`webtext.crawler.text.measures`)."""


@dataclass(frozen=True)
class TextRules:
    """What a document needs (settings of [extract])."""

    languages: tuple[str, ...]
    min_language_score: float
    min_words: int


@dataclass(frozen=True)
class Rejection:
    """Why a page is no document: the outcome, and in words what was found."""

    outcome: Outcome
    detail: str
