"""Articles out of documentation that lies on this machine anyway: Python's topics, docstrings of installed packages.

Real English in megabytes, without a download and without a text in the repository. The files are read as text, nothing
is imported. The same Python and packages give the same articles; others give others. Not for training anything good.
"""

from __future__ import annotations

import importlib.util
import random
import re
import sysconfig
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Those of the packages that webtext[all] itself brings that explain much in prose, the wordiest ones first: no others,
# so that a checkout and an installed wheel make the same web. Missing ones are passed over.
_PACKAGES = (
    "torch", "sympy", "scipy", "apache_beam", "twisted", "networkx", "numpy", "mpmath", "scrapy", "pyarrow", "google",
    "trafilatura",
)  # fmt: skip
_SOURCE_BYTES = 1_500_000  # of prose from one package: none shall be the whole web
_FILE_BYTES = 2_000_000  # larger ones are tables, not programs
_PASSED_OVER = frozenset({"tests", "test", "testing", "_vendor", "vendor", "site-packages", "idlelib", "lib2to3"})

_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_BLANK_LINE = re.compile(r"\n\s*\n")
_NO_PROSE = (">>>", "::=", ".. ", "----", "====", ":param", "@param")
# Markup of reStructuredText and epydoc, to what it shows.
_MARKUP = (
    (re.compile(r"^(?:[*+-]|\d+[.)]|\(\w\))\s+"), ""),
    (re.compile(r"^(?::\w+(?: [\w*]+)?:|@\w+(?: [\w*]+)?:)\s*"), ""),
    (re.compile(r":[a-z:]+:`~?\.?([^`<]+?)(?:\s*<[^`>]*>)?`"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{1,2}"), r"\1"),
    (re.compile(r"`{1,2}([^`]+)`{1,2}_{0,2}"), r"\1"),
    (re.compile(r"\b[A-Z]\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<!\w)\*{1,2}(\w[^*]*)\*{1,2}"), r"\1"),
    (re.compile(r"\\([ *_`|])"), r"\1"),
    (re.compile(r"::$"), ":"),
)
_WORD = re.compile(r"[A-Za-z']+")
# The 40 commonest words of English prose: a third of any paragraph (Brown corpus: 41 % of its running words).
_COMMON = frozenset((
    "the", "of", "and", "to", "a", "in", "is", "it", "that", "for", "on", "as", "with", "be", "this", "are", "by",
    "an", "or", "not", "if", "from", "can", "which", "will", "when", "at", "may", "has", "have", "was", "but",
    "only", "all", "its", "you", "then", "than", "into", "such",
))  # fmt: skip
_LEAST_WORDS, _MOST_WORDS = 18, 400
_ODD = re.compile(r"[^A-Za-z .,;:'()-]")
_MOST_ODD = 0.10  # share of other characters than those of prose; code and formulas have more
_SHINGLE_WORDS = 6
_REPEATED = 0.3  # of a paragraph's shingles: from there on it says what another said


@dataclass(frozen=True)
class Article:
    """A title and paragraphs of plain text."""

    title: str
    paragraphs: tuple[str, ...]

    @property
    def words(self) -> int:
        """Words between blanks, the title's not counted."""
        return sum(len(paragraph.split()) for paragraph in self.paragraphs)


def write_articles(count: int, *, seed: int = 1) -> list[Article]:
    """At most `count` articles of 150 to some 5,000 words, no two of which are alike, in an order drawn with `seed`.

    Reads only as much documentation as `count` needs: a few seconds for 500. Fewer come where less is installed.
    """
    chance = random.Random(seed)
    articles: list[Article] = []
    for chapter in _chapters():
        articles += _cut(chapter, chance)
        if len(articles) >= count:
            break
    del articles[count:]
    chance.shuffle(articles)
    return articles


def paragraphs_of(text: str) -> Iterator[str]:
    """The paragraphs of a docstring that are prose, each in one line without markup."""
    for block in _BLANK_LINE.split(text):
        line = " ".join(block.split())
        # Quick first: most blocks of a docstring are code, lists of parameters or a single line.
        if line.count(" ") < _LEAST_WORDS - 1 or any(mark in line for mark in _NO_PROSE):
            continue
        for pattern, shown in _MARKUP:
            line = pattern.sub(shown, line)
        line = " ".join(line.split())
        if _is_prose(line):
            yield line


def topics() -> Iterator[str]:
    """The prose of Python's language reference as it ships with the interpreter (`pydoc_data`)."""
    from pydoc_data.topics import topics as found

    for name in sorted(found):
        yield from paragraphs_of(found[name])


def _chapters() -> Iterator[list[str]]:
    """Paragraphs that belong together (of one folder of modules), each paragraph once."""
    seen: set[int] = set()
    sources: list[Iterable[list[str]]] = [[list(topics())], _folders(Path(sysconfig.get_path("stdlib")))]
    for package in _PACKAGES:
        found = importlib.util.find_spec(package)
        places = (found.submodule_search_locations or ()) if found else ()
        sources += [_folders(Path(place)) for place in places]
    for source in sources:
        size = 0
        for chapter in source:
            fresh = [paragraph for paragraph in chapter if _is_new(paragraph, seen)]
            size += sum(map(len, fresh))
            if fresh:
                yield fresh
            if size > _SOURCE_BYTES:
                break


def _folders(root: Path) -> Iterator[list[str]]:
    """The prose of the .py files of each folder below `root`, by name."""
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]
    for folder in folders:
        if _PASSED_OVER.isdisjoint(folder.relative_to(root).parts):
            found = [paragraph for file in sorted(folder.glob("*.py")) for paragraph in _prose_of(file)]
            if found:
                yield found


def _prose_of(file: Path) -> Iterator[str]:
    try:
        if file.stat().st_size > _FILE_BYTES:
            return
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return  # a file of someone else's package: one article less
    for docstring in _DOCSTRING.findall(text):
        yield from paragraphs_of(docstring)


def _is_prose(line: str) -> bool:
    words = line.split()
    if not _LEAST_WORDS <= len(words) <= _MOST_WORDS or not line[0].isupper() or line[-1] not in ".!?:":
        return False
    if len(_ODD.findall(line)) > _MOST_ODD * len(line):
        return False
    tokens = _WORD.findall(line.lower())
    return sum(token in _COMMON for token in tokens) >= 0.3 * len(tokens)


def _is_new(paragraph: str, seen: set[int]) -> bool:
    """Whether a paragraph says something new; `seen` holds a quarter of the shingles of all before."""
    words = paragraph.lower().split()
    shingles = {zlib.crc32(" ".join(words[at : at + _SHINGLE_WORDS]).encode()) for at in range(len(words) - 5)}
    sampled = {shingle for shingle in shingles if shingle % 4 == 0} or shingles
    if len(sampled & seen) >= _REPEATED * len(sampled):
        return False
    seen |= sampled
    return True


def _cut(chapter: list[str], chance: random.Random) -> Iterator[Article]:
    """Articles of consecutive paragraphs; a rest too short for one goes to the last."""
    start = 0
    while start < len(chapter):
        # Lengths as on the web: many short, few very long.
        wanted = min(max(150, int(chance.lognormvariate(7.3, 0.7))), 5_000)
        stop, words = start, 0
        while stop < len(chapter) and words < wanted:
            words += len(chapter[stop].split())
            stop += 1
        if sum(len(paragraph.split()) for paragraph in chapter[stop:]) < 150:
            stop = len(chapter)
        if words >= 150:
            yield Article(_title(chapter[start:stop]), tuple(chapter[start:stop]))
        start = stop


def _title(paragraphs: list[str]) -> str:
    """The beginning of the first sentence that is long enough for a headline."""
    beginnings = (re.split(r"[.:;]", paragraph, maxsplit=1)[0].split() for paragraph in paragraphs)
    words = next((words for words in beginnings if len(words) >= 4), paragraphs[0].split())
    return " ".join(words[:9]).rstrip(",")
