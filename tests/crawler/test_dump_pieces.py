"""Dumps in pieces, and what of a damaged one is read where its loss is accepted."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus.errors import DamagedFile
from webtext.crawler.reddit import dumps, zstd_frames
from webtext.crawler.reddit.blocks import Block
from webtext.crawler.reddit.dumps import blocks, find_sources, pieces

LINES = [b'{"id":"%d"}\n' % number for number in range(3_000)]
TEXT = b"".join(LINES)


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def large_window(data: bytes) -> bytes:
    """A frame whose header asks for a window of 2^40 bytes (RFC 8878, 3.1.1.1.2), with `data` in one raw block."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0, (40 - 10) << 3])
    return header + (len(data) << 3 | 1).to_bytes(3, "little") + data


def in_pieces(path: Path, size: int = 50) -> list[list[Block]]:
    (source,) = find_sources([path])
    return [list(blocks(source, piece, size)) for piece in pieces(source)]


def text(found: Sequence[Block]) -> bytes:
    return b"".join(block.data for block in found)


@given(st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"c" * 9, b"dd\nee", b""]), max_size=12), st.integers(1, 20))
@settings(deadline=None)
def test_each_line_of_a_plain_dump_is_in_one_piece(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], size: int
) -> None:
    data = b"x" + b"".join(parts)
    path = tmp_path_factory.mktemp("plain") / "a.ndjson"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dumps, "PLAIN_PIECE_BYTES", size)
        found = in_pieces(path)
    assert len(found) == -(-len(data) // size)
    assert b"".join(map(text, found)) == data
    assert all(
        text(piece).endswith(b"\n") for piece in found[:-1] if piece and text(piece) and not data.endswith(text(piece))
    )


@given(st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"c" * 9, b"dd\nee", b""]), min_size=1, max_size=8))
@settings(deadline=None)
def test_each_line_of_frames_is_in_one_piece(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("frames") / "a.zst"
    path.write_bytes(b"".join(map(zstd, parts)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dumps, "PIECE_BYTES", 1)
        found = in_pieces(path)
    assert len(found) == 1 + sum(map(bool, parts[1:]))  # an empty frame has nothing to read
    assert b"".join(map(text, found)) == b"".join(parts)


def test_small_frames_are_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [zstd(line) for line in LINES[:100]]
    (tmp_path / "a.zst").write_bytes(b"".join(frames))
    monkeypatch.setattr(dumps, "PIECE_BYTES", 10 * len(frames[0]))
    found = in_pieces(tmp_path / "a.zst")
    assert 8 <= len(found) <= 10
    assert b"".join(map(text, found)) == b"".join(LINES[:100])


@pytest.mark.parametrize("pack", [lzma.compress, bz2.compress, gzip.compress])
def test_other_formats_are_one_piece(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a.ndjson").write_bytes(pack(TEXT))
    (found,) = in_pieces(tmp_path / "a.ndjson", 1_000)
    assert text(found) == TEXT


def test_a_frame_with_too_large_a_window_is_counted_and_costs_no_other(tmp_path: Path) -> None:
    first, foreign, last = zstd(TEXT), large_window(b"{}\n"), zstd(b'{"id":"last"}\n')
    (tmp_path / "a.zst").write_bytes(first + foreign + last)
    (found,) = in_pieces(tmp_path / "a.zst", 1 << 20)
    assert text(found) == TEXT + b'{"id":"last"}\n'
    (lost,) = [block for block in found if block.lost]
    assert lost.lost == (
        f"needs a window of 1,099,511,627,776 bytes for the zstd frame at byte {len(first):,}; "
        "at most 2,147,483,648 are kept"
    )
    assert (lost.first_line, lost.lost_bytes, found[-1].first_line) == (3_000, len(foreign), 3_001)


def test_the_largest_window_is_read(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (tmp_path / "a.zst").write_bytes(compressor.compress(TEXT) + compressor.flush())
    (source,) = find_sources([tmp_path / "a.zst"])
    assert zstd_frames.frames(source.path)[0].window == 1 << 31
    assert text(list(blocks(source))) == TEXT
    assert dumps.memory(source) == 100 * source.size  # a frame so short cannot fill it


@pytest.mark.parametrize(
    ("name", "pack"), [("a.zst", zstd), ("a.xz", lzma.compress), ("a.bz2", bz2.compress), ("a.gz", gzip.compress)]
)
def test_what_is_readable_of_a_dump_that_is_cut_off_is_read_where_the_loss_is_accepted(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    one, other = pack(TEXT), pack(TEXT)
    path = tmp_path / name
    path.write_bytes(one + other[: len(other) // 2])
    with pytest.raises(DamagedFile, match=r"cut off"):
        list(blocks(find_sources([path])[0]))
    (source,) = find_sources([path], accept_loss=True)
    found = list(blocks(source, None, 1_000))
    assert text(found).startswith(TEXT) and text(found) == (TEXT + TEXT)[: len(text(found))]
    assert text(found).endswith(b"\n")
    assert "cut off" in found[-1].lost and f"byte {path.stat().st_size:,}" in found[-1].lost
    assert sum(bool(block.lost) for block in found) == 1


def test_a_damaged_frame_costs_no_other_where_the_loss_is_accepted(tmp_path: Path) -> None:
    middle = bytearray(zstd(TEXT))
    middle[len(middle) // 2] ^= 0x55
    (tmp_path / "a.zst").write_bytes(zstd(TEXT) + middle + zstd(TEXT))
    with pytest.raises(DamagedFile, match="is damaged at about byte"):
        list(blocks(find_sources([tmp_path / "a.zst"])[0]))
    (source,) = find_sources([tmp_path / "a.zst"], accept_loss=True)
    found = list(blocks(source, None, 1_000))
    (lost,) = [place for place, block in enumerate(found) if block.lost]
    assert "is damaged at about byte" in found[lost].lost
    assert text(found[lost:]) == TEXT and text(found[:lost]).startswith(TEXT)


def test_something_else_after_the_frames_is_counted_where_the_loss_is_accepted(tmp_path: Path) -> None:
    whole = zstd(TEXT)
    (tmp_path / "a.zst").write_bytes(whole + b"<html>")
    (source,) = find_sources([tmp_path / "a.zst"], accept_loss=True)
    found = list(blocks(source))
    assert text(found) == TEXT
    assert found[-1].lost == f"holds something else than zstd frames from byte {len(whole):,} on"
