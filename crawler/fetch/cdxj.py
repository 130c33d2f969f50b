"""pages/index.cdxj: where each response lies, in the order archive tools expect (CDXJ: SURT key, timestamp, JSON).

See https://specs.webrecorder.net/cdxj/0.1.0/. The keys are those under which pywb, the Wayback Machine and Common
Crawl's indexes file an address.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from urllib.parse import quote_from_bytes, unquote_to_bytes

_WWW = re.compile(r"www\d*\.")
_SAFE = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"
# Session ids do not belong to an address: the forms that archives know (IA's URL canonicalisation).
_PATH_SESSIONS = (
    re.compile(r"^(.*/)(?:\((?:[a-z]\([0-9a-z]{24}\))+\)/)([^?]+\.aspx.*)$", re.IGNORECASE | re.DOTALL),
    re.compile(r"^(.*/)(?:\([0-9a-z]{24}\)/)([^?]+\.aspx.*)$", re.IGNORECASE | re.DOTALL),
)
_QUERY_SESSIONS = tuple(
    re.compile(rf"^(.*)(?:{form})(?:&(.*))?$", re.IGNORECASE | re.DOTALL)
    for form in (
        "jsessionid=[0-9a-z]{32}", "phpsessid=[0-9a-z]{32}", "sid=[0-9a-z]{32}", "aspsessionid[a-z]{8}=[a-z]{24}",
        "cfid=[^&]+&cftoken=[^&]+",
    )
)  # fmt: skip


def surt(url: str) -> str:
    """The Sort-friendly URI Reordering Transform of a normalised URL: `com,example)/path?query`, lower-case.

    Without scheme, the scheme's port, leading `www.` (or `www2.`), session ids, doubled and trailing slashes; percent
    signs undone but where they must stand; query parameters sorted: what the package `surt` gives, which pywb and the
    indexers of archives use.
    """
    scheme, _, rest = url.partition("://")
    authority, _, rest = rest.partition("/")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        host, port = authority, ""
    port = "" if port in ("", {"http": "80", "https": "443"}.get(scheme)) else f":{port}"
    host = _WWW.sub("", host.lower().strip("[]").strip("."), count=1) if _WWW.match(host.lower()) else host.lower()
    host = ",".join(reversed(host.strip("[]").strip(".").split(".")))
    path, _, query = rest.partition("?")
    query = _query(_escaped(query))
    return f"{host}{port}){_path(path)}" + (f"?{query}" if query else "")


def _path(path: str) -> str:
    kept: list[str] = []
    for part in _escaped(path).split("/"):
        if part == ".." and kept:
            kept.pop()
        elif part != ".":
            kept.append(part)
    path = ("/" + "/".join([part for part in kept[:-1] if part] + kept[-1:])).lower()
    for pattern in _PATH_SESSIONS:
        path = pattern.sub(r"\1\2", path)
    return path[:-1] if path.endswith("/") and len(path) > 1 else path


def _query(query: str) -> str:
    for pattern in _QUERY_SESSIONS:
        if found := pattern.match(query):
            query = found[1] + (found[2] or "")
    query = query.lower()
    return "&".join(sorted(query.split("&"), key=lambda pair: pair.split("=", 1))) if len(query) > 1 else query


def _escaped(text: str) -> str:
    """Percent signs undone, however often they were done, and done once where they must be."""
    data = text.encode()
    while (plain := unquote_to_bytes(data)) != data:
        data = plain
    return quote_from_bytes(data, safe=_SAFE)


def cdxj_line(
    url: str, fetched: datetime, *, status: int, mime: str, digest: str, segment: str, offset: int, length: int
) -> str:
    """One line of the index, without its line end: to the byte what cdxj-indexer 1.5 writes for the same record."""
    value = {
        "url": url,
        **({"mime": mime} if mime else {}),
        "status": str(status),
        "digest": f"sha256:{digest}",
        "length": str(length),
        "offset": str(offset),
        "filename": segment,
    }
    return f"{surt(url)} {fetched:%Y%m%d%H%M%S} {json.dumps(value, ensure_ascii=False)}"
