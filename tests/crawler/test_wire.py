"""HTTP answers from bytes as they come: however they are cut, against the standard library's own reader."""

from __future__ import annotations

import http.client
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.crawler.fetch.wire import AnswerParser, BrokenAnswer


def read(data: bytes, *cuts: int, most: int = 10_000, ended: bool = False) -> AnswerParser | None:
    """The answer in pieces; None where more is needed. `ended`: then the connection is closed."""
    parser = AnswerParser(most)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        if start < end and parser.feed(data[start:end]):
            return parser
    if ended:
        parser.close()
        return parser
    return None


def answer(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode("latin-1") + body


def chunks(*parts: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in parts) + b"0\r\n" + trailer + b"\r\n"


CASES = [
    (answer("Content-Length: 5\r\n", b"hello"), b"hello"),
    (answer("Content-Length: 0\r\n"), b""),
    (answer("Content-Length: 5, 5\r\nContent-Length: 5\r\n", b"hello"), b"hello"),
    (answer("Transfer-Encoding: chunked\r\n", chunks(b"he", b"llo" * 20)), b"he" + b"llo" * 20),
    (answer("Transfer-Encoding: chunked\r\n", chunks(b"hi", extension=b";a=b", trailer=b"X: y\r\n")), b"hi"),
    (answer("Transfer-Encoding: Chunked\r\nContent-Length: 3\r\n", chunks(b"hello")), b"hello"),
    (answer("transfer-encoding: chunked\r\n", b"5\nhello\n0\n\n"), b"hello"),
    (b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n", b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
    (b"\r\nHTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\nno colon here\n\nhi", b"hi"),
]


@given(st.sampled_from(CASES), st.lists(st.integers(0, 300), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut(case: tuple[bytes, bytes], cuts: list[int]) -> None:
    data, body = case
    found = read(data, *cuts)
    assert found is not None
    assert found.body == body


@given(st.sampled_from(CASES))
def test_no_answer_is_whole_before_its_last_byte(case: tuple[bytes, bytes]) -> None:
    data, _ = case
    for end in range(len(data)):
        assert read(data[:end]) is None


@given(
    st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.booleans(), st.lists(st.integers(0, 500), max_size=4)
)
def test_bodies_are_those_that_the_standard_library_reads(parts: list[bytes], chunked: bool, cuts: list[int]) -> None:
    body = b"".join(parts)
    data = (
        answer("Transfer-Encoding: chunked\r\nX-A: b\r\n", chunks(*parts))
        if chunked
        else answer(f"Content-Length: {len(body)}\r\nX-A: b\r\n", body)
    )

    class Socket:
        def makefile(self, mode: str) -> io.BytesIO:
            return io.BytesIO(data)

    slow = http.client.HTTPResponse(Socket())  # type: ignore[arg-type]
    slow.begin()
    found = read(data, *cuts)
    assert found is not None
    assert (found.status, found.body, found.headers) == (slow.status, slow.read(), slow.getheaders())
    assert found.reusable


def test_fields_keep_their_order_case_and_repetitions() -> None:
    found = read(answer("Set-Cookie: a\r\nx-b: \xe9\r\nSet-Cookie: c\r\n  d\r\nContent-Length: 0\r\n"))
    assert found is not None
    assert found.headers == [("Set-Cookie", "a"), ("x-b", "é"), ("Set-Cookie", "c d"), ("Content-Length", "0")]


def test_without_a_length_the_end_is_that_of_the_connection() -> None:
    found = read(answer("Content-Type: text/html\r\n", b"all"), 40, ended=True)
    assert found is not None
    assert (found.body, found.reusable) == (b"all", False)


@pytest.mark.parametrize(
    "data",
    [
        answer("Content-Length: 5\r\n", b"hell"), answer("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        answer("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n"),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_never_whole(data: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="the answer broke off"):
        read(data, ended=True)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_connection_that_ends_before_the_head_gave_no_answer(data: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="the connection was closed"):
        read(data, ended=True)


@pytest.mark.parametrize(
    "data",
    [
        b"no HTTP\r\n\r\n", b"<html>", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 \r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n", answer("Content-Length: 5\r\nContent-Length: 6\r\n"),
        answer("Content-Length: -1\r\n"), answer("Content-Length: 1e3\r\n"), answer("Content-Length: \xb2\r\n"),
        answer("Transfer-Encoding: chunked\r\n", b"xyz\r\n"), answer("Transfer-Encoding: chunked\r\n", b"-1\r\n"),
        answer("Transfer-Encoding: chunked\r\n", b"\r\n"), answer("Transfer-Encoding: chunked\r\n", b"2\r\nhello"),
        answer("Transfer-Encoding: chunked\r\n", b"1" * 5_000),
        answer("Transfer-Encoding: chunked\r\n", b"0\r\n" + b"x" * 20_000),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_none(data: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="no valid answer"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        answer("Content-Length: 20000\r\n", b"x" * 20_000), answer("", b"x" * 20_000),
        answer("Transfer-Encoding: chunked\r\n", chunks(b"x" * 6_000, b"x" * 6_000)),
        answer("Transfer-Encoding: chunked\r\n", b"fffffffffffffff\r\n"),
    ],
)  # fmt: skip
def test_a_body_is_read_up_to_its_bound(data: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="more than 10,000 bytes as sent"):
        read(data)


def test_a_head_is_read_up_to_its_bound() -> None:
    with pytest.raises(BrokenAnswer, match="more than 65,536 bytes of headers"):
        read(answer("X: " + "x" * 70_000))


def test_a_head_can_be_enough() -> None:
    seen: list[int] = []
    parser = AnswerParser(100, lambda status, headers: bool(seen.append(status)) or True)
    assert parser.feed(answer("Content-Length: 50\r\n"))
    assert (seen, parser.stopped, parser.reusable, parser.body) == ([200], True, False, b"")


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (answer("Content-Length: 1\r\n", b"x"), True),
        (answer("Content-Length: 1\r\nConnection: close\r\n", b"x"), False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx", True),
        (answer("Content-Length: 1\r\n", b"x and more"), False),
    ],
)  # fmt: skip
def test_when_a_connection_can_be_used_again(data: bytes, reusable: bool) -> None:
    found = read(data)
    assert found is not None
    assert found.reusable is reusable
