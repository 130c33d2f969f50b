"""The little web's server: answers by host, and every way to misbehave, seen from a plain socket."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from webtext.demo.answers import Answer, Manner, Place, moved
from webtext.demo.server import LOOPBACK, WebServer, read_log

PAGE = b"<p>One page of a little web.</p>"


class Table:
    """A web that is a table; hosts that start with "fault" make it fail."""

    def __init__(self, answers: dict[tuple[str, str], Answer], places: dict[str, str] | None = None) -> None:
        self.answers = answers
        self.names = places or {}

    def answer(self, host: str, target: str, asked: int) -> Answer:
        if host.startswith("fault"):
            raise RuntimeError("the web is broken")
        return self.answers.get((host, target), Answer(f"{host} {target} {asked}".encode(), 404))

    def places(self) -> Iterator[tuple[str, str]]:
        yield from self.names.items()


MANNERS = {("m.example", f"/{manner.name}"): Answer(PAGE, manner=manner) for manner in Manner}


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    places = {
        "here.example": Place.HERE,
        "refused.example": Place.REFUSED,
        "unknown.example": Place.UNKNOWN,
        "inside.example": "10.0.0.8",
    }
    answers = {
        ("a.example", "/"): Answer(PAGE),
        ("b.example", "/"): Answer(b"another", headers=(("Content-Type", "text/plain"), ("X-Robots-Tag", "noai"))),
        ("a.example", "/old"): moved("http://b.example/", 301),
        ("a.example", "/odd"): Answer(PAGE, 799),
        ("a.example", "/says"): Answer(PAGE, headers=(("Content-Length", "9999"),), manner=Manner.CUT),
        **MANNERS,
    }
    with WebServer(Table(answers, places)).running() as running:
        yield running


def get(server: WebServer, host: str, target: str = "/") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=60)
    connection.request("GET", target, headers={"Host": host})
    return connection.getresponse()


def connect(server: WebServer, target: str) -> socket.socket:
    """A connection on which one manner was asked for."""
    connection = socket.create_connection((LOOPBACK, server.port), timeout=60)
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: m.example\r\n\r\n".encode())
    return connection


def test_the_host_header_chooses_the_site(server: WebServer) -> None:
    assert get(server, "a.example").read() == PAGE
    other = get(server, "B.example:80")
    assert (other.read(), other.headers["X-Robots-Tag"], other.headers["Content-Type"]) == (
        b"another", "noai", "text/plain",
    )  # fmt: skip


def test_status_and_headers_are_as_the_web_says(server: WebServer) -> None:
    found = get(server, "a.example", "/old")
    assert (found.status, found.headers["Location"], found.read()) == (301, "http://b.example/", b"")
    assert get(server, "a.example", "/odd").status == 799
    assert get(server, "nobody.example", "/x").read() == b"nobody.example /x 0"


def test_a_connection_is_kept_and_each_request_is_counted(server: WebServer) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=60)
    bodies = []
    for _ in range(3):
        connection.request("GET", "/n", headers={"Host": "count.example"})
        bodies.append(connection.getresponse().read())
    assert bodies == [b"count.example /n 0", b"count.example /n 1", b"count.example /n 2"]
    assert server.asked["count.example", "/n"] == 3


def test_requests_are_logged_over_all_sittings(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    assert read_log(log) == {}
    for sitting in (1, 2):
        logged = WebServer(Table({}), log)
        with logged.running():
            get(logged, "a.example", "/x?y=1").read()
            get(logged, "b.example").read()
            assert read_log(log).total() == 2 * sitting  # as they come, not at the end
        assert logged.asked == {("a.example", "/x?y=1"): 1, ("b.example", "/"): 1}
    assert read_log(log) == {("a.example", "/x?y=1"): 2, ("b.example", "/"): 2}


def test_an_answer_may_break_off(server: WebServer) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server, "m.example", "/CUT").read()
    assert caught.value.partial == PAGE


def test_an_answer_may_announce_what_never_comes(server: WebServer) -> None:
    found = get(server, "a.example", "/says")
    assert found.headers["Content-Length"] == "9999"
    with pytest.raises(http.client.IncompleteRead):
        found.read()


def test_an_answer_may_have_no_end(server: WebServer) -> None:
    with closing(get(server, "m.example", "/ENDLESS")) as found:
        assert len(found.read(5_000_000)) == 5_000_000


def test_an_answer_may_come_byte_by_byte(server: WebServer) -> None:
    with closing(get(server, "m.example", "/DRIP")) as found:
        assert int(found.headers["Content-Length"]) == 1_000_000
        assert found.read(2) == b"<<"


def test_a_connection_may_be_reset(server: WebServer) -> None:
    with closing(connect(server, "/RESET")) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_an_answer_may_be_no_http(server: WebServer) -> None:
    with pytest.raises(http.client.BadStatusLine):
        get(server, "m.example", "/NONSENSE")


def test_silence_keeps_nobody_else_waiting(server: WebServer) -> None:
    silent = [connect(server, "/SILENT") for _ in range(200)]
    assert get(server, "a.example").read() == PAGE
    for connection in silent:
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.close()


def test_the_most_requests_at_once_are_counted_for_each_host() -> None:
    counted = WebServer(Table(MANNERS))
    with counted.running():
        for _ in range(3):
            get(counted, "polite.example").read()
        silent = [connect(counted, "/SILENT") for _ in range(5)]
        while counted.most["m.example"] < 5:
            pass
        for connection in silent:
            connection.close()
    assert counted.most["polite.example"] == 1
    assert counted.most["m.example"] == 5


def test_names_lead_where_the_web_says(server: WebServer) -> None:
    table = server.resolver_table()
    assert table["here.example"] == f"{LOOPBACK}:{server.port}"
    assert table["unknown.example"] == ""
    assert table["inside.example"] == "10.0.0.8"
    host, _, port = table["refused.example"].partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=60)


def test_a_fault_of_the_web_itself_is_not_hidden() -> None:
    faulty = WebServer(Table({}))
    with pytest.raises(RuntimeError, match="the web is broken"), faulty.running():
        with pytest.raises(http.client.RemoteDisconnected):
            get(faulty, "fault.example")
        assert get(faulty, "other.example").status == 404


def test_it_stops_with_answers_under_way_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stopped = WebServer(Table(MANNERS))
    with stopped.running():
        open_ones = [connect(stopped, f"/{manner.name}") for manner in (Manner.SILENT, Manner.DRIP, Manner.ENDLESS)]
        open_ones.append(http_idle(stopped))
    for connection in open_ones:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, stopped.port), timeout=60)
    assert caplog.messages == []


def http_idle(server: WebServer) -> socket.socket:
    """A connection that was used once and is kept."""
    connection = connect(server, "/WHOLE")
    assert PAGE[:1] in connection.recv(4_096)
    return connection
