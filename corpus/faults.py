"""Faults on purpose: how the kill tests stop webtext at every point where stopping could hurt.

`WEBTEXT_FAULT=point:n` ends the process with SIGKILL the n-th time it passes `point`; `point:n:raise` raises
`InjectedFault` there instead. Each process counts for itself. Without the variable a point costs a dictionary look-up.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

from webtext.corpus.errors import UsageError

POINTS: tuple[str, ...] = (
    "files.written",  # bytes written aside, not yet renamed
    "files.renamed",  # the final name exists
    "stage.started",  # plan written, nothing done
    "stage.parts",  # every part lies in work/, nothing published
    "stage.journal",  # the publication is decided, nothing moved
    "stage.moved",  # one file has moved to its final name
    "stage.published",  # manifest written, work/ not yet cleared
    "links.scanned",  # one piece of a dump scanned and written
    "links.gathered",  # one line file of a source written
    "links.decided",  # one key range decided and written
    "listing.page",  # a page of a listing written, its cursor not yet
    "crawl.claimed",  # rows claimed in the ledger, not yet requested
    "crawl.appended",  # a page's records appended, not synced
    "crawl.synced",  # segment synced, states not committed
    "archives.appended",  # a page out of an archive appended, not synced
    "archives.synced",  # segment synced, the ends of links in archives not committed
    "archives.committed",  # those committed
    "crawl.committed",  # states committed
    "merge.divided",  # the links are divided among processes, none has begun
    "merge.moved",  # a process's segments lie with the others, its outcomes are not yet taken in
    "merge.folded",  # its outcomes are taken in, its folder is still there
    "release.noted",  # the ledger counts on no page's bytes any more, their files are there
    "release.deleted",  # one segment deleted
    "extract.part",  # one part of the pages extracted and written
    "import.noted",  # one run of rows written, and how far the reading is
    "import.read",  # the rows of one piece of a file written as runs, not yet recorded
    "import.merged",  # one range of keys merged and written, not yet recorded
    "forget.noted",  # it is noted that something is forgotten, nothing removed
    "forget.listings",  # links are made of listings without what is forgotten, the old ones are still there
    "forget.segments",  # segments without the forgotten records written, the ledger still names the old ones
    "forget.ledger",  # the ledger names the new ones, the old ones are still there
    "forget.stage",  # one stage rid of what is forgotten
    "gc.removed",  # one piece of garbage removed
    "dedup.signed",  # one part's signatures written
    "dedup.searched",  # what one part has of test sets written
    "dedup.sampled",  # one part's n-grams for the index of articles written
    "dedup.looked-up",  # what one table of that index knows of them written
    "dedup.judged",  # one part's copies of articles written
    "dedup.matched",  # one band's buckets written
    "dedup.collected",  # one part's shingle sets written
    "dedup.decided",  # it is decided who stays, nothing rewritten
    "dedup.written",  # one output file written
    "wikipedia.hashed",  # some articles of a dump hashed and written
    "wikipedia.read",  # one piece of a dump recorded
    "wikipedia.table",  # one table of an index written
    "wikipedia.indexed",  # the index is whole, work/ not yet cleared
    "overlap.streamed",  # one part's n-grams of test sets written
    "tokenize.counted",  # one part's pieces counted and written
    "tokenize.trained",  # the tokenizer exists, no shard yet
    "tokenize.encoded",  # one part encoded and written, not yet recorded
    "tokenize.assembled",  # one shard written, not yet recorded
    "export.written",  # one file of an export written, not yet recorded
    "train.step",  # a step taken, no checkpoint
    "train.checkpoint",  # a checkpoint written aside, not renamed
    "train.saved",  # a checkpoint renamed
    "eval.part",  # a part of a task's examples scored and written
    "eval.task",  # all records of a task in one file, its parts not yet removed
)

_passed: Counter[str] = Counter()


class InjectedFault(RuntimeError):
    """The failure that `WEBTEXT_FAULT=point:n:raise` asks for. Never caught: it stands for a bug."""


def fault_point(point: str) -> None:
    """Fail here if `WEBTEXT_FAULT` names this point and its turn has come."""
    wanted = os.environ.get("WEBTEXT_FAULT")
    if not wanted:
        return
    name, _, rest = wanted.partition(":")
    if name != point:
        if name not in POINTS:
            raise UsageError(f"WEBTEXT_FAULT names no fault point: {name!r}", hint=f"one of {', '.join(POINTS)}")
        return
    turn, _, how = rest.partition(":")
    _passed[point] += 1
    if _passed[point] == int(turn or 1):
        if how == "raise":
            raise InjectedFault(wanted)
        os.kill(os.getpid(), signal.SIGKILL)
