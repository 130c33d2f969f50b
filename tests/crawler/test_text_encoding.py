"""Which charset a page's bytes are read in."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.crawler.text.encoding import decode_page, detect_charset

RUSSIAN = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства. " * 4
JAPANESE = "いろはにほへと散りぬるを我が世誰ぞ常ならむ有為の奥山今日越えて浅き夢見じ酔ひもせず。" * 4
ENGLISH = "It\u2019s a long way \u2013 “very long”, they said. " * 20


def page(text: str, head: str = "") -> str:
    return f"<html><head>{head}<title>t</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_decides_over_header_and_meta(encoding: str) -> None:
    body = page(RUSSIAN, "<meta charset=windows-1251>").encode(encoding)
    assert decode_page(body, "text/html; charset=koi8-r").text == page(RUSSIAN, "<meta charset=windows-1251>")


def test_the_header_decides_over_the_meta() -> None:
    body = page(RUSSIAN, "<meta charset=windows-1251>").encode("koi8-r")
    decoded = decode_page(body, "text/html; charset=KOI8-R")
    assert decoded.encoding == "koi8-r"
    assert RUSSIAN in decoded.text


@pytest.mark.parametrize(
    "meta",
    [
        "<meta charset='windows-1251'>",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
    ],
)
def test_the_meta_decides_where_the_header_is_silent(meta: str) -> None:
    assert RUSSIAN in decode_page(page(RUSSIAN, meta).encode("cp1251"), "text/html").text


def test_a_meta_beyond_the_first_four_kib_is_not_looked_for() -> None:
    body = page(RUSSIAN, " " * 4_096 + "<meta charset=koi8-r>").encode("utf-8")
    assert decode_page(body).encoding == "utf-8"


def test_without_any_declaration_valid_utf8_is_utf8() -> None:
    assert decode_page(page(JAPANESE).encode()).text == page(JAPANESE)


def test_a_declared_single_byte_charset_yields_to_valid_utf8() -> None:
    # Servers send "charset=ISO-8859-1" for everything; read so, é would become Ã©.
    decoded = decode_page(page("Un café très élégant").encode(), "text/html; charset=ISO-8859-1")
    assert "café très élégant" in decoded.text


def test_a_declared_charset_in_which_the_bytes_are_not_valid_is_not_believed() -> None:
    assert RUSSIAN in decode_page(page(RUSSIAN).encode("cp1251"), "text/html; charset=utf-8").text


def test_a_damaged_byte_does_not_cost_the_whole_page_its_charset() -> None:
    body = page(JAPANESE).encode().replace("いろ".encode(), b"\xff", 1)
    decoded = decode_page(body, "text/html; charset=utf-8")
    assert decoded.encoding == "utf-8"
    assert decoded.text.count("\ufffd") == 1


def test_a_page_cut_inside_a_character_is_still_utf8() -> None:
    body = page(JAPANESE).encode()
    cut = body[: body.index("浅".encode()) + 1]
    assert decode_page(cut).text == cut[:-1].decode()


def test_an_unknown_charset_is_as_if_not_declared() -> None:
    assert decode_page(page(JAPANESE).encode(), "text/html; charset=klingon").text == page(JAPANESE)


def test_latin1_means_windows_1252() -> None:
    assert ENGLISH in decode_page(page(ENGLISH).encode("cp1252"), "text/html; charset=latin1").text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(ENGLISH, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "cp932"), (JAPANESE, "euc-jp")],
)
def test_undeclared_legacy_charsets_are_found(text: str, encoding: str) -> None:
    assert text in decode_page(page(text).encode(encoding)).text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_seen_by_its_zeros(encoding: str) -> None:
    decoded = decode_page(page(ENGLISH, "<meta charset=utf-16>").encode(encoding), "text/html; charset=utf-8")
    assert ENGLISH in decoded.text
    assert not decoded.binary


def test_a_meta_that_says_utf16_in_ascii_is_wrong() -> None:
    assert decode_page(page("plain words", "<meta charset=utf-16>").encode()).text.endswith("</html>")


@pytest.mark.parametrize("start", [b"", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n"])
def test_binary_data_are_told_from_text(start: bytes) -> None:
    import random

    data = start + random.Random(1).randbytes(50_000)
    assert decode_page(data, "text/html; charset=utf-8").binary


@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN, JAPANESE, "", "a\tb\r\nc\x0c"])
def test_text_is_not_taken_for_binary(text: str) -> None:
    assert not decode_page(text.encode()).binary


def test_detection_looks_at_a_bounded_part() -> None:
    head = page(RUSSIAN * 200).encode("cp1251")
    assert len(head) > 65_536
    assert detect_charset(head) == detect_charset(head + os.urandom(1_000))


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400), st.sampled_from(["", "text/html", "text/html; charset=gbk", "text/html; charset=\xff"]))
def test_any_bytes_give_the_same_text_every_time(body: bytes, content_type: str) -> None:
    assert decode_page(body, content_type) == decode_page(body, content_type)
