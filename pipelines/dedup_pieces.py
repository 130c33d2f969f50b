"""The pieces of documents/ as dedup sees them: where the parts of each lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webtext.corpus.files import file_sha256
from webtext.corpus.stages import StageRun
from webtext.pipelines.pieces import Rows, cut


@dataclass(frozen=True)
class Piece(Rows):
    """A piece, and where its parts lie.

    Of the piece alone: `signatures`; `contaminated`, what text of test sets is in it; `sampled`, the n-grams that an
    index of articles is asked about. `wikipedia`, the copies of articles; `sets`, shingle sets of the documents that
    share a bucket with another.
    """

    signatures: Path
    contaminated: Path
    sampled: Path
    wikipedia: Path
    sets: Path


def pieces_of(run: StageRun, documents: Sequence[Path]) -> tuple[list[Piece], list[str]]:
    """Cut the documents into pieces and name their parts; and what names all that depends on all documents.

    What is made of a piece alone is named by its bytes, all else by the bytes of all of them.
    """
    found = cut(documents)
    hashes = {path: file_sha256(path) for path in documents}
    everything = [[hashes[rows.path], list(rows.groups)] for rows in found]

    def part(kind: str, *made_of: object) -> Path:
        return run.part(kind, *made_of, suffix=".arrow")

    pieces = [
        Piece(
            rows.path,
            rows.groups,
            rows.start,
            rows.rows,
            signatures=part("signatures", *mine),
            contaminated=part("contaminated", *mine),
            sampled=part("sampled", *mine),
            wikipedia=part("wikipedia", *mine),
            sets=part("sets", everything, *mine),
        )
        for rows, mine in zip(found, everything, strict=True)
    ]
    return pieces, [piece.signatures.name for piece in pieces]
