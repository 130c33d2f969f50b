"""The rows that say what was removed, for which document, and why: of outcomes/ and of duplicates.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DUPLICATES, OUTCOMES, key_text
from webtext.dedup.parts import read_part
from webtext.dedup.verdicts import CONTAMINATED, OUTCOME, STAYS, WIKIPEDIA, LineUp, Verdicts

Ints = NDArray[np.int64]


def removed_table(verdicts: Verdicts, lined: LineUp, signatures: Sequence[Path]) -> pa.Table:
    """The documents that do not stay, by key.

    Args:
        signatures: the parts of signature tables that `lined` was made of.

    Returns:
        removed, removed_url, keeper, keeper_url, jaccard as `schemas.DUPLICATES` has them; verdict (uint8); mark (what
        gives a copy of Wikipedia away, else empty); aside (why else it was set aside, else empty); row.
    """
    key = lined.documents.key
    rows = np.flatnonzero(verdicts.verdict != STAYS)
    rows = rows[np.argsort(key[rows])]
    keeper = verdicts.keeper[rows]
    alone = keeper < 0
    names = _taken(signatures, rows, ["url", "wikipedia"])
    keeper_url = _taken(signatures, keeper[~alone], ["url"])["url"]
    index = np.cumsum(~alone) - 1
    why = dict(zip(lined.why.rows.tolist(), lined.why.details, strict=True))
    return pa.table(
        {
            "removed": key[rows],
            "removed_url": names["url"],
            "keeper": pa.array(key[keeper], mask=alone),
            "keeper_url": keeper_url.take(pa.array(index, mask=alone)),
            "jaccard": pa.array(verdicts.jaccard[rows], mask=alone),
            "verdict": verdicts.verdict[rows],
            "mark": names["wikipedia"],
            "aside": [why.get(row, "") for row in rows.tolist()],
            "row": rows,
        }
    )


def outcome_rows(removed: pa.Table) -> pa.Table:
    """The rows of outcomes/ (`schemas.OUTCOMES`) for rows of `removed_table`."""
    columns = {
        "key": removed["removed"],
        "url": removed["removed_url"],
        "stage": [str(Stage.CLEAN)] * len(removed),
        "outcome": _words(removed),
        "detail": _details(removed),
    }
    return pa.table(columns).cast(OUTCOMES)


def duplicate_rows(removed: pa.Table) -> pa.Table:
    """The rows of duplicates.parquet (`schemas.DUPLICATES`) for rows of `removed_table`."""
    return removed.append_column("why", _words(removed)).select(DUPLICATES.names).cast(DUPLICATES)


def _words(removed: pa.Table) -> pa.Array:
    return pa.array([str(OUTCOME[verdict]) for verdict in removed["verdict"].to_pylist()], pa.string())


def _details(removed: pa.Table) -> list[str]:
    names = ("verdict", "mark", "aside", "jaccard", "keeper_url", "keeper")
    rows = zip(*(removed[name].to_pylist() for name in names), strict=True)
    return [
        f"copy of Wikipedia: {mark or aside}"
        if verdict == WIKIPEDIA
        else aside
        if verdict == CONTAMINATED
        else f"jaccard {jaccard:.3f} with {keeper_url} (key {key_text(keeper)})"
        for verdict, mark, aside, jaccard, keeper_url, keeper in rows
    ]


def _taken(signatures: Sequence[Path], rows: Ints, names: Sequence[str]) -> pa.Table:
    """These columns of these rows of all signature tables, in the order of `rows`; one table at a time is open."""
    wanted, back = np.unique(rows, return_inverse=True)
    tables, start = [], 0
    for path in signatures:
        table = read_part(path).select(list(names))
        low, high = np.searchsorted(wanted, [start, start + len(table)])
        tables.append(table.take(pa.array(wanted[low:high] - start)))
        start += len(table)
    schema = pa.schema([(name, pa.large_string()) for name in names])
    found = pa.concat_tables([schema.empty_table(), *(table.cast(schema) for table in tables)])
    return found.combine_chunks().take(pa.array(back))
