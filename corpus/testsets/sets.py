"""`read_set`: a test set from what its publisher gives out, recognised by its files' names; or any text or table;
`read_sets`: all that a folder holds, where those are several.

Fields of each kind: lambada (text), cbt (context, query, answer, choices), wikitext (title, text), ptb and lm1b (text),
enwik8 (title, text), text8 (text), wsc273 (sentence, pronoun, choices, answer), hellaswag (ctx, label, endings), coqa
(story, questions, answers, …), cnn_dailymail (article, highlights, url), wmt14 (en, fr), nq_open (question, answer),
text (text); of jsonl, json, csv, tsv and parquet whatever a row has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import file_sha256, identity_of, os_errors
from webtext.corpus.testsets import choices, language, plain, reading
from webtext.corpus.testsets.example import Example, TestSet
from webtext.corpus.testsets.lines import bare_name

KINDS = (
    "lambada", "cbt", "wikitext", "ptb", "enwik8", "text8", "lm1b", "wsc273", "hellaswag", "coqa", "cnn_dailymail",
    "wmt14", "nq_open", "text", "jsonl", "json", "csv", "tsv", "parquet",
)  # fmt: skip

SPLITS = ("test", "valid", "train")
"""Of several splits in a folder the first that is there is read."""

_SPLITS_OF = {"hellaswag": ("valid", "test", "train")}
"""Where it is another one: HellaSwag's test file has no labels, so it is scored, and read, by validation."""

NAMES = {
    "lambada": "LAMBADA", "ptb": "PTB", "enwik8": "enwik8", "text8": "text8", "lm1b": "1BW", "wsc273": "WSC273",
    "hellaswag": "HellaSwag", "coqa": "CoQA", "cnn_dailymail": "CNN/DM", "wmt14": "WMT14", "nq_open": "NQ-open",
}  # fmt: skip

_MARKS: tuple[tuple[str, str], ...] = (
    ("lambada", r"lambada.*\.(jsonl|txt)$"),
    ("cbt", r"cbtest_(cn|ne|p|v)_.*\.txt$"),
    ("wikitext", r"wiki\.(train|valid|test)\.(raw|tokens)$"),
    ("ptb", r"ptb\.(train|valid|test)\.txt$"),
    ("enwik8", r"enwik8$"),
    ("text8", r"text8$"),
    ("lm1b", r"news\.en(\.heldout)?-\d+-of-\d+$"),
    ("wsc273", r"(wsc273.*\.txt|wscollection\.xml)$"),
    ("hellaswag", r"hellaswag.*\.(jsonl|txt)$"),
    ("coqa", r"coqa.*\.json$"),
    ("cnn_dailymail", r".*\.story$"),
    ("wmt14", r"newstest\d+.*\.[a-z]{2}(\.sgm)?$"),
    ("nq_open", r"nq-open.*\.jsonl$"),
    ("text", r".*\.(txt|text|md)$"),
    ("jsonl", r".*\.(jsonl|ndjson)$"),
    ("json", r".*\.json$"),
    ("csv", r".*\.csv$"),
    ("tsv", r".*\.tsv$"),
    ("parquet", r".*\.parquet$"),
)
"""File names (lower case, without .gz, .bz2, .xz, .zst) of each kind; the first that fits holds."""


