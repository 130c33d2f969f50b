"""Who a crawl says it is, and that it does not begin before somebody can be reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, crawl

from webtext.corpus.errors import UsageError
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.contact import check_contact, user_agent_of


@pytest.mark.parametrize(
    "contact",
    [
        "me@example.org", "crawl+webtext@lab.uni-example.de", "https://example.org/crawler", "http://example.org",
        "HTTPS://example.org/a?b=c",
    ],
)  # fmt: skip
def test_a_mail_address_or_a_page_will_do(contact: str) -> None:
    check_contact(replace(CrawlSettings(), contact=contact))


@pytest.mark.parametrize(
    "contact",
    [
        "", " ", "me", "me@", "@example.org", "me@localhost", "me@example", "me@exam ple.org", "me@example.org\r\nX: y",
        "Me <me@example.org>", "example.org", "ftp://example.org", "http://", "http://localhost/", "http://127.0.0.1/",
        "http://10.0.0.8/me", "https://user:secret@example.org/", "https://example.org/ x", "https://example.org/\x1b[2J",
        "http://" + "a" * 300 + ".org", "me@exämple.org",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_says_how(contact: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)crawl\.contact.*--contact") as caught:
        check_contact(replace(CrawlSettings(), contact=contact))
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("agent", ["", " ", "(x)\r\nX: y", "b\u00f6t/1.0", "x" * 300])
def test_a_user_agent_that_is_no_field_value_is_refused(agent: str) -> None:
    with pytest.raises(UsageError, match=r"crawl\.user_agent"):
        check_contact(replace(CrawlSettings(), contact="me@example.org", user_agent=agent))


def test_the_user_agent_has_the_projects_name_and_the_contact() -> None:
    ours = replace(CrawlSettings(), contact="me@example.org")
    assert user_agent_of(ours) == "webtext/0.1 (me@example.org)"
    other = replace(ours, user_agent="mybot/2.0", contact="https://example.org/bot")
    assert user_agent_of(other) == "mybot/2.0 (webtext; https://example.org/bot)"
    assert user_agent_of(CrawlSettings()) == "webtext/0.1"


def test_a_live_crawl_does_not_begin_without_and_asks_nobody(tmp_path: Path) -> None:
    server = WildServer()
    with server.running():
        url = server.add("a.test", "/", b"<p>page")
        with pytest.raises(UsageError, match=r"a crawl of the network needs crawl\.contact"):
            crawl(tmp_path, [url], settings=replace(QUICK, contact=""), allow_loopback=server.hosts())
    assert not server.requests
    assert not (tmp_path / "pages").exists()
