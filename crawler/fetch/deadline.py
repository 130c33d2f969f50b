"""When a crawl is to end: a stretch of time from now ("6h"), or a moment ("2026-11-25 06:00")."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from webtext.corpus.errors import UsageError

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_HINT = "a stretch of time (90m, 6h, 1d12h) or a moment (2026-11-25 06:00, in this machine's time zone, or 06:00)"


def parse_deadline(text: str, now: datetime) -> datetime:
    """The moment that `text` names, seen from `now` (with a time zone). A time of day is the next one of that kind.

    Raises:
        UsageError: it names none, or one that has passed.
    """
    stripped = text.strip()
    if re.fullmatch(r"([0-9.]+[dhms])+", stripped):
        try:
            parts = {_UNITS[unit]: float(number) for number, unit in re.findall(r"([0-9.]+)([dhms])", stripped)}
            found = now + timedelta(**parts)
        except (ValueError, OverflowError):
            raise UsageError(f"{text!r} is no deadline", where="--deadline", hint=_HINT) from None
    elif match := re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", stripped):
        hour, minute = int(match[1]), int(match[2])
        if hour > 23 or minute > 59:
            raise UsageError(f"{text!r} is no time of day", where="--deadline", hint=_HINT)
        found = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if found <= now:
            found += timedelta(days=1)
    else:
        try:
            found = datetime.fromisoformat(stripped)
        except ValueError:
            raise UsageError(f"{text!r} is no deadline", where="--deadline", hint=_HINT) from None
        if found.tzinfo is None:
            found = found.replace(tzinfo=now.tzinfo)
    if found <= now:
        raise UsageError(f"{text!r} has passed", where="--deadline", hint=_HINT)
    return found
