"""ai.txt: which pages a site keeps out of training."""

from __future__ import annotations

import pytest

from webtext.crawler.fetch.ai_txt import ai_txt_decision, parse_ai_txt

TEXTS = b"# Spawning AI\nUser-Agent: *\nDisallow: *.txt\nDisallow: *.html\nAllow: *.jpg\n"


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        (TEXTS, "/a.html", 4),
        (TEXTS, "/a.html?q=1", 4),
        (TEXTS, "/story", 4),
        (TEXTS, "/", 4),
        (TEXTS, "/a.b/story", 4),
        (TEXTS, "/notes.txt", 3),
        (TEXTS, "/a.php", None),
        (b"User-Agent: *\nDisallow: /\n", "/a.php", 2),
        (b"User-Agent: *\nDisallow: *\n", "/a.php", 2),
        (b"User-Agent: *\nDisallow: /private/\n", "/private/x", 2),
        (b"User-Agent: *\nDisallow: /private/\n", "/x", None),
        (b"User-Agent: *\nDisallow: /\nAllow: *.html\n", "/story", None),
        (b"User-Agent: *\nDisallow: /\nAllow: *.html\n", "/story.php", 2),
        (b"User-Agent: *\nDisallow: *.jpg\nAllow: *.html\n", "/story", None),
        (b"User-Agent: otherbot\nDisallow: /\n", "/story", None),
        (b"User-Agent: webtext\nDisallow: /\n", "/story", 2),
        (b"User-Agent: *\nAllow: /\n", "/story", None),
        (b"---\nname: A shop\n---\n# What we sell\nAllow-AI: search\n", "/story", None),
        (b"<html><p>Not found</p></html>", "/story", None),
        (b"", "/story", None),
    ],
)
def test_what_is_kept_out(text: bytes, path: str, line: int | None) -> None:
    found = ai_txt_decision(parse_ai_txt(text), f"http://a.example{path}", "webtext")
    assert (None if found is None or found.rule is None else found.rule.line) == line
