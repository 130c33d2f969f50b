"""Own text to documents/: files in, the same stage out that extraction makes.

1. read: each unit of a file becomes runs, sorted by key and of bounded size (one element a unit, or some small files).
2. merge: runs, and what was imported before, are merged as streams, some dozens at a time; of several rows with one
   key one stays (one element a group of runs and range of keys).
3. write: the files of documents/ are cut from the ranges by row counts, row group by row group (one element a file).

No step holds more than one run, a piece of some dozens, or a row group, whatever the size of the files. What comes out
depends on the files' bytes, the settings and the tombstones alone: files that come later are merged with what is there,
which is not read again from its sources.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from webtext.corpus.errors import ChangedSettings, DamagedFile, WebtextError
from webtext.corpus.files import file_sha256, open_parquet, read_json
from webtext.corpus.manifests import IMPORTED, Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.corpus.settings import ImportSettings
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine
from webtext.pipelines.import_files import MARKDOWN, TEXT, WARC, ImportFile, Unit, units
from webtext.pipelines.import_levels import Merging
from webtext.pipelines.import_merge import Cut, CutFile, WriteCut
from webtext.pipelines.import_parts import Reading, ReadUnit, UnitRecord, together
from webtext.pipelines.import_readers import check_file
from webtext.pipelines.import_rows import RULES
from webtext.pipelines.sorted_output import ROWS_PER_FILE

__all__ = ["EXTRA_COLUMNS", "RULES", "import_inputs", "make_imported", "refuse_to_drop"]

EXTRA_COLUMNS = "extra_columns"
"""The fact in the manifest that names the further columns of all rows, and their kinds."""

MB = 1_000_000


def import_inputs(files: Sequence[ImportFile], settings: ImportSettings, previous: Manifest | None) -> dict[str, Any]:
    """The inputs of the stage: the sha256 of the files given now and of those imported before, each with the columns
    that were named for it.

    Raises:
        ChangedSettings: a file was imported before with other columns.
    """
    known = {_sha256(entry): str(entry) for entry in (previous.inputs.get(IMPORTED, ()) if previous else ())}
    for file in files:
        entry = " ".join([file.sha256, *_columns(file, settings)])
        if known.setdefault(file.sha256, entry) != entry:
            before = known[file.sha256].partition(" ")[2] or "the usual columns"
            raise ChangedSettings(
                f"was imported with {before}, now it is {entry.partition(' ')[2] or 'the usual columns'}",
                where=file.path,
                hint="--redo reads all files again (name all of them)",
            )
    return {IMPORTED: sorted(known.values())}


def _columns(file: ImportFile, settings: ImportSettings) -> list[str]:
    if file.kind in (TEXT, MARKDOWN, WARC):
        return []
    named = {"text": settings.text_column, "id": settings.id_column, "url": settings.url_column}
    return [f"{what}={name}" for what, name in named.items() if name]


def _sha256(entry: object) -> str:
    return str(entry).partition(" ")[0]


def refuse_to_drop(corpus: Path, files: Sequence[ImportFile], previous: Manifest | None) -> None:
    """A redo reads the files given now alone: refuse where that would drop others."""
    before = set(map(_sha256, previous.inputs.get(IMPORTED, ()))) if previous is not None else set()
    names = previous.run.get("files", {}) if previous is not None else {}
    dropped = sorted(str(names.get(sha, sha)) for sha in before - {file.sha256 for file in files})
    if dropped:
        raise ChangedSettings(
            f"--redo would drop what was imported from {', '.join(dropped)}",
            where="webtext import",
            hint="name all files in one command",
        )


def make_imported(
    run: StageRun,
    corpus: Path,
    files: Sequence[ImportFile],
    reading: Reading,
    *,
    engine: Engine,
    accept_loss: bool,
    redo: bool = False,
) -> Manifest:
    """Make the stage documents/ of `files`, and of what was imported before (unless `redo`).

    Raises:
        WebtextError: a file has no column of texts, or one of another type.
        DamagedFile: a file is cut off or corrupt, or documents/ is not what it was.
        LossAlarm: more rows than usual are no documents, and `accept_loss` is not set.
    """
    previous = None if redo else run.previous
    if previous is not None and dict(previous.rules) != dict(run.rules):
        previous = None
    before = _before(corpus, previous)
    known = set(map(_sha256, previous.inputs[IMPORTED])) if previous is not None else set()
    new = [file for file in files if file.sha256 not in known]
    for file in new:
        check_file(file, reading.imports)
    read = _read(run, engine, new, reading)
    records = [unit.read() for unit in read]
    merging = Merging(run, engine, previous)
    merged = merging.documents(
        [one for unit, record in zip(read, records, strict=True) for one in unit.documents(record)],
        [path for path in before if path.parent.name == Stage.DOCUMENTS],
    )
    ended = merging.outcomes(
        [one for unit, record in zip(read, records, strict=True) for one in unit.outcomes(record)],
        [path for path in before if path.parent.name != Stage.DOCUMENTS],
    )
    documents = _cut(run, engine, [one.rows for one in merged], "documents/part-{:05d}.parquet", "documents")
    ends = _cut(run, engine, [one.rows for one in ended], "outcomes/documents-{:05d}.parquet", "outcomes")
    outcomes: Counter[str] = Counter()
    for one in ended:
        outcomes.update(read_json(one.record)["outcomes"])
    gone = merging.forgotten + sum(record.forgotten for record in records)
    gone += previous.outcomes.get("forgotten", 0) if previous else 0
    outcomes["forgotten"] += gone
    rows_in = sum(record.rows for record in records) + (previous.rows_in if previous is not None else 0)
    _say_problems(new, records, outcomes)
    return run.publish(
        {**documents.files, **ends.files},
        {**documents.hashes, **ends.hashes},
        rows_in=rows_in,
        rows_out=documents.rows,
        outcomes=outcomes,
        facts={EXTRA_COLUMNS: _extra([read_json(one.record) for one in merged])},
        run={"workers": engine.workers, "files": _names(new, previous), "rows_read": sum(r.rows for r in records)},
        accept_loss=accept_loss,
    )


def _before(corpus: Path, previous: Manifest | None) -> list[Path]:
    """The files of what was imported before, found whole."""
    if previous is None:
        return []
    for name, sha256 in previous.files.items():
        if not (corpus / name).is_file() or file_sha256(corpus / name) != sha256:
            raise DamagedFile(
                "is missing, or has other bytes than the manifest says", where=corpus / name,
                hint="import all files again: webtext import CORPUS FILE… --redo",
            )  # fmt: skip
    return [corpus / name for name in sorted(previous.files)]


def _read(run: StageRun, engine: Engine, files: Sequence[ImportFile], reading: Reading) -> list[ReadUnit]:
    content = reading.content()
    found = [
        ReadUnit(some, run.part("read", [[u.file.sha256, u.start, u.stop] for u in some], content, suffix=""))
        for some in together([unit for file in files for unit in _units(file)])
    ]
    todo = [unit for unit in found if not unit.read().whole]
    # Shown by what was read: a file may be all there is.
    done = sum(unit.size for unit in found) - sum(unit.size for unit in todo)
    engine.each(
        "import: read", reading, todo, unit="MB", total=sum(unit.size for unit in found) // MB,
        made=lambda: int(done + sum(unit.size * unit.read().share for unit in todo)) // MB,
    )  # fmt: skip
    return found


def _units(file: ImportFile) -> Iterator[Unit]:
    found = units(file)
    if not found:
        say(f"import: {file.path} has no rows")
    yield from found


def _cut(run: StageRun, engine: Engine, parts: Sequence[Path], pattern: str, kind: str) -> Cut:
    schema = DOCUMENTS if kind == "documents" else OUTCOMES
    sizes = []
    for part in parts:
        with open_parquet(part, schema) as file:
            sizes.append(int(file.metadata.num_rows))
    total, rows = sum(sizes), ROWS_PER_FILE[kind]
    starts = [0, *itertools.accumulate(sizes)]
    made_of = [pattern, rows, [part.parent.name for part in parts]]
    files: dict[str, CutFile] = {}
    for number, first in enumerate(range(0, max(total, 1), rows)):
        last = min(first + rows, total)
        wanted = tuple(
            (part, max(first - start, 0), min(last - start, size))
            for part, start, size in zip(parts, starts, sizes, strict=False)
            if start < last and start + size > first
        )
        files[pattern.format(number)] = CutFile(kind, run.part("out", *made_of, number), wanted)
    todo = [file for file in files.values() if not file.record.exists()]
    engine.each(f"import: write {kind}", WriteCut(), todo, unit="files",
                made=lambda: sum(file.record.exists() for file in todo))  # fmt: skip
    return Cut(
        {name: file.path for name, file in files.items()},
        {name: read_json(file.record) for name, file in files.items()},
        total,
    )


def _extra(merged: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The further columns of all documents: one that has several kinds is JSON."""
    found: dict[str, set[str]] = {}
    for one in merged:
        for name, some in one["extra"].items():
            found.setdefault(name, set()).update(some)
    return {name: _one_kind(found[name]) for name in sorted(found)}


