"""The rules of one robots.txt, read as RFC 9309 has them, and which of them decides about an address. Pure functions.

Not for fetching (that is `site_files`). Protego, Scrapy's reader, differs from the RFC where it matters here:
its groups apply by parts of our name ("User-agent: web" would bind webtext), "/index.html" also allows "/", a
Crawl-delay line ends a group (section 2.2.4: other records must not interfere), and it does not say which line decided.
The tests hold both against each other where they should agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

PARSED_BYTES = 500 * 1024
"""How much is read (RFC 9309, section 2.5: at least 500 KiB)."""

MAX_PATTERN = 4_096  # octets; no address that is crawled is longer
_MAX_RULES = 50_000  # of one file; 500 KiB hold no more that say anything

# Spellings that Google's reader takes for these records, too (google/robotstxt, robots.cc): who writes them means them.
_AGENT = frozenset({b"user-agent", b"useragent", b"user agent"})
_DISALLOW = frozenset({b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"})
_ALLOW = frozenset({b"allow"})
_DELAY = frozenset({b"crawl-delay", b"crawldelay", b"crawl delay"})
_RATE = frozenset({b"request-rate", b"requestrate", b"request rate"})
_KNOWN = _AGENT | _DISALLOW | _ALLOW | _DELAY | _RATE

_LINES = re.compile(rb"\r\n|\r|\n")  # section 2.2: EOL
_NAME = re.compile(rb"[a-z0-9_.-]+")
_RATE_FORM = re.compile(rb"(\d{1,9})\s*/\s*(\d{1,9})\s*([smhd]?)")
_UNITS = {b"": 1, b"s": 1, b"m": 60, b"h": 3_600, b"d": 86_400}

# RFC 3986, section 2.3; what is reserved (2.2) stays as it is written; all else is compared percent-encoded.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_RESERVED = b":/?#[]@!&'()+,;="
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}|[^" + re.escape(_UNRESERVED + _RESERVED) + rb"]")
_SPECIAL = re.compile(rb"%[0-9A-Fa-f]{2}|[^" + re.escape(_UNRESERVED + _RESERVED) + rb"*$]")


@dataclass(frozen=True, slots=True)
class Rule:
    """One Allow or Disallow: its pattern in the form in which it is compared, and where it stands."""

    allow: bool
    pattern: bytes
    line: int

    def __str__(self) -> str:
        shown = self.pattern.decode("ascii")
        return f"{'Allow' if self.allow else 'Disallow'}: {shown if len(shown) <= 100 else shown[:99] + '…'}"


@dataclass(frozen=True)
class Group:
    """All that a file says to one name; groups that name it several times are one (section 2.2.1)."""

    agent: str
    line: int
    """Of its first User-agent record."""
    rules: tuple[Rule, ...]
    crawl_delay: float | None = None
    request_seconds: float | None = None
    """Seconds a request, of Request-rate."""

    @property
    def delay(self) -> float:
        """Seconds between two requests that the group asks for, 0 where it asks for none."""
        return max(self.crawl_delay or 0.0, self.request_seconds or 0.0)


@dataclass(frozen=True)
class Decision:
    """Whether an address may be asked for, by which rule of which group; no rule, or no group, allows."""

    allowed: bool
    group: Group | None = None
    rule: Rule | None = None

    @property
    def why(self) -> str:
        """The line that decided, in words."""
        if self.group is None:
            return "no group of robots.txt is for us"
        if self.rule is None:
            return f"no rule of robots.txt for {self.group.agent} fits"
        return f"robots.txt, line {self.rule.line}: {self.rule} (for {self.group.agent})"


@dataclass
class _Draft:
    line: int
    rules: list[Rule] = field(default_factory=list)
    delay: float | None = None
    rate: float | None = None


class RobotsRules:
    """The groups of a file, by name."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._groups = {group.agent: group for group in groups}

    @property
    def agents(self) -> Sequence[str]:
        """The names that the file speaks to, lower-case, in its order."""
        return tuple(self._groups)

    def named(self, agent: str) -> Group | None:
        """The group for a product token and for nobody else; None where there is none."""
        return self._groups.get(agent.lower())

    def group(self, agent: str) -> Group | None:
        """The group that binds a product token: its own, or the one for everybody (section 2.2.1)."""
        return self.named(agent) or self._groups.get("*")

    def decide(self, url: str, agent: str) -> Decision:
        """What the file says to `agent` about a normalised URL."""
        group = self.group(agent)
        return Decision(True) if group is None else decide(group, path_of(url))


def decide(group: Group, path: bytes) -> Decision:
    """The longest pattern that fits decides, Allow where two are as long (section 2.2.2).

    Args:
        path: as `path_of` gives it.
    """
    if path == b"/robots.txt":
        return Decision(True, group)  # section 2.2.2: implicitly allowed
    best: Rule | None = None
    for rule in group.rules:
        if best is not None and (len(rule.pattern), rule.allow) <= (len(best.pattern), best.allow):
            continue
        if fits(rule.pattern, path):
            best = rule
    return Decision(best is None or best.allow, group, best)


