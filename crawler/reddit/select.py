"""Which submissions' links are followed: the verdict on one line, then the decision among all lines of one key.

Pure functions. `judge` looks at a line alone; what it lets through is a *candidate*. `decide` looks at all candidates
of one key, because karma is a property of the link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from webtext.corpus.config import LinksSettings
from webtext.corpus.errors import UsageError
from webtext.corpus.outcomes import COUNTED_ONLY, Outcome
from webtext.crawler import addresses
from webtext.crawler.addresses import private_host
from webtext.crawler.reddit import urls
from webtext.crawler.reddit.submissions import Submission

RULES = {**urls.RULES, **addresses.RULES, "select": 2}
"""Rises with any change of a verdict, a decision or a detail."""

REDDIT = "https://www.reddit.com"

# Hosts (with all below them) whose pages are a picture, a video or a sound with a caption: the kinds of hosts that
# OpenWebText leaves out (jcpeterson/openwebtext, url_utils.py, "image, video, and music hosting sites"), and those of
# the same kinds among the domains of three real months (2008-03, 2015-03, 2018-04: 5 %, 41 % and 2 % of their links).
MEDIA_DOMAINS = frozenset({
    "i.redd.it", "v.redd.it", "preview.redd.it", "external-preview.redd.it", "redditmedia.com", "reddituploads.com",
    "imgur.com", "gfycat.com", "redgifs.com", "giphy.com", "tenor.com", "makeagif.com", "gifsound.com", "sli.mg",
    "flickr.com", "flic.kr", "photobucket.com", "tinypic.com", "imageshack.us", "imageshack.com", "minus.com",
    "postimg.cc", "postimg.org", "ibb.co", "puu.sh", "prnt.sc", "gyazo.com", "imgflip.com", "quickmeme.com", "qkme.me",
    "livememe.com", "vidble.com", "magaimg.net", "erome.com", "twimg.com", "instagram.com", "pinterest.com",
    "youtube.com", "youtu.be", "youtubedoubler.com", "vimeo.com", "dailymotion.com", "streamable.com", "liveleak.com",
    "vid.me", "vine.co", "twitch.tv", "tiktok.com", "xboxdvr.com", "xboxclips.com", "xhamster.com", "xvideos.com",
    "xnxx.com", "xtube.com", "pornhub.com", "soundcloud.com", "spotify.com", "bandcamp.com",
})  # fmt: skip

# Names of files that are no text, in a path (a query is free to name one).
MEDIA_FILE = re.compile(
    r"\.(?:jpe?g|jfif|png|apng|gifv?|webp|avif|heic|bmp|ico|tiff?|svg|psd"
    r"|mp4|m4v|webm|mov|avi|mkv|mpe?g|wmv|flv|ogv|3gp|mp3|m4a|wav|flac|ogg|oga|opus|aac)$",
    re.IGNORECASE,
)

# Reddit itself: its pages are the submissions and comments, not what they link to.
REDDIT_DOMAINS = frozenset({"reddit.com", "redd.it", "reddit.app.link", "redditblog.com", "redditgifts.com"})
_REDDIT_MEDIA = ("/gallery/", "/video/", "/media")

# Every language and the mobile forms lie below the first; the others are its old addresses.
WIKIPEDIA_DOMAINS = frozenset({"wikipedia.org", "wikipedia.com", "wikipedia.net"})

# One walk over a host's labels finds the nearest of all of them: i.redd.it before redd.it.
_KNOWN = MEDIA_DOMAINS | REDDIT_DOMAINS | WIKIPEDIA_DOMAINS


class Verdict(NamedTuple):
    """What becomes of one line. `outcome` is None for a candidate."""

    outcome: Outcome | None
    key: int
    """0 for the outcomes that are only counted."""
    url: str
    """The normal form; the text as posted (at most 4,096 characters of it) where there is none."""
    detail: str


class Candidate(NamedTuple):
    """One submission of a link, among others of the same key."""

    url: str
    id: str
    subreddit: str | None
    score: int
    created: int | None


@dataclass(frozen=True)
class Decision:
    """A link: its karma, whether that is enough, and which line carries its fate."""

    url: str
    karma: int
    kept: bool
    deciding: Candidate
    further: tuple[Candidate, ...]
    """Every other line, by (created, id): each is `duplicate-url`."""
    submissions: tuple[Candidate, ...]
    """All submissions by (created, id), each id once."""

    @property
    def first_posted(self) -> int | None:
        """The earliest known time, seconds since 1970."""
        return self.submissions[0].created


class Judge:
    """`LinksSettings`, ready to judge lines.

    Raises:
        UsageError: `block_domains` holds something that is no domain.
    """

    def __init__(self, settings: LinksSettings) -> None:
        self._nsfw = settings.nsfw
        self._removed = settings.removed
        self._domains = frozenset(map(_domain, settings.block_domains))
        self._subreddits = frozenset(name.lower().strip("/").removeprefix("r/") for name in settings.block_subreddits)

    def __call__(self, submission: Submission) -> Verdict:
        """The verdict on one line. Where several reasons hold, the first in the order of this function counts."""
        if submission.is_self:
            return _counted(Outcome.SELF_POST)
        if submission.is_media:
            return _counted(Outcome.MEDIA)
        # Crossposts of 2017 and later may carry an address inside Reddit: "/r/name/comments/…".
        posted = f"{REDDIT}{submission.url}" if _inside_reddit(submission.url) else submission.url
        try:
            url, unusable = urls.normalise(posted), ""
        except urls.UnusableURL as error:
            url, unusable = posted, error.reason
        host = "" if unusable else urls.host_of(url).rstrip(".")
        known = _nearest(host, _KNOWN)
        if host and _is_media(known, urls.path_of(url)):
            return _counted(Outcome.MEDIA)
        outcome, detail = self._why_not(submission, host, known, unusable)
        if unusable:
            return Verdict(outcome, urls.url_key(posted), url[: urls.MAX_CHARACTERS], detail)
        return Verdict(outcome, urls.key_of_normalised(url), url, detail)

    def _why_not(self, submission: Submission, host: str, known: str, unusable: str) -> tuple[Outcome | None, str]:
        if submission.nsfw and not self._nsfw:
            return Outcome.NSFW, "marked over 18"
        # Its URL may be gone with it (in 2022-08 23 % have none, and 23 % were deleted): then none can be let in.
        if submission.removed and not (self._removed and submission.url):
            return Outcome.REMOVED, submission.removed
        if unusable:
            return Outcome.UNUSABLE_URL, unusable
        private = private_host(host)
        if private is not None:
            return Outcome.PRIVATE_ADDRESS, private
        if known in WIKIPEDIA_DOMAINS:
            return Outcome.WIKIPEDIA, host
        if known in REDDIT_DOMAINS:
            return Outcome.BLOCKED, "a page of Reddit"
        if self._subreddits and (submission.subreddit or "").lower() in self._subreddits:
            return Outcome.BLOCKED, f"subreddit {submission.subreddit}"
        if self._domains:
            blocked = _nearest(host, self._domains)
            if blocked:
                return Outcome.BLOCKED, f"domain {blocked}"
        return None, ""


def decide(candidates: Sequence[Candidate], settings: LinksSettings) -> Decision:
    """The link that all candidates of one key are.

    Karma is the best score (`max`), the score of the earliest submission (`first`), or the sum. An id that occurs
    several times (overlapping dumps) is one submission, with its best score. The line that decides the karma carries
    the link's fate: the earliest for `first`, the best one otherwise; among equals the earliest, then the smallest id.
    The URL is the earliest submission's spelling.
    """
    ordered = sorted(candidates, key=_age)
    submissions = ordered if len(ordered) == 1 else list(_once_each(ordered))
    first = ordered[0]
    if settings.karma_policy == "first":
        deciding, karma = first, submissions[0].score
    else:
        deciding = max(ordered, key=lambda candidate: candidate.score)  # the first of equals
        karma = deciding.score if settings.karma_policy == "max" else sum(found.score for found in submissions)
    return Decision(
        url=first.url,
        karma=karma,
        kept=karma >= settings.min_karma,
        deciding=deciding,
        further=tuple(candidate for candidate in ordered if candidate is not deciding),
        submissions=tuple(submissions),
    )


def _age(candidate: Candidate) -> tuple[bool, int, str, str, int]:
    # Without a time last; the rest only makes the order total, so that it does not depend on arrival.
    created = candidate.created
    return created is None, created or 0, candidate.id, candidate.url, -candidate.score


def _once_each(ordered: Iterable[Candidate]) -> Iterable[Candidate]:
    best: dict[str, Candidate] = {}
    nameless: list[Candidate] = []
    for candidate in ordered:
        if not candidate.id:
            nameless.append(candidate)
            continue
        known = best.setdefault(candidate.id, candidate)
        if candidate.score > known.score:
            best[candidate.id] = known._replace(score=candidate.score)
    return sorted([*best.values(), *nameless], key=_age) if nameless else best.values()


def _domain(name: str) -> str:
    try:
        if "/" in name:
            raise urls.UnusableURL("a whole URL")
        return urls.host_of(urls.normalise(f"http://{name.removeprefix('*.').strip('.')}/"))
    except urls.UnusableURL as error:
        raise UsageError(
            f"links.block_domains has {name!r}, which is no domain ({error.reason})", hint='write it as "example.com"'
        ) from None


def _counted(outcome: Outcome) -> Verdict:
    assert outcome in COUNTED_ONLY
    return Verdict(outcome, 0, "", "")


def _inside_reddit(url: str) -> bool:
    return url.startswith("/") and not url.startswith("//")


def _is_media(known: str, path: str) -> bool:
    if known in MEDIA_DOMAINS or MEDIA_FILE.search(path):
        return True
    return known in REDDIT_DOMAINS and path.startswith(_REDDIT_MEDIA)


def _nearest(host: str, domains: frozenset[str]) -> str:
    """The member of `domains` that is `host` or the nearest one above it, "" where there is none."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return ""
    return host
