"""The stage links: from dumps and lists to the links that are followed, and the fate of every other line.

First every line of a source is judged (`webtext.pipelines.links_scan`) and kept in line files
(`webtext.pipelines.links_gather`). They stay in the corpus: a link's karma depends on all sources, so next month's dump
is decided together with the lines of the earlier ones, which are not read again. Then all lines are decided, one range
of keys at a time (`webtext.pipelines.links_decide`). Memory is bounded by a block of a source and a range of keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from webtext.corpus.errors import Balance, ChangedSettings, DamagedFile, WebtextError
from webtext.corpus.files import file_sha256, read_json
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import COUNTED_ONLY, Outcome, Stage
from webtext.corpus.outcomes import OUTCOMES as OUTCOMES_OF
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun
from webtext.corpus.tombstones import read_tombstones
from webtext.crawler.reddit import select
from webtext.crawler.reddit.blocks import BLOCK_BYTES, Source
from webtext.crawler.reddit.counts import BLANK, LINES, OBJECTS, Counts
from webtext.crawler.reddit.holes import check_months
from webtext.crawler.reddit.urls import suffix_list
from webtext.pipelines.engine import Engine
from webtext.pipelines.links_decide import Decided, cut_by_rows, decide
from webtext.pipelines.links_forget import SCRUBBED, scrubbed
from webtext.pipelines.links_gather import COUNTS, FOLDER, OUTCOME_ROWS, LineFile, gather_lines
from webtext.pipelines.links_scan import scan_sources
from webtext.pipelines.sorted_output import ROWS_PER_FILE

RULES = {**select.RULES, "lines": 2}
"""Versions of what shapes this stage; "lines" rises with the layout of line files (columns, ranges, rows a file)."""


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
    known = {sha: scrubbed(run, sha, _known(run, sha, given, redo=redo)) for sha in wanted}
    missing = [sha for sha in wanted if not known[sha] and sha not in given]
    if missing:
        raise WebtextError(
            f"the dumps of before are needed again: {', '.join(_name(run, sha) for sha in missing)}",
            hint="name all dumps in one command",
        )
    new = [given[sha] for sha in wanted if not known[sha]]
    scanned = scan_sources(run, new, settings, engine=engine, block_bytes=block_bytes, accept_loss=accept_loss)
    gathered = gather_lines(run, scanned, settings, engine=engine)
    lines = {name: file for files in (*known.values(), *gathered) for name, file in sorted(files.items())}
    counts = _counts(run, wanted, lines, given, accept_loss=accept_loss)
    decided, rows = _decide(run, [file for _, file in sorted(lines.items())], counts, settings, engine)
    kept = cut_by_rows(
        engine,
        run,
        "links: write",
        decided.links,
        LINKS,
        pattern="links/part-{:05d}.parquet",
        rows=ROWS_PER_FILE["links"],
    )
    gone = cut_by_rows(
        engine,
        run,
        "links: write outcomes",
        decided.outcomes,
        OUTCOMES,
        pattern="outcomes/links-{:05d}.parquet",
        rows=ROWS_PER_FILE["outcomes"],
    )
    outcomes = Counter(
        {outcome.value: counts[outcome.value] + decided.counts[outcome.value] for outcome in OUTCOMES_OF[Stage.LINKS]}
    )
    _check_rows(gone.rows, outcomes, rows)
    return run.publish(
        {**{name: file.path for name, file in lines.items()}, **kept.files, **gone.files},
        {**{name: file.sha256 for name, file in lines.items()}, **kept.hashes, **gone.hashes},
        rows_in=counts[LINES] - counts[BLANK],
        rows_out=kept.rows,
        outcomes=outcomes,
        facts={**{name: counts[name] for name in (LINES, BLANK, OBJECTS)}, "outcomes": "all" if rows else "counts"},
        run={
            "workers": engine.workers,
            "suffixes": suffix_list(),
            SCRUBBED: read_tombstones(run.corpus).identity,
            "sources": {sha: given[sha].path.name if sha in given else _name(run, sha) for sha in wanted},
        },
        accept_loss=accept_loss,
    )


def _counts(
    run: StageRun,
    wanted: Sequence[str],
    lines: Mapping[str, LineFile],
    given: Mapping[str, Source],
    *,
    accept_loss: bool,
) -> Counter[str]:
    """The numbers of all sources together; the scores of every month of each are looked at."""
    total: Counter[str] = Counter()
    for sha in wanted:
        counts = Counts.of(read_json(lines[f"{FOLDER}/{sha}/{COUNTS}"].path))
        if sha in given:
            check_months(counts.months, where=str(given[sha].path), accept_loss=accept_loss)
        total += counts.numbers
    return total


def _decide(
    run: StageRun, lines: Sequence[LineFile], counts: Counter[str], settings: LinksSettings, engine: Engine
) -> tuple[Decided, bool]:
    """The decisions, and whether lines that are no link have rows.

    Under `auto` their number decides, which is known for certain only after a decision where it is near the limit.
    """
    rejected = sum(counts[outcome.value] for outcome in OUTCOMES_OF[Stage.LINKS] if outcome not in COUNTED_ONLY)
    links = counts[LINES] - counts[BLANK] - sum(counts[outcome.value] for outcome in COUNTED_ONLY)
    if settings.outcomes != "auto":
        rows = settings.outcomes == "all"
    elif links <= OUTCOME_ROWS or rejected > OUTCOME_ROWS:
        rows = links <= OUTCOME_ROWS
    else:
        decided = decide(run, lines, settings, outcomes=False, engine=engine)
        if rejected + decided.counts.total() > OUTCOME_ROWS:
            return decided, False
        rows = True
    return decide(run, lines, settings, outcomes=rows, engine=engine), rows


def _check_rows(found: int, outcomes: Counter[str], rows: bool) -> None:
    """Every line with an outcome has a row where rows are kept."""
    wanted = sum(count for name, count in outcomes.items() if Outcome(name) not in COUNTED_ONLY) if rows else 0
    if found != wanted:
        raise Balance(
            f"links: {wanted:,} lines are no link, but {found:,} rows say why",
            hint="this is a fault of webtext; please report it",
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
