"""Bodies as they went over the wire, back to the page's bytes: every encoding, bounded, and whole or not at all."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from webtext.crawler.fetch import decoding
from webtext.crawler.fetch.decoding import CutShort, TooLarge, UndecodableBody, decode_body


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "identity": bytes,
}
COMPRESSING = [name for name in ENCODERS if name != "identity"]
PAGE = b"<html>" + bytes(range(256)) * 40 + b"</html>"


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=st.binary(max_size=5_000))
def test_what_was_encoded_comes_back(encoding: str, data: bytes) -> None:
    body = ENCODERS[encoding](data)
    assert decode_body([("Content-Encoding", encoding)], body, 5_000) == data


def test_no_encoding_leaves_the_body_alone() -> None:
    assert decode_body([("Content-Type", "text/html")], PAGE, len(PAGE)) == PAGE


def test_encodings_are_undone_from_the_last_to_the_first() -> None:
    body = brotli.compress(gzip.compress(PAGE))
    assert decode_body([("content-encoding", "gzip, br")], body, len(PAGE)) == PAGE
    assert decode_body([("Content-Encoding", "gzip"), ("Content-Encoding", "br")], body, len(PAGE)) == PAGE


def test_deflate_without_its_wrapping_is_understood() -> None:
    assert decode_body([("Content-Encoding", "deflate")], raw_deflate(PAGE), len(PAGE)) == PAGE


def test_gzip_members_follow_each_other_and_what_follows_them_is_ignored() -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"two") + b"\x00\x00trailing"
    assert decode_body([("Content-Encoding", "gzip")], body, 100) == b"one two"


def test_many_members_are_refused_before_they_take_quadratic_time() -> None:
    member = gzip.compress(b"x")
    headers = [("Content-Encoding", "gzip")]
    assert decode_body(headers, member * 1_000, 1_000) == b"x" * 1_000
    with pytest.raises(UndecodableBody, match="1,000 gzip members"):
        decode_body(headers, member * 1_001, 2_000)


def test_members_longer_than_what_zlib_is_fed_at_once_follow_each_other() -> None:
    parts = [random.Random(number).randbytes(200_000 + number) for number in range(3)]
    body = b"".join(map(gzip.compress, parts))
    assert decode_body([("Content-Encoding", "gzip")], body, 600_003) == b"".join(parts)
    with pytest.raises(TooLarge):
        decode_body([("Content-Encoding", "gzip")], body, 600_002)
    with pytest.raises(CutShort):
        decode_body([("Content-Encoding", "gzip")], body[:-100], 600_003)


@pytest.mark.parametrize("encoding", ["none", "utf-8", "aws-chunked", ""])
def test_an_unknown_encoding_is_none(encoding: str) -> None:
    assert decode_body([("Content-Encoding", encoding)], PAGE, len(PAGE)) == PAGE


def test_a_body_that_its_recorder_has_decoded_is_left_alone() -> None:
    assert decode_body([("Content-Encoding", "gzip")], PAGE, len(PAGE)) == PAGE


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(encoding: str) -> None:
    headers = [("Content-Encoding", encoding)]
    body = ENCODERS[encoding](PAGE)
    assert decode_body(headers, body, len(PAGE)) == PAGE
    with pytest.raises(TooLarge):
        decode_body(headers, body, len(PAGE) - 1)


@pytest.mark.parametrize("encoding", COMPRESSING)
def test_a_bomb_is_too_large(encoding: str) -> None:
    body = ENCODERS[encoding](b"\0" * 50_000_000)
    assert len(body) < 100_000
    with pytest.raises(TooLarge):
        decode_body([("Content-Encoding", encoding)], body, 1_000_000)


def test_a_bomb_within_a_bomb_is_too_large() -> None:
    body = gzip.compress(gzip.compress(b"\0" * 50_000_000))
    with pytest.raises(TooLarge):
        decode_body([("Content-Encoding", "gzip, gzip")], body, 1_000_000)


@pytest.mark.parametrize("encoding", COMPRESSING)
@pytest.mark.parametrize("missing", [1, 9, 100])
def test_a_body_that_was_cut_is_cut_short(encoding: str, missing: int) -> None:
    body = ENCODERS[encoding](bytes(range(256)) * 40)
    with pytest.raises(CutShort):
        decode_body([("Content-Encoding", encoding)], body[:-missing], 1_000_000)


@pytest.mark.parametrize("encoding", COMPRESSING)
def test_the_beginning_of_a_cut_body_is_told_where_it_is_text(encoding: str) -> None:
    page = random.Random(4).randbytes(300_000).hex().encode()
    halves = ENCODERS[encoding](page[:200_000]) + ENCODERS[encoding](page[200_000:]) if encoding == "gzip" else None
    body = halves or ENCODERS[encoding](page)
    with pytest.raises(CutShort) as caught:
        decode_body([("Content-Encoding", encoding)], body[: len(body) * 7 // 8], 1_000_000)
    assert page.startswith(caught.value.begun)
    assert len(caught.value.begun) > 250_000
    with pytest.raises(CutShort) as caught:  # of two encodings only the outer one has been undone
        decode_body(
            [("Content-Encoding", f"gzip, {encoding}")], ENCODERS[encoding](gzip.compress(page))[:-9], 1_000_000
        )
    assert caught.value.begun == b""


@pytest.mark.parametrize("encoding", COMPRESSING)
def test_damaged_data_do_not_decode(encoding: str) -> None:
    body = ENCODERS[encoding](PAGE)
    with pytest.raises(UndecodableBody):
        decode_body([("Content-Encoding", encoding)], body[:40] + b"\xff" * 40 + body[80:], 1_000_000)


def test_an_empty_body_is_empty_under_any_encoding() -> None:
    assert decode_body([("Content-Encoding", "gzip")], b"", 10) == b""


@given(st.data(), st.binary(max_size=2_000), st.sampled_from([1, 40]), st.integers(0, 9), st.integers(0, 3))
def test_the_fast_library_says_of_any_gzip_what_zlib_says(
    data: st.DataObject, text: bytes, times: int, level: int, damage: int
) -> None:
    """Whole, cut, damaged behind its head, or followed by something."""
    body = bytearray(gzip.compress(text * times, level) + data.draw(st.binary(max_size=9)))
    for _ in range(damage):
        body[data.draw(st.integers(10, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    body = body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body

    def said() -> object:
        try:
            return decode_body([("Content-Encoding", "gzip")], bytes(body), 50_000)
        except UndecodableBody as error:
            return type(error), str(error), getattr(error, "begun", None)

    found = said()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "isal_zlib", None)
        assert said() == found
