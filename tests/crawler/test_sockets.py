"""The last line of the guard: what a crawl process may connect to, whoever tries. No test leaves this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from webtext.crawler.fetch.sockets import ForbiddenAddress, checker, name_servers

SERVERS = frozenset({"192.168.1.1"})
TABLE = {"shop.test": "127.0.0.1:8123", "any.test": "127.0.0.2", "gone.test": "", "corp.test": "10.0.0.8"}


def judge(address: tuple[object, ...], kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> bool:
    with socket.socket(family, kind) as connection:
        try:
            checker(TABLE, SERVERS)(connection, address)
        except ForbiddenAddress:
            return False
        return True


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        (("93.184.216.34", 80), True),
        (("93.184.216.34", 53), True),
        (("192.168.1.1", 53), True),
        (("192.168.1.1", 80), False),
        (("192.168.1.2", 53), False),
        (("127.0.0.1", 8123), True),
        (("127.0.0.1", 8124), False),
        (("127.0.0.2", 1), True),
        (("10.0.0.8", 80), False),  # whatever a table says
        (("127.0.0.1", 80), False),
        (("169.254.169.254", 80), False),
        (("localhost", 80), False),
        (("example.org", 80), False),  # a name that nobody judged
        (("", 80), False),
        (("2130706433", 80), False),
    ],
)
def test_streams(address: tuple[object, ...], allowed: bool) -> None:
    assert judge(address) is allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        (("2606:4700::1", 80, 0, 0), True), (("::1", 80, 0, 0), False), (("::ffff:127.0.0.1", 80, 0, 0), False),
        (("fe80::1%lo", 80, 0, 1), False), (("64:ff9b::7f00:1", 80, 0, 0), False), (("2002:7f00:1::", 80, 0, 0), False),
    ],
)  # fmt: skip
def test_streams_of_ipv6(address: tuple[object, ...], allowed: bool) -> None:
    assert judge(address, family=socket.AF_INET6) is allowed


def test_datagrams_go_to_name_servers_only() -> None:
    assert judge(("192.168.1.1", 53), socket.SOCK_DGRAM)
    assert not judge(("93.184.216.34", 53), socket.SOCK_DGRAM)
    assert not judge(("93.184.216.34", 443), socket.SOCK_DGRAM)


def test_name_servers_are_those_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# x\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nsearch example\nnameserver\n")
    assert name_servers(path) == {"10.0.0.2", "fe80::1"}
    assert name_servers(tmp_path / "none") == {"127.0.0.1"}


ATTEMPTS = """
import asyncio, http.client, os, socket, sys, urllib.request
from webtext.crawler.fetch.sockets import seal_sockets
port = int(sys.argv[1])
seal_sockets({"shop.test": f"127.0.0.1:{port}"})
os.environ["http_proxy"] = f"http://127.0.0.2:{port}"
url = f"http://127.0.0.2:{port}/"

def stream():
    socket.create_connection(("127.0.0.2", port), 1)
def number():
    socket.create_connection(("2130706434", port), 1)
def nonblocking():
    with socket.socket() as s:
        s.setblocking(False)
        s.connect_ex(("127.0.0.2", port))
def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("127.0.0.2", port))
def message():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendmsg([b"x"], [], 0, ("127.0.0.2", port))
def loop():
    asyncio.run(asyncio.open_connection("127.0.0.2", port))
for attempt in (
    stream, number, nonblocking, datagram, message, loop,
    lambda: urllib.request.urlopen(url, timeout=1),
    lambda: http.client.HTTPConnection("127.0.0.2", port, timeout=1).request("GET", "/"),
):
    try:
        attempt()
    except OSError:
        print("refused")
    else:
        print("OPEN")
socket.create_connection(("127.0.0.1", port), 1).close()
print("the table's")
"""


def test_no_library_has_a_way_around_it() -> None:
    with socket.socket() as ours, socket.socket() as other:
        ours.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.2", ours.getsockname()[1]))
        for listener in (ours, other):
            listener.listen()
            listener.settimeout(5)
        found = subprocess.run(
            [sys.executable, "-c", ATTEMPTS, str(ours.getsockname()[1])], capture_output=True, text=True, check=True
        )
        assert found.stdout.split("\n") == ["refused"] * 8 + ["the table's", ""]
        ours.accept()[0].close()
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()
