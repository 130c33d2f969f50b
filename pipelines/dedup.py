"""documents/ to clean/: copies of Wikipedia, exact copies and near copies go, and it is written down why.

1. sign: each piece of documents/ gets a part with signatures, resumed part by part (Beam).
2. match: each band is sorted into its buckets (Beam, one element a band).
3. collect: shingle sets of the documents that share a bucket (Beam).
4. decide who stays (the driver: arrays of numbers, no text).
5. rewrite: clean/, outcomes/ and duplicates.parquet (Beam).

Elements are pieces (file, row groups) and bands; what passes between the steps lies in files below work/, named by what
they were made of. The result depends on the documents alone, not on how they lie in files. What the steps compute is in
`webtext.dedup`; here is only where it is read and written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webtext.corpus.config import DedupSettings
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, read_parquet, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.schemas import DOCUMENTS, DUPLICATES, OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.dedup.bands import Buckets, band_count, buckets
from webtext.dedup.parts import column, lists, lists_of, matrix_of, read_part, write_part
from webtext.dedup.removals import duplicate_rows, outcome_rows
from webtext.dedup.shingles import shingle_sets
from webtext.dedup.signatures import COLUMNS, band_column, check_settings, sign
from webtext.dedup.verdicts import OUTCOME, STAYS, explain, give_verdicts, line_up
from webtext.dedup.verify import StoredSets, Verifier
from webtext.pipelines.engine import Engine
from webtext.pipelines.sorted_output import ROWS_PER_FILE, sorted_output

PIECE_ROWS = 8_192
"""Row groups are joined up to this many documents: some 32 MB of text, a worker's unit of work."""

MATCH_ROWS = 500_000
"""Fewer documents are matched in this process: all bands take 8 us a document, a worker 3 s to start."""

T = TypeVar("T")

DUPLICATES_NAME = "clean/duplicates.parquet"


@dataclass(frozen=True)
class Piece:
    """Row groups of one file of documents/, and where its parts lie. `start`: its first row among all documents."""

    path: Path
    groups: tuple[int, ...]
    start: int
    rows: int
    signatures: Path
    sets: Path
    clean: Path
    outcomes: Path
    duplicates: Path

    def read(self, columns: Sequence[str]) -> pa.Table:
        """These columns of these rows."""
        with open_parquet(self.path, DOCUMENTS) as file:
            return file.read_row_groups(list(self.groups), columns=list(columns))


@dataclass(frozen=True)
class Shared:
    """The parts that all pieces share."""

    signatures: tuple[Path, ...]
    places: Path
    wanted: Path
    decisions: Path


@dataclass(frozen=True)
class Band:
    """One band, and where its buckets go."""

    number: int
    buckets: Path


def make_clean(
    run: StageRun,
    corpus: Path,
    documents: Sequence[Path],
    settings: DedupSettings,
    *,
    engine: Engine,
    accept_loss: bool,
) -> Manifest:
    """Make the stage clean/ from `documents`: Parquet files of `schemas.DOCUMENTS`, in any layout.

    Raises:
        UsageError: settings that leave no band.
        DamagedFile: a file of documents is damaged, or two documents have one key.
        LossAlarm: more documents than usual would go, and `accept_loss` is not set.
    """
    check_settings(settings)
    pieces, shared = _plan(run, documents)
    _each(engine, "dedup: sign", _Sign(settings), pieces, [piece.signatures for piece in pieces])
    if not shared.decisions.exists():
        _decide(run, pieces, shared, settings, engine)
    _each(engine, "dedup: rewrite", _Rewrite(shared), pieces, [piece.duplicates for piece in pieces])

    clean = sorted_output(
        engine, run, "dedup: clean", [piece.clean for piece in pieces], DOCUMENTS,
        pattern="clean/part-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["documents"],
    )  # fmt: skip
    outcomes = sorted_output(
        engine, run, "dedup: outcomes", [piece.outcomes for piece in pieces], OUTCOMES,
        pattern="outcomes/clean-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["outcomes"],
    )  # fmt: skip
    duplicates = run.part("out", "duplicates", shared.decisions.name)
    tables = [DUPLICATES.empty_table(), *(read_parquet(piece.duplicates, DUPLICATES) for piece in pieces)]
    write_parquet(duplicates, pa.concat_tables(tables).sort_by("removed"), DUPLICATES)

    verdict = column(read_part(shared.decisions), "verdict")
    return run.publish(
        {**clean.files, **outcomes.files, DUPLICATES_NAME: duplicates},
        {**clean.hashes, **outcomes.hashes, DUPLICATES_NAME: file_sha256(duplicates)},
        rows_in=sum(piece.rows for piece in pieces),
        rows_out=clean.rows,
        outcomes={str(outcome): int(np.count_nonzero(verdict == number)) for number, outcome in OUTCOME.items()},
        accept_loss=accept_loss,
    )


