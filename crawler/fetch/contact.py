"""Who we are to the servers that we visit: the User-Agent, and somebody whom their owners can reach."""

from __future__ import annotations

import re

import ada_url

from webtext.corpus.errors import UsageError
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.addresses import private_host
from webtext.crawler.fetch.consent import product_token

PROJECT = "webtext"

# An addr-spec as people write it (RFC 5322, 3.4.1, without quotes, comments and literals), at a name with a dot.
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{1,62}")
_LONGEST = 200
_HINT = (
    "say who may be asked about these requests, and reads it: webtext crawl CORPUS --contact you@your-domain.org, "
    "or the address of a page about you (crawl.contact in webtext.toml)"
)


def check_contact(settings: CrawlSettings) -> None:
    """Refuse a live crawl whose owner cannot be reached.

    Raises:
        UsageError: no contact, one that is neither a mail address nor an http(s) address of a public host, or a user
            agent that is no header field's value.
    """
    contact, agent = settings.contact, settings.user_agent
    if not contact.strip():
        raise UsageError("a crawl of the network needs crawl.contact", where="webtext crawl", hint=_HINT)
    if len(contact) > _LONGEST or not (_MAIL.fullmatch(contact) or _is_page(contact)):
        raise UsageError(
            f"crawl.contact is {contact[:_LONGEST]!r}, neither a mail address nor an http(s) address",
            where="webtext crawl",
            hint=_HINT,
        )
    if not product_token(agent) or not agent.isascii() or not agent.isprintable() or len(agent) > _LONGEST:
        raise UsageError(
            f"crawl.user_agent is {agent[:_LONGEST]!r}; it begins with a name and is one line of ASCII",
            where="webtext crawl",
            hint='like "webtext/0.1" or "mybot/1.0"',
        )


def user_agent_of(settings: CrawlSettings) -> str:
    """The User-Agent field: our name, the project's where that is another one, and the contact."""
    told = [settings.contact] if settings.contact else []
    if product_token(settings.user_agent).lower() != PROJECT:
        told.insert(0, PROJECT)
    return f"{settings.user_agent} ({'; '.join(told)})" if told else settings.user_agent


def _is_page(contact: str) -> bool:
    if not contact.isascii() or not contact.isprintable() or any(sign in contact for sign in ' ()<>"'):
        return False
    if not contact.lower().startswith(("http://", "https://")):
        return False
    try:
        parsed = ada_url.URL(contact)
    except ValueError:
        return False
    host = parsed.hostname
    return "." in host.strip(".") and not parsed.username and private_host(host) is None
