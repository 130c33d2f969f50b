"""An overlap as a person reads it: the paper's table with its row beside ours, then examples and frequent n-grams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webtext.dedup.overlap import SetOverlap
    from webtext.pipelines.overlap import Overlap

_HEAD = ("set", "n-grams", "found", "share", "frequent", "without", "examples", "paper: WebText", "own training set")


def overlap_text(found: Overlap, *, examples: int) -> str:
    """The lines of an overlap, with so many examples and frequent n-grams of each set."""
    return "\n".join(_lines(found, examples))


def _lines(found: Overlap, examples: int) -> Iterator[str]:
    documents = "1 document" if found.documents == 1 else f"{found.documents:,} documents"
    yield f"{found.words}-grams of test sets in {documents} of {found.corpus} ({found.stage})"
    yield ""
    rows = [_HEAD, *(_row(one) for one in found.sets)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = [
            f"{row[0]:<{widths[0]}}",
            *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        yield "  ".join(cells).rstrip()
    yield ""
    yield (
        f"share: of all n-grams of the set, those found; frequent: a part of it, in more than {found.frequent:,} "
        "documents; without: the share without these"
    )
    for one in found.sets:
        yield from _details(one, examples)


def _share(found: int, total: int) -> str:
    share = 100 * found / total if total else 0.0
    return "< 0.01 %" if found and share < 0.005 else f"{share:.2f} %"


def _row(one: SetOverlap) -> tuple[str, ...]:
    own, webtext = one.paper or (None, None)
    return (
        f"{one.name} {one.split}",
        f"{one.grams:,}",
        f"{one.found:,}",
        _share(one.found, one.grams),
        _share(one.frequent, one.grams),
        _share(one.found - one.frequent, one.grams),
        f"{len(one.examples):,} of {one.examples_total:,}",
        "-" if webtext is None else f"{webtext:.2f} %",
        "-" if own is None else f"{own:.2f} %",
    )


def _details(one: SetOverlap, examples: int) -> Iterator[str]:
    if not one.found or not examples:
        return
    yield ""
    yield f"{one.name} {one.split}"
    for example in one.examples[:examples]:
        yield f"  example {example.id}: {example.found:,} of {example.grams:,} ({example.found / example.grams:.0%})"
        for source in example.documents:
            yield f"    {source.grams:,} in {source.url}  (key {source.key})"
    if len(one.examples) > examples:
        yield f"  and {len(one.examples) - examples:,} examples more (--json has all)"
    if one.frequent_grams:
        yield "  frequent:"
    for gram in one.frequent_grams[:examples]:
        yield f"    in {gram.documents:,} documents: {gram.text}"
