"""documents/ to clean/ as a stage: what stays, what is written about the rest, and that nothing else matters."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from dedup_stage import DEFAULTS, START, changed, clean, grow, mixed_corpus, read
from small_corpora import document, store_documents, words

import webtext.pipelines.pieces as pieces
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import read_parquet, write_parquet
from webtext.corpus.manifests import Manifest, verify_files
from webtext.corpus.outcomes import LossAlarm
from webtext.corpus.schemas import DOCUMENTS, DUPLICATES, OUTCOMES
from webtext.corpus.settings import DedupSettings
from webtext.dedup.bands import buckets_reference
from webtext.dedup.minhash import Permutations, signature_reference
from webtext.dedup.shingles import shingles_reference
from webtext.dedup.survivors import decide_reference


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
        "clean/wikipedia.parquet",
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
