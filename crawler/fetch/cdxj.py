"""pages/index.cdxj: where each response lies, in the order archive tools expect (CDXJ: SURT key, timestamp, JSON).

See https://specs.webrecorder.net/cdxj/0.1.0/.
"""

from __future__ import annotations

import json
from datetime import datetime


def surt(url: str) -> str:
    """The Sort-friendly URI Reordering Transform of a normalised URL: `com,example)/path?query`, lower-case.

    Without scheme, port 80 or 443 and leading `www.`, query parameters sorted, as pywb's canonicalisation gives it.
    """
    rest = url.partition("://")[2]
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        host, port = authority, ""
    host = host.removeprefix("www.").rstrip(".")
    if not host.startswith("[") and not host.replace(".", "").isdigit():
        host = ",".join(reversed(host.split(".")))
    path, question, query = path.partition("?")
    query = "&".join(sorted(query.split("&")))
    port = "" if port in ("", "80", "443") else f":{port}"
    return f"{host}{port}){slash or '/'}{path}{question}{query}".lower()


def cdxj_line(
    url: str, fetched: datetime, *, status: int, mime: str, digest: str, segment: str, offset: int, length: int
) -> str:
    """One line of the index, without its line end."""
    value = {
        "url": url,
        "mime": mime or "unk",
        "status": str(status),
        "digest": f"sha256:{digest}",
        "length": str(length),
        "offset": str(offset),
        "filename": segment,
    }
    return f"{surt(url)} {fetched:%Y%m%d%H%M%S} {json.dumps(value, ensure_ascii=False)}"