def read_set(path: Path, kind: str | None = None, split: str | None = None) -> TestSet:
    """The test set in a file, or in a folder as its publisher packs it.

    Args:
        path: a file; or a folder with the files of one set, of which one split is taken.
        kind: one of `KINDS`, where the files' names do not tell it.
        split: `test`, `valid` or `train`; otherwise what the file's name says, or the first of these that is there.

    Raises:
        UsageError: no such kind or split.
        WebtextError: nothing there, an empty file, or no set in it.
        DamagedFile: a file cannot be read; while examples are read, a layout that does not fit.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind of test set {kind!r}", hint=f"one of {', '.join(KINDS)}")
    if split is not None and split not in SPLITS:
        raise UsageError(f"there is no split {split!r}", hint=f"one of {', '.join(SPLITS)}")
    with os_errors(path):
        if not path.exists():
            raise WebtextError("no such test set", where=path, hint="name a file, or a folder with a set's files")
        files = _files(path)
    kind = kind or _kind(path, files)
    files = _those_of(kind, files) if path.is_dir() else files
    files, split = _of_split(kind, files, path, split)
    if kind == "wmt14":
        files = _pair(files[0])
    lists: list[Path] = []
    if kind == "cnn_dailymail" and path.is_dir():
        lists = sorted(path.rglob(f"all_{'val' if split == 'valid' else split}.txt"))
        files = reading.stories_of(path, lists)
    for file in files:
        if file.stat().st_size == 0:
            raise WebtextError("is empty", where=file)
    read = _reader(kind, files, split, lists)
    running = kind in ("ptb", "text8", "enwik8")
    return TestSet(_name(kind, path, files), split, kind, tuple(files), _sha256(files), running, read)


def read_sets(path: Path, kind: str | None = None) -> list[TestSet]:
    """The test sets in a file or folder: one, but of a folder of the Children's Book Test one of each kind of word, for
    validation (which the paper scores) and for test, named as each file alone is.

    Raises:
        As `read_set`.
    """
    if path.is_dir():
        files = _files(path)
        if (kind or _kind(path, files)) == "cbt":
            wanted = [file for file in _those_of("cbt", files) if split_of(file) in ("valid", "test")]
            found = {(one.name, one.split, one.sha256): one for one in (read_set(file, "cbt") for file in wanted)}
            if found:
                return list(found.values())
    return [read_set(path, kind)]


def _reader(kind: str, files: list[Path], split: str, lists: list[Path]) -> Callable[[], Iterator[Example]]:
    several: dict[str, Callable[[list[Path]], Iterator[Example]]] = {
        "ptb": language.sentences,
        "lm1b": language.sentences,
        "wmt14": reading.wmt14,
        "cnn_dailymail": partial(reading.cnn_dailymail, urls=lists),
    }
    if kind in several:
        return partial(several[kind], files)
    single: dict[str, Callable[[Path], Iterator[Example]]] = {
        "lambada": choices.lambada,
        "cbt": choices.cbt,
        "wsc273": choices.wsc273,
        "hellaswag": choices.hellaswag,
        "wikitext": language.wikitext,
        "enwik8": partial(language.enwik8, split=split),
        "text8": partial(language.text8, split=split),
        "coqa": reading.coqa,
        "nq_open": reading.nq_open,
        "text": plain.paragraphs,
        "jsonl": plain.json_lines,
        "json": plain.json_file,
        "csv": partial(plain.table_rows, delimiter=","),
        "tsv": partial(plain.table_rows, delimiter="\t"),
        "parquet": plain.parquet_rows,
    }
    return partial(_one_after_another, single[kind], files)


def _one_after_another(read: Callable[[Path], Iterator[Example]], files: list[Path]) -> Iterator[Example]:
    for file in files:
        for example in read(file):
            yield example if len(files) == 1 else Example(f"{file.name}:{example.id}", example.fields, example.texts)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not found:
        raise WebtextError("holds no file", where=path)
    return found


def _kind(path: Path, files: list[Path]) -> str:
    """The kind of the first file whose name tells one; publishers' names before endings."""
    for kind, pattern in _MARKS:
        for file in files:
            if re.match(pattern, bare_name(file)):
                # WikiText's files are also passed round as test.txt in a folder of its name.
                if kind == "text" and re.search(r"wikitext|wiki-?text", str(file.absolute().parent).lower()):
                    return "wikitext"
                return kind
    raise WebtextError(
        "is no test set that is known by its name", where=path, hint=f"say which with KIND=PATH: {', '.join(KINDS)}"
    )


def _those_of(kind: str, files: list[Path]) -> list[Path]:
    pattern = next(mark for name, mark in _MARKS if name == kind)
    found = [file for file in files if re.match(pattern, bare_name(file))]
    if kind == "wikitext" and not found:
        found = [file for file in files if bare_name(file).endswith(".txt")]
    return found or files


def _of_split(kind: str, files: list[Path], path: Path, split: str | None) -> tuple[list[Path], str]:
    """The files of one split, and which it is."""
    if kind in ("enwik8", "text8"):
        return files[:1], split or "test"
    if kind == "cnn_dailymail":
        return files, split or "test"
    told = {file: split_of(file) for file in files}
    if path.is_dir():
        there = [name for name in _SPLITS_OF.get(kind, SPLITS) if name in told.values()]
        split = split or (there[0] if there else "")
        if split in there:
            files = [file for file in files if told[file] == split]
        elif there:
            raise WebtextError(f"has no split {split}", where=path, hint=f"it has {', '.join(there)}")
        if kind == "wikitext":
            files = files[:1]
        return files, split or "test"
    return files, split or told[path] or "test"


def split_of(path: Path) -> str:
    """The split that a file's name tells; empty where it tells none. 1BW's held-out files are its test set."""
    words = re.split(r"[._\-]", path.name.lower())
    for split, names in (
        ("test", ("test", "heldout", "plain")),
        ("valid", ("valid", "val", "dev")),
        ("train", ("train",)),
    ):
        if any(word.startswith(name) for word in words for name in names):
            return split
    return ""


def _pair(file: Path) -> list[Path]:
    """The files of a WMT set of which one is named: the same name in every language."""
    stem = re.sub(r"(-(src|ref))?\.[a-z]{2}(\.sgm)?$", "", bare_name(file))
    found = [other for other in sorted(file.parent.iterdir()) if bare_name(other).startswith(stem)]
    return [other for other in found if re.match(r"newstest.*\.[a-z]{2}(\.sgm)?$", bare_name(other))]


def _name(kind: str, path: Path, files: list[Path]) -> str:
    whole_path = str(path.absolute()).lower()
    if kind == "cbt":
        found = {part[1] for file in files if (part := re.search(r"cbtest_(cn|ne|p|v)_", bare_name(file)))}
        return f"CBT-{found.pop().upper()}" if len(found) == 1 else "CBT"
    if kind == "wikitext":
        return "WikiText-103" if "103" in whole_path else "WikiText-2"
    return NAMES.get(kind) or path.name.partition(".")[0] or path.name


def _sha256(files: list[Path]) -> str:
    if len(files) == 1:
        return file_sha256(files[0])
    return identity_of([[file.name, file_sha256(file)] for file in files])
