"""`webtext wikipedia index`: dumps or folders of text to an index of articles (`webtext.dedup.article_index`).

1. read: each piece of a dump gets files of articles' n-grams, some thousand articles each, and a record of them (Beam,
   resumed file by file).
2. tables: each table gathers its n-grams from all files (Beam, one element a table).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, identity_of, os_errors, read_json, sweep, write_json
from webtext.corpus.lock import LOCK_NAME
from webtext.corpus.progress import PROGRESS_NAME, say
from webtext.corpus.testsets.lines import bare_name, whole
from webtext.corpus.testsets.plain import json_lines
from webtext.dedup.article_index import (
    CONTENT,
    INDEX_NAME,
    RULES,
    ArticleIndex,
    Sample,
    make_table,
    packed,
    short_sets,
    table_count,
    table_slice,
)
from webtext.dedup.mediawiki_dump import DumpPiece, Spaces, cut_dump, is_dump, pages, spaces_of
from webtext.dedup.parts import column, read_part, write_part
from webtext.dedup.shingles import shingle_sets
from webtext.dedup.utf8 import Texts
from webtext.dedup.wikitext import HIDDEN_SPACES, plain_text
from webtext.pipelines.engine import Engine
from webtext.pipelines.pieces import each

WORK = "work"
_OURS = (WORK, LOCK_NAME, PROGRESS_NAME, "sets", "tables")  # what an interrupted command leaves
ARTICLES_A_FILE = 8_192
SAID = 8  # files of articles between two lines about a dump that cannot be cut
FILES_A_PIECE = 2_000  # of a folder of text
TEXTS = (".txt", ".text", ".md", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class SourcePiece:
    """A piece of a dump, or files of a folder; and the folder where its files of sets and its record lie."""

    dump: DumpPiece | None
    files: tuple[Path, ...]
    root: Path
    spaces: Spaces | None
    folder: Path

    @property
    def record(self) -> Path:
        """Written last: how many articles and n-grams each file of sets has."""
        return self.folder / "record.json"

    def articles(self) -> Iterator[tuple[str, str]]:
        """Title and text of each article."""
        if self.dump is not None and self.spaces is not None:
            hidden = HIDDEN_SPACES | self.spaces.hidden
            for page in pages(self.dump, self.spaces):
                yield page.title, plain_text(page.wikitext, hidden)
            return
        for path in self.files:
            if bare_name(path).endswith((".jsonl", ".ndjson")):
                for example in json_lines(path):
                    yield str(example.fields.get("title", example.id)), example.text
            else:
                yield str(path.relative_to(self.root).with_suffix("")), whole(path)


def make_index(
    folder: Path, sources: Sequence[Path], *, words: int, engine: Engine, redo: bool = False
) -> tuple[ArticleIndex, bool]:
    """Make the index of all articles of `sources` in `folder`; where it stands already nothing is done.

    Returns:
        The index, and whether it was made.

    Raises:
        WebtextError: no article in them, or the folder holds something else, or an index of other sources.
        DamagedFile: a dump is cut off or is none.
    """
    found = [(path, _sha256(path)) for path in sources]
    plan = {"rules": RULES, "words": words, "sources": sorted({sha256 for _, sha256 in found})}
    if (folder / INDEX_NAME).exists() and not redo:
        standing = read_json(folder / INDEX_NAME)
        if {name: standing.get(name) for name in plan} == plan:
            sweep(folder)
            shutil.rmtree(folder / WORK, ignore_errors=True)  # a killed command was as good as done
            return ArticleIndex.open(folder), False
        hint = "name another folder, or --redo makes it again of these"
        raise WebtextError("holds an index of other articles or words", where=folder, hint=hint)
    sweep(folder)
    if not (folder / INDEX_NAME).exists() and any(entry.name not in _OURS for entry in folder.iterdir()):
        raise WebtextError("holds other things than an index", where=folder, hint="name a new or empty folder")
    work = folder / WORK / identity_of(plan)[:32]
    if (folder / WORK).exists() and not work.exists():
        shutil.rmtree(folder / WORK)
    by_content = {sha256: path for path, sha256 in found}  # a dump that is named twice is read once
    pieces = [piece for sha256, path in sorted(by_content.items()) for piece in _pieces(path, sha256, work)]
    each(engine, "wikipedia: read", _Read(words), pieces, [piece.record for piece in pieces])
    index = _assemble(folder, work, pieces, plan, engine)
    shutil.rmtree(folder / WORK)
    return index, True


def _pieces(path: Path, sha256: str, work: Path) -> list[SourcePiece]:
    if path.is_dir():
        files = _texts(path)
        chunks = [files[at : at + FILES_A_PIECE] for at in range(0, len(files), FILES_A_PIECE)]
        return [
            SourcePiece(None, tuple(chunk), path, None, work / f"{sha256[:32]}-{number:06d}")
            for number, chunk in enumerate(chunks)
        ]
    spaces = spaces_of(path)
    return [
        SourcePiece(piece, (), path, spaces, work / f"{sha256[:32]}-{piece.start:015d}") for piece in cut_dump(path)
    ]


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and bare_name(path).endswith(TEXTS))


def _sha256(path: Path) -> str:
    with os_errors(path):
        if path.is_dir():
            files = _texts(path)
            if not files:
                raise WebtextError(f"holds no text ({', '.join(TEXTS)})", where=path)
            return identity_of([[str(file.relative_to(path)), file_sha256(file)] for file in files])
        if not path.is_file():
            raise WebtextError("no such dump or folder", where=path)
        if not is_dump(path):
            hint = "a dump is called like enwiki-latest-pages-articles-multistream.xml.bz2; unpack a .7z before"
            raise WebtextError("is no dump by its name, and no folder of text", where=path, hint=hint)
    return file_sha256(path)


@dataclass(frozen=True)
class _Read:
    """Step 1: files of sets, `ARTICLES_A_FILE` articles each, and beside each its part of the tables."""

    words: int

    def __call__(self, piece: SourcePiece) -> None:
        articles = piece.articles()
        counts: list[list[int]] = []
        while True:
            path = piece.folder / f"sets-{len(counts):06d}.arrow"
            sample = path.with_name(path.name.replace("sets", "sample"))
            if path.exists():  # from before an interruption: the articles are passed over, not hashed
                held = len(read_part(path))
                if sum(1 for _ in islice(articles, held)) != held:
                    raise WebtextError("holds other articles than the dump", where=path, hint="remove the folder work")
            else:
                chunk = list(islice(articles, ARTICLES_A_FILE))
                if not chunk:
                    break
                held = len(chunk)
                self._write(chunk, path, sample)
            counts.append([held, len(read_part(sample))])
            if len(counts) % SAID == 0 and piece.dump is not None and piece.dump.stop is None:  # hours, by one core
                say(f"wikipedia: {sum(count[0] for count in counts):,} articles of {piece.dump.path.name}")
            if held < ARTICLES_A_FILE:
                break
        write_json(piece.record, counts)
        fault_point("wikipedia.read")

    def _write(self, chunk: Sequence[tuple[str, str]], path: Path, sample: Path) -> None:
        sets = shingle_sets(Texts.of([text for _, text in chunk]), self.words)
        chosen = Sample.of(sets)
        write_part(sample, pa.table({"hash": chosen.hashes, "article": chosen.owners.astype(np.uint32)}))
        titles = pa.array([title for title, _ in chunk], pa.string())
        write_part(path, pa.table({"title": titles, "set": packed(short_sets(sets))}))
        fault_point("wikipedia.hashed")


@dataclass(frozen=True)
class _Table:
    """Step 2: one table out of all samples; `starts` gives the number of each sample's first article."""

    samples: tuple[Path, ...]
    starts: tuple[int, ...]
    tables: int
    folder: Path

    def path(self, number: int) -> Path:
        return self.folder / f"table-{number:04d}.arrow"

    def __call__(self, number: int) -> None:
        hashes, articles = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
        for path, start in zip(self.samples, self.starts, strict=True):
            part = read_part(path)
            mine = table_slice(column(part, "hash"), number, self.tables)
            hashes.append(column(part, "hash")[mine].copy())
            articles.append(column(part, "article")[mine] + np.uint32(start))
        write_part(self.path(number), make_table(np.concatenate(hashes), np.concatenate(articles)))
        fault_point("wikipedia.table")


