"""Pages extracted while the crawl goes on: parts over sealed segments, made ahead and taken over by the stage.

Whether a page's link owns it is only known at the end, and a link may change until then. So a part is made as if each
of its links owned its page, and `take` gives the stage those rows that are what it would have made itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from webtext.corpus.files import identity_of, open_parquet, read_parquet, write_parquet
from webtext.corpus.schemas import DOCUMENTS, LINKS, OUTCOMES
from webtext.crawler.fetch.ledger_content import PAGES
from webtext.crawler.text.parts import Files, Part, Rows
from webtext.crawler.text.plan import LINK_COLUMNS, PLAN, PartSize, cut_parts, join_links, made_of, numbers, rows_of
from webtext.crawler.text.stretches import read_stretches

_SAME = tuple(name for name in PLAN.names if name not in ("segment", "offset", "length"))
"""What makes two rows of a plan the same page of the same link; where its bytes lie may change."""


def plan_early(work: Path, listed: Path, links: Sequence[Path]) -> Path:
    """Join a sealed segment's list (`webtext.crawler.fetch.sealing`) with its links; the plan's path below `work`."""
    path = work / "early" / "plan" / listed.name
    if not path.exists():
        pages = read_parquet(listed, PAGES)
        write_parquet(path, join_links(pages, _links_of(pages["key"], links)), PLAN)
    return path


def _links_of(keys: pa.ChunkedArray, links: Sequence[Path]) -> pa.Table:
    found = [LINKS.empty_table().select(LINK_COLUMNS)]
    wanted = keys.combine_chunks()
    for path in links:
        with open_parquet(path, LINKS) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=list(LINK_COLUMNS))
                found.append(rows.filter(pc.is_in(rows["key"], wanted)).select(LINK_COLUMNS))
    return pa.concat_tables(found)


def early_plans(work: Path) -> list[Path]:
    """The plans that there are, in order."""
    return sorted((work / "early" / "plan").glob("*.parquet"))


def early_parts(work: Path, plan: Path) -> Iterator[tuple[Part, pa.Table]]:
    """The parts of a plan, each with its rows. They do not depend on how many workers there are."""
    rows = read_parquet(plan, PLAN)
    lengths = numbers(rows["length"], np.int64)
    for start, size in cut_parts(lengths, PartSize.of(len(lengths), int(lengths.sum()), 1)):
        part = rows.slice(start, size)
        name = f"{identity_of(made_of(part))[:32]}.parquet"
        files = Files(*(work / "early" / kind / name for kind in ("documents", "aside", "outcomes")))
        yield Part(Rows(plan, start, size), files, work / "timeouts"), part


@dataclass(frozen=True)
class Choice:
    """The rows with these keys of a part's files, to be written as files of their own."""

    source: Files
    keys: pa.Array
    files: Files


@dataclass(frozen=True)
class Taken:
    """What has been made ahead: `whole` files that hold nothing else, `choices` to be made of others, and of the pages
    to extract those that are left, as stretches."""

    whole: tuple[Files, ...]
    choices: tuple[Choice, ...]
    left: tuple[Path, ...]
    audits: tuple[Path, ...]


def take(work: Path, fresh: Sequence[Path]) -> Taken:
    """Divide the pages to extract (stretches of `PLAN`, by key) by what has been made ahead of exactly them.

    Segments hold their pages in the order in which they came. So that no stretch is read again for each of them, key
    and digest of every page are in memory meanwhile: 16 bytes.
    """
    plans = early_plans(work)
    if not plans:
        return Taken((), (), tuple(fresh), ())
    whole: list[Files] = []
    choices: list[Choice] = []
    audits: list[Path] = []
    keys, digests = _digests(read_stretches(fresh))
    wanted = pa.table({"key": keys})
    covered = np.zeros(len(keys), np.bool_)
    for plan in plans:
        for part, rows in early_parts(work, plan):
            if not part.files.made:
                continue
            own, theirs = _digests([rows])
            places, same = rows_of(wanted, own)
            same[same] = (digests[places[same]] == theirs[same]) & ~covered[places[same]]
            if not same.any():
                continue
            covered[places[same]] = True
            audits.append(part.audits)
            if same.all():
                whole.append(part.files)
            else:
                chosen = pa.array(own[same])
                name = f"{identity_of([part.files.outcomes.name, chosen.to_pylist()])[:32]}.parquet"
                kinds = ("documents", "aside", "outcomes")
                files = Files(*(work / "early" / "chosen" / kind / name for kind in kinds))
                choices.append(Choice(part.files, chosen, files))
    return Taken(tuple(whole), tuple(choices), tuple(_left(work, fresh, covered)), tuple(audits))


def _left(work: Path, fresh: Sequence[Path], covered: npt.NDArray[np.bool_]) -> Iterator[Path]:
    """The stretches without the rows that are covered (one flag a row, in order)."""
    start = 0
    for path, rows in zip(fresh, read_stretches(fresh), strict=True):
        left = ~covered[start : start + rows.num_rows]
        start += rows.num_rows
        if left.any():
            aside = work / "plan" / f"left-{path.name}"
            write_parquet(aside, rows.filter(pa.array(left)), PLAN)
            yield aside


def _digests(tables: Iterable[pa.Table]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Key and digest (xxh3, 64 bits: only rows of one key are compared) of what makes rows the same, row by row."""
    keys, digests = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for rows in tables:
        plain = [
            rows[name].cast(pa.int64()) if pa.types.is_timestamp(rows[name].type) else rows[name] for name in _SAME
        ]
        values = zip(*(column.to_pylist() for column in plain), strict=True)
        keys.append(numbers(rows["key"], np.uint64))
        digests.append(np.fromiter((xxh3_64_intdigest(repr(row).encode()) for row in values), np.uint64, rows.num_rows))
    return np.concatenate(keys), np.concatenate(digests)


def make_choice(choice: Choice) -> None:
    """Write the files of a choice; outcomes last, as they say that it is whole."""
    if choice.files.made:
        return
    for name, schema in (("documents", DOCUMENTS), ("aside", DOCUMENTS), ("outcomes", OUTCOMES)):
        rows = read_parquet(getattr(choice.source, name), schema)
        kept = rows.filter(pc.is_in(rows["key"], choice.keys))
        write_parquet(getattr(choice.files, name), kept, schema)