def fits(pattern: bytes, path: bytes) -> bool:
    """Whether a path begins as a pattern says: `*` is any octets, `$` at the end is the end of the path.

    The parts between stars are looked for one after the other, each as early as it comes: that finds a fit if there is
    one, in time linear in path and stars (a regular expression takes exponential time on patterns made to hurt).
    """
    if b"*" not in pattern and pattern[-1:] != b"$":
        return path.startswith(pattern)
    ends = pattern.endswith(b"$")
    first, *parts = (pattern[:-1] if ends else pattern).split(b"*")
    if not path.startswith(first):
        return False
    place = len(first)
    if not parts:
        return place == len(path)
    *middle, last = parts
    for part in middle:
        found = path.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    if ends:
        return len(path) - len(last) >= place and path.endswith(last)
    return path.find(last, place) >= 0


def path_of(url: str) -> bytes:
    """Path and query of a normalised URL in the form in which they are compared (section 2.2.2)."""
    rest = url.partition("://")[2].partition("#")[0]
    place = min((found for found in (rest.find("/"), rest.find("?")) if found >= 0), default=len(rest))
    path = rest[place:].encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_escaped, path if path.startswith(b"/") else b"/" + path)


def pattern_of(value: bytes) -> bytes:
    """A pattern as it is written, in the form in which it is compared. Only at its end does a dollar say something."""
    return _SPECIAL.sub(_escaped, value[:-1].replace(b"$", b"%24") + value[-1:])


def parse_robots(text: bytes, *, limit: int = PARSED_BYTES) -> RobotsRules:
    """Read a robots.txt; what is no record of its own says nothing.

    Args:
        text: the body without content encoding; UTF-8 or UTF-16, with or without a mark.
        limit: bytes that are read; a record that is cut there says nothing (it would say more than it does).
    """
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text[: 2 * limit].decode("utf-16", "replace").encode("utf-8", "replace")
    elif b"\0" in text[:2]:  # UTF-16 without its mark: a file begins with ASCII, and what counts is ASCII
        text = text[: 2 * limit].replace(b"\0", b"")
    if len(text) > limit:
        text = text[:limit]
        text = text[: max(text.rfind(b"\n"), text.rfind(b"\r")) + 1]
    drafts: dict[str, _Draft] = {}
    current: list[_Draft] = []
    in_rules = False
    count = 0
    for number, line in enumerate(_LINES.split(text.removeprefix(b"\xef\xbb\xbf")), 1):
        record, value = _record(line)
        if record in _AGENT:
            if in_rules:
                current, in_rules = [], False
            agent = _agent(value)
            if agent:
                current.append(drafts.setdefault(agent, _Draft(number)))
        elif record in _DISALLOW or record in _ALLOW:
            in_rules = True
            pattern = pattern_of(value)
            count += 1
            if pattern and len(pattern) <= MAX_PATTERN and count <= _MAX_RULES:
                rule = Rule(record in _ALLOW, pattern, number)
                for draft in current:
                    draft.rules.append(rule)
        elif record in _DELAY:
            for draft in current:
                draft.delay = _longest(draft.delay, _seconds(value))
        elif record in _RATE:
            for draft in current:
                draft.rate = _longest(draft.rate, _rate(value))
    return RobotsRules(
        Group(agent, draft.line, tuple(dict.fromkeys(draft.rules)), draft.delay, draft.rate)
        for agent, draft in drafts.items()
    )


def decide_for_any(rules: RobotsRules, url: str, agents: Collection[str]) -> Decision | None:
    """The first group of its own for one of `agents` that forbids a normalised URL; None where none does."""
    path: bytes | None = None
    for agent in agents:
        group = rules.named(agent)
        if group is not None:
            path = path_of(url) if path is None else path
            decision = decide(group, path)
            if not decision.allowed:
                return decision
    return None


def _record(line: bytes) -> tuple[bytes, bytes]:
    text = line.partition(b"#")[0].strip()
    name, colon, value = text.partition(b":")
    name = b" ".join(name.lower().split())
    if colon and name in _KNOWN:
        return name, value.strip()
    # "Disallow /x": Google's reader takes white space for the colon.
    words = text.split(None, 1)
    if len(words) == 2 and words[0].lower() in _KNOWN:
        return words[0].lower(), words[1].strip()
    return b"", b""


def _agent(value: bytes) -> str:
    """The product token of a User-agent record: up to the first octet that belongs to none."""
    if value == b"*" or value[:2] in (b"* ", b"*\t"):
        return "*"
    found = _NAME.match(value.lower())
    return "" if found is None else found[0].decode("ascii")


def _seconds(value: bytes) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _rate(value: bytes) -> float | None:
    """Seconds a request of "requests/seconds", with s, m, h or d behind; hours of the day are not told apart."""
    found = _RATE_FORM.match(value.lower())
    if found is None or not int(found[1]) or not int(found[2]):
        return None
    return int(found[2]) * _UNITS[found[3]] / int(found[1])


def _longest(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _escaped(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if len(text) == 3:
        octet = int(text[1:], 16)
        return bytes([octet]) if octet in _UNRESERVED else text.upper()
    return b"%%%02X" % text[0]
