"""Two corpora side by side: what became of each link in one and in the other, by outcome, domain and setting.

Keys and short codes are held (17 bytes a link), texts are read a row group at a time. Nothing is written.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from webtext.corpus.config import CONFIG_NAME, load_settings, shaping
from webtext.corpus.errors import WebtextError
from webtext.corpus.files import open_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES, key_text
from webtext.corpus.stages import stage_manifest

DOCUMENT = "document"
ABSENT = "absent"
EXAMPLES = 3
_TOP_DOMAINS = 10
_SHOWN = 160  # characters of a changed line

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class TextChange:
    """A document whose text differs: some of the lines that only the one or only the other has."""

    key: str
    url: str
    characters: tuple[int, int]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """What differs. `moves` counts links by (fate in the first, fate in the second) where the two are not the same;
    `domains` those by domain; `settings` and `rules` name (stage.name: first, second)."""

    corpora: tuple[str, str]
    links: tuple[int, int]
    same: int
    settings: Mapping[str, tuple[Any, Any]]
    moves: Mapping[tuple[str, str], int]
    examples: Mapping[tuple[str, str], tuple[str, ...]]
    domains: Mapping[str, int]
    texts_same: int
    texts_changed: int
    changes: tuple[TextChange, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        moves = [
            {"first": first, "second": second, "links": count, "examples": list(self.examples[first, second])}
            for (first, second), count in _most_first(self.moves)
        ]
        return {
            "corpora": list(self.corpora),
            "links": list(self.links),
            "same": self.same,
            "settings": {name: list(values) for name, values in self.settings.items()},
            "moves": moves,
            "domains": dict(self.domains),
            "texts": {"same": self.texts_same, "changed": self.texts_changed},
            "changes": [asdict(change) for change in self.changes],
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@dataclass(frozen=True)
class _Fates:
    """Of each link (by key, sorted) what became of it, as a place in `names`; and of documents a hash of the text."""

    keys: Keys
    codes: npt.NDArray[np.int16]
    text_keys: Keys
    text_hashes: npt.NDArray[np.uint64]


def compare(first: Path, second: Path, *, examples: int = EXAMPLES) -> Differences:
    """Compare two corpora up to documents/, by the links that both or one of them have.

    A link that became a document is `document`, whatever later stages do with it; one that a corpus has never seen is
    `absent`.

    Raises:
        WebtextError: one of them is no corpus, or has no finished documents/.
    """
    names = [DOCUMENT, ABSENT, *map(str, Outcome)]
    manifests = _manifests(first), _manifests(second)
    left, right = _fates(first, manifests[0], names), _fates(second, manifests[1], names)
    keys = np.union1d(left.keys, right.keys)
    absent = names.index(ABSENT)
    codes = np.stack([_at(keys, side.keys, side.codes, absent) for side in (left, right)])
    differ = codes[0] != codes[1]
    pairs = codes[:, differ]
    moves = Counter(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
    sampled = {pair: _first_keys(keys[differ], pairs, pair, examples) for pair in moves}
    wanted = np.array(sorted({key for found in sampled.values() for key in found}), np.uint64)
    urls = _urls(second, manifests[1], wanted) | _urls(first, manifests[0], wanted)
    both, in_left, in_right = np.intersect1d(left.text_keys, right.text_keys, return_indices=True)
    changed = both[left.text_hashes[in_left] != right.text_hashes[in_right]]
    return Differences(
        corpora=(str(first), str(second)),
        links=(len(left.keys), len(right.keys)),
        same=int(np.count_nonzero(~differ)),
        settings=_settings(first, second, manifests),
        moves={(names[one], names[two]): count for (one, two), count in moves.items()},
        examples={
            (names[one], names[two]): tuple(urls.get(key, key_text(key)) for key in found)
            for (one, two), found in sampled.items()
        },
        domains=_domains(((first, manifests[0]), (second, manifests[1])), keys[differ]),
        texts_same=len(both) - len(changed),
        texts_changed=len(changed),
        changes=_changes((first, manifests[0]), (second, manifests[1]), changed[:examples]),
    )


def _manifests(corpus: Path) -> dict[Stage, Manifest]:
    if not (corpus / CONFIG_NAME).is_file():
        raise WebtextError("there is no corpus here", where=corpus, hint="name two corpora: webtext diff A B")
    found = {stage: manifest for stage in Stage if (manifest := stage_manifest(corpus, stage)) is not None}
    if Stage.DOCUMENTS not in found:
        raise WebtextError("documents is not finished", where=corpus, hint=f"run webtext extract {corpus} first")
    return found


def _fates(corpus: Path, manifests: Mapping[Stage, Manifest], names: list[str]) -> _Fates:
    keys: list[Keys] = []
    codes: list[npt.NDArray[np.int16]] = []
    place = {name: number for number, name in enumerate(names)}
    repeated = str(Outcome.DUPLICATE_URL)  # a further line of a link that has its fate elsewhere
    for stage in (Stage.LINKS, Stage.PAGES, Stage.DOCUMENTS):
        if stage not in manifests:
            continue
        for table in _tables(corpus, manifests[stage], f"outcomes/{stage}-", OUTCOMES, ["key", "outcome"]):
            found = table["outcome"].to_pylist()
            kept = np.array([outcome != repeated for outcome in found], np.bool_)
            keys.append(_keys(table)[kept])
            codes.append(np.array([place[outcome] for outcome in found if outcome != repeated], np.int16))
    hashes: list[npt.NDArray[np.uint64]] = []
    texts: list[Keys] = []
    for table in _tables(corpus, manifests[Stage.DOCUMENTS], "documents/part-", DOCUMENTS, ["key", "text"]):
        texts.append(_keys(table))
        hashes.append(
            np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in table["text"].to_pylist()], np.uint64)
        )
    text_keys = _joined(texts, np.uint64)
    keys.append(text_keys)
    codes.append(np.zeros(len(text_keys), np.int16))
    every = _joined(keys, np.uint64)
    unique, first = np.unique(every, return_index=True)
    return _Fates(unique, _joined(codes, np.int16)[first], text_keys, _joined(hashes, np.uint64))


def _tables(corpus: Path, manifest: Manifest, prefix: str, schema: pa.Schema, columns: list[str]) -> Iterator[pa.Table]:
    """The row groups of a stage's files."""
    for name in sorted(manifest.files):
        if name.startswith(prefix):
            with open_parquet(corpus / name, schema) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, columns=columns)


