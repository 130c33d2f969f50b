"""Two archives of the little web, for links that died in it: what they captured, and their answers in the protocols of
Common Crawl's index and files and of the Wayback Machine. Only what a crawler of ours asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

from webtext.crawler.fetch.cdxj import surt
from webtext.crawler.fetch.records import StoredResponse, response_records
from webtext.demo.answers import HTML, NOT_FOUND, Answer

MACHINE, INDEX, DATA = "machine.archive.example", "index.archive.example", "data.archive.example"

CRAWL = "CC-MAIN-2024-51"

JSON = (("Content-Type", "application/json"),)


@dataclass(frozen=True)
class Visit:
    """A page as it was captured."""

    url: str
    when: datetime
    body: bytes

    @property
    def timestamp(self) -> str:
        """14 digits."""
        return f"{self.when:%Y%m%d%H%M%S}"

    @property
    def record(self) -> bytes:
        """Its WARC record, as one gzip member."""
        stored = StoredResponse(self.url, 200, [("Content-Type", HTML)], self.body, self.when)
        return response_records(0, 0, stored, None).response


@dataclass
class LittleArchives:
    """Both archives. `machine` and `crawled` are what they captured, `excluded` what its owner has had excluded."""

    machine: list[Visit] = field(default_factory=list)
    crawled: list[Visit] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def answer(self, host: str, target: str) -> Answer:
        """The answer of one of the archives' hosts."""
        return {MACHINE: self._machine, INDEX: self._index, DATA: self._data}[host](target)

    def identity(self) -> list[list[str]]:
        """What makes two of them the same, as JSON values."""
        found = [[visit.url, visit.timestamp, visit.body.hex()] for visit in (*self.machine, *self.crawled)]
        return [*found, self.excluded]

    def _machine(self, target: str) -> Answer:
        if target.startswith("/cdx/search/cdx?"):
            url = _asked(target)
            if any(surt(one) == surt(url) for one in self.excluded):
                told = (
                    ("X-Archive-Wayback-Runtime-Error", "AdministrativeAccessControlException: Blocked Site Error"),
                )
                return Answer(b"", 403, told)
            rows = [[one.timestamp, one.url, "text/html", "200"] for one in self.machine if surt(one.url) == surt(url)]
            head = [["timestamp", "original", "mimetype", "statuscode"]] if rows else []
            return Answer(json.dumps([*head, *rows]).encode(), 200, JSON)
        when, _, url = target.removeprefix("/web/").partition("id_/")
        for one in self.machine:
            if one.url == url and one.timestamp == when:
                memento = ("Memento-Datetime", f"{one.when:%a, %d %b %Y %H:%M:%S} GMT")
                return Answer(one.body, 200, (("Content-Type", HTML), memento, ("X-Archive-Orig-Content-Type", HTML)))
        return NOT_FOUND

    def _index(self, target: str) -> Answer:
        if target == "/collinfo.json":
            listed = {"id": CRAWL, "name": "December 2024 Index", "from": "2024-12-01T00:00:00"}
            return Answer(json.dumps([{**listed, "to": "2025-01-20T00:00:00"}]).encode(), 200, JSON)
        host = "matchType=host" in target
        wanted = surt(f"http://{_asked(target).removesuffix('*')}" if host else _asked(target))
        lines, offset = [], 0
        for one in self.crawled:
            place = {
                "filename": f"crawl-data/{CRAWL}/all.warc.gz",
                "offset": str(offset),
                "length": str(len(one.record)),
            }
            offset += len(one.record)
            if surt(one.url) == wanted or (host and surt(one.url).startswith(wanted)):
                entry = {"url": one.url, "timestamp": one.timestamp, "status": "200", "mime": "text/html", **place}
                lines.append(json.dumps(entry))
        if "showNumPages" in target:
            return Answer(json.dumps({"pages": 1 if lines else 0}).encode(), 200, JSON)
        if not lines:
            return Answer(json.dumps({"message": f"No Captures found for: {wanted}"}).encode(), 404, JSON)
        return Answer("".join(f"{line}\n" for line in lines).encode(), 200, JSON)

    def _data(self, target: str) -> Answer:
        # The server's answers know nothing of a Range: a client that gets 200 cuts its part out of the whole.
        return Answer(
            b"".join(one.record for one in self.crawled), 200, (("Content-Type", "application/octet-stream"),)
        )


def moment(text: str) -> datetime:
    """A moment of ISO 8601, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _asked(target: str) -> str:
    return unquote(parse_qs(target.partition("?")[2])["url"][0])
