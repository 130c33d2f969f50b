"""`webtext report`: one page about a corpus for people, report/index.html. Where it comes from, what became of all of
it, what it holds, under which conditions, and what was trained on it.

Made of the manifests, settings and logs, and of two columns of the documents. It says nothing that depends on when or
where it is made, needs no network, and runs nothing. Not for programs: `--json` has the same as values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.config import shaping
from webtext.corpus.files import open_parquet, write_bytes
from webtext.corpus.manifests import Manifest, is_imported
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.progress import progress
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import stage_manifest
from webtext.corpus.tombstones import read_tombstones

if TYPE_CHECKING:
    from webtext.api import Corpus
    from webtext.reports import StageReport

REPORT_NAME = "report/index.html"
MOST_DOMAINS = 20

_CONSENT = (Outcome.ROBOTS, Outcome.OPT_OUT, Outcome.FORGOTTEN)
_CONDITIONS = ("obey_robots", "opt_out", "tdm", "ai_txt", "ai_agents", "sources")
"""Settings of [crawl] that say what was asked before a page was taken."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .8rem .2rem 0; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } h2 { margin-top: 2.5rem }
.bar { display: inline-block; height: .7rem; background: #3182bd }
.lost { background: #e6550d } code { font-size: .9em }
"""


@dataclass(frozen=True)
class CorpusReport:
    """What the page says. Counts of documents and tokens are of what stays."""

    corpus: str
    fingerprint: str | None
    stages: tuple[StageReport, ...]
    sources: tuple[str, ...]
    """Names of dumps, lists, or imported files."""
    documents: int
    words: int
    characters: int
    domains: Mapping[str, int]
    """Documents of the domains that have most."""
    other_domains: int
    languages: Mapping[str, int]
    ways: Mapping[str, int]
    """Documents by how they came in: crawl, import, or an archive."""
    tokens: Mapping[str, int]
    vocabulary: int
    conditions: Mapping[str, Any]
    withheld: Mapping[str, int]
    """Links that were left out for what their owners said."""
    forgotten: int
    runs: Mapping[str, Mapping[str, Any]]
    run_notes: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "page": str(Path(self.corpus) / REPORT_NAME)}

    def __str__(self) -> str:
        return f"{Path(self.corpus) / REPORT_NAME}: {self.documents:,} documents, {sum(self.tokens.values()):,} tokens"


def make_report(corpus: Corpus) -> CorpusReport:
    """Write the page, and give what it says.

    Raises:
        DamagedFile: a file of clean/ or documents/ is damaged.
    """
    manifests = {stage: stage_manifest(corpus.path, stage) for stage in Stage}
    status = corpus.status()
    text = manifests[Stage.CLEAN] or manifests[Stage.DOCUMENTS]
    counted = _count(corpus, text)
    shards = manifests[Stage.SHARDS]
    imported = is_imported(manifests[Stage.DOCUMENTS])
    outcomes: Counter[str] = Counter()
    for stage in status.stages:
        outcomes.update(stage.outcomes)
    report = CorpusReport(
        corpus=str(corpus.path),
        fingerprint=status.fingerprint,
        stages=status.stages,
        sources=_sources(manifests),
        documents=text.rows_out if text is not None else 0,
        words=counted.words,
        characters=counted.characters,
        domains=dict(_ranked(counted.domains)[:MOST_DOMAINS]),
        other_domains=max(0, len(counted.domains) - MOST_DOMAINS),
        languages=dict(_ranked(counted.languages)),
        ways=dict(_ranked(counted.ways)),
        tokens=dict(shards.facts["tokens"]) if shards is not None else {},
        vocabulary=int(shards.facts["vocab_size"]) if shards is not None else 0,
        conditions={} if imported else _conditions(corpus, manifests[Stage.PAGES]),
        withheld={str(name): outcomes[str(name)] for name in _CONSENT if outcomes[str(name)]},
        forgotten=len(read_tombstones(corpus.path)),
        runs=status.runs,
        run_notes=status.run_notes,
    )
    write_bytes(corpus.path / REPORT_NAME, "\n".join(_page(report)).encode())
    return report


# -- what is counted ---------------------------------------------------------------------------------------------------


class _Counted:
    def __init__(self) -> None:
        self.words = self.characters = 0
        self.domains: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()


def _count(corpus: Corpus, text: Manifest | None) -> _Counted:
    found = _Counted()
    names = [] if text is None else [name for name in text.files if name.startswith(f"{text.stage}/part-")]
    with progress(None, "report", text.rows_out if text is not None else 0, "documents") as shown:
        for name in sorted(names):
            with open_parquet(corpus.path / name, DOCUMENTS) as file:
                for batch in file.iter_batches(65_536, columns=["domain", "language", "source", "words", "characters"]):
                    found.domains.update(_values(batch["domain"]))
                    found.languages.update(_values(batch["language"]))
                    found.ways.update(_values(batch["source"]))
                    found.words += int(pc.sum(batch["words"]).as_py() or 0)
                    found.characters += int(pc.sum(batch["characters"]).as_py() or 0)
                    shown.add(batch.num_rows)
    return found


def _values(column: pa.Array) -> dict[str, int]:
    return {str(one["values"]): int(one["counts"]) for one in pc.value_counts(column).to_pylist()}


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _sources(manifests: Mapping[Stage, Manifest | None]) -> tuple[str, ...]:
    links, documents = manifests[Stage.LINKS], manifests[Stage.DOCUMENTS]
    if links is not None:
        return tuple(sorted(map(str, links.run.get("sources", {}).values())))
    if documents is not None and is_imported(documents):
        return tuple(sorted(map(str, documents.run.get("files", {}).values())))
    return ()


def _conditions(corpus: Corpus, pages: Manifest | None) -> dict[str, Any]:
    said = dict(pages.settings) if pages is not None else dict(shaping(corpus.settings.crawl))
    now = asdict(corpus.settings.crawl)
    return {name: said.get(name, now.get(name)) for name in _CONDITIONS if name in said or name in now}


# -- the page ----------------------------------------------------------------------------------------------------------


def _page(report: CorpusReport) -> Iterator[str]:
    name = escape(Path(report.corpus).name)
    yield f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{name}</title>\n<style>{_STYLE}</style>'
    yield f"<h1>{name}</h1>"
    yield f"<p>Fingerprint <code>{escape(report.fingerprint or 'none yet')}</code></p>"
    numbers = [("documents", report.documents), ("words", report.words), ("characters", report.characters)]
    numbers += [(f"tokens, {split}", count) for split, count in report.tokens.items()]
    yield _table(("", ""), [*numbers, *([("vocabulary", report.vocabulary)] if report.vocabulary else [])])
    yield "<h2>Where it comes from</h2>"
    yield _list(report.sources) if report.sources else "<p>Nothing was read yet.</p>"
    yield "<h2>What became of it</h2>"
    yield from _waterfall(report.stages)
    yield "<h2>What it holds</h2>"
    if report.domains:
        more = f" ({report.other_domains:,} more)" if report.other_domains else ""
        domains = [(domain or "no address", count) for domain, count in report.domains.items()]
        yield _table((f"domain{more}", "documents"), domains)
    for title, counts in (("language", report.languages), ("came by", report.ways)):
        if counts:
            yield _table((title, "documents"), list(counts.items()))
    yield "<h2>Consent and rights</h2>"
    yield from _rights(report)
    if report.runs or report.run_notes:
        yield "<h2>Trained on it</h2>"
        yield _list(list(_runs(report)))
    yield "</html>\n"


def _waterfall(stages: Sequence[StageReport]) -> Iterator[str]:
    most = max((stage.rows_in for stage in stages), default=1) or 1
    for stage in stages:
        yield f"<h3>{escape(stage.stage)}</h3>"
        rows = [("in", stage.rows_in, ""), ("out", stage.rows_out, "")]
        rows[1:1] = [(outcome, count, " lost") for outcome, count in _ranked(stage.outcomes)]
        body = "".join(
            f'<tr><td>{escape(what)}<td class="n">{count:,}<td>'
            f'<span class="bar{kind}" style="width:{max(count / most * 24, 0.05):.2f}rem"></span>'
            for what, count, kind in rows
        )
        yield f"<table>{body}</table>"


def _rights(report: CorpusReport) -> Iterator[str]:
    if report.conditions:
        conditions = [(name, _shown(value)) for name, value in report.conditions.items()]
        yield _table(("asked before a page was taken (settings of [crawl])", ""), conditions)
    else:
        yield "<p>The texts were imported: under which conditions they were taken is known to whoever took them.</p>"
    if report.withheld:
        yield _table(("left out for what owners said", ""), list(report.withheld.items()))
    if report.forgotten:
        yield f"<p>Addresses and domains forgotten on request: {report.forgotten:,}.</p>"
    yield (
        "<p>The licences of the texts are not known to webtext: copyright stays with their authors. Whether they may "
        "be copied, trained on or published depends on where you are and what for.</p>"
    )


def _runs(report: CorpusReport) -> Iterator[str]:
    for name in sorted({*report.runs, *report.run_notes}):
        run = report.runs.get(name)
        where = f"step {run['step']:,}, loss {run['loss']:.4f}" if run else "not begun"
        note = report.run_notes.get(name)
        yield f"{name}: {where}" + (f"; {note}" if note else "")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _table(head: tuple[str, str], rows: Sequence[tuple[str, Any]]) -> str:
    title = "".join(f"<th{' class=n' if place else ''}>{escape(text)}" for place, text in enumerate(head))
    body = "".join(
        f"<tr><td>{escape(str(name))}<td class=n>{f'{value:,}' if isinstance(value, int) else escape(str(value))}"
        for name, value in rows
    )
    return f"<table><tr>{title}{body}</table>"


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}" for item in items) + "</ul>"
