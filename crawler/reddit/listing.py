"""Listings of Reddit's own API as sources: `reddit:/r/NAME/new`, `reddit:/r/NAME/top?t=year`, `reddit:/domain/HOST/new`

An answer cannot be had a second time, so what was gathered is kept: CORPUS/listings/NAME-SHA256.ndjson, one submission
a line as the API gave it, an ordinary source from then on. An interrupted gathering goes on after its last page.
The requests are made by `webtext.crawler.reddit.listing_process`, in a process of its own.

Sources: reddit.com/dev/api (listings: limit, after; escaping of responses), github.com/reddit-archive/reddit/wiki/API
(rate-limit headers, user agents) and .../wiki/OAuth2 (application only OAuth). A listing ends after about 1,000
submissions, whatever it is of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import os_errors, read_json, write_bytes, write_json
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.listing_forget import listing_file, remembered

SCHEME = "reddit:"
SORTS = ("new", "top")
SPANS = ("hour", "day", "week", "month", "year", "all")

CLIENT_ID, CLIENT_SECRET, USER_AGENT = "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT"
"""Environment variables, and nothing else, hold the credentials."""

_SUBREDDITS = r"[A-Za-z0-9][A-Za-z0-9_]{1,20}"
_PATH = re.compile(
    rf"/?(?:r/(?P<subreddit>{_SUBREDDITS}(?:\+{_SUBREDDITS})*)|domain/(?P<domain>[A-Za-z0-9.-]+\.[A-Za-z0-9-]+))"
    rf"/(?P<sort>{'|'.join(SORTS)})/?"
)


@dataclass(frozen=True)
class Listing:
    """One listing of the API."""

    path: str
    """/r/NAME/top"""
    query: str = ""
    """t=year"""

    @property
    def name(self) -> str:
        """What its files are called."""
        return re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.path}-{self.query}").strip("-").lower()

    def __str__(self) -> str:
        return f"{SCHEME}{self.path}{'?' if self.query else ''}{self.query}"


@dataclass(frozen=True)
class Endpoints:
    """Where the API is. Only tests name another place."""

    token: str = "https://www.reddit.com/api/v1/access_token"
    api: str = "https://oauth.reddit.com"


def is_listing(name: str) -> bool:
    """Whether a source's name is a listing of the API."""
    return name.lower().startswith(SCHEME)


def parse_listing(name: str) -> Listing:
    """The listing that `reddit:/r/NAME/top?t=year` names; `top` without `t` is of all time.

    Raises:
        UsageError: it names none; shows how one is written.
    """
    parts = urlsplit(name[len(SCHEME) :])
    found = _PATH.fullmatch(parts.path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if found is None or parts.netloc or set(query) - {"t"}:
        raise UsageError(
            f"{name} names no listing",
            hint="write it as reddit:/r/science/new, reddit:/r/science/top?t=year or reddit:/domain/example.com/new",
        )
    if "t" in query and (found["sort"] != "top" or query["t"] not in SPANS):
        raise UsageError(f"{name}: t={query['t']} goes with top alone, as one of {', '.join(SPANS)}")
    below = f"/r/{found['subreddit']}" if found["subreddit"] else f"/domain/{found['domain'].lower()}"
    return Listing(f"{below}/{found['sort']}", f"t={query.get('t', 'all')}" if found["sort"] == "top" else "")


def check_credentials(environment: Mapping[str, str] | None = None) -> None:
    """Refuse to begin without credentials.

    Raises:
        UsageError: names the variables that are missing and where they come from.
    """
    environment = os.environ if environment is None else environment
    missing = [name for name in (CLIENT_ID, CLIENT_SECRET) if not environment.get(name)]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            where="Reddit's API",
            hint="make an app of the type script at https://www.reddit.com/prefs/apps and put its id and secret into "
            "these environment variables",
        )


@dataclass(frozen=True)
class Gathering:
    """The files of one listing while it is gathered. The lines are the truth up to `bytes` of the state."""

    listing: Listing
    folder: Path

    @property
    def lines(self) -> Path:
        """The submissions so far, one JSON object a line."""
        return self.folder / f"{self.listing.name}.ndjson"

    @property
    def state_file(self) -> Path:
        """How far it is."""
        return self.folder / f"{self.listing.name}.state.json"

    def state(self) -> dict[str, Any]:
        """`after` (the cursor), `bytes` and `rows` so far, `done`."""
        begin: dict[str, Any] = {"after": None, "bytes": 0, "rows": 0, "pages": 0, "done": False}
        return {**begin, **read_json(self.state_file)} if self.state_file.exists() else begin

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state, after the lines that it speaks of."""
        write_json(self.state_file, dict(state))

    def append(self, data: bytes, place: int) -> None:
        """Write lines at byte `place`: what an earlier attempt wrote behind it, without its state, goes."""
        with os_errors(self.lines):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.lines.open("r+b" if self.lines.exists() else "wb") as file:
                file.truncate(place)
                file.seek(place)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

    def keep(self, corpus: Path) -> Path:
        """The finished lines at their place in the corpus, without what is forgotten.

        Raises:
            WebtextError: nothing is left of them.
        """
        with os_errors(self.lines):
            lines = remembered(self.lines.read_bytes(), Forgotten.of(corpus))
        if not lines:
            raise WebtextError("has only submissions that are forgotten", where=self.listing)
        path = listing_file(corpus, self.listing.name, lines)
        if not path.exists():
            write_bytes(path, lines)  # the state stays until the stage is made
        return path
