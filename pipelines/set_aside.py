"""Who goes before documents are compared with one another: copies of Wikipedia, documents with text of test sets.

And the evidence that is written about them. What is looked for, and how, is each pass' own (`pipelines.wikipedia`,
`pipelines.contamination`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.schemas import CONTAMINATED, WIKIPEDIA
from webtext.dedup import verdicts
from webtext.dedup.article_index import ArticleIndex
from webtext.dedup.parts import read_part
from webtext.dedup.verdicts import SetAside
from webtext.pipelines import contamination
from webtext.pipelines.contamination import Decontaminate
from webtext.pipelines.dedup_pieces import Piece
from webtext.pipelines.engine import Engine
from webtext.pipelines.pieces import each
from webtext.pipelines.wikipedia import SampleGrams, copies_of

Pass = Callable[[Piece], None]


@dataclass(frozen=True)
class Searches:
    """What is looked for beside copies; None where it is not asked for."""

    test_text: Decontaminate | None = None
    articles: ArticleIndex | None = None

    def steps(self, sign: Pass) -> list[tuple[Pass, str]]:
        """What each piece goes through, with the name of the part that it makes."""
        found: list[tuple[Pass, str]] = [(sign, "signatures")]
        if self.test_text is not None:
            found.append((self.test_text, "contaminated"))
        if self.articles is not None:
            found.append((SampleGrams(self.articles.words), "sampled"))
        return found

    def set_aside(self, pieces: Sequence[Piece]) -> SetAside:
        """Who goes, after all steps and `wikipedia.find_copies`."""
        found = SetAside.none()
        if self.articles is not None:
            found = copies_of(pieces, self.articles.words)
        if self.test_text is not None:
            starts = [piece.start for piece in pieces]
            found = found.over(contamination.gone([piece.contaminated for piece in pieces], starts))
        return found

    def contaminated(self, pieces: Sequence[Piece], verdict: NDArray[np.uint8]) -> pa.Table:
        """The rows of clean/contaminated.parquet."""
        if self.test_text is None:
            return CONTAMINATED.empty_table()
        parts, starts = [piece.contaminated for piece in pieces], [piece.start for piece in pieces]
        return contamination.evidence(parts, starts, [piece.signatures for piece in pieces], verdict).cast(CONTAMINATED)


def take_steps(engine: Engine, steps: Sequence[tuple[Pass, str]], pieces: Sequence[Piece]) -> None:
    """Take every piece through all steps; a part that is there is not made again."""
    results: list[Path] = []
    for piece in pieces:
        parts: list[Path] = [getattr(piece, name) for _, name in steps]
        results.append(next((path for path in parts if not path.exists()), parts[-1]))
    each(engine, "dedup: sign", _Steps(tuple(steps)), pieces, results)


@dataclass(frozen=True)
class _Steps:
    steps: tuple[tuple[Pass, str], ...]

    def __call__(self, piece: Piece) -> None:
        for step, name in self.steps:
            if not getattr(piece, name).exists():
                step(piece)


def wikipedia_rows(removed: pa.Table, pieces: Sequence[Piece], by_content: bool) -> pa.Table:
    """The rows of clean/wikipedia.parquet for rows of `removals.removed_table`, in their order."""
    mine = removed.filter(pa.array(np.asarray(removed["verdict"]) == verdicts.WIKIPEDIA))
    rows = np.asarray(mine["row"].to_numpy())
    hosts: dict[int, str] = {}
    articles: dict[int, tuple[str, float]] = {}
    starts = np.asarray([piece.start for piece in pieces], np.int64)
    number = np.searchsorted(starts, rows, "right") - 1
    for each_one in np.unique(number).tolist():
        piece = pieces[each_one]
        here = rows[number == each_one]
        addresses = piece.read(["final_url"])["final_url"].take(pa.array(here - piece.start)).to_pylist()
        hosts.update(zip(here.tolist(), map(host_of, addresses), strict=True))
        if by_content:
            for found in read_part(piece.wikipedia).to_pylist():
                articles[piece.start + found["row"]] = (found["article"], found["containment"])
    told = [articles.get(row, (None, None)) for row in rows.tolist()]
    return pa.table(
        {
            "removed": mine["removed"],
            "removed_url": mine["removed_url"],
            "host": [hosts[row] for row in rows.tolist()],
            "mark": pa.array([mark or None for mark in mine["mark"].to_pylist()], pa.string()),
            "article": pa.array([article for article, _ in told], pa.string()),
            "containment": pa.array([share for _, share in told], pa.float64()),
        }
    ).cast(WIKIPEDIA)


def host_of(address: str) -> str:
    """The host of an address; empty where it has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
