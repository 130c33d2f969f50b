"""Dumps as blocks of whole lines: every format, every way to be damaged."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import Block
from webtext.crawler.reddit.dumps import blocks, find_sources, source_identity

# Random digits: a compressed file of several blocks, so that cuts fall in many places.
TEXT = b"".join(b'{"id":"%d","n":"%d"}\n' % (n, random.Random(n).getrandbits(256)) for n in range(8_000))


def zstd(data: bytes, *, checksum: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(data)


def streamed_zstd(data: bytes) -> bytes:
    """As a pipe makes it: no content size in the header, many blocks, a long window."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return b"".join([compressor.compress(data), compressor.flush()])


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "a.zst": zstd,
    "b.zst": streamed_zstd,
    "c.xz": lzma.compress,
    "d.bz2": bz2.compress,
    "e.gz": gzip.compress,
    "f.ndjson": bytes,
}


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read(path: Path, size: int = dumps.BLOCK_BYTES) -> list[Block]:
    (source,) = find_sources([path])
    return list(blocks(source, size=size))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_lines(tmp_path: Path, name: str) -> None:
    found = read(write(tmp_path, name, FORMATS[name](TEXT)), 100_000)
    assert b"".join(block.data for block in found) == TEXT
    assert [block.number for block in found] == list(range(len(found))) and len(found) > 5
    assert all(block.data.endswith(b"\n") and len(block.data) <= 100_000 for block in found)
    assert [block.first_line for block in found[:2]] == [0, found[0].data.count(b"\n")]


def test_blocks_depend_on_the_stream_and_not_on_its_compression(tmp_path: Path) -> None:
    cuts = [
        [block.data for block in read(write(tmp_path, name, compress(TEXT)), 77_777)]
        for name, compress in FORMATS.items()
    ]
    assert all(cut == cuts[0] for cut in cuts)


@given(st.lists(st.sampled_from([b"a", b"bb", b"\n", b"c" * 30]), max_size=60), st.integers(1, 40))
def test_blocks_are_cut_at_the_last_newline_before_their_size(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)

    class Reader:
        place = 0

        def read(self, wanted: int, /) -> bytes:
            piece = data[self.place : self.place + min(wanted, 7)]  # short reads, as decompressors give them
            self.place += len(piece)
            return piece

    reader, rest, ended, found = Reader(), b"", False, []
    while not ended:
        block, rest, ended, _ = dumps._whole_lines(reader, rest, size, Path("x"))
        found.append(block)
    assert b"".join(found) == data
    for block in found[:-1]:
        assert block.endswith(b"\n")
        assert len(block) <= size or b"\n" not in block[: size - 1]


