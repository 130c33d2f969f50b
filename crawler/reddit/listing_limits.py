"""What the answers of Reddit's API ask of us: how long to wait, whether to try again, when to give up. Pure functions.

Source: github.com/reddit-archive/reddit/wiki/API: X-Ratelimit-Used, -Remaining and -Reset tell of the requests of this
period; RFC 9110, section 10.2.3 (Retry-After), RFC 6585, section 4 (429).
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from webtext.corpus.errors import WebtextError

TRIES = 5
LONGEST = 900.0  # seconds; a period of Reddit's is 600
_FIRST = 2.0


def pause_after(headers: Mapping[str, str]) -> float:
    """Seconds to the next request after a good answer: what is left of the period over what is left of the requests.

    None left: until the period ends. No headers: one second, as for 60 requests a minute.
    """
    remaining, reset = _number(headers.get("x-ratelimit-remaining")), _number(headers.get("x-ratelimit-reset"))
    if remaining is None or reset is None:
        return 1.0
    if remaining < 1:
        return min(reset, LONGEST)
    return min(reset / remaining, LONGEST)


def retry_after(status: int, headers: Mapping[str, str], tried: int, now: datetime | None = None) -> float | None:
    """Seconds until a failed request is tried again; None where it is not.

    Args:
        tried: how often it was made so far, at least 1.
    """
    if status != 429 and status < 500:
        return None
    if tried >= TRIES:
        return None
    asked = _retry_after(headers.get("retry-after"), now or datetime.now(UTC))
    if asked is None and status == 429:
        asked = _number(headers.get("x-ratelimit-reset"))
    if asked is not None:
        return min(max(asked, 0.0), LONGEST)
    return _FIRST * 2.0 ** (tried - 1)


def refusal(status: int, where: str, *, token: bool = False) -> WebtextError:
    """What a person is told about an answer that ends a gathering; without its text, which might echo a secret."""
    if token and status in (400, 401, 403):
        return WebtextError(
            f"refuses the credentials (HTTP {status})", where=where,
            hint="check REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET against https://www.reddit.com/prefs/apps",
        )  # fmt: skip
    if status == 401:
        return WebtextError("does not accept its own token (HTTP 401)", where=where, hint="try again")
    if status == 403:
        return WebtextError(
            "may not be read (HTTP 403): it is private, quarantined, or the app is blocked", where=where,
            hint="name another listing, or set REDDIT_USER_AGENT as Reddit's rules ask",
        )  # fmt: skip
    if status == 404 or 300 <= status < 400:
        return WebtextError(f"does not exist (HTTP {status})", where=where, hint="check the name of the subreddit")
    if status == 429:
        return WebtextError(
            "still answers 429 (too many requests)", where=where,
            hint="what was gathered is kept; run the same command in ten minutes",
        )  # fmt: skip
    return WebtextError(
        f"answers HTTP {status}", where=where, hint="what was gathered is kept; run the same command later"
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds, or a date (RFC 9110)."""
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
