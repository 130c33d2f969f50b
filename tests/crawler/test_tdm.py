"""TDM reservations: the site's file, header fields, and what counts as a value."""

from __future__ import annotations

import json

import pytest

from webtext.crawler.fetch.tdm import (
    Reservation,
    header_reservation,
    meta_reservation,
    parse_tdmrep,
    tdmrep_reservation,
)

POLICY = "https://a.example/policy.json"


def rule(location: str, value: object = 1, **more: object) -> dict[str, object]:
    return {"location": location, "tdm-reservation": value, **more}


@pytest.mark.parametrize(
    ("rules", "path", "reserved"),
    [
        ([rule("/")], "/x", True),
        ([rule("/", 0)], "/x", False),
        ([rule("/", "1")], "/x", True),
        ([rule("*")], "/x", True),
        ([rule("/news/*")], "/news/1", True),
        ([rule("/news/")], "/other", None),
        ([rule("/news/open", 0), rule("/news/")], "/news/open/1", False),
        ([rule("/news/open", 0), rule("/news/")], "/news/x", True),
        ([rule("/news/"), rule("/news/open", 0)], "/news/open/1", True),  # the first in sequence
        ([rule("/*.html$")], "/a.html", True),
        ([rule("/*.html$")], "/a.html?x", None),
        ([rule("/caf\u00e9")], "/caf%C3%A9", True),
        ([rule("/", 2)], "/x", None),  # another value is an error and counts as unset
        ([rule("/", 1.0)], "/x", None),
        ([rule("/", None)], "/x", None),
        ([rule("")], "/x", None),
        ([{"tdm-reservation": 1}], "/x", None),
        (["/", 7, None], "/x", None),
        ([], "/x", None),
    ],
)
def test_the_file_of_a_site(rules: list[object], path: str, reserved: bool | None) -> None:
    found = tdmrep_reservation(parse_tdmrep(json.dumps(rules).encode()), f"http://a.example{path}")
    assert (None if found is None else found.reserved) is reserved


def test_one_rule_need_not_be_a_list_and_a_mark_is_passed_over() -> None:
    text = b"\xef\xbb\xbf" + json.dumps(rule("/", **{"tdm-policy": POLICY})).encode()
    found = tdmrep_reservation(parse_tdmrep(text), "http://a.example/x")
    assert found == Reservation(True, POLICY, "/")
    assert found.why == f"tdm-reservation: 1, tdm-policy: {POLICY}"


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b"[" * 100_000, b'{"location"', b"\xff\xfe", b"[" + b" " * 600_000 + b"]", b"null", b"3"]
)
def test_a_damaged_file_says_nothing(text: bytes) -> None:
    assert parse_tdmrep(text) == ()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([("TDM-Reservation", "1")], Reservation(True)),
        ([("tdm-reservation", " 1 "), ("tdm-policy", POLICY)], Reservation(True, POLICY)),
        ([("tdm-reservation", "0")], Reservation(False)),
        ([("tdm-reservation", "0"), ("tdm-reservation", "1")], Reservation(True)),
        ([("tdm-reservation", "0, 1")], Reservation(True)),
        ([("tdm-reservation", "yes")], None),
        ([("tdm-policy", POLICY)], None),
        ([], None),
    ],
)
def test_header_fields(headers: list[tuple[str, str]], found: Reservation | None) -> None:
    assert header_reservation(headers) == found


def test_meta_elements() -> None:
    assert meta_reservation([("tdm-reservation", "1"), ("tdm-policy", POLICY)]) == Reservation(True, POLICY)
    assert meta_reservation([("tdm-reservation", "0")]) == Reservation(False)
    assert meta_reservation([("robots", "noai")]) is None