def _assemble(
    folder: Path, work: Path, pieces: Sequence[SourcePiece], plan: dict[str, object], engine: Engine
) -> ArticleIndex:
    sets: list[Path] = []
    samples: list[Path] = []
    counts: list[list[int]] = []
    for piece in pieces:
        found = read_json(piece.record)
        counts += found
        sets += [piece.folder / f"sets-{number:06d}.arrow" for number in range(len(found))]
        samples += [piece.folder / f"sample-{number:06d}.arrow" for number in range(len(found))]
    articles, entries = sum(count[0] for count in counts), sum(count[1] for count in counts)
    if not articles:
        raise WebtextError("no article in it", where=", ".join(sorted({str(piece.root) for piece in pieces})))
    starts = tuple(np.cumsum([0, *(count[0] for count in counts)])[:-1].tolist())
    tables = table_count(entries)
    maker = _Table(tuple(samples), starts, tables, work / "tables")
    each(engine, "wikipedia: tables", maker, list(range(tables)), [maker.path(number) for number in range(tables)])

    # Published: files first, the index that names them last. A killed command does this again.
    moves = {f"sets/sets-{number:06d}.arrow": path for number, path in enumerate(sets)}
    moves |= {f"tables/table-{number:04d}.arrow": maker.path(number) for number in range(tables)}
    content = {**plan, "articles": articles, "entries": entries}
    names = {name: sorted(entry for entry in moves if entry.startswith(name)) for name in ("sets", "tables")}
    sizes = {name: path.stat().st_size for name, path in moves.items()}
    record = {**content, **names, "starts": starts, "sizes": sizes, "identity": identity_of(content)}
    assert set(content) == set(CONTENT)
    (folder / INDEX_NAME).unlink(missing_ok=True)
    fresh = work / "fresh"
    for name, path in moves.items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        if not (fresh / name).exists():
            (fresh / name).hardlink_to(path)
    for name in ("sets", "tables"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
        (fresh / name).rename(folder / name)
    write_json(folder / INDEX_NAME, record)
    fault_point("wikipedia.indexed")
    say(f"wikipedia: {articles:,} articles, {entries:,} n-grams in {tables:,} tables")
    return ArticleIndex.open(folder)