def _plan(run: StageRun, documents: Sequence[Path]) -> tuple[list[Piece], Shared]:
    """Cut the documents into pieces and name every part.

    Signatures are named by the bytes they are made of; all that depends on other documents, by all signatures.
    """
    found: list[tuple[Path, tuple[int, ...], int, Path]] = []
    for path in documents:
        sha256 = file_sha256(path)
        for groups, rows in _cut(path):
            found.append((path, groups, rows, run.part("signatures", sha256, groups, suffix=".arrow")))
    signatures = tuple(entry[3] for entry in found)
    everything = [path.name for path in signatures]

    pieces: list[Piece] = []
    start = 0
    for path, groups, rows, signed in found:
        sets = run.part("sets", everything, signed.name, suffix=".arrow")
        kinds = (run.part(kind, everything, signed.name) for kind in ("clean", "outcomes", "duplicates"))
        pieces.append(Piece(path, groups, start, rows, signed, sets, *kinds))
        start += rows
    shared = (run.part(kind, everything, suffix=".arrow") for kind in ("places", "wanted", "decisions"))
    return pieces, Shared(signatures, *shared)


def _cut(path: Path) -> list[tuple[tuple[int, ...], int]]:
    """Consecutive row groups of a file and their rows, joined up to `PIECE_ROWS`."""
    with open_parquet(path, DOCUMENTS) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    cut: list[tuple[tuple[int, ...], int]] = []
    for group, rows in enumerate(sizes):
        if cut and cut[-1][1] + rows <= PIECE_ROWS:
            cut[-1] = ((*cut[-1][0], group), cut[-1][1] + rows)
        else:
            cut.append(((group,), rows))
    return cut


def _decide(run: StageRun, pieces: Sequence[Piece], shared: Shared, settings: DedupSettings, engine: Engine) -> None:
    """Steps 2 to 4: write the part `decisions`."""
    tables = [read_part(path) for path in shared.signatures]
    lined = line_up(tables)
    write_part(shared.places, pa.table({"place": lined.places}))
    count = band_count(settings.permutations, settings.band_rows)
    bands = [Band(number, run.part("buckets", shared.places.name, number, suffix=".arrow")) for number in range(count)]
    crew = engine if lined.total >= MATCH_ROWS else replace(engine, workers=1)
    _each(crew, "dedup: match", _Match(shared), bands, [band.buckets for band in bands])
    lists_found = (lists_of(read_part(band.buckets), "bucket") for band in bands)
    found = Buckets.joined(Buckets(members, offsets) for offsets, members in lists_found)

    wanted = np.zeros(lined.total, bool)
    wanted[lined.compared[np.unique(found.members)]] = True
    write_part(shared.wanted, pa.table({"wanted": wanted}))
    holding = [piece for piece in pieces if wanted[piece.start : piece.start + piece.rows].any()]
    _each(
        engine, "dedup: collect", _Collect(shared, settings.shingle_words), holding, [piece.sets for piece in holding]
    )

    def comparison(rows: NDArray[np.int64]) -> Verifier:
        return _verifier(rows, wanted, holding, settings)

    verdicts = give_verdicts(lined, found, comparison, settings.threshold)
    write_part(shared.decisions, explain(verdicts, tables))


