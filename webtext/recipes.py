"""A recipe: which links a corpus was made of and what became of them, without a word of other people's pages.

`recipe.parquet` has a row a link; its metadata has the settings. `build --from-recipe` takes from it the links that had
a page, under those settings, fetches them again, and compares the digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.config import CONFIG_NAME, shaping, store_values
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import atomic, open_parquet, os_errors, read_parquet, write_json, write_parquet
from webtext.corpus.manifests import fingerprint, is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.stages import stage_manifest
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.forgotten import Forgotten
from webtext.export_folder import ExportFolder
from webtext.exporting import CorpusExport

if TYPE_CHECKING:
    from webtext.api import Corpus

RECIPE_NAME = "recipe.parquet"
RECIPE_VERSION = 1
_META = b"webtext.recipe"

RECIPE = pa.schema(
    [
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("karma", pa.int64(), nullable=False),
        pa.field("created_utc", pa.int64()),
        pa.field("final_url", pa.string()),
        pa.field("payload_sha256", pa.string()),
        pa.field("source", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("fetched", pa.int64()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
    ]
)
"""One row a link that was followed, by key. `payload_sha256` is that of its page as the server sent it; `source`,
`offset` and `length` say where the WARC record lies among the segments of the corpus that the recipe is of; `outcome`
is `document` for what became training text. Times in seconds since 1970, UTC."""

LIST_NAME = "recipe/links.parquet"
REPORT_NAME = "recipe/report.json"
DIFFERENCES_NAME = "recipe/differences.parquet"

DIFFERENCES = pa.schema(
    [
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("what", pa.string()),
    ]
)
"""One row a page of the recipe that did not come back as it was, by key: `changed`, or the outcome of its link."""
CHANGED = "changed"
_TOLD = 3  # of them

_LIST = pa.schema([pa.field("url", pa.string()), pa.field("score", pa.int64()), pa.field("created_utc", pa.int64())])
_LEFT_OUT = ("only_subreddits", "block_subreddits", "only_domains", "outcomes")
"""Settings of [links] that have done their work: the links are chosen, and a recipe names no subreddits."""


@dataclass(frozen=True)
class RecipeReport:
    """What came back: of `pages` of the recipe `came` have a page again, `same` with the same digest."""

    fingerprint: str
    pages: int
    came: int
    same: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        def share(count: int) -> str:
            return f"{count:,} ({count / max(self.pages, 1):.1%})"

        told = f"recipe: of {self.pages:,} pages {share(self.came)} came back, {share(self.same)} with the same digest"
        other = f"; {self.came - self.same:,} changed, {self.pages - self.came:,} missing ({DIFFERENCES_NAME})"
        return told + other * (self.same < self.pages)


# -- out ---------------------------------------------------------------------------------------------------------------


def export_recipe(corpus: Corpus, folder: Path) -> CorpusExport:
    """Write the recipe of a corpus that was crawled and deduplicated."""
    if is_imported(stage_manifest(corpus.path, Stage.DOCUMENTS)):
        raise WebtextError("its documents were imported: there is nothing to fetch again", where=corpus.path)
    clean = corpus._finished(Stage.CLEAN)
    manifests = {stage: corpus._finished(stage) for stage in (Stage.LINKS, Stage.PAGES, Stage.DOCUMENTS)}
    manifests[Stage.CLEAN] = clean
    identity = str(fingerprint(manifests))
    forgotten = Forgotten.of(corpus.path)
    tokenize = shaping(corpus.settings.tokenize)
    described = {"format": "recipe", "identity": identity, "tombstones": forgotten.tombstones.identity}
    with ExportFolder.opened(folder, described) as target:
        if not target.has(RECIPE_NAME):
            meta = {
                "version": RECIPE_VERSION,
                "fingerprint": identity,
                "settings": {
                    "links": dict(manifests[Stage.LINKS].settings),
                    "crawl": dict(manifests[Stage.PAGES].settings),
                    "extract": dict(manifests[Stage.DOCUMENTS].settings),
                    "dedup": dict(clean.settings),
                    "tokenize": {name: value for name, value in tokenize.items() if name != "tokenizer"},
                },
            }
            rows = _write(corpus, target.path / RECIPE_NAME, meta, manifests[Stage.LINKS].files, forgotten)
            target.add(RECIPE_NAME, rows=rows)
        return CorpusExport(str(folder), "recipe", identity, dict(target.files), target.made)


def _write(corpus: Corpus, path: Path, meta: Mapping[str, Any], files: Mapping[str, str], forgotten: Forgotten) -> int:
    with Ledger.reading(corpus.path / Stage.PAGES / LEDGER_NAME) as ledger:
        pages = ledger.pages().sort_by("key")
    ends = _ends(corpus)
    schema = RECIPE.with_metadata({_META: json.dumps(meta, sort_keys=True).encode()})
    count = 0
    names = sorted(name for name in files if name.startswith("links/part-"))
    with os_errors(path), atomic(path) as aside, pq.ParquetWriter(aside, schema, compression="zstd") as writer:
        for name in names:
            for links in _groups(corpus.path / name):
                table = _rows(links, pages, ends, forgotten)
                writer.write_table(table.cast(schema))
                count += len(table)
    return count


def _groups(path: Path) -> Iterator[pa.Table]:
    with open_parquet(path, LINKS) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=["key", "url", "karma", "first_posted"])


def _ends(corpus: Corpus) -> pa.Table:
    """The outcomes of links after the stage links, by key."""
    tables = [OUTCOMES.empty_table()]
    for stage in (Stage.PAGES, Stage.DOCUMENTS, Stage.CLEAN):
        for path in sorted((corpus.path / "outcomes").glob(f"{stage}-*.parquet")):
            tables.append(read_parquet(path, OUTCOMES))
    return pa.concat_tables(tables).select(["key", "stage", "outcome"]).sort_by("key")


def _rows(links: pa.Table, pages: pa.Table, ends: pa.Table, forgotten: Forgotten) -> pa.Table:
    if forgotten:
        keys = np.asarray(links["key"].to_numpy(), np.uint64)
        links = links.filter(pa.array(~forgotten.rows(keys, links["url"].to_pylist())))
    keys = np.asarray(links["key"].to_numpy(), np.uint64)
    columns: dict[str, Any] = {
        "key": links["key"],
        "url": links["url"],
        "karma": links["karma"],
        "created_utc": _seconds(links["first_posted"]),
    }
    places, here = _find(pages, keys)
    found = pages.take(pa.array(places, mask=~here))
    columns |= {name: found[name] for name in ("final_url", "payload_sha256", "offset", "length")}
    columns |= {"source": found["segment"], "fetched": _seconds(found["fetched"])}
    places, ended = _find(ends, keys)
    end = ends.take(pa.array(places, mask=~ended))
    columns["stage"] = pa.array([stage or str(Stage.CLEAN) for stage in end["stage"].to_pylist()])
    columns["outcome"] = pa.array([outcome or "document" for outcome in end["outcome"].to_pylist()])
    return pa.table({name: columns[name] for name in RECIPE.names}).cast(RECIPE)


def _seconds(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if value is None else int(value.timestamp()) for value in column.to_pylist()], pa.int64())


def _find(table: pa.Table, keys: Any) -> tuple[Any, Any]:
    known = np.asarray(table["key"].to_numpy(), np.uint64)
    if not len(known):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return places, known[places] == keys


# -- in ----------------------------------------------------------------------------------------------------------------


def read_recipe(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of a recipe and what its metadata says.

    Raises:
        DamagedFile: it is no recipe.
        WebtextError: a newer webtext wrote it.
    """
    if path.is_dir():
        path = path / RECIPE_NAME
    try:
        with os_errors(path):
            table = pq.read_table(path)
    except pa.ArrowException as error:
        raise DamagedFile(f"is no readable Parquet file ({str(error).splitlines()[0]})", where=path) from error
    stored = (table.schema.metadata or {}).get(_META)
    if stored is None or table.schema.remove_metadata() != RECIPE:
        raise DamagedFile("is no recipe", where=path, hint="webtext export CORPUS DIR --to recipe makes one")
    meta = json.loads(stored)
    if meta.get("version") != RECIPE_VERSION:
        raise WebtextError(f"has recipe version {meta.get('version')}; this webtext reads {RECIPE_VERSION}", where=path)
    return table.replace_schema_metadata(None), meta


