"""Extracted documents to those that stay and those set aside by the quality rules, over whole tables.

What is set aside keeps its text and measures: another rule may want it back, and then nothing is extracted again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.plan import outcome_rows
from webtext.crawler.text.quality import ABOVE, LEAST, MOST, ActiveRule, failed_rules

_COMPARE = {LEAST: pc.greater_equal, ABOVE: pc.greater, MOST: pc.less_equal}
_IN_COLUMNS = ("words",)  # measures that are columns of their own


def split_by_quality(documents: pa.Table, rules: Sequence[ActiveRule]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Divide documents (schema `DOCUMENTS`): those that stay, those that do not, and the outcomes of the latter.

    A document without measures (of a source that has none) stays.
    """
    stays = np.ones(documents.num_rows, np.bool_)
    for active in rules:
        stays &= _holds(documents, active)
    aside = documents.filter(pa.array(~stays))
    details = [
        "; ".join(failed_rules({**(row["quality"] or {}), "words": row["words"]}, rules))
        for row in aside.select(["quality", *_IN_COLUMNS]).to_pylist()
    ]
    outcomes = outcome_rows(aside, [Outcome.QUALITY] * len(details), details)
    return documents.filter(pa.array(stays)), aside, outcomes


def _holds(documents: pa.Table, active: ActiveRule) -> npt.NDArray[np.bool_]:
    measure = active.rule.measure
    column = documents[measure] if measure in _IN_COLUMNS else pc.struct_field(documents["quality"], measure)
    compare = _COMPARE.get(active.rule.bound, pc.less)
    holds = compare(column.cast(pa.float64()), pa.scalar(active.value, pa.float64()))
    return np.asarray(pc.fill_null(holds, True).to_numpy(zero_copy_only=False), np.bool_)
