"""What tests of the crawl share: links/ of their own, a call of the stage, a server that misbehaves on demand."""

from __future__ import annotations

import contextlib
import resource
import socket
import socketserver
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from children import children

from webtext.corpus.config import shaping
from webtext.corpus.files import file_sha256, read_parquet, write_parquet
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.settings import ArchivesSettings, CrawlSettings
from webtext.corpus.stages import StageRun, stage_manifest
from webtext.crawler.fetch.archives.passing import describe
from webtext.crawler.fetch.crawl import make_pages, pages_inputs, pages_rules
from webtext.crawler.fetch.ledger import Ledger, Link
from webtext.crawler.reddit.urls import host_of, normalise, registered_domain, url_key


def write_links(folder: Path, urls: Sequence[str], posted: Mapping[str, datetime] | None = None) -> Path:
    """A links/ of these addresses, with nothing known of their submissions but perhaps when they were posted."""
    rows = sorted((url_key(url), normalise(url)) for url in urls)
    table = pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.uint64()),
            "url": [url for _, url in rows],
            "domain": [registered_domain(host_of(url)) for _, url in rows],
            "karma": [3] * len(rows),
            "submissions": [[] for _ in rows],
            "first_posted": [(posted or {}).get(url) for _, url in rows],
        },
        schema=LINKS,
    )
    path = folder / "links" / "part-00000.parquet"
    write_parquet(path, table, LINKS)
    return path


def crawl(
    corpus: Path,
    urls: Sequence[str],
    *,
    replay: Sequence[Path] = (),
    settings: CrawlSettings | None = None,
    redo: bool = False,
    stop: Stop | None = None,
    archives: ArchivesSettings | None = None,
    posted: Mapping[str, datetime] | None = None,
    **more: Any,
) -> Manifest:
    """One call of the stage, as the command makes it."""
    links = write_links(corpus, urls, posted)
    chosen = settings or CrawlSettings()
    sources = [] if archives is None else describe(chosen, archives, more.get("allow_loopback") or {})
    inputs = pages_inputs(file_sha256(links), replay, sources=sources)
    redo = redo or more.get("refetch", False)
    before = stage_manifest(corpus, Stage.PAGES)
    left = before is not None and "deferred" in before.outcomes
    run = StageRun.begin(
        corpus, Stage.PAGES, settings=shaping(chosen), rules=pages_rules(chosen), inputs=inputs, redo=redo, resume=left
    )
    if run.done:
        assert run.previous is not None
        return run.previous
    more.setdefault("accept_loss", False)
    return make_pages(
        run, corpus, [links], chosen, replay=replay, stop=stop or Stop(raising=False), archives=archives, **more
    )


def claim(ledger: Ledger, count: int) -> list[Link]:
    """Take up to so many of the links that wait."""
    return ledger.claim_keys([key for key, _ in list(ledger.waiting())[:count]])


def outcomes_of(corpus: Path) -> dict[str, tuple[str, str]]:
    """Outcome and detail of each address that is no page."""
    rows = read_parquet(corpus / "outcomes/pages-00000.parquet", OUTCOMES).to_pylist()
    return {row["url"]: (row["outcome"], row["detail"]) for row in rows}


def pages_of(corpus: Path) -> dict[str, dict[str, Any]]:
    """The row of each address that is a page."""
    with Ledger.reading(corpus / "pages/ledger.sqlite") as ledger:
        return {row["url"]: row for row in ledger.pages().to_pylist()}


def fate_of(corpus: Path, url: str) -> tuple[str, str]:
    """Outcome and detail of an address; a page's outcome is "page", its detail the final address."""
    pages = pages_of(corpus)
    url = normalise(url)
    return ("page", pages[url]["final_url"]) if url in pages else outcomes_of(corpus)[url]


@contextlib.contextmanager
def dying(moment: Callable[[], float], *, most: int = 1_000_000) -> Iterator[list[int]]:
    """Kill crawl processes that the block starts, each at a moment of its work, until `most` are killed.

    Args:
        moment: drawn for each process: seconds of its own processor time (`children_seconds` tells what a whole one
            takes here). Not the wall's: what is busy elsewhere must not decide where a kill falls.

    Yields:
        The killed ones' ids.
    """
    over, drawn, killed = threading.Event(), dict[int, float](), list[int]()

    def kill() -> None:
        while not over.wait(0.02):
            for child in children():
                with contextlib.suppress(psutil.Error):
                    if child.pid not in drawn:
                        if not any(word.startswith("webtext.crawler.fetch.") for word in child.cmdline()):
                            continue
                        drawn[child.pid] = moment()
                    if child.pid in killed or len(killed) >= most:
                        continue
                    if sum(child.cpu_times()[:2]) > drawn[child.pid]:
                        killed.append(child.pid)
                        child.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


