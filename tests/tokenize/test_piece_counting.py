"""Counting the pieces a tokenizer is trained on: the sample, the engines, the sums, the bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.tokenize import reference
from webtext.tokenize.counting import (
    ALL,
    KeysAndSizes,
    Sum,
    _table,
    _write,
    count_pieces,
    frequent,
    sample_below,
    sample_hash,
    splitter,
    splitting_engine,
    sum_counts,
)
from webtext.tokenize.proof import GIGATOKEN
from webtext.tokenize.settled import settle


def _below(sizes: dict[int, int], limit: int, pieces: int = 1) -> int:
    def documents() -> Iterator[KeysAndSizes]:
        keys = list(sizes)
        for number in range(pieces):
            mine = keys[number::pieces]
            yield np.array(mine, np.uint64), np.array([sizes[key] for key in mine], np.int64)

    return sample_below(documents, limit)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.integers(0, 2**64 - 1), st.integers(1, 50), min_size=1, max_size=60),
    st.integers(1, 1500),
    st.integers(1, 5),
)
def test_a_sample_takes_documents_in_the_order_of_their_hashes_while_they_fit(
    sizes: dict[int, int], limit: int, pieces: int
) -> None:
    below = _below(sizes, limit, pieces)
    order = sorted(sizes, key=sample_hash)
    expected, room = [], limit
    for key in order:
        room -= sizes[key]
        if room < 0:
            break
        expected.append(key)
    assert [key for key in order if sample_hash(key) < below] == (expected or order[:1])


def test_all_documents_are_taken_where_they_fit() -> None:
    assert _below(dict.fromkeys(range(1000), 100), 100_000) == ALL


def test_a_sample_is_by_hash_and_not_the_first_ones() -> None:
    below = _below(dict.fromkeys(range(1, 1001), 100), 25_050)
    taken = [key for key in range(1, 1001) if sample_hash(key) < below]
    assert len(taken) == 250
    assert taken != list(range(1, 251))


TEXT = st.one_of(st.text(), st.text(alphabet=st.sampled_from("a1! \n\t\u3000'stréll😀\x1c")))


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, max_size=5))
@pytest.mark.parametrize("engine", [GIGATOKEN, "regex"])
def test_pieces_are_those_of_the_reference(engine: str, texts: list[str]) -> None:
    if engine == GIGATOKEN:
        pytest.importorskip("gigatoken")
    settled = [settle(text.encode("utf-8", "replace").decode()) for text in texts]
    expected = Counter(piece.encode() for text in settled for piece in reference.split(text))
    assert count_pieces(settled, splitter(engine)) == expected


def test_both_splitters_agree_on_the_probe() -> None:
    pytest.importorskip("gigatoken")
    assert splitting_engine() == GIGATOKEN
    assert splitting_engine("tiktoken") == "regex"


@pytest.mark.parametrize("run", [" ", "\n", "a", "1", "!", "的"])
def test_a_long_run_is_split(run: str) -> None:
    text = run * 300_000 + "x"
    assert sum(count_pieces([text], splitter("regex")).values()) < 4


def _sums(folder: Path, parts: list[dict[bytes, int]], ranges: int) -> list[Sum]:
    import xxhash

    paths = []
    for number, counts in enumerate(parts):
        tables = []
        for place in range(ranges):
            mine = [piece for piece in counts if xxhash.xxh3_64_intdigest(piece) % ranges == place]
            tables.append(_table(mine, [counts[piece] for piece in mine]))
        paths.append(folder / f"{number}.arrow")
        _write(paths[-1], tables)
    sums = [Sum(place, tuple(paths), folder / f"sum-{place}.arrow") for place in range(ranges)]
    for one in sums:
        sum_counts(one)
    return sums


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.binary(min_size=1, max_size=3), st.integers(1, 9), max_size=20), min_size=1, max_size=4
    ),
    st.integers(1, 3),
    st.integers(1, 60),
)
def test_sums_are_those_of_all_parts_and_the_most_frequent_are_kept(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[bytes, int]], ranges: int, limit: int
) -> None:
    sums = _sums(tmp_path_factory.mktemp("sums"), parts, ranges)
    total: Counter[bytes] = Counter()
    for part in parts:
        total.update(part)
    everything, counts, least = frequent(sums)
    assert dict(zip(everything, counts.tolist(), strict=True)) == dict(total)
    assert least == min(total.values(), default=1)
    kept, counts, least = frequent(sums, limit)
    assert dict(zip(kept, counts.tolist(), strict=True)) == {p: c for p, c in total.items() if c >= least}
    assert sum(map(len, kept)) <= limit
    more = [piece for piece, count in total.items() if count >= least - 1]
    assert (
        len(more) == len(kept)
        or sum(map(len, more)) > limit
        or least <= 1
        or not any(count == least - 1 for count in total.values())
    )
