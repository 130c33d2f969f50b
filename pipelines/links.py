"""The stage links: from dumps to the links that are followed, and the fate of every other line.

First every line of a dump is judged and kept in line files (`webtext.pipelines.links_scan`). They stay in the corpus:
a link's karma depends on all dumps, so next month's is decided together with the lines of the earlier ones, which are
not read again. Then the lines are grouped by key and decided, one range of keys at a time. Memory is bounded by a
block of a dump and a range of keys.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from webtext.corpus.config import LinksSettings
from webtext.corpus.errors import ChangedSettings, DamagedFile, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, read_json, write_json, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import COUNTED_ONLY
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun
from webtext.crawler.reddit import select
from webtext.crawler.reddit.blocks import BLOCK_BYTES, Source
from webtext.crawler.reddit.lines import BLANK, LINES, OBJECTS, decide_lines
from webtext.crawler.reddit.urls import suffix_list
from webtext.pipelines.engine import Engine
from webtext.pipelines.links_scan import COUNTS, FOLDER, LineFile, scan_dumps
from webtext.pipelines.sorted_output import ROWS_PER_FILE, read_key_range, sorted_output

RULES = {**select.RULES, "lines": 1}
"""Versions of what shapes this stage; "lines" rises with the layout of line files (columns, blocks, rows a file)."""

RANGE_ROWS = 250_000  # lines a key range, about: 50 MB in memory, 2 s of work


def links_inputs(sources: Sequence[Source], previous: Manifest | None) -> dict[str, Any]:
    """The inputs of the stage: the sha256 of the dumps given now and of those that it was made of before.

    Without `previous` it is made of the dumps given now alone (`--redo`, which then has to name all of them).
    """
    known = previous.inputs.get("sources", ()) if previous is not None else ()
    return {"sources": sorted({*known, *(source.sha256 for source in sources)})}


def make_links(
    run: StageRun,
    sources: Sequence[Source],
    settings: LinksSettings,
    *,
    engine: Engine,
    accept_loss: bool,
    redo: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> Manifest:
    """Make the stage of the dumps given now and the line files of those given before.

    Args:
        run: begun with `links_inputs(sources, …)`.
        redo: read the given dumps, which must be all of them, again even where their lines are known.

    Raises:
        DamagedFile: a dump or a line file is damaged, or a dump holds no submissions.
        WebtextError: a dump of before is needed again.
        ChangedSettings: a redo would drop a dump of before.
        LossAlarm: see `webtext.corpus.outcomes`.
    """
    wanted: list[str] = list(run.inputs["sources"])
    given = {source.sha256: source for source in sources}
    if redo:
        _refuse_to_drop(run, given)
    known = {sha: _known(run, sha, given, redo=redo) for sha in wanted}
    missing = [sha for sha in wanted if not known[sha] and sha not in given]
    if missing:
        raise WebtextError(
            f"the dumps of before are needed again: {', '.join(_name(run, sha) for sha in missing)}",
            hint="name all dumps in one command",
        )
    new = [given[sha] for sha in wanted if not known[sha]]
    scanned = scan_dumps(run, new, settings, engine=engine, block_bytes=block_bytes)
    lines = {name: file for files in (*known.values(), *scanned) for name, file in files.items()}
    counts = sum((Counter(read_json(lines[f"{FOLDER}/{sha}/{COUNTS}"].path)) for sha in wanted), Counter[str]())
    decided = _decide(
        run, [file for name, file in sorted(lines.items()) if name.endswith(".parquet")], settings, engine
    )
    kept = sorted_output(
        engine,
        run,
        "links: sort",
        [piece.links for piece in decided],
        LINKS,
        pattern="links/part-{:05d}.parquet",
        rows_per_file=ROWS_PER_FILE["links"],
    )
    gone = sorted_output(
        engine,
        run,
        "links: sort outcomes",
        [piece.outcomes for piece in decided],
        OUTCOMES,
        pattern="outcomes/links-{:05d}.parquet",
        rows_per_file=ROWS_PER_FILE["outcomes"],
    )
    dropped = sum((Counter(read_json(piece.counts)) for piece in decided), Counter[str]())
    return run.publish(
        {**{name: file.path for name, file in lines.items()}, **kept.files, **gone.files},
        {**{name: file.sha256 for name, file in lines.items()}, **kept.hashes, **gone.hashes},
        rows_in=counts["lines"] - counts[BLANK],
        rows_out=kept.rows,
        outcomes=dropped + Counter({outcome.value: counts[outcome.value] for outcome in COUNTED_ONLY}),
        facts={name: counts[name] for name in ("lines", BLANK, OBJECTS)},
        run={
            "workers": engine.workers,
            "suffixes": suffix_list(),
            "sources": {sha: given[sha].path.name if sha in given else _name(run, sha) for sha in wanted},
        },
        accept_loss=accept_loss,
    )


def _known(run: StageRun, sha: str, given: Mapping[str, Source], *, redo: bool) -> dict[str, LineFile]:
    """The line files of a dump that the finished stage holds, by final name; none where the dump has to be read."""
    previous = run.previous
    if previous is None or (redo and sha in given):
        return {}
    if dict(previous.settings) != dict(run.settings) or dict(previous.rules) != dict(run.rules):
        return {}
    names = [name for name in previous.files if name.startswith(f"{FOLDER}/{sha}/")]
    found = {name: LineFile(run.corpus / name, previous.files[name]) for name in names}
    for file in found.values():
        if not file.path.is_file() or file_sha256(file.path) != file.sha256:
            if sha in given:
                return {}
            raise DamagedFile(
                "is missing, or has other bytes than the manifest says",
                where=file.path,
                hint=f"its dump has to be read again: name {_name(run, sha)} in this command",
            )
    return found


def _refuse_to_drop(run: StageRun, given: Mapping[str, Source]) -> None:
    """Dumps of before that are not given now would go with all their links, without a word."""
    before = set(run.previous.inputs["sources"]) if run.previous is not None else set()
    before.update(counts.parent.name for counts in (run.corpus / FOLDER).glob(f"*/{COUNTS}"))  # the manifest is damaged
    dropped = ", ".join(sorted(_name(run, sha) for sha in before - given.keys()))
    if dropped:
        raise ChangedSettings(
            f"--redo would drop what the stage has from other dumps: {dropped}",
            where="webtext links",
            hint=f"name all dumps in one command: those given now and {dropped}; to start over from fewer, first "
            f"delete {run.folder} and {run.corpus / OUTCOMES_FOLDER / 'links-*.parquet'}",
        )


def _name(run: StageRun, sha: str) -> str:
    """What a person calls a dump of before."""
    names = run.previous.run.get("sources", {}) if run.previous is not None else {}
    return str(names.get(sha, f"the dump with sha256 {sha}"))


@dataclass(frozen=True)
class _Range:
    """The keys from `low` to `high` (inclusive), and the files that their decision goes to."""

    low: int
    high: int
    links: Path
    """Written last."""

    @property
    def outcomes(self) -> Path:
        return self.links.with_suffix(".outcomes.parquet")

    @property
    def counts(self) -> Path:
        return self.links.with_suffix(".json")


@dataclass(frozen=True)
class _DecideRange:
    lines: tuple[Path, ...]
    settings: LinksSettings

    def __call__(self, piece: _Range) -> None:
        if piece.links.exists():
            return
        tables = [read_key_range(path, LINES, piece.low, piece.high) for path in self.lines]
        links, outcomes = decide_lines(pa.concat_tables([LINES.empty_table(), *tables]), self.settings)
        write_json(piece.counts, Counter(outcomes["outcome"].to_pylist()))
        write_parquet(piece.outcomes, outcomes, OUTCOMES)
        write_parquet(piece.links, links, LINKS)
        fault_point("links.decided")


def _decide(run: StageRun, lines: Sequence[LineFile], settings: LinksSettings, engine: Engine) -> list[_Range]:
    """Decide every key; keys are hashes, so equal ranges of them hold about as many lines."""
    number = max(1, -(-sum(_rows(file.path) for file in lines) // RANGE_ROWS))
    edges = [(place << 64) // number for place in range(number + 1)]
    made_of = [suffix_list(), *(file.sha256 for file in lines)]
    ranges = [_Range(low, high - 1, run.part("decided", made_of, low, high)) for low, high in itertools.pairwise(edges)]
    engine.each(
        "links: decide",
        _DecideRange(tuple(file.path for file in lines), settings),
        ranges,
        unit="ranges",
        made=lambda: sum(piece.links.exists() for piece in ranges),
    )
    return ranges


def _rows(path: Path) -> int:
    with open_parquet(path, LINES) as file:
        return int(file.metadata.num_rows)
