"""How fast an archive is asked, and when it is left alone: its delay, Retry-After, a maximum, and signs of a ban.

Bookkeeping only: no network, no sleep, no clock of its own. What archives do when they are asked too often:
web.archive.org allows some 24 index queries a minute and answers 429 above that; who goes on for a minute finds his
connections refused for an hour, then for twice as long (edgi-govdata-archiving/wayback, issues 137 and 153, release
0.5.1). Common Crawl answers 503, then 403 or closes the connection (commoncrawl/cc-index-server, issue 15).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.records import StoredResponse

ASIDE_SECONDS = 3_600.0
"""For how long an archive that bans us is left alone, where it does not say so itself."""

_LONGEST_WAIT = 300.0  # who asks for more patience than this is put aside meanwhile
_TOO_MANY_SECONDS = 60.0  # after a 429 that does not say how long
_FAILED_SECONDS = 15.0  # after the first failure in a row; then twice as long each time
_FAILURES = 3  # in a row, and the archive is put aside


class PutAside(Exception):
    """The archive must not be asked any more for now; `seconds` from now on, and why."""

    def __init__(self, why: str, seconds: float = ASIDE_SECONDS) -> None:
        super().__init__(why)
        self.why = why
        self.seconds = seconds


class Spent(Exception):
    """As many requests were made as the settings allow for one run."""


class Pace:
    """The requests to one archive, one at a time.

    Args:
        delay: seconds between the end of a request and the next.
        most: requests in this run.
        clock: seconds, monotonic.
    """

    def __init__(self, delay: float, most: int, clock: Callable[[], float]) -> None:
        self._delay = delay
        self._most = most
        self._clock = clock
        self._next = clock()
        self._asked = 0
        self._failed = 0
        self._limited = 0

    def turn(self) -> float:
        """Seconds to wait before the next request, which is counted now.

        Raises:
            Spent: there is none left in this run.
        """
        if self._asked >= self._most:
            raise Spent
        self._asked += 1
        return max(0.0, self._next - self._clock())

    def answered(self, answer: StoredResponse | Verdict) -> bool:
        """Whether an answer can be used; if not, the request is to be repeated, at its turn.

        404 and other answers about the address itself can be used. A 403 cannot be: who knows that it is about the
        address (`wayback.is_excluded`) does not come here with it.

        Raises:
            PutAside: it says that we are not welcome, or comes to nothing again and again.
        """
        self._next = self._clock() + self._delay
        if isinstance(answer, Verdict):
            if answer.outcome is Outcome.PRIVATE_ADDRESS:
                raise PutAside(answer.detail)
            return self._failure(answer.detail, refused="refused" in answer.detail)
        status = answer.status
        if status == 403:
            raise PutAside("it answers 403: we are banned", _patience(answer) or ASIDE_SECONDS)
        if status in (429, 503):
            return self._told_to_wait(answer)
        if status >= 500:
            return self._failure(f"it answers {status}")
        self._failed = self._limited = 0
        return True

    def unreadable(self, what: str) -> None:
        """An answer with status 200 was not what the archive's protocol says: a notice, a captcha, a broken file.

        Raises:
            PutAside: again and again.
        """
        self._failure(what)

    def _told_to_wait(self, answer: StoredResponse) -> bool:
        self._limited += 1
        asked = _patience(answer)
        seconds = asked if asked is not None else _TOO_MANY_SECONDS * 2 ** (self._limited - 1)
        if self._limited >= _FAILURES or seconds > _LONGEST_WAIT:
            raise PutAside(f"it answers {answer.status}: we ask too often", max(seconds, ASIDE_SECONDS))
        self._next = self._clock() + max(self._delay, seconds)
        return False

    def _failure(self, why: str, *, refused: bool = False) -> bool:
        self._failed += 1
        # A connection that is refused is how a firewall bans; asking on makes the ban longer.
        if refused or self._failed >= _FAILURES:
            raise PutAside(why)
        self._next = self._clock() + max(self._delay, _FAILED_SECONDS * 2 ** (self._failed - 1))
        return False


def _patience(answer: StoredResponse) -> float | None:
    """The seconds of a Retry-After (RFC 9110, section 10.2.3), None where there is none."""
    value = (answer.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        until: datetime = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, (until - answer.fetched).total_seconds()) if until.tzinfo else None
