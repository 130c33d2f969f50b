"""Planted text of test sets is all found, removed or cut out, and nothing else is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_corpora import document, reworded, store_documents, words

from webtext.corpus import faults
from webtext.corpus.config import shaping
from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import LossAlarm, Stage
from webtext.corpus.schemas import CONTAMINATED, DOCUMENTS, DUPLICATES, OUTCOMES
from webtext.corpus.settings import DedupSettings
from webtext.corpus.stages import StageRun
from webtext.corpus.testsets.example import TestSet
from webtext.corpus.testsets.sets import read_set
from webtext.dedup.rules import RULES
from webtext.pipelines import pieces
from webtext.pipelines.contamination import stated
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine

EXAMPLES = [words(9_000 + number, 40) for number in range(12)]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[TestSet]:
    folder = tmp_path_factory.mktemp("sets")
    (folder / "news.en.heldout-00000-of-00050").write_text("\n".join(EXAMPLES[:8]) + "\n")
    (folder / "mine.jsonl").write_text("\n".join(f'{{"id": "q{n}", "text": "{EXAMPLES[n]}"}}' for n in range(8, 12)))
    return [read_set(path) for path in sorted(folder.iterdir(), reverse=True)]


def clean(
    corpus: Path,
    paths: Sequence[Path],
    sets: Sequence[TestSet],
    *,
    inputs: str = "one",
    workers: int = 1,
    accept_loss: bool = True,
    **changed: Any,
) -> Manifest:
    settings = DedupSettings(**changed)
    said = {**shaping(settings), "decontaminate": stated(sets)}
    run = StageRun.begin(corpus, Stage.CLEAN, settings=said, rules=RULES, inputs={"documents": inputs})
    engine = Engine(workers=workers)
    return make_clean(run, corpus, paths, settings, engine=engine, accept_loss=accept_loss, sets=sets)


def documents(corpus: Path) -> dict[str, dict[str, Any]]:
    rows = read_parquet(corpus / "clean/part-00000.parquet", DOCUMENTS).to_pylist()
    return {row["title"]: row for row in rows}


def evidence(corpus: Path) -> list[tuple[str, str, str, int, str]]:
    rows = read_parquet(corpus / "clean/contaminated.parquet", CONTAMINATED).to_pylist()
    return sorted(
        (row["url"].rpartition("/")[2], row["set"], row["example"], row["grams"], row["action"]) for row in rows
    )


def planted() -> list[dict[str, Any]]:
    """Documents with test text: whole examples, just 13 words, other case and marks; and documents with 12 words."""
    rows = [
        document(f"whole-{number}", f"{words(number, 100)} {text} {words(50 + number, 100)}")
        for number, text in enumerate(EXAMPLES)
    ]
    some = EXAMPLES[3].split()
    rows += [
        document("thirteen", f"{words(100, 90)} {' '.join(some[10:23])} {words(101, 90)}"),
        document("twelve", f"{words(102, 90)} {' '.join(some[10:22])} {words(103, 90)}"),
        document("shouted", f"{words(104, 90)} \u201c{', '.join(some[:20]).upper()}!\u201d {words(105, 90)}"),
        document("at-start", " ".join(some[:13])),
        document("two", f"{EXAMPLES[0]} {words(106, 100)} {EXAMPLES[9]}"),
    ]
    rows += [document(f"clean-{number}", words(200 + number, 120)) for number in range(20)]
    return rows


def test_all_that_was_planted_goes_and_nothing_else(tmp_path: Path, sets: Sequence[TestSet]) -> None:
    rows = planted()
    manifest = clean(tmp_path, store_documents(tmp_path, rows), sets)
    contaminated = {*(f"whole-{number}" for number in range(12)), "thirteen", "shouted", "at-start", "two"}
    assert manifest.outcomes == {"contaminated": 16}
    stayed = documents(tmp_path)
    assert set(stayed) == {row["title"] for row in rows} - contaminated
    for row in rows:  # untouched, in every column
        if row["title"] in stayed:
            assert {name: stayed[row["title"]][name] for name in row} == row
    found = evidence(tmp_path)
    assert ("whole-5", "1BW test", "6", 28, "removed") in found
    assert ("whole-10", "mine test", "q10", 28, "removed") in found
    assert ("thirteen", "1BW test", "4", 1, "removed") in found
    assert [entry[1:3] for entry in found if entry[0] == "two"] == [("1BW test", "1"), ("mine test", "q9")]
    assert len(found) == 17
    outcomes = read_parquet(tmp_path / "outcomes/clean-00000.parquet", OUTCOMES).to_pylist()
    told = {row["url"].rpartition("/")[2]: (row["outcome"], row["detail"]) for row in outcomes}
    assert told["thirteen"] == ("contaminated", "holds 1 n-gram of 1BW test, example 4")
    why = read_parquet(tmp_path / "clean/duplicates.parquet", DUPLICATES)
    assert set(why["why"].to_pylist()) == {"contaminated"}
    assert why["keeper"].null_count == 16


def test_excised_documents_lose_the_match_and_200_characters_around(tmp_path: Path, sets: Sequence[TestSet]) -> None:
    rows = planted()
    manifest = clean(tmp_path, store_documents(tmp_path, rows), sets, decontaminate_by="excise")
    # at-start has nothing left.
    assert manifest.outcomes == {"contaminated": 1}
    stayed = documents(tmp_path)
    before = {row["title"]: row["text"] for row in rows}
    for title, row in stayed.items():
        assert (row["characters"], row["words"]) == (len(row["text"]), len(row["text"].split()))
        if title.startswith("clean") or title == "twelve":
            assert row["text"] == before[title]
            continue
        assert row["quality"] is None
        for piece in row["text"].split("\n\n"):
            assert piece in before[title]
            assert len(piece) >= 200
    first, second = stayed["thirteen"]["text"].split("\n\n")
    match = " ".join(EXAMPLES[3].split()[10:23])
    start = before["thirteen"].index(match)
    assert 200 <= start - len(first) <= 215
    assert 200 <= len(before["thirteen"]) - len(second) - start - len(match) <= 215
    assert {entry[4] for entry in evidence(tmp_path) if entry[0] != "at-start"} == {"excised"}
    tests = " ".join(EXAMPLES)
    for row in stayed.values():
        parts = row["text"].split()
        assert not any(" ".join(parts[at : at + 13]) in tests for at in range(len(parts) - 12))


@pytest.mark.slow
def test_words_and_window_are_settings(tmp_path: Path, sets: Sequence[TestSet]) -> None:
    paths = store_documents(tmp_path, planted())
    assert clean(tmp_path / "a", paths, sets, decontaminate_words=12).outcomes == {"contaminated": 17}
    settings = {"decontaminate_by": "excise", "decontaminate_window": 20}
    clean(tmp_path / "b", paths, sets, **settings)
    text = documents(tmp_path / "b")["thirteen"]["text"]
    assert len(text) > len(planted()[12]["text"]) - len(" ".join(EXAMPLES[3].split()[10:23])) - 2 * 35


@pytest.mark.slow
def test_a_copy_of_a_document_that_went_is_no_copy_of_it(tmp_path: Path, sets: Sequence[TestSet]) -> None:
    text = f"{words(1, 300)} {EXAMPLES[0]}"
    rows = [document("tainted", text, karma=99), document("copy", reworded(words(1, 300))), document("same", text)]
    manifest = clean(tmp_path, store_documents(tmp_path, rows), sets)
    assert manifest.outcomes == {"contaminated": 2}
    assert set(documents(tmp_path)) == {"copy"}


@pytest.mark.slow
def test_copies_are_told_by_their_whole_text_before_it_is_cut(tmp_path: Path, sets: Sequence[TestSet]) -> None:
    text = f"{words(1, 300)} {EXAMPLES[0]}"
    rows = [document("first", text, karma=9), document("second", reworded(text))]
    manifest = clean(tmp_path, store_documents(tmp_path, rows), sets, decontaminate_by="excise")
    assert manifest.outcomes == {"near-duplicate": 1}
    assert [entry[0] for entry in evidence(tmp_path)] == ["first"]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["remove", "excise"])
def test_adding_documents_equals_doing_all_at_once(tmp_path: Path, sets: Sequence[TestSet], by: str) -> None:
    rows = [*planted(), document("copy", reworded(words(200, 120)), karma=9)]
    at_once = clean(tmp_path / "one", store_documents(tmp_path / "one", rows), sets, decontaminate_by=by, inputs="all")
    grown = tmp_path / "two"
    clean(grown, store_documents(grown, rows[::2]), sets, decontaminate_by=by, inputs="half")
    again = clean(grown, store_documents(grown, rows), sets, decontaminate_by=by, inputs="all")
    assert again.identity == at_once.identity


@pytest.mark.slow
def test_neither_pieces_nor_the_order_in_files_matter(
    tmp_path: Path, sets: Sequence[TestSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = planted()
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", rows), sets, decontaminate_by="excise")
    monkeypatch.setattr(pieces, "PIECE_ROWS", 5)
    paths = store_documents(tmp_path / "two", rows, [7, 20])[::-1]  # not by key as a whole
    assert clean(tmp_path / "two", paths, sets, decontaminate_by="excise").identity == wanted.identity


@pytest.mark.slow
def test_a_stage_that_stopped_goes_on_and_gives_the_same(
    tmp_path: Path, sets: Sequence[TestSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", planted(), [10]), sets)
    paths = store_documents(tmp_path / "two", planted(), [10])
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", "dedup.searched:2:raise")
    with pytest.raises(Exception, match=r"dedup\.searched"):
        clean(tmp_path / "two", paths, sets)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert clean(tmp_path / "two", paths, sets).identity == wanted.identity


@pytest.mark.slow
def test_a_set_that_is_no_test_set_rings_the_alarm(tmp_path: Path, sets: Sequence[TestSet]) -> None:
    rows = [document(f"d{number}", words(number, 8)) for number in range(940)]
    rows += [document(f"t{number}", f"{words(2_000 + number, 30)} {EXAMPLES[number % 12]}") for number in range(60)]
    with pytest.raises(LossAlarm, match=r"would drop 60 of 1,000 rows \(6%\) as contaminated"):
        clean(tmp_path, store_documents(tmp_path, rows), sets, accept_loss=False)


def test_a_set_without_enough_words_in_a_row_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "short.txt").write_text("one two\nthree four\n")
    paths = store_documents(tmp_path, planted()[:2])
    with pytest.raises(WebtextError, match="short test: has no text of 13 words in a row"):
        clean(tmp_path, paths, [read_set(tmp_path / "short.txt")])
    (tmp_path / "some.txt").write_text(f"one two\n{EXAMPLES[0]}\n")
    clean(tmp_path, paths, [read_set(tmp_path / "some.txt")])
    assert "some test: 1 of 2 examples have no 13 words in a row" in capsys.readouterr().err


def test_without_test_sets_nothing_is_written_about_them(tmp_path: Path) -> None:
    clean(tmp_path, store_documents(tmp_path, planted()[:2]), ())
    assert not (tmp_path / "clean/contaminated.parquet").exists()