def _one_kind(some: set[str]) -> str:
    if some == {"int64", "double"}:
        return "double"
    return next(iter(some)) if len(some) == 1 else "json"


def _names(new: Sequence[ImportFile], previous: Manifest | None) -> dict[str, str]:
    before = dict(previous.run.get("files", {})) if previous is not None else {}
    return {**before, **{file.sha256: file.path.name for file in new}}


_TOLD = 3


def _say_problems(files: Sequence[ImportFile], records: Sequence[UnitRecord], outcomes: Mapping[str, int]) -> None:
    """Name the first rows that are no documents, by the file's name."""
    names = {file.sha256[:16]: str(file.path) for file in files}
    first = sorted((tuple(problem) for record in records for problem in record.problems), key=lambda p: (p[0], p[1]))
    for sha, row, what in first[:_TOLD]:
        say(f"import: {names.get(sha, sha)}: row {row:,}: {what}")
    if len(first) > _TOLD:
        say("import: … all of them stand in outcomes/documents-*.parquet")
    if outcomes.get("duplicate-id"):
        say(
            f"import: {outcomes['duplicate-id']:,} rows have the id, address or text of another row; the first by file "
            "and row stays (outcomes/documents-*.parquet names the others by file and row)"
        )


def nothing_to_read(files: Sequence[ImportFile]) -> None:
    """Raise where an import names nothing."""
    if not files:
        raise WebtextError("there is nothing to import", hint="name at least one file: webtext import CORPUS FILE…")