def _keys(table: pa.Table) -> Keys:
    return np.asarray(table["key"].to_numpy(), np.uint64)


def _joined(arrays: list[Any], kind: Any) -> Any:
    return np.concatenate([np.empty(0, kind), *arrays])


def _at(keys: Keys, known: Keys, codes: npt.NDArray[np.int16], missing: int) -> npt.NDArray[np.int16]:
    found = np.full(len(keys), missing, np.int16)
    found[np.searchsorted(keys, known)] = codes
    return found


def _first_keys(keys: Keys, pairs: npt.NDArray[np.int16], pair: tuple[int, int], count: int) -> list[int]:
    chosen = np.flatnonzero((pairs[0] == pair[0]) & (pairs[1] == pair[1]))[:count]
    return [int(key) for key in keys[chosen]]


def _urls(corpus: Path, manifests: Mapping[Stage, Manifest], wanted: Keys) -> dict[int, str]:
    """The addresses of some keys."""
    found: dict[int, str] = {}
    for stage, prefix, schema in _sources(manifests):
        for table in _tables(corpus, manifests[stage], prefix, schema, ["key", "url"]):
            rows = table.filter(pa.array(np.isin(_keys(table), wanted)))
            found.update(zip(rows["key"].to_pylist(), rows["url"].to_pylist(), strict=True))
    return found


def _sources(manifests: Mapping[Stage, Manifest]) -> list[tuple[Stage, str, pa.Schema]]:
    stages = [stage for stage in (Stage.LINKS, Stage.PAGES, Stage.DOCUMENTS) if stage in manifests]
    outcomes = [(stage, f"outcomes/{stage}-", OUTCOMES) for stage in stages]
    return [*outcomes, (Stage.DOCUMENTS, "documents/part-", DOCUMENTS)]


