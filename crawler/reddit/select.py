"""Which submissions' links are followed: the verdict on one line, then the decision among all lines of one key.

Pure functions. `judge` looks at a line alone; what it lets through is a *candidate*. `decide` looks at all candidates
of one key, because karma is a property of the link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from webtext.corpus.errors import UsageError
from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import LinksSettings
from webtext.crawler import addresses
from webtext.crawler.addresses import private_host
from webtext.crawler.reddit import urls
from webtext.crawler.reddit.quick_urls import Places
from webtext.crawler.reddit.submissions import Submission

RULES = {**urls.RULES, **addresses.RULES, "select": 3}
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

# Endings of files that are no text, in a path (a query is free to name one).
MEDIA_ENDINGS = frozenset({
    "jpg", "jpeg", "jfif", "png", "apng", "gif", "gifv", "webp", "avif", "heic", "bmp", "ico", "tif", "tiff", "svg",
    "psd", "mp4", "m4v", "webm", "mov", "avi", "mkv", "mpg", "mpeg", "wmv", "flv", "ogv", "3gp", "mp3", "m4a", "wav",
    "flac", "ogg", "oga", "opus", "aac",
})  # fmt: skip

_LONGEST_ENDING = max(map(len, MEDIA_ENDINGS))

# Reddit itself: its pages are the submissions and comments, not what they link to.
REDDIT_DOMAINS = frozenset({"reddit.com", "redd.it", "reddit.app.link", "redditblog.com", "redditgifts.com"})
_REDDIT_MEDIA = ("/gallery/", "/video/", "/media")

# Every language and the mobile forms lie below the first; the others are its old addresses.
WIKIPEDIA_DOMAINS = frozenset({"wikipedia.org", "wikipedia.com", "wikipedia.net"})
_OLD_WIKIPEDIA = "secure.wikimedia.org"

# One walk over a host's labels finds the nearest of all of them: i.redd.it before redd.it.
_KNOWN = MEDIA_DOMAINS | REDDIT_DOMAINS | WIKIPEDIA_DOMAINS


Verdict = tuple[Outcome | None, int, str, str]
"""What becomes of one line: its outcome (None for a candidate), its key (0 for what is only counted), its URL (the
normal form; the text as posted, at most 4,096 characters of it, where there is none), and a detail."""

_SELF_POST: Verdict = (Outcome.SELF_POST, 0, "", "")
_MEDIA: Verdict = (Outcome.MEDIA, 0, "", "")


class Candidate(NamedTuple):
    """One submission of a link, among others of the same key."""

    url: str
    id: str
    subreddit: str | None
    score: int | None
    """None where the link is followed whatever its karma: a row of a list that states none."""
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


@dataclass(frozen=True)
class _Host:
    """What a host alone decides, for all its links."""

    media: bool
    reddit: bool
    outcome: Outcome | None
    """None where no rule about hosts keeps its links out."""
    detail: str
    old_wikipedia: bool
    """Whether its path /wikipedia/ holds Wikipedia's pages: their https addresses until 2013."""
    unlisted: str
    """Why the lists of domains keep its links out, "" where they do not."""


_KEPT_HOSTS = 100_000  # 40 MB


