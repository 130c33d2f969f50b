"""A welcome guest, over real HTTP: how often a host is asked, through kills and restarts; what opens the guard; what
`webtext robots` says."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from children import children
from crawling import QUICK, WildServer, crawl, fate_of, moved, outcomes_of, pages_of, says
from typer.testing import CliRunner
from warcio.archiveiterator import ArchiveIterator

from webtext.api import robots
from webtext.cli import app
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import write_json
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch import site_process
from webtext.crawler.fetch.components import scrapy_settings
from webtext.crawler.fetch.evidence import read_evidence
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.reddit.urls import normalise

PAGE = b"<!doctype html><title>A page</title><p>words"


def test_no_remote_control_and_one_way_to_fetch() -> None:
    settings = scrapy_settings(Plan(pages=Path("/x"), settings=QUICK, parent=1))
    assert settings["TELNETCONSOLE_ENABLED"] is False
    assert settings["EXTENSIONS_BASE"] == {} == settings.get("EXTENSIONS", {})
    assert settings["DOWNLOAD_HANDLERS_BASE"] == {}
    assert sorted(settings["DOWNLOAD_HANDLERS"]) == ["http", "https"]
    assert settings["DOWNLOADER_MIDDLEWARES_BASE"] == {}


HOSTILE = {
    "http_proxy": "http://127.0.0.1:{port}", "https_proxy": "http://127.0.0.1:{port}",
    "HTTP_PROXY": "http://127.0.0.1:{port}", "ALL_PROXY": "http://127.0.0.1:{port}", "no_proxy": "",
    "WEBTEXT_ALLOW_LOOPBACK": '{{"a.test": "127.0.0.1:{port}"}}', "WEBTEXT_LITTLE_WEB": "1", "WEBTEXT_CONTACT": "x",
    "SCRAPY_SETTINGS_MODULE": "nowhere", "SCRAPY_TELNETCONSOLE_ENABLED": "1", "SCRAPY_REMOTE_CONTROL_ENABLED": "1",
    "LOCALDOMAIN": "localhost", "RES_OPTIONS": "ndots:0", "HOSTALIASES": "/dev/null",
}  # fmt: skip


def other(value: object, name: str) -> object:
    """Another value of a setting than its default, as open as it can be."""
    match value:
        case bool():
            return not value
        case int():
            return value * 2
        case float():
            return 0.0 if name == "delay" else value
        case tuple():
            return ()
    return value


def test_no_setting_flag_or_variable_opens_the_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once, and every address of this machine asked for on a port where somebody listens."""
    connections: list[object] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        def count() -> None:
            while True:
                try:
                    connection, place = listener.accept()
                except OSError:
                    return
                connections.append(place)
                connection.close()

        threading.Thread(target=count, daemon=True).start()
        for name, value in HOSTILE.items():
            monkeypatch.setenv(name, value.format(port=port))
        values = {part.name: other(getattr(QUICK, part.name), part.name) for part in dataclasses.fields(CrawlSettings)}
        settings = replace(CrawlSettings(), **{**values, "contact": "me@example.org", "retries": 0})  # type: ignore[arg-type]
        assert not settings.obey_robots
        hosts = (
            "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.1", "[::1]", "[::ffff:127.0.0.1]", "localhost",
            "a.localhost", "0.0.0.0", "[::]", "127.0.0.2", "127.255.255.254",
        )  # fmt: skip
        urls = [f"http://{host}:{port}/{number}" for number, host in enumerate(hosts)]
        urls += [f"https://{host}:{port}/s{number}" for number, host in enumerate(hosts)]
        inside = {"corp.test": "10.0.0.8", "cloud.test": "169.254.169.254", "six.test": "fd00::1"}
        urls += [f"http://{host}:{port}/" for host in inside]
        crawl(tmp_path, urls, settings=settings, allow_loopback=inside)
        listener.close()
    assert not connections
    assert {outcome for outcome, _ in outcomes_of(tmp_path).values()} == {"private-address"}
    assert len(outcomes_of(tmp_path)) == len(urls)


def test_no_option_of_the_command_line_names_the_guard() -> None:
    from typer.main import get_command

    root = get_command(app)
    options = {
        text
        for command in root.commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
        for text in (*parameter.opts, *parameter.secondary_opts)
    }
    assert len(options) > 30
    assert [text for text in options if any(word in text for word in ("loopback", "private", "guard", "little"))] == []
    names = {part.name for part in dataclasses.fields(CrawlSettings)}
    assert [text for text in names if any(word in text for word in ("loopback", "private", "guard", "allow"))] == []