def test_a_last_line_without_newline_is_kept(tmp_path: Path) -> None:
    assert [block.data for block in read(write(tmp_path, "a.ndjson", b"{}\n[]"))] == [b"{}\n[]"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert [block.data for block in read(write(tmp_path, "a.ndjson", b"\xef\xbb\xbf{}\n"))] == [b"{}\n"]


def test_several_frames_and_skippable_ones_are_one_stream(tmp_path: Path) -> None:
    skippable = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
    path = write(tmp_path, "a.zst", skippable + zstd(b"{}\n") + skippable + zstd(b"[]\n", checksum=False) + zstd(b""))
    assert b"".join(block.data for block in read(path)) == b"{}\n[]\n"


STREAMS = ["c.xz", "d.bz2", "e.gz"]
HALF = TEXT.index(b"\n", len(TEXT) // 2) + 1


@pytest.mark.parametrize("name", STREAMS)
def test_streams_one_after_the_other_are_one_dump(tmp_path: Path, name: str) -> None:
    compress = FORMATS[name]
    lines = TEXT.splitlines(keepends=True)
    pieces = [b"", *(b"".join(lines[start : start + 90]) for start in range(0, len(lines), 90)), b""]
    path = write(tmp_path, name, b"".join(map(compress, pieces)))
    assert b"".join(block.data for block in read(path, 50_000)) == TEXT


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("name", STREAMS)
def test_a_flipped_bit_where_a_further_stream_begins_is_noticed(tmp_path: Path, name: str, bit: int) -> None:
    first, second = FORMATS[name](TEXT[:HALF]), bytearray(FORMATS[name](TEXT[HALF:]))
    magic = {"c.xz": 6, "d.bz2": 3, "e.gz": 2}[name]
    for place in range(magic):
        second[place] ^= 1 << bit
        with pytest.raises(DamagedFile, match="byte") as caught:
            read(write(tmp_path, name, first + second))
        assert caught.value.where == str(tmp_path / name)
        if name != "e.gz":
            assert f"else than {name[1:]} streams from byte {len(first):,} on" in caught.value.message
        second[place] ^= 1 << bit


@pytest.mark.parametrize("name", STREAMS)
def test_what_follows_the_last_stream_is_no_dump(tmp_path: Path, name: str) -> None:
    whole = FORMATS[name](TEXT)
    tails = [b"<html>not found</html>", b"\n", whole[:2], whole[:9], whole[:-1]]
    if name == "c.xz":  # zeros by fours may follow its streams
        tails = [tail + b"YZ" for tail in tails] + [b"\0\0YZ", b"\0" * 6, whole[:2] + bytes(4)]
    if name == "d.bz2":
        tails.append(b"\0\0\0\0")
    for tail in tails:
        with pytest.raises(DamagedFile, match="byte"):
            read(write(tmp_path, name, whole + tail))


def test_zeros_may_follow_the_streams_of_xz_and_gz(tmp_path: Path) -> None:
    for name, zeros in (("c.xz", 4), ("c.xz", 400_000), ("e.gz", 1), ("e.gz", 512)):
        first, second = FORMATS[name](TEXT[:HALF]), FORMATS[name](TEXT[HALF:])
        path = write(tmp_path, name, first + bytes(zeros) + second + bytes(zeros))
        assert b"".join(block.data for block in read(path)) == TEXT


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "f.ndjson"])
def test_a_dump_that_is_cut_off_is_never_taken_for_a_whole_one(tmp_path: Path, name: str) -> None:
    whole = FORMATS[name](TEXT)
    for length in (5, 12, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        with pytest.raises(DamagedFile) as caught:
            read(write(tmp_path, name, whole[:length]))
        assert caught.value.where == str(tmp_path / name)
        assert "byte" in caught.value.message and caught.value.hint


def test_a_cut_zst_is_noticed_before_anything_is_read(tmp_path: Path) -> None:
    for compress in (zstd, streamed_zstd):
        whole = compress(TEXT)
        for length in range(len(whole) - 40, len(whole)):
            with pytest.raises(DamagedFile, match=f"cut off.*byte {length:,}"):
                find_sources([write(tmp_path, "a.zst", whole[:length])])


@pytest.mark.parametrize("name", ["a.zst", "c.xz", "d.bz2", "e.gz"])
def test_flipped_bytes_are_noticed(tmp_path: Path, name: str) -> None:
    data = bytearray(FORMATS[name](TEXT))
    for place in range(len(data) // 2, len(data) // 2 + 4):
        data[place] ^= 0x55
    with pytest.raises(DamagedFile, match="byte"):
        read(write(tmp_path, name, bytes(data)))


def test_what_follows_the_last_frame_is_no_dump(tmp_path: Path) -> None:
    whole = zstd(TEXT)
    with pytest.raises(DamagedFile, match=f"something else than zstd frames from byte {len(whole):,}"):
        find_sources([write(tmp_path, "a.zst", whole + b"<html>not found</html>")])


@pytest.mark.parametrize("name", ["a.zst", "a.xz", "a.bz2", "a.gz"])
def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DamagedFile, match=f"is no {name[1:]} file"):
        find_sources([write(tmp_path, name, b"<html>404</html>")])


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="is empty"):
        find_sources([write(tmp_path, "a.zst", b"")])


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="no such file") as caught:
        find_sources([tmp_path / "none.zst"])
    assert caught.value.where == str(tmp_path / "none.zst")


def test_a_pipe_cannot_be_a_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WebtextError, match="is no regular file"):
        find_sources([tmp_path / "pipe"])
    with pytest.raises(UsageError, match="standard input"):
        find_sources([Path("-")])


def test_a_file_without_newlines_is_no_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumps, "MAX_LINE", 10_000)
    with pytest.raises(DamagedFile, match=r"a line of more than 10,\d\d\d bytes"):
        read(write(tmp_path, "a.ndjson", b"x" * 50_000), 1_000)


def test_folders_and_globs_stand_for_the_dumps_in_them(tmp_path: Path) -> None:
    for name in ("RS_1.zst", "RS_2.zst", "notes.txt", ".hidden.zst"):
        write(tmp_path, name, zstd(name.encode()))
    (tmp_path / "more.zst").mkdir()
    assert {source.path.name for source in find_sources([tmp_path])} == {"RS_1.zst", "RS_2.zst"}
    assert [source.path.name for source in find_sources([tmp_path / "RS_*1.zst"])] == ["RS_1.zst"]
    with pytest.raises(WebtextError, match="matches no file"):
        find_sources([tmp_path / "RC_*"])
    with pytest.raises(WebtextError, match="holds no dump"):
        find_sources([tmp_path / "more.zst"])


def test_one_content_is_one_source_and_the_order_given_does_not_count(tmp_path: Path) -> None:
    one, two = write(tmp_path, "1.ndjson", b"{}\n"), write(tmp_path, "2.ndjson", b"[]\n")
    copy = write(tmp_path, "copy.ndjson", b"{}\n")
    found = find_sources([two, copy, one])
    assert [source.sha256 for source in found] == sorted({source_identity(one), source_identity(two)})
    assert [source.sha256 for source in found] == [source.sha256 for source in find_sources([one, two])]
    assert source_identity(one) == hashlib.sha256(b"{}\n").hexdigest()


def test_a_dump_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, "a.ndjson", TEXT)
    (source,) = find_sources([path])
    reading = blocks(source, size=100_000)
    next(reading)
    path.write_bytes(TEXT + b"{}\n")
    with pytest.raises(DamagedFile, match="changed while it was read"):
        list(reading)