def children_seconds() -> float:
    """Processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


Answer = Callable[[socket.socket, "WildServer"], None]


@dataclass
class WildServer:
    """A web server on 127.0.0.1 that answers each (host, path) as a test says; everything else is 404."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    under_way: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    """The most requests of a host that waited for an answer at once."""
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    hosts_of: dict[str, Callable[[socket.socket, str, bytes], None]] = field(default_factory=dict)
    """Hosts that answer every path themselves, given connection, target and head (tests/web_archives.py)."""
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _requests: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> Counter[str]:
        """How often each host and path was asked for until now."""
        with self._counting:
            return self._requests.copy()

    def url(self, host: str, path: str = "/") -> str:
        return f"http://{host}:{self.port}{path}"

    def add(self, host: str, path: str, answer: Answer | bytes) -> str:
        self.answers[host, path] = says(answer) if isinstance(answer, bytes) else answer
        return self.url(host, path)

    def hosts(self) -> dict[str, str]:
        return dict.fromkeys((*(host for host, _ in self.answers), *self.hosts_of), "127.0.0.1")

    @contextlib.contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator[WildServer]:
        wild = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    while head := read_head(self.request):
                        path = head.split()[1].decode()
                        host = next(line.split()[1] for line in head.splitlines() if line.lower().startswith(b"host:"))
                        name = host.decode().split(":")[0]
                        answer = wild.answers.get((name, path), says(b"gone", status="404 Not Found"))
                        with wild._counting:
                            wild._requests[f"{name}{path}"] += 1
                            wild.under_way[name] += 1
                            wild.most[name] = max(wild.most[name], wild.under_way[name])
                        connection = _Waited(self.request, wild, name)
                        try:
                            if name in wild.hosts_of:
                                wild.hosts_of[name](connection, path, head)  # type: ignore[arg-type]
                            else:
                                answer(connection, wild)  # type: ignore[arg-type]
                        finally:
                            connection.answered()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

            def get_request(self) -> tuple[socket.socket, object]:
                connection, address = super().get_request()
                return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            try:
                yield self
            finally:
                self.over.set()
                server.shutdown()


class _Waited:
    """The connection of a request that waits for its answer until the answer begins to be sent: after that its client
    may ask again before this thread gets to count it."""

    def __init__(self, connection: socket.socket, wild: WildServer, name: str) -> None:
        self._connection = connection
        self._wild = wild
        self._name = name
        self._waits = True

    def answered(self) -> None:
        if self._waits:
            self._waits = False
            with self._wild._counting:
                self._wild.under_way[self._name] -= 1

    def sendall(self, data: bytes) -> None:
        self.answered()
        self._connection.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if data.startswith(b"\x16"):  # TLS spoken to a plain port
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return b""
        if not data:
            return b""
        head += data
    return head


def says(
    body: bytes, headers: Mapping[str, str] | None = None, *, status: str = "200 OK", length: int | None = None
) -> Answer:
    """A plain answer; `length` is what it claims to have."""
    fields = {"Content-Type": "text/html; charset=utf-8", **(headers or {})}
    fields.setdefault("Content-Length", str(len(body) if length is None else length))
    head = (
        f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value) + "\r\n"
    )
    return lambda connection, wild: connection.sendall(head.encode("latin-1") + body)


def moved(location: str, status: str = "302 Found") -> Answer:
    return says(b"", {"Location": location}, status=status)


def silent(connection: socket.socket, wild: WildServer) -> None:
    """Says nothing until the test is over."""
    wild.over.wait()
    connection.close()


def half(connection: socket.socket, wild: WildServer) -> None:
    """Begins an answer and never ends it."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n<p>half")
    wild.over.wait()
    connection.close()


def endless(connection: socket.socket, wild: WildServer) -> None:
    """Sends a page that does not end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while not wild.over.is_set():
        connection.sendall(b"<p>more</p>" * 5_000)


def cut(connection: socket.socket, wild: WildServer) -> None:
    """Sends less than it announced and closes."""
    says(b"<p>half", length=100)(connection, wild)
    connection.close()


def reset(connection: socket.socket, wild: WildServer) -> None:
    """Resets the connection instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def chunked(*parts: bytes) -> Answer:
    """An answer in chunks."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return lambda connection, wild: connection.sendall(head + body)


QUICK = replace(
    CrawlSettings(),
    contact="me@example.org", delay=0.0, timeout=60.0, retries=1, max_bytes=200_000, max_decoded=200_000,
)  # fmt: skip
"""Settings for a server on this machine. Whatever answers has a minute for it: a busy machine changes no outcome. Links
to what never answers are crawled first, with IMPATIENT."""

IMPATIENT = replace(QUICK, timeout=3.0)
