"""Other extractors over the same pages, in an environment of their own: `python peer_texts.py < pages > texts`.

Reads lines of JSON ({"id", "html"}), writes one for each page and extractor ({"id", "extractor", "text", "seconds"}).
Imports nothing of webtext, and only those extractors that are installed. To make such an environment:

    python -m venv peers && peers/bin/pip install resiliparse readability-lxml lxml_html_clean trafilatura
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def main() -> None:
    """Serve until the input ends."""
    extractors = _installed()
    for line in sys.stdin:
        page = json.loads(line)
        for name, extract in extractors.items():
            started = time.process_time()
            try:
                text = extract(page["html"])
            except Exception:  # noqa: BLE001 - a page that an extractor cannot read has no text
                text = ""
            answer = {"id": page["id"], "extractor": name, "text": text, "seconds": time.process_time() - started}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def _installed() -> dict[str, Callable[[str], str]]:
    found: dict[str, Callable[[str], str]] = {}
    for name, load in (("resiliparse", _resiliparse), ("readability-lxml", _readability)):
        try:
            found[name] = load()
        except ImportError:
            sys.stderr.write(f"{name} is not installed here\n")
    return found


def _resiliparse() -> Callable[[str], str]:
    from resiliparse.extract.html2text import extract_plain_text  # type: ignore[import-not-found, unused-ignore]

    return lambda html: str(extract_plain_text(html, main_content=True, alt_texts=False, list_bullets=False))


def _readability() -> Callable[[str], str]:
    from lxml.html import fromstring
    from readability import Document  # type: ignore[import-not-found, unused-ignore]

    return lambda html: str(fromstring(Document(html).summary()).text_content())


if __name__ == "__main__":
    main()
