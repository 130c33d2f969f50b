"""Overlap: exactly the share of a set's n-grams that the documents hold, and where they are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_corpora import document, store_documents

from webtext.corpus import faults
from webtext.corpus.errors import WebtextError
from webtext.corpus.schemas import key_text
from webtext.corpus.testsets.sets import read_set
from webtext.dedup.alphanumeric import grams_reference
from webtext.dedup.overlap import SetOverlap
from webtext.pipelines import overlap, pieces
from webtext.pipelines.engine import Engine
from webtext.pipelines.overlap import measure_overlap


def stuff(seed: int, count: int) -> str:
    """Text of few words, so that n-grams repeat."""
    choice = random.Random(seed)
    return " ".join(choice.choice(["The", "the", "cat", "sat.", "On", "a", "mat,", "é", "x_y"]) for _ in range(count))


def measured(
    folder: Path, paths: Sequence[Path], *sets: Path, words: int = 4, frequent: int = 3, workers: int = 1
) -> list[SetOverlap]:
    read = [read_set(path) for path in sets]
    _, found = measure_overlap(
        folder / "work", paths, read, words=words, frequent=frequent, engine=Engine(workers=workers)
    )
    assert not (folder / "work").exists()
    return found


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def by_hand(rows: Sequence[dict[str, Any]], lines: Sequence[str], words: int, frequent: int) -> dict[str, Any]:
    """Slow and obvious: every n-gram of every example looked for in every document."""
    holding: dict[str, set[int]] = {}
    for row in rows:
        for gram in set(grams_reference(row["text"], words)):
            holding.setdefault(gram, set()).add(row["key"])
    examples = [grams_reference(line, words) for line in lines]
    every = [gram for example in examples for gram in example]
    many = {gram for gram, keys in holding.items() if len(keys) > frequent}
    told = {}
    for number, example in enumerate(examples, start=1):
        found = [gram for gram in example if gram in holding]
        keys = Counter(key for gram in set(found) - many for key in holding[gram])
        if found:
            most = sorted(keys.items(), key=lambda entry: (-entry[1], entry[0]))[:5]
            told[str(number)] = (len(example), len(found), sum(gram in many for gram in found), most)
    return {
        "grams": len(every),
        "found": sum(gram in holding for gram in every),
        "frequent": sum(gram in many for gram in every),
        "distinct": len(set(every)),
        "distinct_found": len(set(every) & set(holding)),
        "examples": told,
        "frequent_grams": sorted(
            ((gram, len(holding[gram])) for gram in set(every) & many), key=lambda entry: -entry[1]
        ),
    }


def told(found: SetOverlap) -> dict[str, Any]:
    """The same of a measure."""
    return {
        **{name: getattr(found, name) for name in ("grams", "found", "frequent", "distinct", "distinct_found")},
        "examples": {
            one.id: (
                one.grams,
                one.found,
                one.frequent,
                [(int(source.key, 16), source.grams) for source in one.documents],
            )
            for one in found.examples
        },
        "frequent_grams": [(gram.text, gram.documents) for gram in found.frequent_grams],
    }


@pytest.mark.parametrize(("seed", "words", "frequent"), [(1, 4, 3), (2, 6, 1), (3, 8, 10)])
def test_every_count_is_that_of_a_search_by_hand(tmp_path: Path, seed: int, words: int, frequent: int) -> None:
    rows = [document(f"d{number}", stuff(100 * seed + number, number * 3)) for number in range(30)]
    lines = [stuff(1_000 * seed + number, number * 2) + "." for number in range(12)]
    if words == 8:  # of such long ones few repeat by chance
        lines[5] = rows[20]["text"]
    path = written(tmp_path / "news.en.heldout-00000-of-00050", lines)
    (found,) = measured(tmp_path, store_documents(tmp_path, rows), path, words=words, frequent=frequent)
    expected = by_hand(rows, lines, words, frequent)
    frequent_grams = expected.pop("frequent_grams")
    mine = told(found)
    assert sorted(mine.pop("frequent_grams")) == sorted(frequent_grams)[:20] or len(frequent_grams) > 20
    assert mine == expected
    assert found.share == 100 * expected["found"] / expected["grams"]
    assert expected["found"] > 0


def test_by_set_with_the_papers_row_beside_ours(tmp_path: Path) -> None:
    rows = [document("d", "one two three four five six seven eight nine")]
    ptb = written(tmp_path / "ptb.test.txt", [" one two three four ", " five six seven eight ", " nine ten "])
    other = written(tmp_path / "mine.txt", ["zero one two three four five six seven eight"])
    first, second = measured(tmp_path, store_documents(tmp_path, rows), ptb, other, words=8)
    # Three n-grams of ten words in a row: they go from one line of PTB to the next.
    assert (first.grams, first.found, first.paper) == (3, 2, (2.67, 0.88))
    assert [(example.id, example.found) for example in first.examples] == [("1", 2)]
    assert first.to_json()["paper"] == {"own_training_set": 2.67, "webtext": 0.88}
    assert first.to_json()["share"] == 66.6667
    assert (second.grams, second.found, second.paper) == (2, 1, None)
    assert second.documents[0].url == "https://site.example/d"
    assert second.documents[0].key == key_text(rows[0]["key"])


def test_frequent_n_grams_are_told_apart(tmp_path: Path) -> None:
    rows = [document(f"d{number}", f"own{number} It's, at the end! own{number}") for number in range(5)]
    path = written(tmp_path / "mine.txt", ["it s at the end of own3 it"])
    (found,) = measured(tmp_path, store_documents(tmp_path, rows), path, words=2, frequent=4)
    assert (found.found, found.frequent) == (5, 4)
    told_of = {(gram.text, gram.documents) for gram in found.frequent_grams}
    assert told_of == {("it s", 5), ("s at", 5), ("at the", 5), ("the end", 5)}
    assert [source.url for source in found.examples[0].documents] == ["https://site.example/d3"]
    assert found.rare_share == 100 / 7


def test_neither_pieces_nor_files_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [document(f"d{number}", stuff(number, 60)) for number in range(30)]
    path = written(tmp_path / "mine.txt", [stuff(500 + number, 30) for number in range(8)])
    wanted = measured(tmp_path, store_documents(tmp_path / "one", rows), path)
    monkeypatch.setattr(pieces, "PIECE_ROWS", 4)
    monkeypatch.setattr(overlap.Tally, "add", shrinking(overlap.Tally.add))
    assert measured(tmp_path, store_documents(tmp_path / "two", rows, [11]), path) == wanted


def shrinking(add: Any) -> Any:
    def added(tally: Any, hits: Any) -> None:
        add(tally, hits)
        tally._shrink()

    return added


def test_a_measure_that_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [document(f"d{number}", stuff(number, 60)) for number in range(10)]
    path = written(tmp_path / "mine.txt", [stuff(500, 30)])
    paths = store_documents(tmp_path, rows, [3, 6])
    wanted = measured(tmp_path, paths, path)
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", "overlap.streamed:2:raise")
    with pytest.raises(Exception, match=r"overlap\.streamed"):
        measured(tmp_path, paths, path)
    faults._passed.clear()
    assert measured(tmp_path, paths, path) == wanted
    assert faults._passed["overlap.streamed"] == 1


def test_what_another_measure_left_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = store_documents(tmp_path, [document("d", "one two three four")])
    monkeypatch.setenv("WEBTEXT_FAULT", "overlap.streamed:1:raise")
    monkeypatch.setattr(faults, "_passed", Counter())
    with pytest.raises(Exception, match=r"overlap\.streamed"):
        measured(tmp_path, paths, written(tmp_path / "a.txt", ["one two three four"]))
    monkeypatch.delenv("WEBTEXT_FAULT")
    (found,) = measured(tmp_path, paths, written(tmp_path / "b.txt", ["two three four five six"]), words=3)
    assert (found.grams, found.found) == (3, 1)


def test_a_set_of_nothing_but_short_texts_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.txt", ["one two"])
    with pytest.raises(WebtextError, match="mine test: has no text of 8 words in a row"):
        measured(tmp_path, store_documents(tmp_path, []), path, words=8)
