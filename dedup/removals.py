"""The rows that say what was removed, for which document, and why: of outcomes/ and of duplicates.parquet."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DUPLICATES, OUTCOMES, key_text
from webtext.dedup.verdicts import OUTCOME, WIKIPEDIA


def outcome_rows(removed: pa.Table, decisions: pa.Table) -> pa.Table:
    """The rows of outcomes/ (`schemas.OUTCOMES`).

    Args:
        removed: key and url of documents that do not stay.
        decisions: what `verdicts.explain` says of the same documents, in the same order.
    """
    rows = {
        "key": removed["key"],
        "url": removed["url"],
        "stage": [str(Stage.CLEAN)] * len(removed),
        "outcome": _words(decisions),
        "detail": [_detail(decision) for decision in decisions.to_pylist()],
    }
    return pa.table(rows, OUTCOMES)


def duplicate_rows(removed: pa.Table, decisions: pa.Table) -> pa.Table:
    """The rows of duplicates.parquet (`schemas.DUPLICATES`); arguments as in `outcome_rows`."""
    rows = {
        "removed": removed["key"],
        "removed_url": removed["url"],
        "keeper": decisions["keeper"],
        "keeper_url": decisions["keeper_url"].cast(pa.string()),
        "jaccard": decisions["jaccard"],
        "why": _words(decisions),
    }
    return pa.table(rows, DUPLICATES)


def _words(decisions: pa.Table) -> list[str]:
    return [str(OUTCOME[verdict]) for verdict in decisions["verdict"].to_pylist()]


def _detail(decision: dict[str, Any]) -> str:
    if decision["verdict"] == WIKIPEDIA:
        return f"copy of Wikipedia: {decision['mark']}"
    return f"jaccard {decision['jaccard']:.3f} with {decision['keeper_url']} (key {key_text(decision['keeper'])})"