def test_meta_refresh_leads_nowhere(tmp_path: Path) -> None:
    server = WildServer()
    with server.running():
        inside = f'<meta http-equiv="refresh" content="0; url=http://127.0.0.1:{server.port}/secret">'.encode()
        url = server.add("a.test", "/", inside + PAGE)
        server.add("127.0.0.1", "/secret", PAGE)
        crawl(tmp_path, [url], settings=QUICK, allow_loopback={"a.test": "127.0.0.1"})
    assert server.requests["127.0.0.1/secret"] == 0
    assert fate_of(tmp_path, url)[0] == "page"


def test_every_page_has_its_evidence(tmp_path: Path) -> None:
    # It is longer than a page may be.
    robots, tdmrep = (
        b"User-agent: *\nAllow: /\nDisallow: /x\n" + b"#" * QUICK.max_bytes,
        b'[{"location": "/", "tdm-reservation": 0}]',
    )
    server = WildServer()
    with server.running():
        server.add("a.test", "/robots.txt", says(robots))
        server.add("a.test", "/.well-known/tdmrep.json", says(tdmrep))
        further = server.add("a.test", "/further", PAGE)
        url = server.add("a.test", "/old", moved("/new"))
        server.add(
            "a.test", "/new", says(b"<meta name=robots content='noarchive'>" + PAGE, {"X-Robots-Tag": "otherbot: noai"})
        )
        crawl(tmp_path, [url, further], settings=QUICK, allow_loopback={"a.test": "127.0.0.1"})
    row = pages_of(tmp_path)[normalise(url)]
    found = dict(read_evidence(tmp_path / "pages" / row["segment"], row["offset"]))
    # The files of the site lie in the segment, once, and the statements name them by digest and moment.
    with (tmp_path / "pages" / row["segment"]).open("rb") as segment:
        files = {
            record.rec_headers.get_header("WARC-Target-URI").rpartition("/")[2]: (
                record.rec_headers.get_header("WARC-Payload-Digest").replace(":", " "),
                record.rec_headers.get_header("WARC-Date"),
                record.raw_stream.read(),
            )
            for record in ArchiveIterator(segment, check_digests="raise")
            if record.rec_type == "resource"
        }
    assert [(name, body) for name, (_, _, body) in files.items()] == [("robots.txt", robots), ("tdmrep.json", tdmrep)]
    robots_said, tdmrep_said = (f"{digest}, {when}" for digest, when, _ in files.values())
    assert found.pop("ai.txt").startswith("none (status 404), 2")
    assert found == {
        "robots.txt": f"{robots_said}; robots.txt, line 2: Allow: / (for *)",
        "tdmrep.json": f"{tdmrep_said}; tdm-reservation: 0", "X-Robots-Tag": "otherbot: noai",
        "meta robots": "noarchive",
    }  # fmt: skip


def test_a_host_that_says_when_is_asked_again_then(tmp_path: Path) -> None:
    server, moments = WildServer(), []

    def busy_once(connection: socket.socket, wild: WildServer) -> None:
        moments.append(time.monotonic())
        if len(moments) == 1:
            says(b"", {"Retry-After": "1"}, status="429 Too Many Requests")(connection, wild)
        else:
            says(PAGE)(connection, wild)

    with server.running():
        url = server.add("a.test", "/", busy_once)
        crawl(tmp_path, [url], settings=QUICK, allow_loopback={"a.test": "127.0.0.1"})
    assert fate_of(tmp_path, url)[0] == "page"
    assert moments[1] - moments[0] >= 1.0


@pytest.fixture
def asked() -> Iterator[tuple[WildServer, dict[str, str]]]:
    server = WildServer()
    with server.running():
        rules = b"User-agent: *\nDisallow: /private\nCrawl-delay: 2\n\nUser-agent: GPTBot\nDisallow: /essays\n"
        server.add("a.test", "/robots.txt", says(rules))
        server.add("a.test", "/ai.txt", says(b"User-Agent: *\nDisallow: /letters\n\x1b[2J\n"))
        yield server, {"a.test": f"127.0.0.1:{server.port}", "corp.test": "10.0.0.8"}


