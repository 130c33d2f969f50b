"""Archives of the web on this machine, for tests: servers that speak as Common Crawl's and the Wayback Machine do."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

from crawling import WildServer, says

from webtext.crawler.fetch.cdxj import surt
from webtext.crawler.fetch.records import build_record

INDEX, DATA, MACHINE = "index.commoncrawl.test", "data.commoncrawl.test", "web.archive.test"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Visit:
    """What an archive has of one address at one moment (14 digits)."""

    url: str
    when: str
    body: bytes = b""
    status: int = 200
    mime: str = "text/html"
    headers: Headers = ()
    truncated: str = ""


def http_answer(visit: Visit) -> bytes:
    fields = [("Content-Type", visit.mime), *visit.headers, ("Content-Length", str(len(visit.body)))]
    head = f"HTTP/1.1 {visit.status} Whatever\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode("latin-1") + b"\r\n" + visit.body


def warc_record(visit: Visit) -> bytes:
    when = datetime.strptime(visit.when, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    fields = [
        ("WARC-Type", "response"),
        ("WARC-Record-ID", "<urn:uuid:00000000-0000-4000-8000-000000000000>"),
        ("WARC-Date", f"{when:%Y-%m-%dT%H:%M:%SZ}"),
        ("WARC-Target-URI", visit.url),
        ("Content-Type", "application/http; msgtype=response"),
        *((("WARC-Truncated", visit.truncated),) if visit.truncated else ()),
    ]
    return build_record(fields, http_answer(visit))


@dataclass
class CommonCrawlServer:
    """Crawls by name, each with what it visited. Answers as index.commoncrawl.org (pywb) and data.commoncrawl.org."""

    crawls: Mapping[str, tuple[str, str, tuple[Visit, ...]]]
    files: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ban: tuple[str, Mapping[str, str]] | None = None
    """A status and headers with which every query is answered from now on."""

    def __post_init__(self) -> None:
        for name, (_, _, visits) in self.crawls.items():
            self.lines[name] = []
            path = f"crawl-data/{name}/segments/1/warc/{name}.warc.gz"
            data = b""
            for visit in visits:
                record = warc_record(visit)
                entry = {
                    "url": visit.url, "timestamp": visit.when, "status": str(visit.status), "mime": visit.mime,
                    "length": str(len(record)), "offset": str(len(data)), "filename": path,
                }  # fmt: skip
                if visit.truncated:
                    entry["truncated"] = visit.truncated
                self.lines[name].append((surt(visit.url), json.dumps(entry)))
                data += record
            self.files[f"/{path}"] = data

    def index(self, connection: socket.socket, target: str) -> None:
        self.asked.append(target)
        if self.ban is not None:
            says(b"<html>slow down</html>", self.ban[1], status=self.ban[0])(connection, WildServer())
            return
        path, _, query = target.partition("?")
        if path == "/collinfo.json":
            listed = [
                {"id": name, "name": name, "cdx-api": f"https://elsewhere/{name}-index", "from": begin, "to": end}
                for name, (begin, end, _) in self.crawls.items()
            ]
            says(json.dumps(listed).encode(), {"Content-Type": "application/json"})(connection, WildServer())
            return
        options = {name: values[0] for name, values in parse_qs(query).items()}
        lines = self.lines[path.removeprefix("/").removesuffix("-index")]
        if options.get("matchType") == "host":
            key = surt("http://" + options["url"].removesuffix("*")).partition(")")[0] + ")"
            found = [line for surt_, line in lines if surt_.startswith(key)]
            if "showNumPages" in options:
                body = json.dumps({"pages": -(-len(found) // 3), "pageSize": 5, "blocks": 1}).encode()
                says(body)(connection, WildServer())
                return
            found = found[3 * int(options["page"]) :][:3]
        else:
            found = [line for surt_, line in lines if surt_ == surt(options["url"])]
        if found:
            says("".join(f"{line}\n" for line in found).encode())(connection, WildServer())
        else:
            body = b'{"message": "No Captures found for: ' + options["url"].encode() + b'"}'
            says(body, status="404 Not Found")(connection, WildServer())

    def data(self, connection: socket.socket, target: str, head: bytes) -> None:
        self.asked.append(target)
        found = next(line for line in head.decode().splitlines() if line.lower().startswith("range:"))
        first, last = found.partition("bytes=")[2].split("-")
        part = self.files[unquote(target)][int(first) : int(last) + 1]
        says(part, {"Content-Type": "application/octet-stream"}, status="206 Partial Content")(connection, WildServer())


@dataclass
class WaybackServer:
    """Answers as web.archive.org: the CDX server, and playback with `id_`."""

    visits: tuple[Visit, ...]
    excluded: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    answers: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Statuses and headers that are given first, before anything of use."""
    before: Callable[[], object] = lambda: None
    """Called at each request, before it has an answer."""

    def answer(self, connection: socket.socket, target: str) -> None:
        self.asked.append(target)
        self.before()
        if self.answers:
            status, headers = self.answers.pop(0)
            says(b"<html>Too Many Requests</html>", headers, status=status)(connection, WildServer())
        elif target.startswith("/cdx/search/cdx?"):
            self._index(connection, parse_qs(target.partition("?")[2])["url"][0])
        else:
            self._play(connection, target)

    def _index(self, connection: socket.socket, url: str) -> None:
        if url in self.excluded:
            told = {"X-Archive-Wayback-Runtime-Error": "AdministrativeAccessControlException: Blocked Site Error"}
            says(b"org.archive.util.io.RuntimeIOException", told, status="403 Forbidden")(connection, WildServer())
            return
        found = [visit for visit in self.visits if surt(visit.url) == surt(url)]
        rows = [[visit.when, visit.url, visit.mime, str(visit.status)] for visit in found]
        head = ["timestamp", "original", "mimetype", "statuscode"]
        body = json.dumps([head, *rows] if rows else []).encode()
        says(gzip.compress(body), {"Content-Type": "application/json", "Content-Encoding": "gzip"})(
            connection, WildServer()
        )

    def _play(self, connection: socket.socket, target: str) -> None:
        when, _, url = target.removeprefix("/web/").partition("id_/")
        found = [visit for visit in self.visits if surt(visit.url) == surt(url)]
        if not found:
            says(b"not archived", status="404 Not Found")(connection, WildServer())
            return
        visit = min(found, key=lambda one: abs(int(one.when) - int(when)))
        if visit.when != when:
            says(b"", {"Location": f"/web/{visit.when}id_/{visit.url}"}, status="302 Found")(connection, WildServer())
            return
        headers = {f"X-Archive-Orig-{name}": value for name, value in visit.headers}
        moment = datetime.strptime(visit.when, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        headers |= {
            "Content-Type": visit.mime,
            "Memento-Datetime": f"{moment:%a, %d %b %Y %H:%M:%S GMT}",
            "X-Archive-Orig-Content-Length": str(len(visit.body)),
        }
        location = dict(visit.headers).get("Location")
        if location:
            headers["Location"] = f"http://{MACHINE}/web/{visit.when}id_/{location}"
        for name, value in visit.headers:
            if name.lower() == "content-encoding":
                headers["Content-Encoding"] = value
        says(visit.body, headers, status=f"{visit.status} Whatever")(connection, WildServer())


def serve(wild: WildServer, *, crawls: CommonCrawlServer | None = None, machine: WaybackServer | None = None) -> None:
    """Let a wild server be these archives, too."""
    if crawls is not None:
        wild.hosts_of[INDEX] = lambda connection, target, head: crawls.index(connection, target)
        wild.hosts_of[DATA] = crawls.data
    if machine is not None:
        wild.hosts_of[MACHINE] = lambda connection, target, head: machine.answer(connection, target)
