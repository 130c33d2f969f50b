"""HTTP/1.1 answers from bytes as they come: where one begins, what it holds, whether it came whole.

Pure: no socket, no clock. As lenient as browsers are with heads (bare line feeds, fields without a colon), strict where
the body's end is decided (RFC 9112, section 6), for a wrong end is a torn page. What comes out is the wire's: fields in
their order, the body without chunks but with its Content-Encoding.
"""

from __future__ import annotations

from collections.abc import Callable

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.decoding import Headers
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.records import MAX_HEAD, StoredResponse, parse_fields

BROKE_OFF = "the answer broke off"

_BODILESS = frozenset({204, 304})
_MAX_LINE = 4_096  # of a chunk's size with its extensions
_MAX_TRAILER = 1 << 14
_HEX = frozenset(b"0123456789abcdefABCDEF")


class BrokenAnswer(Exception):
    """What came is no whole HTTP answer, or must not be read on; carries what to say of it."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.verdict = Verdict(outcome, detail)
        self.stale = False
        """Whether it was an idle connection that had ended: asking once more is no second try."""
        self.begun: StoredResponse | None = None
        """The head of the answer and what of its body had come, where it broke off inside of the body."""
        self.sent: bytes | None = None
        """The request that was sent for it."""

    @property
    def reason(self) -> str:
        """Why the body is not whole, in the words of WARC-Truncated (WARC/1.1, section 5.13)."""
        broke = "disconnect" if self.verdict.detail == BROKE_OFF else "unspecified"
        return {Outcome.TOO_LARGE: "length", Outcome.TIMEOUT: "time"}.get(self.verdict.outcome, broke)


class AnswerParser:
    """One answer: `feed` it until it says True, or `close` it where the connection ended.

    `status`, `headers` (names and values as latin-1) and `body` are there then; `reusable` says whether the connection
    may carry another request, `stopped` that the head was enough.

    Args:
        max_body: bytes of body, as sent, from which on an answer is too large.
        enough: asked once with status and headers; True ends the reading there, without a body.
    """

    def __init__(self, max_body: int, enough: Callable[[int, Headers], bool] | None = None) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.reusable = False
        self.stopped = False
        self.began = False
        self._max_body = max_body
        self._enough = enough
        self._read: Callable[[bytes], bool] = self._head
        self._rest = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._left = 0
        self._until_close = False

    def feed(self, data: bytes) -> bool:
        """Take more bytes; whether the answer is complete.

        Raises:
            BrokenAnswer: it is none, or too large.
        """
        self.began = True
        return self._read(data)

    def close(self) -> None:
        """The connection has ended.

        Raises:
            BrokenAnswer: the answer had not.
        """
        if self._until_close:
            self._complete()
        elif self._read == self._head:
            raise BrokenAnswer(Outcome.UNREACHABLE, "the connection was closed")
        else:
            raise BrokenAnswer(Outcome.UNREACHABLE, BROKE_OFF)

    @property
    def begun(self) -> bytes:
        """What of the body has come, of an answer that is not complete."""
        return b"".join(self._parts)

    def _head(self, data: bytes) -> bool:
        rest = self._rest + data
        while True:
            rest = rest.lstrip(b"\r\n")  # RFC 9112, section 2.2
            end, skip = _end_of_head(rest)
            # Looked at before the end is there, too: whoever speaks no HTTP need not be waited for.
            if not b"HTTP/".startswith(rest[:5].upper()):
                raise _invalid()
            if max(end, len(rest) if end < 0 else 0) > MAX_HEAD:
                raise BrokenAnswer(Outcome.TOO_LARGE, f"more than {MAX_HEAD:,} bytes of headers")
            if end < 0:
                self._rest = rest
                return False
            first, self.headers = parse_fields(rest[:end])
            words = first.split(None, 2)
            if len(words) < 2 or len(words[1]) != 3 or not (words[1].isascii() and words[1].isdigit()):
                raise _invalid()
            self.status = int(words[1])
            rest = rest[end + skip :]
            if self.status >= 200:
                break
            if self.status == 101:  # nothing was asked to be switched
                raise _invalid()
        self._rest = b""
        self.reusable = self._persists(words[0])
        if self._enough is not None and self._enough(self.status, self.headers):
            self.stopped = True
            self.reusable = False
            return True
        return self._begin_body(rest)

    def _begin_body(self, rest: bytes) -> bool:
        length = self._framing()
        if self.status in _BODILESS or length == 0:
            return self._end(rest)
        if length is None:
            self.reusable = False
            self._until_close = True
            self._read = self._until_end
        elif length < 0:
            self._read = self._chunk_size
        else:
            self._left = length
            self._read = self._counted
        return self._read(rest) if rest else False

    def _framing(self) -> int | None:
        """Bytes of the body; -1 for chunks, None for all until the end."""
        codings: list[str] = []
        lengths: set[str] = set()
        for name, value in self.headers:
            lowered = name.lower()
            if lowered == "transfer-encoding":
                codings += [word.strip().lower() for word in value.split(",")]
            elif lowered == "content-length":
                lengths.update(word.strip() for word in value.split(","))
        if codings and codings != ["identity"]:
            return -1 if codings[-1] == "chunked" else None
        if not lengths:
            return None
        length = lengths.pop()
        # Several that differ, or none that is a number: nobody knows where this ends (RFC 9112, section 6.3).
        if lengths or not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise _invalid()
        return int(length)

    def _persists(self, version: str) -> bool:
        words = [
            word.strip().lower()
            for name, value in self.headers
            if name.lower() == "connection"
            for word in value.split(",")
        ]
        return "close" not in words and (version.upper() == "HTTP/1.1" or "keep-alive" in words)

    def _counted(self, data: bytes) -> bool:
        if len(data) < self._left:
            self._keep(data)
            self._left -= len(data)
            return False
        self._keep(data[: self._left])
        return self._end(data[self._left :])

    def _until_end(self, data: bytes) -> bool:
        self._keep(data)
        return False

    def _chunk_size(self, data: bytes) -> bool:
        data = self._rest + data
        place = 0
        while True:
            end = data.find(b"\n", place)
            if end < 0:
                self._wait(data[place:], _MAX_LINE)
                return False
            size = data[place:end].partition(b";")[0].strip()
            if not size or len(size) > 16 or not _HEX.issuperset(size):
                raise _invalid()
            left, place = int(size, 16), end + 1
            if not left:
                self._rest = b""
                self._left = 0
                self._read = self._trailer
                return self._trailer(data[place:])
            if self._size + left > self._max_body:
                raise self._too_large()
            if len(data) - place < left:
                self._keep(data[place:])
                self._left = left - (len(data) - place)
                self._rest = b""
                self._read = self._chunk
                return False
            self._keep(data[place : place + left])
            place += left
            found = self._after_chunk(data, place)
            if found < 0:
                self._rest = data[place:]
                self._read = self._chunk_end
                return False
            place = found

    def _chunk(self, data: bytes) -> bool:
        taken = data[: self._left]
        self._keep(taken)
        self._left -= len(taken)
        if self._left:
            return False
        self._read = self._chunk_end
        return self._chunk_end(data[len(taken) :])

    def _chunk_end(self, data: bytes) -> bool:
        data = self._rest + data
        found = self._after_chunk(data, 0)
        if found < 0:
            self._rest = data
            return False
        self._rest = b""
        self._read = self._chunk_size
        return self._chunk_size(data[found:])

    @staticmethod
    def _after_chunk(data: bytes, place: int) -> int:
        """The place behind the line end that closes a chunk; -1 where it has not come."""
        if data.startswith(b"\r\n", place):
            return place + 2
        if data.startswith(b"\n", place):
            return place + 1
        if place == len(data) or data[place:] == b"\r":
            return -1
        raise _invalid()

    def _trailer(self, data: bytes) -> bool:
        self._left += len(data)  # every field of it is thrown away: it may not go on for ever
        if self._left > _MAX_TRAILER:
            raise _invalid()
        data = self._rest + data
        place = 0
        while (end := data.find(b"\n", place)) >= 0:
            if not data[place:end].strip(b"\r"):
                return self._end(data[end + 1 :])
            place = end + 1
        self._wait(data[place:], _MAX_TRAILER)
        return False

    def _wait(self, rest: bytes, limit: int) -> None:
        if len(rest) > limit:
            raise _invalid()
        self._rest = rest

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_body:
            raise self._too_large()
        self._parts.append(data)

    def _too_large(self) -> BrokenAnswer:
        return BrokenAnswer(Outcome.TOO_LARGE, f"more than {self._max_body:,} bytes as sent")

    def _end(self, rest: bytes) -> bool:
        if rest:  # more than was asked for: what comes next on this connection could not be trusted
            self.reusable = False
        self._complete()
        return True

    def _complete(self) -> None:
        self.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()


def _end_of_head(data: bytes) -> tuple[int, int]:
    """Where the empty line begins, and how long the break is; -1 where it has not come."""
    strict = data.find(b"\r\n\r\n")
    limit = strict if strict >= 0 else len(data)
    bare, mixed = data.find(b"\n\n", 0, limit), data.find(b"\n\r\n", 0, limit)
    found = [(place, skip) for place, skip in ((strict, 4), (bare, 2), (mixed, 3)) if place >= 0]
    return min(found, default=(-1, 0))


def _invalid() -> BrokenAnswer:
    return BrokenAnswer(Outcome.UNREACHABLE, "no valid answer (ParseError)")