def _verifier(
    rows: NDArray[np.int64], wanted: NDArray[np.bool_], holding: Sequence[Piece], settings: DedupSettings
) -> Verifier:
    """The comparison of the documents with these rows: their sketches in memory, their shingle sets mapped."""
    starts = np.asarray([piece.start for piece in holding], np.int64)
    part = np.searchsorted(starts, rows, "right").astype(np.int32) - 1
    sketches = np.empty((len(rows), settings.permutations), np.uint8)
    place = np.empty(len(rows), np.int64)
    sets = []
    for number, piece in enumerate(holding):
        here = part == number
        inside = rows[here] - piece.start
        sketches[here] = matrix_of(read_part(piece.signatures), "sketch")[inside]
        # A set's place in its part: how many wanted rows of the piece come before it.
        place[here] = np.searchsorted(np.flatnonzero(wanted[piece.start : piece.start + piece.rows]), inside)
        sets.append(lists_of(read_part(piece.sets), "set"))
    return Verifier(sketches, StoredSets(sets, part, place), settings.threshold)


def _each(
    engine: Engine, label: str, function: Callable[[T], None], elements: Sequence[T], results: Sequence[Path]
) -> None:
    """Run `function` on the elements whose result is not there yet, with no more workers than elements."""
    missing = [(element, path) for element, path in zip(elements, results, strict=True) if not path.exists()]
    replace(engine, workers=max(1, min(engine.workers, len(missing)))).each(
        label,
        function,
        [element for element, _ in missing],
        made=lambda: sum(path.exists() for _, path in missing),
    )


@dataclass(frozen=True)
class _Sign:
    """Step 1: the signatures of a piece."""

    settings: DedupSettings

    def __call__(self, piece: Piece) -> None:
        write_part(piece.signatures, sign(piece.read(COLUMNS), self.settings))
        fault_point("dedup.signed")


@dataclass(frozen=True)
class _Match:
    """Step 2: the buckets of one band, from that one column of every piece's signatures."""

    shared: Shared

    def __call__(self, band: Band) -> None:
        place = column(read_part(self.shared.places), "place")
        ordered = np.empty(int(np.count_nonzero(place >= 0)), np.uint64)
        start = 0
        for path in self.shared.signatures:
            hashes = column(read_part(path), band_column(band.number))
            here = place[start : start + len(hashes)]
            ordered[here[here >= 0]] = hashes[here >= 0]
            start += len(hashes)
        found = buckets(ordered)
        write_part(band.buckets, pa.table({"bucket": lists(found.offsets, found.members)}))


@dataclass(frozen=True)
class _Collect:
    """Step 3: the shingle sets of those documents of a piece that share a bucket with another."""

    shared: Shared
    size: int

    def __call__(self, piece: Piece) -> None:
        wanted = read_part(self.shared.wanted)["wanted"].slice(piece.start, piece.rows)
        texts: list[str] = piece.read(["text"]).filter(wanted)["text"].to_pylist()
        found = shingle_sets(texts, self.size)
        write_part(piece.sets, pa.table({"set": lists(found.offsets, found.hashes)}))


@dataclass(frozen=True)
class _Rewrite:
    """Step 5: of one piece the documents that stay, the outcomes of the others, and why."""

    shared: Shared

    def __call__(self, piece: Piece) -> None:
        decisions = read_part(self.shared.decisions).slice(piece.start, piece.rows)
        documents = piece.read(DOCUMENTS.names)
        stays = pc.equal(decisions["verdict"], STAYS)
        write_parquet(piece.clean, _by_key(documents.filter(stays)), DOCUMENTS)
        goes = pc.invert(stays)
        removed, why = documents.select(["key", "url"]).filter(goes), decisions.filter(goes)
        write_parquet(piece.outcomes, _by_key(outcome_rows(removed, why)), OUTCOMES)
        write_parquet(piece.duplicates, duplicate_rows(removed, why), DUPLICATES)


def _by_key(table: pa.Table) -> pa.Table:
    """Rows by key; documents/ is sorted already, and then nothing is moved."""
    key = column(table, "key")
    return table if bool(np.all(key[1:] >= key[:-1])) else table.sort_by("key")
