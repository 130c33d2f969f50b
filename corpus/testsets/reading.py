"""Sets of reading, summarising, translating and knowing: CoQA, CNN/DM, WMT14, NQ-open."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import zip_longest
from pathlib import Path

from webtext.corpus.errors import DamagedFile
from webtext.corpus.testsets.choices import json_object
from webtext.corpus.testsets.example import Example
from webtext.corpus.testsets.lines import bare_name, lines, whole

HIGHLIGHT = "@highlight"


def coqa(path: Path) -> Iterator[Example]:
    """CoQA's JSON. Fields: all of a story's (source, story, questions, answers, additional_answers, …).

    The text is the story: questions are too short and too common to tell anything.
    """
    try:
        found = json.loads(whole(path))
        stories = found["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"is no CoQA file: JSON with a list data ({error})", where=path) from error
    for number, story in enumerate(stories):
        if not isinstance(story, dict) or not isinstance(story.get("story"), str):
            raise DamagedFile(f"entry {number} of data has no story", where=path)
        yield Example(str(story.get("id", number)), story, (story["story"],))


def nq_open(path: Path) -> Iterator[Example]:
    """NQ-open's JSON lines. Fields: question, answer (strings). The text is the question."""
    for number, line in lines(path):
        if not line.strip():
            continue
        found = json_object(line, path, number)
        if not isinstance(found.get("question"), str):
            raise DamagedFile("has no question", where=f"{path}, line {number}")
        yield Example(str(number), found, (found["question"],))


def cnn_dailymail(paths: Sequence[Path], urls: Sequence[Path]) -> Iterator[Example]:
    """CNN/DM's stories: the article's paragraphs, then highlights, each after a line `@highlight`.

    Fields: article (its text as in the file), highlights (strings), url ("" where no list of URLs tells it). The id is
    the file's name, the sha1 of the URL.
    """
    known = {}
    for listed in urls:
        for _, line in lines(listed):
            known[hashlib.sha1(line.strip().encode(), usedforsecurity=False).hexdigest()] = line.strip()
    for path in paths:
        article, *parts = whole(path).split(HIGHLIGHT)
        highlights = [" ".join(part.split()) for part in parts if part.strip()]
        fields = {"article": article.strip(), "highlights": highlights, "url": known.get(path.stem, "")}
        yield Example(path.stem, fields, (article.strip(), *highlights))


def stories_of(folder: Path, lists: Sequence[Path]) -> list[Path]:
    """The story files below `folder` that the URL lists name; all where there is no list.

    Raises:
        DamagedFile: a list names none of them.
    """
    found = sorted(folder.rglob("*.story"))
    if not lists:
        return found
    wanted = {
        hashlib.sha1(line.strip().encode(), usedforsecurity=False).hexdigest()
        for path in lists
        for _, line in lines(path)
    }
    chosen = [path for path in found if path.stem in wanted]
    if not chosen:
        raise DamagedFile(
            "names none of the stories", where=lists[0], hint=f"the stories below {folder} are another set"
        )
    return chosen


def wmt14(paths: Sequence[Path]) -> Iterator[Example]:
    """A WMT test set: one file a language, a sentence a line (or `<seg>`, in WMT's own .sgm).

    Fields: the sentences by language, such as en and fr. The id is the line's number.
    """
    languages = [language_of(path) for path in paths]
    missing = object()
    rows = zip_longest(*(_segments(path) for path in paths), fillvalue=missing)
    for number, row in enumerate(rows, start=1):
        if missing in row:
            short = paths[row.index(missing)]
            raise DamagedFile(f"ends before sentence {number}, which the other language has", where=short)
        yield Example(str(number), dict(zip(languages, row, strict=True)), tuple(map(str, row)))


def language_of(path: Path) -> str:
    """The language of a WMT file: newstest2014.en, newstest2014-fren-src.en.sgm."""
    return bare_name(path).removesuffix(".sgm").rpartition(".")[2]


def _segments(path: Path) -> Iterator[str]:
    if bare_name(path).endswith(".sgm"):
        for found in re.finditer(r"<seg\b[^>]*>(.*?)</seg>", whole(path), re.DOTALL):
            yield unescape(found[1]).strip()
    else:
        for _, line in lines(path):
            yield line.rstrip("\r\n")
