"""One page, from bytes to a document's text or a reason: the steps in their order.

Pure, but unbounded in time and memory on hostile pages: in a corpus it runs in a process that may be killed
(`isolate`, `child`).
"""

from __future__ import annotations

import re

from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.encoding import decode_page
from webtext.crawler.text.language import detect_language
from webtext.crawler.text.main_text import MainText, extract_main_text, take_plain_text
from webtext.crawler.text.measures import measure
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules
from webtext.crawler.text.rules import reject_empty, reject_language, reject_markup, reject_script, reject_short
from webtext.crawler.text.walls import reject_consent, reject_missing, reject_parked, reject_paywall
from webtext.crawler.text.words import count_words

_MARKUP = re.compile(r"<\s*(!doctype\s+html|html|head|body|title|meta|div|p|table)\b", re.IGNORECASE)
_MARKUP_CHARACTERS = 1_024  # of a page without a content type, where markup is looked for


def examine(page: PageBytes, rules: TextRules) -> Extracted | Rejection:
    """The page's text, or why it is no document.

    The cheap rules go first; a text too short to tell its language is too short.
    """
    decoded = decode_page(page.body, page.content_type)
    if decoded.binary:
        return Rejection(Outcome.EMPTY, f"binary data, no text ({page.content_type or 'no content type'})")
    plain = _is_plain(page.content_type, decoded.text)
    if plain:
        return judge(take_plain_text(decoded.text), rules, audit=page.audit)
    return reject_markup(decoded.text) or judge(extract_main_text(decoded.text, page.url), rules, audit=page.audit)


def judge(main: MainText, rules: TextRules, *, audit: bool = False) -> Extracted | Rejection:
    """What the rules say about a main text; `audit` as in `PageBytes`."""
    words = count_words(main.text)
    rejection = (
        reject_empty(main.text)
        or reject_script(main.text, rules)
        or reject_missing(main.title, main.text, words)
        or reject_parked(main.text, words)
        or reject_consent(main.text, words)
        or reject_paywall(main.text, words, closed=main.closed)
        or reject_short(words, rules)
    )
    if rejection is not None:
        return rejection
    language, score = detect_language(main.text, audit=audit)
    return reject_language(language, score, rules) or Extracted(
        main.title, main.canonical, main.text, language, score, words, measure(main.text)
    )


def _is_plain(content_type: str, text: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    if kind:
        return kind == "text/plain"
    return _MARKUP.search(text[:_MARKUP_CHARACTERS]) is None
