"""Language-model sets in their publishers' layouts: WikiText, PTB, enwik8, text8, 1BW.

`fields["text"]` of all examples, joined in their order, is the file (of enwik8 and text8, the split): what a perplexity
is taken over. Encoded as UTF-8 with `surrogateescape` it is the same bytes; a split by bytes may begin within a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from webtext.corpus.errors import DamagedFile
from webtext.corpus.testsets.example import Example
from webtext.corpus.testsets.lines import lines, opened

WIKITEXT_TITLE = re.compile(r" ?= ([^=].*?) = ?\r?\n?")
"""A title of the first level: one equals sign on either side, where sections have two."""

PARTS = {"train": (0, 90_000_000), "valid": (90_000_000, 95_000_000), "test": (95_000_000, 100_000_000)}
"""The usual split of enwik8 and text8 by bytes (Al-Rfou et al. 2018, Dai et al. 2019)."""

TEXT8_WORDS = 1_000  # text8 is one line: an example is so many words of it


def wikitext(path: Path) -> Iterator[Example]:
    """The articles of a WikiText file (tokens or raw)."""
    title, count = "", 0
    held: list[str] = []
    for _, line in lines(path):
        found = WIKITEXT_TITLE.fullmatch(line)
        if found is not None:
            if title or "".join(held).strip():
                yield _article(count, title, held)
                held, count = [], count + 1
            title = found[1]
        held.append(line)
    if held:
        yield _article(count, title, held)


def sentences(paths: Sequence[Path]) -> Iterator[Example]:
    """The lines of PTB or of 1BW's files; an example's id is file:line where there are several files."""
    for path in paths:
        for number, line in lines(path):
            name = f"{path.name}:{number}" if len(paths) > 1 else str(number)
            yield Example(name, {"text": line}, (line,))


def enwik8(path: Path, split: str) -> Iterator[Example]:
    """The pages (and what stands before the first) of the split of enwik8; a shorter file has one split only."""
    data = _part(path, split)
    cuts = [0, *(found.start() for found in re.finditer(rb"[ \t]*<page>", data)), len(data)]
    for number, (start, end) in enumerate(_stretches(cuts)):
        text = data[start:end].decode("utf-8", "surrogateescape")  # a split by bytes may cut a letter in two
        found = re.search(r"<title>(.*?)</title>", text)
        clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        yield Example(str(number), {"text": text, "title": found[1] if found else ""}, (clean,))


def text8(path: Path, split: str) -> Iterator[Example]:
    """Stretches of `TEXT8_WORDS` words of the split of text8."""
    words = _part(path, split).decode("ascii", "replace").split(" ")
    for start in range(0, len(words), TEXT8_WORDS):
        last = start + TEXT8_WORDS >= len(words)
        text = " ".join(words[start : start + TEXT8_WORDS]) + ("" if last else " ")
        yield Example(str(start // TEXT8_WORDS), {"text": text}, (text,))


def _article(number: int, title: str, held: Sequence[str]) -> Example:
    text = "".join(held)
    return Example(str(number), {"title": title, "text": text}, (text,))


def _part(path: Path, split: str) -> bytes:
    start, end = PARTS[split]
    with opened(path) as stream:
        data = stream.read(PARTS["test"][1] + 1)
    if len(data) == PARTS["test"][1]:
        return data[start:end]
    if len(data) > PARTS["test"][1]:
        raise DamagedFile("is longer than 100,000,000 bytes", where=path, hint="is it enwik9?")
    return data


def _stretches(cuts: Sequence[int]) -> list[tuple[int, int]]:
    return [(start, end) for start, end in pairwise(cuts) if end > start]