def test_robots_says_what_we_would_do_and_asks_for_nothing_else(asked: tuple[WildServer, dict[str, str]]) -> None:
    server, table = asked
    found = robots("http://a.test/private/x", contact="me@example.org", _little_web=table)
    assert (found.allowed, found.outcome, found.group, found.rule_line, found.delay) == (False, "robots", "*", 2, 2.0)
    assert found.user_agent == "webtext/0.1 (me@example.org)"
    assert sorted(server.requests) == ["a.test/robots.txt"]
    assert "we would not ask for it: robots" in str(found)


def test_robots_tells_what_its_process_meets(
    asked: tuple[WildServer, dict[str, str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server, table = asked

    def beside_damage(path: Path, value: object) -> None:
        (path.parent / "ledger.sqlite").write_bytes(b"PK\x03\x04" * 300)
        write_json(path, value)

    monkeypatch.setattr(site_process, "write_json", beside_damage)
    with pytest.raises(DamagedFile, match=r"ledger\.sqlite"):
        robots("http://a.test/", contact="me@example.org", _little_web=table)
    assert not server.requests
    assert capfd.readouterr().err == ""


def test_robots_goes_through_the_guard(asked: tuple[WildServer, dict[str, str]]) -> None:
    server, table = asked
    for url in ("http://corp.test/", "http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "localhost"):
        found = robots(url, contact="me@example.org", _little_web=table)
        assert (found.allowed, found.outcome) == (False, "private-address")
    assert not server.requests


def test_robots_reads_a_file_and_needs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "robots.txt"
    path.write_bytes(b"User-agent: *\nDisallow: /private\nUser-agent: \x1b[2J\nDisallow: /\n")
    found = CliRunner().invoke(app, ["robots", "https://a.example/private", "--file", str(path), "--json"])
    told = json.loads(found.stdout)
    assert (told["allowed"], told["rule"], told["rule_line"]) == (False, "Disallow: /private", 2)
    shown = CliRunner().invoke(app, ["robots", "https://a.example/open", "--file", str(path)]).stdout
    assert "we would ask for it" in shown
    assert "\x1b" not in shown


def test_robots_asks_no_site_without_a_contact_and_no_other_scheme() -> None:
    with pytest.raises(UsageError, match=r"crawl\.contact"):
        robots("http://a.example/")
    with pytest.raises(UsageError, match="is no address that is crawled"):
        robots("ftp://a.example/", contact="me@example.org")


DELAY, SLOW = 0.3, 1.5


@pytest.mark.kill
def test_no_host_sees_two_requests_closer_than_its_delay_through_kills_and_restarts(tmp_path: Path) -> None:
    """From the server's side: moments at which requests had come, whoever sent them."""
    seen: dict[str, list[float]] = defaultdict(list)
    server = WildServer()
    lock = threading.Lock()

    class Noting(dict):  # type: ignore[type-arg]
        """The server looks answers up when a request has come."""

        def get(self, key: tuple[str, str], default: object = None) -> object:
            with lock:
                seen[key[0]].append(time.monotonic())
                if sum(map(len, seen.values())) in (
                    9,
                    16,
                    25,
                ):  # before it has an answer; the first six ask for robots.txt
                    for child in children():
                        with contextlib.suppress(psutil.NoSuchProcess):
                            child.kill()
            return super().get(key, default)

    server.answers = Noting()
    urls = []
    for number in range(6):
        host = f"h{number}.test"
        for page in range(4):
            kind = (page + number) % 4
            answer = (moved(f"/t{page}"), PAGE, says(b"gone", status="404 Not Found"), says(b"", status="503 Busy"))[
                kind
            ]
            urls.append((host, f"/{page}", answer))
            server.add(host, f"/t{page}", PAGE)
    server.add("h0.test", "/robots.txt", says(f"User-agent: *\nCrawl-delay: {SLOW}\n".encode()))
    settings = replace(QUICK, delay=DELAY)
    with server.running():
        links = [server.add(*entry) for entry in urls]
        kills = 0
        while True:
            try:
                crawl(tmp_path, links, settings=settings, allow_loopback={host: "127.0.0.1" for host, _, _ in urls})
                break
            except WebtextError as error:
                assert "SIGKILL" in str(error)
                kills += 1
    assert kills == 3
    gaps = {host: min(later - earlier for earlier, later in itertools.pairwise(times)) for host, times in seen.items()}
    assert len(gaps) == 6
    assert min(gaps.values()) >= DELAY - 0.002
    assert gaps["h0.test"] >= SLOW - 0.002
