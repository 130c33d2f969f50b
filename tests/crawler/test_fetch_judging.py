"""What an answer means for its link."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.judging import Verdict, judge_address, judge_headers, judge_page, next_address
from webtext.crawler.fetch.records import StoredResponse

SETTINGS = replace(CrawlSettings(), max_bytes=1_000, max_decoded=1_000)
HTML = ("Content-Type", "text/html; charset=utf-8")


def answer(status: int = 200, *headers: tuple[str, str], body: bytes = b"<p>hello") -> StoredResponse:
    return StoredResponse("http://a.example/x/", status, list(headers), body, datetime(2025, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503, 304, 300])
def test_another_status_than_success_is_an_http_error(status: int) -> None:
    assert judge_page(answer(status, HTML), SETTINGS) == Verdict(Outcome.HTTP_ERROR, f"status {status}")


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML;charset=x", "application/xhtml+xml", "text/plain"])
def test_pages_are_html_and_plain_text(kind: str) -> None:
    assert judge_page(answer(200, ("content-type", kind)), SETTINGS) is None


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/json", "text/css"])
def test_other_types_are_content_type(kind: str) -> None:
    assert judge_page(answer(200, ("Content-Type", kind)), SETTINGS) == Verdict(Outcome.CONTENT_TYPE, kind)


def test_the_last_valid_type_counts() -> None:
    assert (
        judge_page(answer(200, ("Content-Type", "application/pdf"), HTML, ("Content-Type", "junk")), SETTINGS) is None
    )


@pytest.mark.parametrize("headers", [(), (("Content-Type", ""),), (("Content-Type", "html"),)])
def test_without_a_type_the_body_decides(headers: tuple[tuple[str, str], ...]) -> None:
    assert judge_page(answer(200, *headers), SETTINGS) is None
    assert judge_page(answer(200, *headers, body="<p>hé".encode("utf-16")), SETTINGS) is None
    verdict = judge_page(answer(200, *headers, body=b"\x89PNG\r\n\x1a\n\x00\x00"), SETTINGS)
    assert verdict == Verdict(Outcome.CONTENT_TYPE, "no Content-Type, and binary data")


def test_too_large_by_its_header_as_sent_and_decoded() -> None:
    declared = judge_headers(200, [HTML, ("Content-Length", "1001")], SETTINGS)
    assert declared == Verdict(Outcome.TOO_LARGE, "more than 1,000 bytes by its Content-Length")
    assert judge_headers(200, [HTML, ("Content-Length", "1000")], SETTINGS) is None
    sent = judge_page(answer(200, HTML, body=b"x" * 1_001), SETTINGS)
    assert sent == Verdict(Outcome.TOO_LARGE, "more than 1,000 bytes as sent")
    bomb = answer(200, HTML, ("Content-Encoding", "gzip"), body=gzip.compress(b"x" * 1_001))
    assert judge_page(bomb, SETTINGS) == Verdict(Outcome.TOO_LARGE, "more than 1,000 bytes decoded")


def test_a_compressed_body_that_was_cut_is_no_page() -> None:
    cut = answer(200, HTML, ("Content-Encoding", "gzip"), body=gzip.compress(b"x" * 900)[:-6])
    assert judge_page(cut, SETTINGS) == Verdict(Outcome.UNREACHABLE, "the compressed body was cut short")


def test_an_opt_out_names_its_rule_and_source() -> None:
    by_header = answer(200, HTML, ("X-Robots-Tag", "noai"))
    assert judge_page(by_header, SETTINGS) == Verdict(Outcome.OPT_OUT, "noai in X-Robots-Tag")
    packed = gzip.compress(b"<meta name=robots content='nofollow, noml'>")
    by_meta = answer(200, HTML, ("Content-Encoding", "gzip"), body=packed)
    assert judge_page(by_meta, SETTINGS) == Verdict(Outcome.OPT_OUT, "noml in meta robots")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://10.0.0.8/x", "http://[::1]/", "http://[::ffff:7f00:1]:8000/", "http://localhost/x",
        "http://169.254.169.254/latest/", "http://printer.local/", "http://[fe80::1]/", "http://0.0.0.0/",
    ],
)  # fmt: skip
def test_private_addresses(url: str) -> None:
    verdict = judge_address(url)
    assert verdict is not None
    assert verdict.outcome is Outcome.PRIVATE_ADDRESS


def test_public_addresses_and_names() -> None:
    assert judge_address("http://93.184.216.34/") is None
    assert judge_address("https://example.org/") is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/y?q=1#part", "http://a.example/y?q=1"),
        ("y", "http://a.example/x/y"),
        ("//b.example", "http://b.example/"),
        ("HTTPS://B.example:443/%7e", "https://b.example/%7e"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("/caf\xc3\xa9", "http://a.example/caf%C3%A9"),
        ("/caf\xe9", "http://a.example/caf%C3%A9"),
    ],
)
def test_where_a_redirect_leads(location: str, target: str) -> None:
    assert next_address(answer(301, ("Location", location)), ["http://a.example/x/"], 5) == target


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ((), "status 302 without a Location"),
        ((("Location", "mailto:a@b.example"),), "to an unusable address: "),
        ((("Location", "http://"),), "to an unusable address: "),
        ((("Location", "http://user:secret@b.example/"),), "to an unusable address: "),
        ((("Location", "/x/"),), "leads back to an address of its own chain"),
        ((("Location", "#top"),), "leads back to an address of its own chain"),
    ],
)
def test_redirects_that_are_not_followed(headers: tuple[tuple[str, str], ...], detail: str) -> None:
    verdict = next_address(answer(302, *headers), ["http://a.example/x/"], 5)
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is Outcome.REDIRECT
    assert verdict.detail.startswith(detail)


def test_so_many_redirects_are_followed_and_no_more() -> None:
    stored = answer(302, ("Location", "/next"))
    assert next_address(stored, ["http://a.example/1", "http://a.example/2"], 2) == "http://a.example/next"
    verdict = next_address(stored, ["http://a.example/1", "http://a.example/2", "http://a.example/3"], 2)
    assert verdict == Verdict(Outcome.REDIRECT, "more than 2 redirects")
