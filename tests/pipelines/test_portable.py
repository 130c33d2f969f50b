"""What is silently wrong on some engine does not leave the desk: it is refused when it is built, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from traps import REFUSED, SILENT, numbers

from webtext.pipelines.engine import guarded, spread
from webtext.pipelines.portable import check_portable


def pipeline() -> beam.Pipeline:
    return beam.Pipeline("apache_beam.runners.portability.fn_api_runner.FnApiRunner")


@pytest.mark.parametrize("trap", SILENT)
def test_what_dask_gets_silently_wrong_is_refused_with_its_name(trap: str, tmp_path: Path) -> None:
    build, name, *_ = SILENT[trap]
    built = pipeline()
    build(built, str(tmp_path))
    with pytest.raises(ValueError, match=name):
        check_portable(built)


@pytest.mark.parametrize("trap", REFUSED)
def test_what_no_two_engines_do_alike_is_refused_with_its_name(trap: str) -> None:
    build, name = REFUSED[trap]
    built = pipeline()
    _ = build(built)
    with pytest.raises(ValueError, match=name):
        check_portable(built)


def first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def test_the_portable_subset_passes() -> None:
    built = pipeline()
    pairs = spread(built, "spread", [(n % 2, n) for n in range(6)])
    sums = pairs | beam.CombinePerKey(sum)
    joined = {"pairs": pairs, "sums": sums} | beam.CoGroupByKey()
    total = beam.pvalue.AsSingleton(numbers(built) | "total" >> beam.CombineGlobally(sum))
    listed = beam.pvalue.AsList(numbers(built, "more"))
    flat = (joined | "keys" >> beam.Map(first), sums | beam.Keys()) | beam.Flatten()
    both = flat | "guarded" >> beam.Map(guarded(str)) | "end" >> beam.Map(lambda x, more: (x, more), total)
    _ = both | "all" >> beam.Map(lambda x, more: (x, more), listed)
    check_portable(built)


def test_create_may_deal_out_its_elements_itself() -> None:
    built = pipeline()
    _ = built | beam.Create([1, 2, 3], reshuffle=True) | beam.Map(str)
    check_portable(built)
