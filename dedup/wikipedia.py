"""Is a document a copy of a Wikipedia page? By the plain marks that mirrors leave in place.

The GPT-2 paper removed Wikipedia from WebText since it is in other sets that models are tested on; mirrors are the
part that a list of hosts misses. A page that quotes, cites or talks about Wikipedia has none of these marks and stays.
Not for copies without any mark: a near copy of a document that stays is `survivors`' matter.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webtext.dedup.utf8 import Texts

HOST = "wikipedia.org"

# What Wikipedia's own pages append to their titles, by language: MediaWiki's message "pagetitle".
_NAMES = (
    "wikipedia", "wikipédia", "wikipedie", "wikipedija", "vikipedi", "vikipediya", "vikipedija", "vikipedio",
    "vikipeedia", "vikipēdija", "viquipèdia", "википедия", "вікіпедія", "уикипедия", "википедија", "βικιπαίδεια",
    "ויקיפדיה", "ويكيبيديا", "ویکی‌پدیا", "विकिपीडिया", "উইকিপিডিয়া", "วิกิพีเดีย", "위키백과, 우리 모두의 백과사전",
    "维基百科，自由的百科全书", "維基百科，自由的百科全書",  # noqa: RUF001
)  # fmt: skip
_MOTTOES = (
    "the free encyclopedia", "l'encyclopédie libre", "la enciclopedia libre", "l'enciclopedia libera",
    "a enciclopédia livre", "l'enciclopèdia lliure", "wolna encyklopedia",
)  # fmt: skip
_TITLE = re.compile(
    rf"\s[-\u2013\u2014]\s(?:{'|'.join(map(re.escape, _NAMES))})(?:, (?:{'|'.join(map(re.escape, _MOTTOES))}))?\s*$",
    re.IGNORECASE,
)

# The tagline under a page's title (MediaWiki's message "tagline"), alone on its line or with what stands beside it.
_TAGLINES = (
    "From Wikipedia, the free encyclopedia",
    "Aus Wikipedia, der freien Enzyklopädie",
    "Un article de Wikipédia, l'encyclopédie libre",
    "Article de Wikipédia, l'encyclopédie libre",
    "De Wikipedia, la enciclopedia libre",
    "Da Wikipedia, l'enciclopedia libera",
    "Origem: Wikipédia, a enciclopédia livre",
    "Uit Wikipedia, de vrije encyclopedie",
    "Från Wikipedia, den fria encyklopedin",
    "Z Wikipedii, wolnej encyklopedii",
    "Материал из Википедии — свободной энциклопедии",
)
_TAGLINE = re.compile(
    rf"\W*(?:{'|'.join(map(re.escape, _TAGLINES))})\W*(?:\((?:redirected|weitergeleitet)\b.*|jump to.*)?", re.IGNORECASE
)
# What copies put above the text (Wikipedia:Reusing Wikipedia content), and the last line of Wikipedia's own pages. The
# trademark line alone is no mark (apps show it), nor is an attribution below a text (it may be for one paragraph).
_ATTRIBUTION = re.compile(
    r"\W*this (?:article|page) (?:uses material from|incorporates text from|is a copy of) the wikipedia article\b",
    re.IGNORECASE,
)
_LICENCE = re.compile(
    r"\W*text is available under the creative commons attribution-share\s?alike .*\bwikipedia® is a .*trademark\b",
    re.IGNORECASE,
)
_DASHES = ("-", "\u2013", "\u2014")  # one of them is in every title of a mark
_LINES = 3  # lines of text at either end that are looked at
_ENDS = 1_000  # characters of text at either end that are looked at


def wikipedia_mark(*, url: str, final_url: str, canonical: str | None, title: str, text: str) -> str:
    """What gives a document away as a copy of Wikipedia, in words for a person; empty where nothing does.

    Looked at, in this order: the page's addresses (its host is wikipedia.org or below it), the end of its title, the
    tagline or attribution among the first three lines of its text, the licence among the last three.
    """
    for label, address in (("address", url), ("final address", final_url), ("canonical address", canonical or "")):
        if _is_wikipedia(address):
            return f"{label} {address}"
    if _TITLE.search(title):
        return f"title {title.strip()!r}"
    if "iki" not in text[:_ENDS] and "iki" not in text[-_ENDS:] and "ики" not in text[:_ENDS]:
        return ""
    for line in _first_lines(text):
        if _TAGLINE.fullmatch(line) or _ATTRIBUTION.match(line):
            return f"first lines {line[:80]!r}"
    for line in _last_lines(text):
        if _LICENCE.match(line):
            return f"last lines {line[:80]!r}"
    return ""


def possible_marks(documents: pa.Table) -> NDArray[np.bool_]:
    """Which documents `wikipedia_mark` need be asked about, for all others have none; shape (documents,).

    Args:
        documents: url, final_url, canonical, title, text.
    """
    found = [
        pc.fill_null(pc.match_substring(documents[name], HOST, ignore_case=True), False)
        for name in ("url", "final_url", "canonical")
    ]
    result = _with_letters(Texts.of(documents["text"]))
    for each in found:
        result |= each.to_numpy()
    dashes = [pc.match_substring(documents["title"], dash).to_numpy() for dash in _DASHES]
    rows = np.flatnonzero(np.logical_or.reduce(dashes))
    titles = documents["title"].take(pa.array(rows)).to_pylist()
    result[rows] |= np.fromiter((_TITLE.search(title) is not None for title in titles), bool, len(rows))
    return result


def _with_letters(texts: Texts) -> NDArray[np.bool_]:
    """Which texts may hold "iki" or "ики", as every tagline, attribution and licence does: of the Cyrillic letters only
    the second bytes are looked for.
    """
    found = np.zeros(len(texts), bool)
    for part in texts.blocks():
        block = texts[part]
        data = block.data[block.offsets[0] : block.offsets[-1]]
        latin = np.flatnonzero(data[1:-1] == ord("k"))  # the rarest of the three
        latin = latin[(data[latin] == ord("i")) & (data[latin + 2] == ord("i"))]
        cyrillic = np.flatnonzero(data[2:-2] == 0xBA)
        cyrillic = cyrillic[(data[cyrillic] == 0xB8) & (data[cyrillic + 4] == 0xB8)]
        at = np.concatenate((latin, cyrillic)) + block.offsets[0]
        found[part.start + np.searchsorted(block.offsets, at, "right") - 1] = True
    return found


def _is_wikipedia(address: str) -> bool:
    if HOST not in address.lower():
        return False
    try:
        host = (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:  # an address that no one can go to, such as one with half a pair of brackets
        return False
    return host == HOST or host.endswith("." + HOST)


def _first_lines(text: str) -> list[str]:
    return [line.strip() for line in text[:_ENDS].splitlines() if line.strip()][:_LINES]


def _last_lines(text: str) -> list[str]:
    return [line.strip() for line in text[-_ENDS:].splitlines() if line.strip()][-_LINES:]
