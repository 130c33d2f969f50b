"""How the demo's sites look: five templates, with all that stands around an article on the real web.

What belongs to no article is taken from `FURNITURE` and `COMMENTS`, so that it can be looked for in a corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

BANNER = "We and our partners store cookies on your device to measure how this page is read."
NEWSLETTER = "Get the week in ten minutes: sign up for our newsletter, free and without obligation."
ADVERTISEMENT = "Advertisement: this season's umbrellas, now at half the price."
SHARE = "Share this page with friends or copy its address."
RIGHTS = "All rights reserved. Reproduction without permission is not allowed."
RELATED = "More stories you may have missed"

FURNITURE = (BANNER, NEWSLETTER, ADVERTISEMENT, SHARE, RIGHTS, RELATED)
"""Sentences that stand on many pages and in no article."""

COMMENTS = (
    "I had to read this twice, and I still do not agree with the second half of it.",
    "Thank you, I have been looking for an explanation like this one for years.",
    "My grandfather used to say the very same thing, and nobody believed him either.",
    "First! Also, the link in the third paragraph does not work on my telephone.",
    "Could somebody please explain what the author means by the last sentence?",
    "This was better before the redesign of the site, sorry to say so.",
)
"""What readers write below."""

READERS = ("marigold", "old_harbour", "tenpence", "J. Quill", "northwind", "anna_b")
SECTIONS = ("Home", "News", "Culture", "Science", "Travel", "Opinion", "Archive", "About us", "Contact")


@dataclass(frozen=True)
class Page:
    """What a template needs. `related` holds (address, title), `comments` (reader, text)."""

    title: str
    paragraphs: Sequence[str]
    site: str
    author: str = "the editors"
    date: str = "2025-01-11"
    related: Sequence[tuple[str, str]] = ()
    comments: Sequence[tuple[str, str]] = ()
    head: str = ""
    """Further elements for the head, as HTML."""


def newspaper(page: Page) -> str:
    """Semantic elements throughout, cookie banner, related stories, comments."""
    menu = "".join(f'<li><a href="/{name.lower()}">{name}</a></li>' for name in SECTIONS)
    return _document(
        page,
        f'<div class="cookie-banner" role="dialog"><p>{BANNER}</p><button>Accept</button><button>Reject</button></div>'
        f'<header><a class="logo" href="/">{escape(page.site)}</a><nav><ul>{menu}</ul></nav></header>'
        f"<main><article><h1>{escape(page.title)}</h1>"
        f'<p class="byline">By {escape(page.author)} <time datetime="{page.date}">{page.date}</time></p>'
        f"{_paragraphs(page)}</article>"
        f'<aside class="related"><h2>{RELATED}</h2>{_links(page)}</aside>'
        f'<section class="comments" id="comments"><h2>Comments</h2>{_comments(page)}</section></main>'
        f"<footer><p>{RIGHTS}</p></footer>",
    )


def blog(page: Page) -> str:
    """Classes of a well-known blog engine, sidebar, share buttons."""
    archive = "".join(f'<li><a href="/2024/{month:02}/">{month:02}/2024</a></li>' for month in range(1, 13))
    return _document(
        page,
        f'<div id="page" class="site"><div id="masthead" class="site-header"><h2><a href="/">{escape(page.site)}</a>'
        f'</h2></div><div id="primary" class="content-area"><div class="post hentry"><h1 class="entry-title">'
        f'{escape(page.title)}</h1><div class="entry-meta">Posted on {page.date} by {escape(page.author)}</div>'
        f'<div class="entry-content">{_paragraphs(page)}</div>'
        f'<div class="sharedaddy"><p>{SHARE}</p></div></div>'
        f'<div id="comments" class="comments-area"><h3>{len(page.comments)} thoughts</h3>{_comments(page)}</div></div>'
        f'<div id="secondary" class="widget-area sidebar"><div class="widget"><h3>{RELATED}</h3>{_links(page)}</div>'
        f'<div class="widget"><h3>Archives</h3><ul>{archive}</ul></div></div>'
        f'<div id="colophon" class="site-footer"><p>{RIGHTS}</p></div></div>',
    )


def magazine(page: Page) -> str:
    """A newsletter box and an advertisement in the middle of the text, sub-headings."""
    half = max(1, len(page.paragraphs) // 2)
    first, second = page.paragraphs[:half], page.paragraphs[half:]
    menu = " | ".join(f'<a href="/{name.lower()}">{name}</a>' for name in SECTIONS)
    rest = f"<h2>And there is more to it</h2>{_lines(second)}" if second else ""
    return _document(
        page,
        f'<div class="topbar navigation">{menu}</div><div class="article-wrap"><div class="article-head"><h1>'
        f'{escape(page.title)}</h1></div><div class="article-body">{_lines(first)}'
        f'<div class="newsletter-signup"><form action="/subscribe"><p>{NEWSLETTER}</p><input type="email">'
        f"<button>Subscribe</button></form></div>"
        f'<aside class="advertisement"><p>{ADVERTISEMENT}</p></aside>{rest}</div>'
        f'<div class="social-share"><p>{SHARE}</p></div></div>'
        f'<div class="related-posts"><h3>{RELATED}</h3>{_links(page)}</div>'
        f'<div class="footer"><p>{RIGHTS}</p></div>',
    )


def handbook(page: Page) -> str:
    """A manual: a tree of chapters at the left, previous and next."""
    chapters = "".join(f'<li><a href="/chapter/{number}">Chapter {number}</a></li>' for number in range(1, 25))
    return _document(
        page,
        f'<div class="sidebar toc"><ul>{chapters}</ul></div><div class="document" role="main"><div class="body">'
        f'<div class="breadcrumbs"><a href="/">{escape(page.site)}</a> &raquo; {escape(page.title)}</div>'
        f"<h1>{escape(page.title)}</h1>{_paragraphs(page)}</div>"
        f'<div class="prevnext"><a href="/previous">Previous</a> <a href="/next">Next</a></div></div>'
        f'<div class="footer">{RIGHTS}</div>',
    )


def homepage(page: Page) -> str:
    """As people built them in 1998: tables, fonts, capitals, no end tags where none are needed."""
    menu = "".join(f'<TR><TD><A HREF="/{name.lower()}.html">{name}</A></TD></TR>' for name in SECTIONS)
    text = "".join(f"<P>{escape(paragraph)}\n" for paragraph in page.paragraphs)
    return (
        f"<HTML><HEAD><TITLE>{escape(page.title)}</TITLE>{page.head}</HEAD><BODY BGCOLOR=#FFFFEE>"
        f"<TABLE WIDTH=100%><TR><TD WIDTH=120 VALIGN=TOP><TABLE>{menu}</TABLE></TD>"
        f"<TD VALIGN=TOP><H1>{escape(page.title)}</H1>{text}<HR></TD></TR></TABLE>"
        f"<CENTER><FONT SIZE=1><A HREF=/legal.html>{RIGHTS}</A></FONT></CENTER></BODY></HTML>"
    )


TEMPLATES: Mapping[str, Callable[[Page], str]] = MappingProxyType(
    {"newspaper": newspaper, "blog": blog, "magazine": magazine, "handbook": handbook, "homepage": homepage}
)


def _document(page: Page, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(page.title)}</title>'
        f'<meta name="viewport" content="width=device-width">{page.head}<link rel="stylesheet" href="/style.css">'
        f"<script>window.dataLayer = window.dataLayer || [];</script></head><body>{body}</body></html>"
    )


def _paragraphs(page: Page) -> str:
    return _lines(page.paragraphs)


def _lines(paragraphs: Sequence[str]) -> str:
    return "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs)


def _links(page: Page) -> str:
    entries = "".join(f'<li><a href="{escape(address)}">{escape(title)}</a></li>' for address, title in page.related)
    return f"<ul>{entries}</ul>"


def _comments(page: Page) -> str:
    entries = "".join(
        f'<li class="comment"><b class="comment-author">{escape(reader)}</b><p>{escape(text)}</p></li>'
        for reader, text in page.comments
    )
    return f'<ol class="comment-list">{entries}</ol>'