def _domains(corpora: tuple[tuple[Path, Mapping[Stage, Manifest]], ...], keys: Keys) -> dict[str, int]:
    """The hosts with most of the links whose fate differs."""
    hosts: dict[int, str] = {}
    for corpus, manifests in corpora:
        for key, url in _urls(corpus, manifests, keys).items():
            hosts[key] = url.partition("://")[2].partition("/")[0].partition("?")[0].removeprefix("www.")
    return dict(_most_first(Counter(hosts.values()))[:_TOP_DOMAINS])


def _settings(
    first: Path, second: Path, manifests: tuple[Mapping[Stage, Manifest], Mapping[Stage, Manifest]]
) -> dict[str, tuple[Any, Any]]:
    """Settings that shape content and rules that differ, of the stages as they were made; of webtext.toml where a
    corpus has not made a stage."""
    found: dict[str, tuple[Any, Any]] = {}
    for stage in (Stage.LINKS, Stage.PAGES, Stage.DOCUMENTS):
        sides = []
        for corpus, made in zip((first, second), manifests, strict=True):
            if stage in made:
                rules = {f"rules.{name}": value for name, value in made[stage].rules.items()}
                sides.append({**made[stage].settings, **rules})
            else:
                section = "crawl" if stage is Stage.PAGES else str(stage)
                sides.append(shaping(getattr(load_settings(corpus / CONFIG_NAME), section)))
        for name in sorted({*sides[0], *sides[1]}):
            if sides[0].get(name) != sides[1].get(name):
                found[f"{stage.command}.{name}"] = (sides[0].get(name), sides[1].get(name))
    return found


def _changes(
    first: tuple[Path, Mapping[Stage, Manifest]], second: tuple[Path, Mapping[Stage, Manifest]], keys: Keys
) -> tuple[TextChange, ...]:
    rows = [_texts(corpus, manifests, keys) for corpus, manifests in (first, second)]
    changes = []
    for key in map(int, keys):
        url, one = rows[0][key]
        _, two = rows[1][key]
        lines = list(difflib.unified_diff(one.split("\n"), two.split("\n"), lineterm="", n=0))[2:]
        removed = tuple(_shown(line[1:]) for line in lines if line.startswith("-"))[:EXAMPLES]
        added = tuple(_shown(line[1:]) for line in lines if line.startswith("+"))[:EXAMPLES]
        changes.append(TextChange(key_text(key), url, (len(one), len(two)), removed, added))
    return tuple(changes)


def _texts(corpus: Path, manifests: Mapping[Stage, Manifest], keys: Keys) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    columns = ["key", "url", "text"]
    for table in _tables(corpus, manifests[Stage.DOCUMENTS], "documents/part-", DOCUMENTS, columns):
        rows = table.filter(pa.array(np.isin(_keys(table), keys))).to_pylist()
        found.update({row["key"]: (row["url"], row["text"]) for row in rows})
    return found


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _most_first(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _lines(found: Differences) -> list[str]:
    lines = [f"first   {found.corpora[0]} ({found.links[0]:,} links)"]
    lines += [f"second  {found.corpora[1]} ({found.links[1]:,} links)"]
    if found.settings:
        lines += ["", "settings and rules"]
        lines += [f"  {name}: {one!r}, {two!r}" for name, (one, two) in found.settings.items()]
    lines += ["", f"{found.same:,} links have the same fate in both"]
    for (one, two), count in _most_first(found.moves):
        lines.append(f"  {one} -> {two:<20} {count:>10,}")
        lines += [f"      {url}" for url in found.examples[one, two]]
    if found.domains:
        lines += ["", "hosts with most of those whose fate differs"]
        lines += [f"  {host:<40} {count:>10,}" for host, count in found.domains.items()]
    lines += ["", f"texts: {found.texts_same:,} the same, {found.texts_changed:,} changed"]
    for change in found.changes:
        lines.append(f"  {change.url}  {change.characters[0]:,} -> {change.characters[1]:,} characters")
        lines += [f"    - {line}" for line in change.only_first] + [f"    + {line}" for line in change.only_second]
    return lines