def take_recipe(corpus: Corpus, recipe: Path) -> tuple[Path, ...]:
    """Make a corpus ready for a recipe: its settings in webtext.toml, its links as a list.

    Returns:
        The list's path; nothing where the corpus has the links of just this list.

    Raises:
        UsageError: the corpus has links of other sources.
    """
    table, meta = read_recipe(recipe)
    path = corpus.path / LIST_NAME
    if stage_manifest(corpus.path, Stage.LINKS) is not None and not path.exists():
        raise UsageError("has links already", where=corpus.path, hint="name a new folder for the recipe's corpus")
    settings = corpus.settings
    for section, values in meta["settings"].items():
        kept = {name: value for name, value in values.items() if not (section == "links" and name in _LEFT_OUT)}
        plain = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
        settings = settings.with_values(section, plain, where=str(recipe))
        if not path.exists():
            store_values(corpus.path / CONFIG_NAME, section, plain)
    minimum = int(meta["settings"]["links"].get("min_karma", 3))
    rows = table.filter(pa.array([value is not None for value in table["payload_sha256"].to_pylist()]))
    # A link below the least karma was on a list that states none.
    karma = [value if value >= minimum else None for value in rows["karma"].to_pylist()]
    listed = pa.table({"url": rows["url"], "score": pa.array(karma, pa.int64()), "created_utc": rows["created_utc"]})
    listed = _remembered(listed, Forgotten.of(corpus.path))
    if stage_manifest(corpus.path, Stage.LINKS) is not None and read_parquet(path, _LIST).equals(listed.cast(_LIST)):
        return ()
    write_parquet(path, listed, _LIST)
    return (path,)


