"""The closed list of reasons for which a link does not become training text.

A drop anywhere is one of these, with a detail in words: never None, never a silent `continue`.
The words are what stands on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from webtext.corpus.errors import WebtextError


class Stage(StrEnum):
    """The stages in the order of the data; each is a folder of the corpus with a manifest."""

    LINKS = "links"
    PAGES = "pages"
    DOCUMENTS = "documents"
    CLEAN = "clean"
    SHARDS = "shards"

    @property
    def command(self) -> str:
        """The command that makes this stage."""
        return _COMMANDS[self]

    @property
    def source(self) -> Stage | None:
        """The stage this one reads, None for the first."""
        order = list(Stage)
        place = order.index(self)
        return order[place - 1] if place else None


_COMMANDS = {
    Stage.LINKS: "links",
    Stage.PAGES: "crawl",
    Stage.DOCUMENTS: "extract",
    Stage.CLEAN: "dedup",
    Stage.SHARDS: "tokenize",
}


class Outcome(StrEnum):
    """Why a link ended before it became training text."""

    # links
    SELF_POST = "self-post"
    MEDIA = "media"
    KARMA = "karma"
    NSFW = "nsfw"
    REMOVED = "removed"
    UNUSABLE_URL = "unusable-url"
    PRIVATE_ADDRESS = "private-address"
    BLOCKED = "blocked"
    DUPLICATE_URL = "duplicate-url"
    WIKIPEDIA = "wikipedia"
    UNREADABLE = "unreadable"
    # pages
    ROBOTS = "robots"
    OPT_OUT = "opt-out"
    UNREACHABLE = "unreachable"
    HTTP_ERROR = "http-error"
    REDIRECT = "redirect"
    TIMEOUT = "timeout"
    TOO_LARGE = "too-large"
    CONTENT_TYPE = "content-type"
    DEFERRED = "deferred"
    # documents
    EMPTY = "empty"
    EXTRACT_TIMEOUT = "extract-timeout"
    EXTRACT_ERROR = "extract-error"
    LANGUAGE = "language"
    TOO_SHORT = "too-short"
    CONSENT_WALL = "consent-wall"
    SOFT_404 = "soft-404"
    PAYWALL = "paywall"
    PARKED = "parked"
    QUALITY = "quality"
    DUPLICATE_REDIRECT = "duplicate-redirect"
    DUPLICATE_ID = "duplicate-id"  # a row of an import whose key another row has
    # clean
    DUPLICATE = "duplicate"  # the same text at another address of the same site
    NEAR_DUPLICATE = "near-duplicate"  # nearly the same text, or the same on another site
    CONTAMINATED = "contaminated"
    FORGOTTEN = "forgotten"  # also at links, pages and documents


OUTCOMES: Mapping[Stage, tuple[Outcome, ...]] = {
    Stage.LINKS: (
        Outcome.SELF_POST, Outcome.MEDIA, Outcome.KARMA, Outcome.NSFW, Outcome.REMOVED, Outcome.UNUSABLE_URL,
        Outcome.PRIVATE_ADDRESS, Outcome.BLOCKED, Outcome.DUPLICATE_URL, Outcome.WIKIPEDIA, Outcome.UNREADABLE,
        Outcome.FORGOTTEN,
    ),
    Stage.PAGES: (
        Outcome.ROBOTS, Outcome.OPT_OUT, Outcome.UNREACHABLE, Outcome.HTTP_ERROR, Outcome.REDIRECT, Outcome.TIMEOUT,
        Outcome.TOO_LARGE, Outcome.CONTENT_TYPE, Outcome.PRIVATE_ADDRESS, Outcome.DEFERRED, Outcome.FORGOTTEN,
    ),
    Stage.DOCUMENTS: (
        Outcome.EMPTY, Outcome.EXTRACT_TIMEOUT, Outcome.EXTRACT_ERROR, Outcome.LANGUAGE, Outcome.TOO_SHORT,
        Outcome.CONSENT_WALL, Outcome.SOFT_404, Outcome.PAYWALL, Outcome.PARKED, Outcome.QUALITY,
        Outcome.DUPLICATE_REDIRECT,
        # of imports, whose rows and WARC records were not crawled here
        Outcome.UNREADABLE, Outcome.DUPLICATE_ID, Outcome.FORGOTTEN, Outcome.HTTP_ERROR, Outcome.REDIRECT,
        Outcome.CONTENT_TYPE, Outcome.TOO_LARGE, Outcome.OPT_OUT, Outcome.UNREACHABLE,
    ),
    Stage.CLEAN: (
        Outcome.DUPLICATE, Outcome.NEAR_DUPLICATE, Outcome.WIKIPEDIA, Outcome.CONTAMINATED, Outcome.FORGOTTEN,
    ),
    Stage.SHARDS: (),
}  # fmt: skip

# Lines that are no link: counted, but they get no row (a month has millions of them and they name no page). What is
# forgotten gets none either: a row would name it.
COUNTED_ONLY = frozenset({Outcome.SELF_POST, Outcome.MEDIA, Outcome.FORGOTTEN})

# A stage that drops a larger share of its rows than this for one reason stops and asks: a mis-sized filter that
# deletes 90 % must not end with exit code 0. Karma is exempt (it is the selection itself), so are the counted ones.
ALARM_ROWS = 1_000  # below this many rows a share says little
ALARM_LIMITS: Mapping[tuple[Stage, Outcome], float] = {
    # 2.8 M real links: 8.5 % exact duplicates, 1.24 % more after canonicalisation (findings); popular links repeat.
    (Stage.LINKS, Outcome.DUPLICATE_URL): 0.60,
    (Stage.LINKS, Outcome.UNREADABLE): 0.01,
    (Stage.LINKS, Outcome.UNUSABLE_URL): 0.10,
    # NSFW posts are 44-47 % of all in 2022-24 (findings).
    (Stage.LINKS, Outcome.NSFW): 0.70,
    (Stage.LINKS, Outcome.WIKIPEDIA): 0.20,
    # 38 % of the pages of 2013 were gone by 2023 (findings); a network that is down loses all of them.
    (Stage.PAGES, Outcome.UNREACHABLE): 0.50,
    (Stage.PAGES, Outcome.HTTP_ERROR): 0.60,
    (Stage.PAGES, Outcome.TIMEOUT): 0.30,
    (Stage.PAGES, Outcome.ROBOTS): 0.50,
    (Stage.PAGES, Outcome.OPT_OUT): 0.30,
    (Stage.DOCUMENTS, Outcome.EXTRACT_TIMEOUT): 0.02,
    (Stage.DOCUMENTS, Outcome.EXTRACT_ERROR): 0.02,
    (Stage.DOCUMENTS, Outcome.EMPTY): 0.30,
    (Stage.DOCUMENTS, Outcome.LANGUAGE): 0.50,
    (Stage.DOCUMENTS, Outcome.UNREADABLE): 0.01,
    (Stage.DOCUMENTS, Outcome.DUPLICATE_ID): 0.05,  # a column named as the id that is none
    # Near-duplicate rates of published web corpora lie between 10 and 40 %.
    (Stage.CLEAN, Outcome.DUPLICATE): 0.40,
    (Stage.CLEAN, Outcome.NEAR_DUPLICATE): 0.50,
    (Stage.CLEAN, Outcome.WIKIPEDIA): 0.10,
    # Of WebText's documents far below 1 % share 13 words with a test set; more is a set that is no test set.
    (Stage.CLEAN, Outcome.CONTAMINATED): 0.05,
}


class LossAlarm(WebtextError):
    """A stage dropped more of its rows than its limit; `--accept-loss` goes on."""


def check_loss(stage: Stage, rows_in: int, outcomes: Mapping[str, int]) -> None:
    """Raise `LossAlarm` where one outcome took more than its limit of `rows_in` rows."""
    if rows_in < ALARM_ROWS:
        return
    for outcome, count in outcomes.items():
        limit = ALARM_LIMITS.get((stage, Outcome(outcome)))
        if limit is not None and count > limit * rows_in:
            raise LossAlarm(
                f"{stage.command} would drop {count:,} of {rows_in:,} rows ({count / rows_in:.0%}) as {outcome}; "
                f"its limit is {limit:.0%}",
                hint="if that is right, run the same command with --accept-loss",
            )