class Judge:
    """`LinksSettings`, ready to judge lines.

    Raises:
        UsageError: a list of domains holds something that is no domain.
    """

    def __init__(self, settings: LinksSettings) -> None:
        self._settings = settings
        self._blocked = frozenset(_domain("block_domains", name) for name in settings.block_domains)
        self._only = frozenset(_domain("only_domains", name) for name in settings.only_domains)
        self._blocked_subreddits = _subreddits(settings.block_subreddits)
        self._only_subreddits = _subreddits(settings.only_subreddits)
        self._endings = tuple(f".{ending.lower().lstrip('.')}" for ending in settings.block_endings)
        self._places = Places()
        self._hosts: dict[str, _Host] = {}

    def __call__(self, submission: Submission) -> Verdict:
        """The verdict on one line. Where several reasons hold, the first in the order of this function counts."""
        settings = self._settings
        if submission.is_self and not settings.reddit:
            return _SELF_POST
        if submission.is_media and not settings.media:
            return _MEDIA
        posted = submission.url
        if posted.startswith("/") and not posted.startswith("//"):
            posted = f"{REDDIT}{posted}"  # a crosspost of a submission that is gone: "/r/name/comments/…"
        try:
            url, key, name, path = self._places(posted)
        except urls.UnusableURL as error:
            # Its URL may be gone with it (in 2022-08 23 % have none, and 23 % were deleted): then none can be let in.
            outcome, detail = self._why_not(submission, url_gone=not submission.url)
            if outcome is None:
                outcome, detail = Outcome.UNUSABLE_URL, error.reason
            return outcome, urls.url_key(posted), posted[: urls.MAX_CHARACTERS], detail
        host = self._hosts.get(name)
        if host is None:
            host = self._host(name)
        if not settings.media and (
            host.media or _ending(path) in MEDIA_ENDINGS or (host.reddit and path.startswith(_REDDIT_MEDIA))
        ):
            return _MEDIA
        if submission.nsfw or submission.removed:
            outcome, detail = self._why_not(submission)
            if outcome is not None:
                return outcome, key, url, detail
        if host.outcome is not None:
            return host.outcome, key, url, host.detail
        if host.old_wikipedia and path.startswith("/wikipedia/") and not settings.wikipedia:
            return Outcome.WIKIPEDIA, key, url, name
        blocked = host.unlisted or self._why_blocked(submission, path)
        return (Outcome.BLOCKED if blocked else None), key, url, blocked

    def _why_not(self, submission: Submission, *, url_gone: bool = False) -> tuple[Outcome | None, str]:
        """What the submission itself decides, wherever its link leads."""
        if submission.nsfw and not self._settings.nsfw:
            return Outcome.NSFW, "marked over 18"
        if submission.removed and (url_gone or not self._settings.removed):
            return Outcome.REMOVED, submission.removed
        return None, ""

    def _why_blocked(self, submission: Submission, path: str) -> str:
        if submission.crosspost and not self._settings.crossposts:
            return "a crosspost"
        if self._blocked_subreddits or self._only_subreddits:
            subreddit = (submission.subreddit or "").lower()
            if subreddit in self._blocked_subreddits:
                return f"subreddit {submission.subreddit}"
            if self._only_subreddits and subreddit not in self._only_subreddits:
                return f"subreddit {submission.subreddit}, none of only_subreddits"
        if self._endings and path.lower().endswith(self._endings):
            return next(f"ending {ending}" for ending in self._endings if path.lower().endswith(ending))
        return ""

    def _host(self, name: str) -> _Host:
        if len(self._hosts) >= _KEPT_HOSTS:
            self._hosts.clear()
        bare = name.rstrip(".")
        known = _nearest(bare, _KNOWN)
        outcome, detail, unlisted = None, private_host(bare) or "", ""
        if detail:
            outcome = Outcome.PRIVATE_ADDRESS
        elif known in WIKIPEDIA_DOMAINS and not self._settings.wikipedia:
            outcome, detail = Outcome.WIKIPEDIA, bare
        elif known in REDDIT_DOMAINS and not self._settings.reddit:
            outcome, detail = Outcome.BLOCKED, "a page of Reddit"
        blocked = _nearest(bare, self._blocked) if self._blocked else ""
        if blocked:
            unlisted = f"domain {blocked}"
        elif self._only and not _nearest(bare, self._only):
            unlisted = f"domain {bare}, none of only_domains"
        host = _Host(known in MEDIA_DOMAINS, known in REDDIT_DOMAINS, outcome, detail, bare == _OLD_WIKIPEDIA, unlisted)
        self._hosts[name] = host
        return host


def decide(candidates: Sequence[Candidate], settings: LinksSettings) -> Decision:
    """The link that all candidates of one key are.

    Karma is the best score (`max`), the score of the earliest submission (`first`), or the sum. An id that occurs
    several times (overlapping dumps) is one submission, with its best score. The line that decides the karma carries
    the link's fate: the earliest for `first`, the best one otherwise; among equals the earliest, then the smallest id.
    The URL is the earliest submission's spelling. A link that has a candidate without a score is kept whatever its
    karma, which is then that of the others, 0 without them.
    """
    ordered = sorted(candidates, key=_age)
    submissions = ordered if len(ordered) == 1 else list(_once_each(ordered))
    scored = [candidate for candidate in ordered if candidate.score is not None]
    scores = [found.score for found in submissions if found.score is not None]
    if not scored:
        deciding, karma = ordered[0], 0
    elif settings.karma_policy == "first":
        deciding, karma = scored[0], scores[0]
    else:
        deciding = max(scored, key=_score)  # the first of equals
        karma = max(scores) if settings.karma_policy == "max" else sum(scores)
    return Decision(
        url=ordered[0].url,
        karma=karma,
        kept=karma >= settings.min_karma or len(scored) < len(ordered),
        deciding=deciding,
        further=tuple(candidate for candidate in ordered if candidate is not deciding),
        submissions=tuple(submissions),
    )


def _score(candidate: Candidate) -> int:
    return -(1 << 62) if candidate.score is None else candidate.score


def _age(candidate: Candidate) -> tuple[bool, int, str, str, int]:
    # Without a time last; the rest only makes the order total, so that it does not depend on arrival.
    created = candidate.created
    return created is None, created or 0, candidate.id, candidate.url, -_score(candidate)


def _once_each(ordered: Iterable[Candidate]) -> Iterable[Candidate]:
    best: dict[str, Candidate] = {}
    nameless: list[Candidate] = []
    for candidate in ordered:
        if not candidate.id:
            nameless.append(candidate)
            continue
        known = best.setdefault(candidate.id, candidate)
        if _score(candidate) > _score(known):
            best[candidate.id] = known._replace(score=candidate.score)
    return sorted([*best.values(), *nameless], key=_age) if nameless else best.values()


def _domain(setting: str, name: str) -> str:
    try:
        if "/" in name:
            raise urls.UnusableURL("a whole URL")
        return urls.host_of(urls.normalise(f"http://{name.removeprefix('*.').strip('.')}/"))
    except urls.UnusableURL as error:
        raise UsageError(
            f"links.{setting} has {name!r}, which is no domain ({error.reason})", hint='write it as "example.com"'
        ) from None


def _subreddits(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower().strip("/").removeprefix("r/") for name in names)


def _ending(path: str) -> str:
    ending = path.rpartition(".")[2]
    return ending.lower() if len(ending) <= _LONGEST_ENDING else ""


def _nearest(host: str, domains: frozenset[str]) -> str:
    """The member of `domains` that is `host` or the nearest one above it, "" where there is none."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return ""
    return host
