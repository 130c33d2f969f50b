"""The crawl over real HTTP, against a server that does what servers do: one outcome for each kind of answer."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import brotli
import pytest
from crawling import (
    IMPATIENT,
    QUICK,
    Answer,
    WildServer,
    chunked,
    crawl,
    cut,
    endless,
    half,
    moved,
    outcomes_of,
    pages_of,
    reset,
    says,
    silent,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from webtext.crawler.fetch.decoding import decode_body
from webtext.crawler.fetch.lookup import look_up
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.warc import read_record
from webtext.crawler.reddit.urls import normalise, url_key

PAGE = b"<!doctype html><title>A page</title><p>" + b"All kinds of words. " * 200


def torn(body: bytes, headers: dict[str, str] | None = None) -> Answer:
    """Announces more than it sends, and closes."""

    def answer(connection: socket.socket, wild: WildServer) -> None:
        says(body, headers, length=len(body) + 500)(connection, wild)
        connection.close()

    return answer


def torn_chunk(connection: socket.socket, wild: WildServer) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head + b"c\r\n<p>one chunk\r\nff\r\n<p>half of another")
    connection.close()


@dataclass
class Crawled:
    corpus: Path
    server: WildServer
    urls: dict[str, str]

    def fate(self, name: str) -> tuple[str, str]:
        url = normalise(self.urls[name])
        page = pages_of(self.corpus).get(url)
        return ("page", page["final_url"]) if page else outcomes_of(self.corpus)[url]

    def stored(self, name: str) -> StoredResponse:
        row = pages_of(self.corpus)[normalise(self.urls[name])]
        return read_record(self.corpus / "pages" / row["segment"], row["offset"], row["length"])

    def asked(self, name: str) -> int:
        host, _, path = self.urls[name].removeprefix("http://").partition("/")
        return self.server.requests[f"{host.split(':')[0]}/{path}"]


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> object:
    server = WildServer()
    with server.running(), socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen: connections are refused, and nobody else takes the port
        closed_port = closed.getsockname()[1]
        packed = says(gzip.compress(PAGE), {"Content-Encoding": "gzip"})
        cut_gzip = says(gzip.compress(PAGE)[:-8], {"Content-Encoding": "gzip"})
        bomb = says(gzip.compress(b"\0" * 5_000_000), {"Content-Encoding": "gzip"})
        urls = {
            "page": server.add("plain.test", "/", PAGE),
            "gzip": server.add("packed.test", "/gzip", packed),
            "brotli": server.add("packed.test", "/br", says(brotli.compress(PAGE), {"Content-Encoding": "br"})),
            "chunked": server.add("chunked.test", "/", chunked(PAGE[:100], PAGE[100:])),
            "untyped": server.add("untyped.test", "/", says(PAGE, {"Content-Type": ""})),
            "text": server.add("text.test", "/", says(b"plain words", {"Content-Type": "text/plain"})),
            "empty": server.add("empty.test", "/", b""),
            "moved": server.add("moved.test", "/old", moved("/new", "301 Moved Permanently")),
            "moved away": server.add("moved.test", "/away", moved(server.url("plain.test"))),
            "404": server.add("errors.test", "/404", says(b"gone", status="404 Not Found")),
            "503": server.add("errors.test", "/503", says(b"busy", status="503 Service Unavailable")),
            "pdf": server.add(
                "files.test", "/a.pdf", says(b"%PDF", {"Content-Type": "application/pdf"}, length=150_000)
            ),
            "binary": server.add("files.test", "/untyped", says(b"\x00\x01\x02", {"Content-Type": ""})),
            "huge": server.add("huge.test", "/declared", says(b"x", length=300_000)),
            "endless": server.add("huge.test", "/endless", endless),
            "bomb": server.add("huge.test", "/bomb", bomb),
            "headers": server.add("huge.test", "/headers", says(PAGE, {f"X-{n}": "x" * 8_000 for n in range(9)})),
            "silent": server.add("slow.test", "/silent", silent),
            "half": server.add("slow2.test", "/half", half),
            "cut": server.add("broken.test", "/cut", cut),
            "cut gzip": server.add("broken.test", "/gzip", cut_gzip),
            "torn chunk": server.add("broken2.test", "/chunk", torn_chunk),
            "torn opt-out": server.add("broken2.test", "/no", torn(b"<meta name=robots content=noai>" + PAGE)),
            "torn packed opt-out": server.add(
                "broken3.test",
                "/no",
                torn(gzip.compress(b"<meta name=robots content=noai>" + PAGE)[:-20], {"Content-Encoding": "gzip"}),
            ),
            "torn from the start": server.add("broken3.test", "/", torn(b"")),
            "led to torn": server.add("moved.test", "/torn", moved(server.url("broken2.test", "/chunk"))),
            "reset": server.add("broken.test", "/reset", reset),
            "nonsense": server.add("broken.test", "/nonsense", lambda c, _: (c.sendall(b"no HTTP\r\n\r\n"), c.close())),  # type: ignore[arg-type, return-value, func-returns-value]
            "refused": f"http://refused.test:{closed_port}/",
            "unknown": "http://no-such-name.invalid/",
            "loop": server.add("loop.test", "/a", moved("/b")),
            "self": server.add("loop.test", "/self", moved("/self")),
            "long": server.add("long.test", "/0", moved("/1")),
            "nowhere": server.add("loop.test", "/nowhere", moved("")),
            "mail": server.add("loop.test", "/mail", moved("mailto:a@b.test")),
            "opt-out header": server.add("no.test", "/header", says(PAGE, {"X-Robots-Tag": "noai"})),
            "opt-out meta": server.add("no.test", "/meta", b"<meta name=robots content=noai>" + PAGE),
            "forbidden": server.add("closed.test", "/private/a", PAGE),
            "allowed": server.add("closed.test", "/open", PAGE),
            "led to forbidden": server.add("moved.test", "/closed", moved(server.url("closed.test", "/private/b"))),
            "robots 503": server.add("robots503.test", "/", PAGE),
            "robots silent": server.add("robotsilent.test", "/", PAGE),
            "literal": "http://127.0.0.1/",
            "metadata": server.add("inside.test", "/metadata", moved("http://169.254.169.254/latest/")),
            "back home": server.add("inside.test", "/home", moved(f"http://127.0.0.1:{server.port}/secret")),
            "by name": f"http://corp.test:{server.port}/secret",
            "led by name": server.add("inside.test", "/corp", moved(f"http://corp.test:{server.port}/secret")),
        }
        server.add("moved.test", "/new", PAGE)
        server.add("loop.test", "/b", moved("/a"))
        for number in range(1, 13):
            server.add("long.test", f"/{number}", moved(f"/{number + 1}"))
        server.add("closed.test", "/robots.txt", b"User-agent: webtext\nDisallow: /private\n")
        server.add("closed.test", "/private/b", PAGE)
        server.add("robots503.test", "/robots.txt", says(b"", status="503 Service Unavailable"))
        server.add("robotsilent.test", "/robots.txt", silent)
        server.add("127.0.0.1", "/secret", PAGE)
        corpus = tmp_path_factory.mktemp("crawled")
        hosts = {**server.hosts(), "refused.test": "127.0.0.1", "corp.test": "10.0.0.8"}
        slow = [urls[name] for name in ("silent", "half", "robots silent")]
        crawl(corpus, slow, settings=IMPATIENT, allow_loopback=hosts)
        crawl(corpus, list(urls.values()), settings=QUICK, allow_loopback=hosts)
        yield Crawled(corpus, server, urls)


@pytest.mark.parametrize("name", ["page", "gzip", "brotli", "chunked", "untyped"])
def test_a_page_is_stored_as_it_was_sent(crawled: Crawled, name: str) -> None:
    assert crawled.fate(name) == ("page", normalise(crawled.urls[name]))
    stored = crawled.stored(name)
    assert stored.status == 200
    assert decode_body(stored.headers, stored.body, 1_000_000) == PAGE
    if name in ("gzip", "brotli"):
        assert len(stored.body) < len(PAGE) // 2


@pytest.mark.parametrize(
    ("name", "target"),
    [("moved", ("moved.test", "/new")), ("moved away", ("plain.test", "/"))],
)
def test_redirects_are_followed(crawled: Crawled, name: str, target: tuple[str, str]) -> None:
    assert crawled.fate(name) == ("page", crawled.server.url(*target))
    assert crawled.stored(name).body == PAGE


@pytest.mark.parametrize(
    ("name", "outcome", "detail"),
    [
        ("404", "http-error", "status 404"),
        ("503", "http-error", "status 503"),
        ("pdf", "content-type", "application/pdf"),
        ("binary", "content-type", "no Content-Type, and binary data"),
        ("huge", "too-large", "more than 200,000 bytes by its Content-Length"),
        ("endless", "too-large", "more than 200,000 bytes as sent"),
        ("bomb", "too-large", "more than 200,000 bytes decoded"),
        ("headers", "too-large", "more than 65,536 bytes of headers"),
        ("silent", "timeout", "no whole answer in time"),
        ("half", "timeout", "no whole answer in time"),
        ("cut", "unreachable", "the answer broke off"),
        ("cut gzip", "unreachable", "the compressed body was cut short"),
        ("torn chunk", "unreachable", "the answer broke off"),
        ("torn opt-out", "unreachable", "the answer broke off"),
        ("torn packed opt-out", "unreachable", "the answer broke off"),
        ("torn from the start", "unreachable", "the answer broke off"),
        ("led to torn", "unreachable", "the answer broke off"),
        ("reset", "unreachable", "the connection was closed"),
        ("nonsense", "unreachable", "no valid answer (ParseError)"),
        ("refused", "unreachable", "robots.txt: the connection was refused"),
        ("unknown", "unreachable", "robots.txt: the host's name is not known"),
        ("loop", "redirect", "leads back to an address of its own chain"),
        ("self", "redirect", "leads back to an address of its own chain"),
        ("long", "redirect", "more than 10 redirects"),
        ("nowhere", "redirect", "status 302 without a Location"),
        ("opt-out header", "opt-out", "noai in X-Robots-Tag"),
        ("opt-out meta", "opt-out", "noai in meta robots"),
        ("forbidden", "robots", "disallowed by robots.txt, line 2: Disallow: /private (for webtext)"),
        ("led to forbidden", "robots", "disallowed by robots.txt, line 2: Disallow: /private (for webtext)"),
        ("robots 503", "robots", "robots.txt has status 503"),
        ("robots silent", "timeout", "robots.txt: no whole answer in time"),
        ("literal", "private-address", "127.0.0.1 is no public address"),
        ("metadata", "private-address", "169.254.169.254 is no public address"),
        ("back home", "private-address", "127.0.0.1 is no public address"),
        ("by name", "private-address", "the host's name leads to no public address"),
        ("led by name", "private-address", "the host's name leads to no public address"),
    ],
)
def test_every_other_answer_has_its_outcome(crawled: Crawled, name: str, outcome: str, detail: str) -> None:
    assert crawled.fate(name) == (outcome, detail)


def test_an_address_that_cannot_be_used_ends_a_redirect(crawled: Crawled) -> None:
    outcome, detail = crawled.fate("mail")
    assert outcome == "redirect"
    assert detail.startswith("to an unusable address")


@pytest.mark.parametrize("name", ["text", "empty", "allowed"])
def test_what_else_is_a_page(crawled: Crawled, name: str) -> None:
    assert crawled.fate(name)[0] == "page"


def test_what_robots_txt_forbids_is_never_asked_for(crawled: Crawled) -> None:
    assert crawled.asked("forbidden") == 0
    assert crawled.server.requests["closed.test/private/b"] == 0
    assert crawled.asked("robots 503") == 0
    assert crawled.asked("robots silent") == 0


def test_what_is_private_is_never_asked_for(crawled: Crawled) -> None:
    assert crawled.server.requests["127.0.0.1/secret"] == 0
    assert crawled.server.requests["corp.test/secret"] == 0


def test_only_failures_that_may_pass_are_tried_again(crawled: Crawled) -> None:
    tries = {name: crawled.asked(name) for name in ("page", "404", "pdf", "huge", "503", "cut", "silent")}
    # "page" is asked for by itself and by "moved away".
    assert tries == {"page": 2, "404": 1, "pdf": 1, "huge": 1, "503": 2, "cut": 2, "silent": 2}


def test_a_host_is_asked_for_one_thing_at_a_time(tmp_path: Path) -> None:
    server, both = WildServer(), threading.Barrier(2)

    def together(connection: socket.socket, wild: WildServer) -> None:
        both.wait(60)  # only answers when another host is being asked, too
        says(PAGE)(connection, wild)

    with server.running():
        urls = [server.add(f"host{number % 2}.test", f"/{number}", together) for number in range(20)]
        crawl(tmp_path, urls, settings=QUICK, allow_loopback=server.hosts())
    assert server.most == {"host0.test": 1, "host1.test": 1}
    assert len(pages_of(tmp_path)) == 20


def test_pages_come_over_tls(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "secure.pem"
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server, open_server = WildServer(), WildServer()
    with server.running(context), open_server.running():
        page = server.add("secure.test", "/", PAGE).replace("http:", "https:")
        plain_url = open_server.add("open.test", "/", PAGE).replace("http:", "https:")
        hosts = {"secure.test": "127.0.0.1", "open.test": "127.0.0.1"}
        corpus = tmp_path / "corpus"
        crawl(corpus, [page, plain_url], settings=QUICK, allow_loopback=hosts)
    assert list(pages_of(corpus)) == [page]
    assert outcomes_of(corpus)[plain_url] == ("unreachable", "robots.txt: no TLS connection")


def test_robots_txt_is_asked_for_once_a_host(crawled: Crawled) -> None:
    asked = {name: count for name, count in crawled.server.requests.items() if name.endswith("/robots.txt")}
    assert asked["closed.test/robots.txt"] == 1
    assert asked["moved.test/robots.txt"] == 1
    assert asked["robots503.test/robots.txt"] == 2  # tried again


def test_the_segment_has_each_hop_with_its_request(crawled: Crawled) -> None:
    records = []
    with (crawled.corpus / "pages/segment-00000.warc.gz").open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            target = record.rec_headers.get_header("WARC-Target-URI")
            records.append((record.rec_type, target, record.http_headers, record.raw_stream.read()))
            assert record.digest_checker.passed is not False
    assert records[0][0] == "warcinfo"
    old = normalise(crawled.urls["moved"])
    place = next(index for index, record in enumerate(records) if record[1] == old)
    assert [record[:2] for record in records[place : place + 4]] == [
        ("response", old), ("request", old),
        ("response", crawled.server.url("moved.test", "/new")), ("request", crawled.server.url("moved.test", "/new")),
    ]  # fmt: skip
    request = records[place + 1][2]
    assert request.get_header("Host") == f"moved.test:{crawled.server.port}"
    assert request.get_header("User-Agent") == "webtext/0.1 (me@example.org)"
    assert request.get_header("From") == "me@example.org"
    assert not [record for record in records if record[1] and "no.test" in record[1]]  # an opt-out leaves nothing


def test_the_beginning_of_what_broke_off_is_recorded_and_marked_for_every_reader(crawled: Crawled) -> None:
    segment = crawled.corpus / "pages/segment-00000.warc.gz"
    marked: dict[str, str] = {}
    with segment.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            record.raw_stream.read()
            if reason := record.rec_headers.get_header("WARC-Truncated"):
                marked[record.rec_headers.get_header("WARC-Record-ID")] = reason
    with segment.open("rb") as file:
        found = {one.headers["WARC-Record-ID"]: one.headers.get("WARC-Truncated") for one in FastIterator(file)}
    assert {name: reason for name, reason in found.items() if reason} == marked
    reasons = {}
    for name, url in crawled.urls.items():
        entry = look_up(crawled.corpus / "pages/ledger.sqlite", url_key(url))
        if entry is not None and entry.outcome != "page" and entry.answers:
            last = entry.answers[-1]
            reasons[name] = marked.pop(f"<{last.record_id}>")
            stored = read_record(segment, last.offset, last.length)
            assert (stored.truncated, bool(stored.body)) == (reasons[name], True)
            assert [answer.status for answer in entry.answers] == ([302, 200] if name == "led to torn" else [200])
    # Neither what opts out, as far as it came, nor what never began.
    assert reasons == {
        "half": "time", "endless": "length", "cut": "disconnect", "cut gzip": "unspecified", "torn chunk": "disconnect",
        "led to torn": "disconnect",
    }  # fmt: skip
    assert not marked


def test_a_replay_takes_nothing_of_what_broke_off_for_a_page(crawled: Crawled, tmp_path: Path) -> None:
    names = ["page", "cut", "half", "endless", "cut gzip", "led to torn"]
    crawl(
        tmp_path, [crawled.urls[name] for name in names], replay=[crawled.corpus / "pages/segment-00000.warc.gz"],
        settings=QUICK,
    )  # fmt: skip
    replayed = Crawled(tmp_path, crawled.server, crawled.urls)
    assert {name: replayed.fate(name)[0] for name in names} == {name: crawled.fate(name)[0] for name in names}
    assert replayed.fate("cut")[1] == "only the beginning was recorded (WARC-Truncated: disconnect)"


def test_nothing_is_left_beside_the_results(crawled: Crawled) -> None:
    names = sorted(str(path.relative_to(crawled.corpus)) for path in crawled.corpus.rglob("*") if path.is_file())
    assert names == [
        "links/part-00000.parquet", "outcomes/pages-00000.parquet", "pages/hosts.sqlite", "pages/index.cdxj",
        "pages/ledger.sqlite",
        "pages/segment-00000.warc.gz", "pages/stage.json",
    ]  # fmt: skip
