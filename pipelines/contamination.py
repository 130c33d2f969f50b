"""The pass of dedup that looks for text of test sets: each piece of documents/ past one table of their n-grams.

What is found depends on a document and the sets alone. What is done with it: `webtext.dedup.contamination`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.progress import say
from webtext.corpus.schemas import CONTAMINATED as SCHEMA
from webtext.corpus.settings import DedupSettings
from webtext.corpus.stages import StageRun
from webtext.corpus.testsets.example import TestSet
from webtext.crawler.text.words import count_words
from webtext.dedup.contamination import TestText, detail, excised
from webtext.dedup.gram_table import read_grams
from webtext.dedup.parts import column, read_part, write_part
from webtext.dedup.utf8 import Texts
from webtext.dedup.verdicts import CONTAMINATED, STAYS, SetAside
from webtext.pipelines.dedup_pieces import Piece

RULES = 1
"""Rises with what is found, or how it is cut."""

REMOVED, EXCISED = "removed", "excised"

Verdict = NDArray[np.uint8]

_PART = pa.schema(
    [
        ("row", pa.int64()),  # in the piece
        ("detail", pa.string()),
        ("text", pa.large_string()),  # what is left; null where the document goes
        ("characters", pa.int64()),  # that go
        ("matches", pa.list_(pa.struct([("set", pa.string()), ("example", pa.string()), ("grams", pa.int64())]))),
    ]
)


def stated(sets: Sequence[TestSet]) -> list[str]:
    """What a manifest says of test sets: paths are no content."""
    return [f"{one.name} {one.split} as {one.kind}, sha256 {one.sha256}, rules {RULES}" for one in sets]


def prepare(run: StageRun, sets: Sequence[TestSet], settings: DedupSettings) -> Decontaminate:
    """Hash the sets.

    Raises:
        WebtextError: a set has no text of so many words.
        DamagedFile: a set is not in its layout.
    """
    size = settings.decontaminate_words
    folder = run.part("test-sets", stated(sets), size, suffix="")
    if not (folder / "table.arrow").exists():
        table, found = read_grams(sets, size)
        for one in found:
            if not len(one.gram):
                hint = "decontaminate_words in [dedup] of webtext.toml takes fewer"
                raise WebtextError(f"has no text of {size} words in a row", where=one.label, hint=hint)
            if short := int(np.count_nonzero(one.totals == 0)):
                say(f"dedup: {one.label}: {short:,} of {len(one.ids):,} examples have no {size} words in a row")
        TestText.of(table, found).write(folder)
    return Decontaminate(folder, size, settings.decontaminate_by == "excise", settings.decontaminate_window)


@dataclass(frozen=True)
class Decontaminate:
    """Find the documents of a piece that hold test text, and cut it out of them where that is asked for."""

    folder: Path
    words: int
    excise: bool
    window: int

    def __call__(self, piece: Piece) -> None:
        sets = TestText.read(self.folder, self.words)
        rows: list[dict[str, Any]] = []
        start = 0
        for batch in piece.batches(["text"]):
            for finding in sets.find(Texts.of(batch["text"])):
                text = str(batch["text"][finding.row])
                left = excised(text, finding.spans, self.window) if self.excise else None
                rows.append(
                    {
                        "row": start + finding.row,
                        "detail": detail(finding.matches),
                        "text": left,
                        "characters": len(text) - len(left or ""),
                        "matches": [vars(match) for match in finding.matches],
                    }
                )
            start += len(batch)
        write_part(piece.contaminated, pa.Table.from_pylist(rows, _PART))
        fault_point("dedup.searched")


def gone(parts: Sequence[Path], starts: Sequence[int]) -> SetAside:
    """The rows (among all documents) of those that go as a whole."""
    rows, details = [np.empty(0, np.int64)], []
    for path, start in zip(parts, starts, strict=True):
        table = read_part(path)
        table = table.filter(pc.is_null(table["text"]))
        rows.append(column(table, "row") + start)
        details += table["detail"].to_pylist()
    return SetAside.of(CONTAMINATED, np.concatenate(rows), details)


def evidence(parts: Sequence[Path], starts: Sequence[int], signatures: Sequence[Path], verdict: Verdict) -> pa.Table:
    """The rows of clean/contaminated.parquet (`schemas.CONTAMINATED`), by key.

    Args:
        verdict: what becomes of each document, by row. One that went for another reason has no row.
    """
    told: list[dict[str, Any]] = []
    for path, start, signed in zip(parts, starts, signatures, strict=True):
        found = read_part(path).to_pylist()
        names = read_part(signed).select(["key", "url"]).take(pa.array([row["row"] for row in found], pa.int64()))
        for row, name in zip(found, names.to_pylist(), strict=True):
            now = verdict[start + row["row"]]
            if now == CONTAMINATED or (now == STAYS and row["text"] is not None):
                action = REMOVED if now == CONTAMINATED else EXCISED
                common = {**name, "action": action, "characters": row["characters"]}
                told += [{**common, **match} for match in row["matches"]]
    told.sort(key=lambda row: (row["key"], -row["grams"], row["set"], row["example"]))
    return pa.Table.from_pylist(told, SCHEMA)


def cut_out(table: pa.Table, rows: NDArray[np.int64], part: Path) -> pa.Table:
    """Documents with what is left of their text, and without measures of it that hold no more; `rows` are theirs in
    the piece.
    """
    found = read_part(part)
    found = found.filter(pc.is_valid(found["text"]))
    places = np.flatnonzero(np.isin(rows, column(found, "row")))
    if not len(places):
        return table
    left = dict(zip(found["row"].to_pylist(), found["text"].to_pylist(), strict=True))
    texts = table["text"].to_pylist()
    characters, words = (column(table, name).copy() for name in ("characters", "words"))
    same: list[int | None] = list(range(len(table)))
    for place in places.tolist():
        texts[place] = left[int(rows[place])]
        characters[place], words[place] = len(texts[place]), count_words(texts[place])
        same[place] = None  # taken as null
    quality = table["quality"].take(pa.array(same, pa.int64()))
    for name, values in (("text", pa.array(texts, pa.large_string())), ("quality", quality)):
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    for name, counts in (("characters", characters), ("words", words)):
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), pa.array(counts))
    return table
