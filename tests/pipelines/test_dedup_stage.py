"""documents/ to clean/ as a stage: what stays, what is written about the rest, and that nothing else matters."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from small_corpora import store_documents, words

import webtext.dedup.signatures as signatures_module
import webtext.pipelines.dedup as pipeline
import webtext.pipelines.pieces as pieces
from webtext.corpus import faults
from webtext.corpus.config import DedupSettings, shaping
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import read_parquet, write_parquet
from webtext.corpus.manifests import Manifest, verify_files
from webtext.corpus.outcomes import LossAlarm, Stage
from webtext.corpus.schemas import DOCUMENTS, DUPLICATES, OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.dedup.bands import buckets_reference
from webtext.dedup.minhash import Permutations, signature_reference
from webtext.dedup.rules import RULES
from webtext.dedup.shingles import shingles_reference
from webtext.dedup.survivors import decide_reference
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine

DEFAULTS = DedupSettings()
START = datetime(2025, 1, 1, tzinfo=UTC)


def document(name: str, text: str, **changed: Any) -> dict[str, Any]:
    url = f"https://site.example/{name}"
    return {
        "key": xxhash.xxh3_64_intdigest(name.encode()),
        "url": url,
        "final_url": url,
        "canonical": None,
        "domain": "site.example",
        "title": name,
        "text": text,
        "language": "en",
        "language_score": 1.0,
        "karma": 3,
        "first_posted": START,
        "fetched": START,
        "source": "crawl",
        "record_id": name,
        "characters": len(text),
        "words": len(text.split()),
        **changed,
    }


def changed(text: str, seed: int, edits: int) -> str:
    """`text` with `edits` words replaced at random places."""
    choice = random.Random(seed)
    parts = text.split()
    for place in choice.sample(range(len(parts)), edits):
        parts[place] = f"new{choice.randrange(10**6)}"
    return " ".join(parts)


def begin(corpus: Path, settings: DedupSettings = DEFAULTS, inputs: str = "one") -> StageRun:
    return StageRun.begin(
        corpus, Stage.CLEAN, settings=shaping(settings), rules=RULES, inputs={"documents": inputs}
    )  # fmt: skip


def clean(
    corpus: Path,
    paths: Sequence[Path],
    settings: DedupSettings = DEFAULTS,
    *,
    workers: int = 1,
    accept_loss: bool = False,
    inputs: str = "one",
) -> Manifest:
    run = begin(corpus, settings, inputs)
    return make_clean(run, corpus, paths, settings, engine=Engine(workers=workers), accept_loss=accept_loss)


def read(corpus: Path, manifest: Manifest, folder: str, schema: pa.Schema) -> list[dict[str, Any]]:
    names = [name for name in manifest.files if name.startswith(folder)]
    return [row for name in names for row in read_parquet(corpus / name, schema).to_pylist()]


def mixed_corpus(seed: int = 1, clusters: int = 12) -> list[dict[str, Any]]:
    """Documents with near copies at many similarities, exact copies, short and empty ones, in random order of karma."""
    choice = random.Random(seed)
    rows = []
    for cluster in range(clusters):
        base = words(1000 * seed + cluster, 150)
        for copy in range(choice.randrange(1, 7)):
            text = changed(base, 97 * cluster + copy, choice.choice([0, 0, 1, 2, 4, 8, 16]))
            posted = choice.choice([None, START, START + timedelta(days=copy)])
            rows.append(document(f"{seed}-{cluster}-{copy}", text, karma=choice.randrange(3, 6), first_posted=posted))
    rows += [document(f"{seed}-short-{number}", text) for number, text in enumerate(["", "Hi.", "Hi!", "Hi.", " "])]
    return rows


@pytest.fixture
def walked(tmp_path: Path) -> tuple[Path, Manifest]:
    base = words(1, 200)
    rows = [
        document("best", base, karma=9),
        document("copy", base.replace(" ", "\n\n", 3), karma=8),
        document("near", changed(base, 1, 4), karma=7),
        document("syndicated", base, karma=4, domain="other.example"),
        document("half", changed(base, 2, 30), karma=6),
        document("own", words(2, 200), karma=5),
        document("mirror", words(3, 200), canonical="https://en.wikipedia.org/wiki/Duck"),
        document("short", "Too few words."),
        document("short too", "Too  few words."),
    ]
    return tmp_path, clean(tmp_path, store_documents(tmp_path, rows))


def test_copies_go_and_originals_stay(walked: tuple[Path, Manifest]) -> None:
    corpus, manifest = walked
    rows = read(corpus, manifest, "clean/part", DOCUMENTS)
    assert {row["title"] for row in rows} == {"best", "half", "own", "short too"}  # of the short ones the longer
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    assert (manifest.rows_in, manifest.rows_out) == (9, 4)
    assert manifest.outcomes == {"duplicate": 2, "near-duplicate": 2, "wikipedia": 1}
    verify_files(corpus, manifest)


def test_what_stays_is_left_as_it_was(walked: tuple[Path, Manifest]) -> None:
    corpus, manifest = walked
    before = {row["key"]: row for row in read_parquet(corpus / "documents/part-00000.parquet", DOCUMENTS).to_pylist()}
    assert all(row == before[row["key"]] for row in read(corpus, manifest, "clean/part", DOCUMENTS))


def test_each_removed_document_has_an_outcome_and_a_row_that_names_its_keeper(walked: tuple[Path, Manifest]) -> None:
    corpus, manifest = walked
    outcomes = {row["url"].rsplit("/")[-1]: row for row in read(corpus, manifest, "outcomes/", OUTCOMES)}
    assert {name: row["outcome"] for name, row in outcomes.items() if "short" not in name} == {
        "copy": "duplicate",
        "near": "near-duplicate",
        "syndicated": "near-duplicate",
        "mirror": "wikipedia",
    }
    assert {row["stage"] for row in outcomes.values()} == {"clean"}
    best = f"https://site.example/best (key {xxhash.xxh3_64_hexdigest(b'best')})"
    assert outcomes["copy"]["detail"] == outcomes["syndicated"]["detail"] == f"jaccard 1.000 with {best}"
    assert re.fullmatch(rf"jaccard 0\.[789]\d\d with {re.escape(best)}", outcomes["near"]["detail"])
    assert "canonical address https://en.wikipedia.org/wiki/Duck" in outcomes["mirror"]["detail"]

    removed = {row["removed_url"].rsplit("/")[-1]: row for row in read(corpus, manifest, "clean/dup", DUPLICATES)}
    assert {name: row["why"] for name, row in removed.items()} == {
        name: row["outcome"] for name, row in outcomes.items()
    }
    assert removed["near"]["keeper_url"] == "https://site.example/best"
    assert removed["near"]["keeper"] == xxhash.xxh3_64_intdigest(b"best")
    assert removed["copy"]["jaccard"] == 1
    assert removed["mirror"]["keeper"] is None


def test_wikipedias_copies_stay_where_the_setting_says_so(tmp_path: Path) -> None:
    rows = [document("mirror", words(3, 200), title="Duck - Wikipedia")]
    manifest = clean(tmp_path, store_documents(tmp_path, rows), DedupSettings(wikipedia=False))
    assert (manifest.rows_out, manifest.outcomes) == (1, {})


def test_a_copy_of_wikipedia_takes_no_original_with_it(tmp_path: Path) -> None:
    text = words(3, 200)
    rows = [document("mirror", text, title="Duck - Wikipedia", karma=99), document("same", text)]
    manifest = clean(tmp_path, store_documents(tmp_path, rows))
    assert [row["title"] for row in read(tmp_path, manifest, "clean/part", DOCUMENTS)] == ["same"]


def test_no_documents_make_empty_files(tmp_path: Path) -> None:
    manifest = clean(tmp_path, store_documents(tmp_path, []))
    assert (manifest.rows_in, manifest.rows_out, manifest.outcomes) == (0, 0, {})
    assert sorted(manifest.files) == [
        "clean/duplicates.parquet",
        "clean/index/part-00000.arrow",
        "clean/part-00000.parquet",
        "outcomes/clean-00000.parquet",
    ]
    verify_files(tmp_path, manifest)


def test_without_any_copy_all_stay(tmp_path: Path) -> None:
    rows = [document(f"d{number}", words(number, 50)) for number in range(20)]
    manifest = clean(tmp_path, store_documents(tmp_path, rows))
    assert (manifest.rows_out, manifest.outcomes) == (20, {})


def test_where_all_are_copies_one_stays_but_only_if_the_loss_is_accepted(tmp_path: Path) -> None:
    text = words(1, 60)
    paths = store_documents(tmp_path, [document(f"d{number}", text, karma=number) for number in range(1_000)])
    with pytest.raises(LossAlarm, match="999 of 1,000 rows"):
        clean(tmp_path, paths)
    manifest = clean(tmp_path, paths, accept_loss=True)
    assert [row["title"] for row in read(tmp_path, manifest, "clean/part", DOCUMENTS)] == ["d999"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_stage_decides_as_the_references_do_one_after_the_other(tmp_path: Path, seed: int) -> None:
    rows = mixed_corpus(seed)
    never = START + timedelta(days=10**5)
    ordered = sorted(rows, key=lambda row: (-row["karma"], -len(row["text"]), row["first_posted"] or never, row["key"]))
    long = [row for row in ordered if len(row["text"].split()) >= 5]
    sets = [set(shingles_reference(row["text"], 5)) for row in long]
    permutations = Permutations.of(128, 1)
    signatures = [signature_reference([value >> 32 for value in found], permutations) for found in sets]
    sketches = [[value & 0xFF for value in signature] for signature in signatures]
    fates = decide_reference(sets, buckets_reference(sketches, DEFAULTS.band_rows), 0.7)
    wanted = {
        row["key"]: (long[fate[0]]["key"], fate[1]) for row, fate in zip(long, fates, strict=True) if fate is not None
    }
    manifest = clean(tmp_path, store_documents(tmp_path, rows))
    found = {row["removed"]: row for row in read(tmp_path, manifest, "clean/dup", DUPLICATES)}
    long_keys = {row["key"] for row in long}
    assert {key: (row["keeper"], row["jaccard"]) for key, row in found.items() if key in long_keys} == wanted
    assert len(wanted) > 10
    assert len(found) == len(wanted) + 2  # of the short ones "Hi." goes once, and one of the two without a word


def test_neither_files_nor_their_order_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_corpus()
    manifest = clean(tmp_path / "one", store_documents(tmp_path / "one", rows))
    monkeypatch.setattr(pieces, "PIECE_ROWS", 7)
    for name, cuts in (("many", [1, 5, 5, 20, 31]), ("halves", [17])):
        paths = store_documents(tmp_path / name, rows, cuts)
        assert clean(tmp_path / name, paths[::-1]).identity == manifest.identity


def test_row_groups_of_any_size_are_read(tmp_path: Path) -> None:
    rows = mixed_corpus()
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", rows))
    [path] = store_documents(tmp_path / "two", rows)
    pq.write_table(read_parquet(path, DOCUMENTS), path, row_group_size=3)
    assert clean(tmp_path / "two", [path]).identity == wanted.identity


def test_documents_that_lie_in_no_order_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_corpus()
    wanted = grow(tmp_path / "one", monkeypatch, rows)
    random.Random(5).shuffle(rows)
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"two/documents/part-{number:05d}.parquet")
        write_parquet(paths[-1], pa.Table.from_pylist(rows[number::3], DOCUMENTS), DOCUMENTS)
    assert clean(tmp_path / "two", paths, inputs="last").identity == wanted.identity


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    rows = mixed_corpus()
    manifest = clean(tmp_path / "one", store_documents(tmp_path / "one", rows))
    paths = store_documents(tmp_path / "two", rows, [10, 25])
    assert clean(tmp_path / "two", paths, workers=2).identity == manifest.identity


def test_more_documents_later_equal_all_at_once(tmp_path: Path) -> None:
    rows = mixed_corpus()
    at_once = clean(tmp_path / "one", store_documents(tmp_path / "one", rows), inputs="grown")
    clean(tmp_path / "two", store_documents(tmp_path / "two", rows[:20]), inputs="first")
    grown = clean(tmp_path / "two", store_documents(tmp_path / "two", rows, [20]), inputs="grown")
    assert grown.identity == at_once.identity
    verify_files(tmp_path / "two", grown)


def grow(corpus: Path, monkeypatch: pytest.MonkeyPatch, *generations: Sequence[dict[str, Any]]) -> Manifest:
    """Make clean/ of each of the generations in turn, in this process without Beam."""
    monkeypatch.setattr(Engine, "each", lambda self, label, function, elements, **_: [*map(function, elements)])
    manifest = None
    for number, rows in enumerate(generations):
        last = number == len(generations) - 1
        manifest = clean(corpus, store_documents(corpus, rows), inputs="last" if last else str(number))
    assert manifest is not None
    return manifest


@pytest.mark.parametrize("seed", range(12))
def test_any_split_into_generations_equals_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rows = mixed_corpus(seed, clusters=8)
    at_once = grow(tmp_path / "one", monkeypatch, rows)
    choice = random.Random(seed)
    choice.shuffle(rows)
    cuts = sorted(choice.sample(range(len(rows)), 3))
    # The last generation also raises the karma of some older documents, as a new month of submissions does.
    before = [{**row, "karma": choice.choice([row["karma"], row["karma"], 1])} for row in rows[: cuts[2]]]
    grown = grow(tmp_path / "two", monkeypatch, before[: cuts[0]], before[: cuts[1]], before, rows)
    assert grown.identity == at_once.identity
    verify_files(tmp_path / "two", grown)


def test_where_documents_went_or_changed_their_text_the_result_is_that_of_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = mixed_corpus(3)
    other = [{**row, "text": words(99, 30)} if number == 4 else row for number, row in enumerate(rows)][2:]
    at_once = grow(tmp_path / "one", monkeypatch, other)
    assert grow(tmp_path / "two", monkeypatch, rows, other).identity == at_once.identity


def test_a_corpus_that_grew_signs_and_collects_only_what_is_new_or_connected_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, other = words(1, 100), words(2, 100)
    old = [document("a", base, karma=9), document("b", changed(base, 1, 2)), document("c", other)]
    old += [document("d", changed(other, 2, 2), karma=4), document("e", words(3, 100))]
    new = [document("f", changed(base, 3, 2), karma=5)]
    seen: list[tuple[str, int]] = []
    for module, name, real in (
        (signatures_module, "_signed", signatures_module._signed),
        (pipeline, "shingle_sets", pipeline.shingle_sets),
    ):

        def counted(texts: Any, *rest: Any, name: str = name, function: Any = real) -> Any:
            seen.append((name, len(texts)))
            return function(texts, *rest)

        monkeypatch.setattr(module, name, counted)
    grow(tmp_path, monkeypatch, old)
    assert seen == [("_signed", 5), ("shingle_sets", 4)]
    seen.clear()
    manifest = clean(tmp_path, store_documents(tmp_path, [*old, *new]), inputs="more")
    assert seen == [("_signed", 1), ("shingle_sets", 3)]
    assert manifest.rows_out == 3


def test_an_index_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_corpus()
    grow(tmp_path, monkeypatch, rows[:20])
    path = tmp_path / "clean/index/part-00000.arrow"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match=r"index/part-00000\.arrow"):
        clean(tmp_path, store_documents(tmp_path, rows), inputs="more")


@pytest.mark.parametrize(
    "point",
    [
        "dedup.signed:2",
        "dedup.matched:7",
        "dedup.collected:2",
        "dedup.decided:1",
        "dedup.written:2",
        "files.written:3",
        "files.renamed:9",
        "files.renamed:36",
        "stage.parts:1",
    ],
)
def test_a_stage_that_stopped_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    rows = mixed_corpus()
    wanted = clean(tmp_path / "one", store_documents(tmp_path / "one", rows, [10, 30]))
    corpus = tmp_path / "two"
    paths = store_documents(corpus, rows, [10, 30])
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:raise")
    with pytest.raises(Exception, match=point.partition(":")[0]):
        clean(corpus, paths)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert not (corpus / "clean/stage.json").exists()
    assert clean(corpus, paths).identity == wanted.identity
    assert not (corpus / "work").exists()


def test_signatures_that_are_there_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_corpus()
    paths = store_documents(tmp_path, rows, [10, 30])
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", "dedup.signed:2:raise")
    with pytest.raises(Exception, match=r"dedup\.signed"):
        clean(tmp_path, paths)
    monkeypatch.setenv("WEBTEXT_FAULT", "dedup.signed:99:raise")  # counts only
    faults._passed.clear()
    clean(tmp_path, paths)
    assert faults._passed["dedup.signed"] == 1


def test_damaged_documents_are_named(tmp_path: Path) -> None:
    [path] = store_documents(tmp_path, mixed_corpus())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFile, match=r"part-00000\.parquet"):
        clean(tmp_path, [path])
    with pytest.raises(WebtextError, match=r"no-such\.parquet: no such file"):
        clean(tmp_path, [tmp_path / "documents/no-such.parquet"])


def test_settings_without_a_band_are_refused(tmp_path: Path) -> None:
    settings = DedupSettings(permutations=16, band_rows=20)
    with pytest.raises(UsageError, match="band_rows is 20"):
        clean(tmp_path, store_documents(tmp_path, []), settings)


def test_the_ten_copies_among_a_thousand_real_articles_are_found_and_no_other(tmp_path: Path, data: Path) -> None:
    articles = [line.split(" ", 1) for line in (data / "neardup/articles_1000.train").read_text().splitlines()]
    truth = {frozenset(line.split()) for line in (data / "neardup/articles_1000.truth").read_text().splitlines()}
    manifest = clean(tmp_path, store_documents(tmp_path, [document(name, text) for name, text in articles]))
    removed = read(tmp_path, manifest, "clean/dup", DUPLICATES)
    found = {frozenset(row[name].rsplit("/")[-1] for name in ("removed_url", "keeper_url")) for row in removed}
    assert found == truth
    assert len(truth) == 10
