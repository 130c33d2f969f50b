"""Several links, one page: which of them owns it. Decided by what the links are, never by which was fetched first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import key_text
from webtext.crawler.text.plan import numbers, outcome_rows, rows_of
from webtext.crawler.text.stretches import read_stretches

_Numbers = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]

NO_TIME = np.iinfo(np.int64).max
"""`first_posted` of a link whose time is not known: later than any."""


def owners(
    keys: npt.NDArray[np.uint64],
    final_keys: npt.NDArray[np.uint64],
    karma: npt.NDArray[np.int64],
    first_posted: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """For each row the number of the row that owns its page.

    Rows with one `final_key` have one page. The link whose own key that is owns it; where no such link is among them,
    the one with most karma, then the earliest, then the one with the smallest key.

    Args:
        keys: one a link, each once.
        first_posted: seconds since 1970, `NO_TIME` where unknown.
    """
    order = np.lexsort((keys, first_posted, -karma, keys != final_keys, final_keys))
    groups = final_keys[order]
    starts = np.empty(len(order), np.bool_)
    starts[:1] = True
    starts[1:] = groups[1:] != groups[:-1]
    owned = np.empty(len(order), np.int64)
    owned[order] = order[starts][np.cumsum(starts) - 1]
    return owned


@dataclass(frozen=True)
class Owners:
    """The links of a plan that do not own the page they lead to (sorted keys), and for each of them its owner."""

    without: npt.NDArray[np.uint64]
    owner: npt.NDArray[np.uint64]
    owner_urls: pa.ChunkedArray

    def split(self, plan: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows of a stretch that own their page, and the others as outcomes (schema `OUTCOMES`), both by key."""
        _, shares = rows_of(pa.table({"key": self.without}), numbers(plan["key"], np.uint64))
        others = plan.filter(pa.array(shares))
        places = np.searchsorted(self.without, numbers(others["key"], np.uint64))
        details = [
            f"the page of {key_text(key)} {url}"
            for key, url in zip(
                self.owner[places].tolist(), self.owner_urls.take(pa.array(places)).to_pylist(), strict=True
            )
        ]
        return plan.filter(pa.array(~shares)), outcome_rows(
            others, [Outcome.DUPLICATE_REDIRECT] * len(details), details
        )


def find_owners(stretches: Sequence[Path], lost: npt.NDArray[np.uint64] | None = None) -> Owners:
    """Who owns the pages of a plan. In memory stand the rows that led to another address than their own, and those
    whose own address that is.

    Args:
        stretches: the files of the plan, by key.
        lost: keys of links whose page cannot be had any more: where another link has the same page, that owns it.
    """
    columns = ["key", "final_key", "karma", "first_posted"]
    led = [_numbers_of(rows, _elsewhere(rows)) for rows in read_stretches(stretches, columns)]
    aims = np.unique(np.concatenate([np.empty(0, np.uint64), *(rows[1] for rows in led)]))
    own = [
        _numbers_of(rows, ~_elsewhere(rows) & np.isin(numbers(rows["key"], np.uint64), aims))
        for rows in read_stretches(stretches, columns)
    ]
    empty = (np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    keys, finals, karma, posted = (np.concatenate(column) for column in zip(empty, *led, *own, strict=True))
    owner = owners(keys, finals, karma, posted)
    if lost is not None and len(lost):
        there = np.flatnonzero(~np.isin(keys, lost))
        among = owners(keys[there], finals[there], karma[there], posted[there])
        heirs = dict(zip(finals[there].tolist(), there[among].tolist(), strict=True))
        heir = [heirs.get(final, old) for final, old in zip(finals.tolist(), owner.tolist(), strict=True)]
        owner = np.array(heir, np.int64)
    shares = np.flatnonzero(owner != np.arange(len(owner)))
    shares = shares[np.argsort(keys[shares])]
    winners = keys[owner[shares]]
    return Owners(keys[shares], winners, _urls(stretches, winners))


def _elsewhere(rows: pa.Table) -> npt.NDArray[np.bool_]:
    return np.not_equal(numbers(rows["key"], np.uint64), numbers(rows["final_key"], np.uint64))


def _numbers_of(rows: pa.Table, chosen: npt.NDArray[np.bool_]) -> _Numbers:
    rows = rows.filter(pa.array(chosen))
    posted = pc.fill_null(rows["first_posted"].cast(pa.int64()), int(NO_TIME))
    keys, finals = numbers(rows["key"], np.uint64), numbers(rows["final_key"], np.uint64)
    return keys, finals, numbers(rows["karma"], np.int64), numbers(posted, np.int64)


def _urls(stretches: Sequence[Path], keys: npt.NDArray[np.uint64]) -> pa.ChunkedArray:
    """The addresses of the links with these keys."""
    wanted = pa.array(np.unique(keys))
    found = [pa.schema([("key", pa.uint64()), ("url", pa.string())]).empty_table()]
    for rows in read_stretches(stretches, ["key", "url"]) if len(keys) else ():
        found.append(rows.filter(pc.is_in(rows["key"], wanted)).cast(found[0].schema))
    table = pa.concat_tables(found)
    places, _ = rows_of(table, keys)
    return table["url"].take(pa.array(places))