def forget_listed(corpus: Path, forgotten: Forgotten) -> None:
    """Take forgotten addresses out of what a corpus has of its recipe: the list, and what did not come back."""
    for name, schema in ((LIST_NAME, _LIST), (DIFFERENCES_NAME, DIFFERENCES)):
        if (corpus / name).is_file():
            before = read_parquet(corpus / name, schema)
            after = _remembered(before, forgotten)
            if len(after) < len(before):
                write_parquet(corpus / name, after, schema)


def _remembered(listed: pa.Table, forgotten: Forgotten) -> pa.Table:
    if not forgotten:
        return listed
    return listed.filter(pa.array([not forgotten.address(url) for url in listed["url"].to_pylist()], pa.bool_()))


def compare(corpus: Corpus, recipe: Path) -> RecipeReport:
    """What share of the recipe's pages came back, and which did not as they were; also written beside the list."""
    table, meta = read_recipe(recipe)
    rows = table.filter(pa.array([value is not None for value in table["payload_sha256"].to_pylist()]))
    with Ledger.reading(corpus.path / Stage.PAGES / LEDGER_NAME) as ledger:
        pages = ledger.pages().sort_by("key")
    keys = np.asarray(rows["key"].to_numpy(), np.uint64)
    places, here = _find(pages, keys)
    now = pages["payload_sha256"].take(pa.array(places, mask=~here)).to_pylist()
    same = np.asarray([a == b for a, b in zip(now, rows["payload_sha256"].to_pylist(), strict=True)], np.bool_)
    report = RecipeReport(str(meta["fingerprint"]), len(keys), int(np.count_nonzero(here)), int(np.count_nonzero(same)))
    _write_differences(corpus, rows.filter(pa.array(~same)), here[~same])
    write_json(corpus.path / REPORT_NAME, report.to_json())
    say(str(report))
    return report


def _write_differences(corpus: Corpus, rows: pa.Table, came: Any) -> None:
    ends = _ends(corpus)
    places, ended = _find(ends, np.asarray(rows["key"].to_numpy(), np.uint64))
    outcomes = ends["outcome"].take(pa.array(places, mask=~ended)).to_pylist()
    what = [CHANGED if is_here else outcome for is_here, outcome in zip(came.tolist(), outcomes, strict=True)]
    found = pa.table({"key": rows["key"], "url": rows["url"], "what": pa.array(what, pa.string())})
    found = _remembered(found, Forgotten.of(corpus.path))
    write_parquet(corpus.path / DIFFERENCES_NAME, found, DIFFERENCES)
    for row in found.slice(0, _TOLD).to_pylist():
        say(f"recipe: {row['url']}: {row['what'] or 'is no link here'}")
