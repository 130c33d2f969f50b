"""Copies of Wikipedia are known by plain marks; pages that speak of it stay."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.wikipedia import possible_marks, wikipedia_mark

BODY = "New Zealand is an island country in the south-western Pacific Ocean.\nIt has two main islands."


def mark(
    *, url: str = "https://site.example/a", canonical: str | None = None, title: str = "A page", text: str = BODY,
    final_url: str = "https://site.example/a",
) -> str:  # fmt: skip
    return wikipedia_mark(url=url, final_url=final_url, canonical=canonical, title=title, text=text)


@pytest.mark.parametrize(
    "address",
    [
        "https://en.wikipedia.org/wiki/New_Zealand",
        "https://EN.Wikipedia.org/wiki/New_Zealand",
        "http://de.m.wikipedia.org./wiki/Neuseeland",
        "//fr.wikipedia.org/wiki/X",
        "https://wikipedia.org/",
    ],
)
def test_an_address_at_wikipedia_is_a_mark_wherever_it_stands(address: str) -> None:
    assert mark(canonical=address) == f"canonical address {address}"
    assert mark(final_url=address) == f"final address {address}"
    assert mark(url=address) == f"address {address}"


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "https://notwikipedia.org/wiki/X",
        "https://wikipedia.org.evil.example/X",
        "https://blog.example/why-wikipedia.org-works",
        "https://blog.example/?q=https://en.wikipedia.org/",
        "https://wikimedia.org/",
        "http://[wikipedia.org/",
    ],
)
def test_other_addresses_are_none(address: str | None) -> None:
    assert mark(canonical=address) == ""


@pytest.mark.parametrize(
    "title",
    [
        "New Zealand - Wikipedia",
        "  New Zealand - Wikipedia \n",
        "New Zealand \u2013 Wikipedia",
        "New Zealand — Wikipedia",
        "New Zealand - Wikipedia, the free encyclopedia",
        "Nouvelle-Zélande — Wikipédia",
        "Nueva Zelanda - Wikipedia, la enciclopedia libre",
        "Новая Зеландия — Википедия",
    ],
)
def test_wikipedias_title_is_a_mark(title: str) -> None:
    assert mark(title=title) == f"title {title.strip()!r}"


@pytest.mark.parametrize(
    "title",
    [
        "Wikipedia",
        "How I edit Wikipedia",
        "Wikipedia - The Atlantic",
        "Larry Sanger on Wikipedia",
        "Is it on-Wikipedia",
        "The trouble with Wikipedia - Slate",
        "Jimmy Wales - Wikipedia's founder",
        "Edit wars - Wikipedia, Britannica and truth",
        "Anti-Wikipedia",
    ],
)
def test_titles_that_speak_of_wikipedia_are_none(title: str) -> None:
    assert mark(title=title) == ""


@pytest.mark.parametrize(
    "line",
    [
        "From Wikipedia, the free encyclopedia",
        "  From Wikipedia, the free encyclopedia.",
        "from wikipedia, the free encyclopedia (Redirected from Aotearoa)",
        "From Wikipedia, the free encyclopedia Jump to: navigation, search",
        "Un article de Wikipédia, l'encyclopédie libre.",
        "This article uses material from the Wikipedia article New Zealand, which is released under CC BY-SA 3.0.",
    ],
)
def test_the_tagline_or_attribution_among_the_first_lines_is_a_mark(line: str) -> None:
    assert mark(text=f"{line}\n{BODY}").startswith("first lines")
    assert mark(text=f"New Zealand\n\n{line}\n{BODY}").startswith("first lines")
    assert mark(text=f"{BODY}\n{BODY}\n{line}\n{BODY}") == ""  # a quotation in the middle


def test_the_last_line_of_wikipedias_own_pages_is_a_mark() -> None:
    licence = (
        "Text is available under the Creative Commons Attribution-ShareAlike License; additional terms may apply. "
        "Wikipedia® is a registered trademark of the Wikimedia Foundation, Inc., a non-profit organization."
    )
    assert mark(text=f"{BODY}\n{BODY * 30}\n{licence}").startswith("last lines")
    assert mark(text=f"{licence}\n{BODY}\n{BODY}") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Wikipedia is an online encyclopedia. It was founded in 2001.",
        "From Wikipedia, the free encyclopedia, we learn that ducks float. I disagree with that.",
        'As it says: "From Wikipedia, the free encyclopedia: a duck is a bird."',
        "According to Wikipedia, the free encyclopedia that anyone can edit, ducks float.",
        "Ducks float.\nSource: Wikipedia",
        "From Wikipedia I learned to write.",
        "A\nB\nC\nDucks float.\nThis article uses material from the Wikipedia article Duck.",
        "Text is available under the Creative Commons Attribution-ShareAlike License.",
        "Our app shows articles.\nWikipedia® is a registered trademark of the Wikimedia Foundation, Inc.",
    ],
)
def test_texts_that_quote_cite_or_speak_of_wikipedia_have_no_mark(text: str) -> None:
    assert mark(text=text) == ""


def test_of_the_real_pages_the_mirrors_have_a_mark_and_no_other_page(data: Path) -> None:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    marked = set()
    with (data / "web/web.warc.gz").open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
            page = record.reader.read().decode("utf-8", "replace")
            url = record.headers["WARC-Target-URI"]
            title = re.search(r"<title[^>]*>(.*?)</title>", page, re.DOTALL | re.IGNORECASE)
            canonical = re.search(r'<link rel="canonical" href="([^"]*)', page)
            found = wikipedia_mark(
                url=url,
                final_url=url,
                canonical=canonical[1] if canonical else None,
                title=" ".join(html.unescape(title[1]).split()) if title else "",
                text=page,
            )
            # The recording of Wikipedia itself is kept out by its address at the links stage.
            if found and "wikipedia.org" not in url:
                marked.add(url)
    assert marked == {f"http://encyclopedia-mirror.example/recorded-{number}" for number in range(4)}


PIECES = (
    "wiki",
    "iki",
    "ики",
    "Википедии",
    "wikipedia.org",
    "WIKIPEDIA.ORG",
    "Duck - Wikipedia",
    " \u2013 Vikipedi",
    "ü",
    "x",
    "\n",
)


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(st.tuples(*[st.lists(st.sampled_from(PIECES), max_size=4).map("".join)] * 4, st.booleans()), max_size=5)
)
def test_documents_with_a_mark_are_never_ruled_out_beforehand(rows: list[tuple[str, str, str, str, bool]]) -> None:
    documents = [
        {"url": url, "final_url": final, "canonical": final if has else None, "title": title, "text": text}
        for url, final, title, text, has in rows
    ]
    kinds = {"url": pa.string(), "final_url": pa.string(), "canonical": pa.string(), "title": pa.string()}
    table = pa.Table.from_pylist(documents, pa.schema({**kinds, "text": pa.large_string()}))
    possible = possible_marks(table).tolist()
    for document, may in zip(documents, possible, strict=True):
        assert may or not wikipedia_mark(**document)  # type: ignore[arg-type]
    assert possible == [may_have_a_mark(document) for document in documents]


def may_have_a_mark(document: dict[str, Any]) -> bool:
    addresses = [document[name] or "" for name in ("url", "final_url", "canonical")]
    return (
        any("wikipedia.org" in address.lower() for address in addresses)
        or wikipedia_mark(url="", final_url="", canonical=None, title=document["title"], text="") != ""
        or any(letters in document["text"] for letters in ("iki", "ики"))
    )
