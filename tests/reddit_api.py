"""A server on the loopback that speaks the protocol of Reddit's listing API, faults and limits included."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from webtext.crawler.reddit.listing import Endpoints

IDENTITY, SECRET = "an-app-id", "a-very-secret-secret"

Answer = tuple[int, dict[str, str], bytes]
LIMITS = {"X-Ratelimit-Used": "1", "X-Ratelimit-Remaining": "599.0", "X-Ratelimit-Reset": "0"}


@dataclass
class FakeReddit:
    """`pages` by path: the submissions of each page. `faults` are given instead of the next good answers."""

    pages: dict[str, list[list[dict[str, Any]]]]
    faults: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    tokens: int = 0
    expires_after: int = 1_000
    """Listing requests that one token is good for."""
    url: str = ""
    on_page: Callable[[int], None] = lambda number: None

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(f"{self.url}/api/v1/access_token", self.url)

    def token(self, headers: Any, body: bytes) -> Answer:
        wanted = base64.b64encode(f"{IDENTITY}:{SECRET}".encode()).decode()
        if headers["Authorization"] != f"Basic {wanted}" or body != b"grant_type=client_credentials":
            return 401, {}, b'{"message": "Unauthorized", "error": 401}'
        self.tokens += 1
        self._left = self.expires_after
        return 200, {}, json.dumps({"access_token": f"token-{self.tokens}", "expires_in": 86400}).encode()

    def listing(self, target: str, headers: Any) -> Answer:
        if headers["Authorization"] != f"bearer token-{self.tokens}" or self._left <= 0:
            return 401, {}, b""
        parts = urlsplit(target)
        pages = self.pages.get(parts.path)
        if pages is None:
            return 404, LIMITS, b'{"message": "Not Found", "error": 404}'
        if self.faults:
            return self.faults.pop(0)
        self._left -= 1
        after = parse_qs(parts.query).get("after", ["page_0"])[0]
        number = int(after.rpartition("_")[2])
        self.on_page(number)
        children = [{"kind": "t3", "data": submission} for submission in pages[number]]
        following = f"page_{number + 1}" if number + 1 < len(pages) else None
        return 200, LIMITS, json.dumps(listing(children, following)).encode()


def listing(children: list[dict[str, Any]], after: str | None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"modhash": "", "after": after, "before": None, "children": children}}


def submission(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"a{number}", "name": f"t3_a{number}", "url": f"http://site.example/{number}", "subreddit": "science",
        "score": number, "created_utc": 1_700_000_000.0 + number, "is_self": False, "over_18": False, **fields,
    }  # fmt: skip


@contextmanager
def fake_reddit(**fields: Any) -> Iterator[FakeReddit]:
    reddit = FakeReddit(**fields)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(reddit.token(self.headers, body))

        def do_GET(self) -> None:
            reddit.asked.append(self.path)
            reddit.agents.add(self.headers["User-Agent"])
            self._answer(reddit.listing(self.path, self.headers))

        def _answer(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    reddit.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield reddit
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
