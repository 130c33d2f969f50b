"""`webtext import`: own text becomes documents/, and the rest of the way is that of a crawl."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import litter, webtext
from small_corpora import words
from small_web import SmallWeb

from webtext.api import Corpus
from webtext.corpus.errors import ChangedSettings, WebtextError
from webtext.corpus.outcomes import LossAlarm

COUNT = 60


def store(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def rows(first: int, count: int) -> list[dict[str, Any]]:
    return [{"id": n, "text": words(n, 60), "author": f"author {n % 3}"} for n in range(first, first + count)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files; the second has a row of the first again, one without text, and one that is no JSON."""
    folder = tmp_path_factory.mktemp("files")
    odd = [{**rows(3, 1)[0], "text": "another text under an id that is there"}, {"id": 900, "text": None}]
    second = store(folder / "b.jsonl", [*rows(COUNT, 20), *odd])
    with second.open("ab") as file:
        file.write(b"nope\n")
    return store(folder / "a.jsonl", rows(0, COUNT)), second


@pytest.fixture(scope="module")
def at_once(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of both files, to its shards."""
    corpus = Corpus(tmp_path_factory.mktemp("at-once") / "corpus")
    corpus.import_files(*files, workers=1)
    corpus.build(workers=1, settings={"tokenize": {"vocab_size": 400}})
    return corpus.path


def content(corpus: Path, *folders: str) -> dict[str, bytes]:
    found = {}
    for folder in folders or ("documents", "clean", "shards", "tokenizer", "outcomes"):
        for path in sorted((corpus / folder).rglob("*")):
            if path.is_file() and path.name != "stage.json":
                found[str(path.relative_to(corpus))] = path.read_bytes()
    return found


def test_documents_balance_and_every_dropped_row_is_named(at_once: Path) -> None:
    stages = {stage.stage: stage for stage in Corpus(at_once).status().stages}
    assert list(stages) == ["documents", "clean", "shards"]
    assert (stages["documents"].rows_in, stages["documents"].rows_out) == (COUNT + 23, COUNT + 20)
    assert stages["documents"].outcomes == {"duplicate-id": 1, "empty": 1, "unreadable": 1}
    details = pq.read_table(at_once / "outcomes/documents-00000.parquet")["detail"].to_pylist()
    assert sorted(detail.partition(": ")[0].split(" (")[0] for detail in details) == [
        "another row has its key", "is no JSON", "its text is null",
    ]  # fmt: skip
    assert all("row " in detail and " of the file with sha256 " in detail for detail in details)
    assert Corpus(at_once).status().unfinished == ()


def test_further_columns_ride_along_to_the_clean_documents(at_once: Path) -> None:
    found = pq.read_table(at_once / "clean/part-00000.parquet", columns=["url", "extra"]).to_pylist()
    extra = {row["url"]: json.loads(row["extra"]) for row in found}
    assert extra["id:7"] == {"author": "author 1"}
    manifest = json.loads((at_once / "documents/stage.json").read_bytes())
    assert manifest["facts"]["extra_columns"] == {"author": "string"}


def test_a_row_is_traced_to_its_shard(at_once: Path) -> None:
    trace = Corpus(at_once).trace("id:7")
    assert [(stage.stage, stage.state) for stage in trace.stages if stage.state == "passed"] == [
        ("documents", "passed"), ("clean", "passed"), ("shards", "passed"),
    ]  # fmt: skip


def test_one_file_after_the_other_gives_the_bytes_of_both_at_once(
    files: tuple[Path, Path], at_once: Path, tmp_path: Path
) -> None:
    for order in (files, files[::-1]):
        corpus = Corpus(tmp_path / order[0].stem)
        for file in order:
            shutil.copy(file, tmp_path / "gone.jsonl")
            assert corpus.import_files(tmp_path / "gone.jsonl", workers=1).made
            (tmp_path / "gone.jsonl").unlink()
        assert content(corpus.path, "documents", "outcomes") == {
            name: data for name, data in content(at_once, "documents", "outcomes").items() if "clean" not in name
        }
    assert not corpus.import_files(files[0], workers=1).made  # is there already
    with pytest.raises(ChangedSettings, match="was imported with the usual columns, now it is text=author"):
        corpus.import_files(files[0], text_column="author")
    with pytest.raises(ChangedSettings, match=r"--redo would drop what was imported from (gone|b).jsonl"):
        corpus.import_files(files[0], redo=True)
    assert litter(corpus.path) == []


def test_crawled_and_imported_documents_do_not_mix(
    files: tuple[Path, Path], at_once: Path, small_web: SmallWeb
) -> None:
    with pytest.raises(WebtextError, match="its documents were imported"):
        Corpus(at_once).links(small_web.dump)
    with pytest.raises(WebtextError, match="its documents were imported, not crawled"):
        Corpus(at_once).extract()


def test_many_doubled_ids_raise_an_alarm(tmp_path: Path) -> None:
    path = store(tmp_path / "a.jsonl", [{"id": n % 500, "text": f"text number {n}"} for n in range(1_000)])
    corpus = Corpus(tmp_path / "corpus")
    with pytest.raises(LossAlarm, match=r"500 of 1,000 rows \(50%\) as duplicate-id"):
        corpus.import_files(path, workers=1)
    assert corpus.import_files(path, id_column="none", workers=1).rows_out == 1_000


@pytest.mark.slow
def test_pages_of_a_warc_are_extracted_under_the_rules(small_web: SmallWeb, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    report = corpus.import_files(small_web.warc, workers=1)
    assert report.outcomes == {
        "content-type": 1, "http-error": 1, "language": 1, "opt-out": 2, "redirect": 4, "too-short": 1,
    }  # fmt: skip
    found = pq.read_table(corpus.path / "documents/part-00000.parquet", columns=["url", "title", "source"]).to_pylist()
    assert {"url": "https://site1.example/articles/1", "title": "Article 1", "source": "import"} in found
    assert len(found) == report.rows_out == 49


def test_rules_are_applied_to_rows_where_that_is_asked_for(tmp_path: Path) -> None:
    german = "Der Garten hinter dem Haus war an diesem Morgen noch feucht vom Regen der Nacht. " * 5
    english = "The garden behind the house was still wet with the rain of the night this morning. " * 5
    path = store(tmp_path / "a.jsonl", [{"text": german}, {"text": english}, {"text": "too short"}])
    report = Corpus(tmp_path / "corpus").import_files(path, apply_rules=True, workers=1)
    assert (report.rows_out, report.outcomes) == (1, {"language": 1, "too-short": 1})


@pytest.mark.slow
def test_what_is_forgotten_leaves_an_import_and_stays_out(
    files: tuple[Path, Path], at_once: Path, tmp_path: Path
) -> None:
    after = Corpus(shutil.copytree(at_once, tmp_path / "after"))
    report = after.forget(["id:3", "id:7"], workers=1)
    assert (report.rows["documents"], report.rows["documents in shards"]) == (2, 2)
    before = Corpus(tmp_path / "before")
    before.forget(["id:3", "id:7"])
    before.import_files(*files, workers=1)
    before.build(workers=1, settings={"tokenize": {"vocab_size": 400}})
    assert content(after.path) == content(before.path)
    assert after.status().fingerprint == before.status().fingerprint
    assert {s.stage: s.outcomes for s in after.status().stages}["documents"]["forgotten"] == 3  # and its doubled row
    tables = [pq.read_table(path) for path in after.path.glob("*/*.parquet")]
    urls = [table["url"].to_pylist() for table in tables if "url" in table.column_names]
    assert not {"id:3", "id:7"} & {url for some in urls for url in some}


@pytest.mark.kill
@pytest.mark.parametrize(
    ("point", "turn"), [("import.noted", 1), ("import.read", 1), ("import.merged", 2), ("stage.moved", 1)]
)
def test_killed_while_importing(files: tuple[Path, Path], at_once: Path, tmp_path: Path, point: str, turn: int) -> None:
    corpus = tmp_path / "corpus"
    killed = webtext("import", corpus, *files, "--workers", 1, fault=f"{point}:{turn}", expect=None)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    webtext("import", corpus, *files, "--workers", 2)
    wanted = {name: data for name, data in content(at_once, "documents", "outcomes").items() if "clean" not in name}
    assert content(corpus, "documents", "outcomes") == wanted
    assert litter(corpus) == []


@pytest.mark.slow
def test_the_command_tells_of_rows_by_file_and_number(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = webtext("import", tmp_path / "corpus", *files, "--workers", 1, "--json")
    assert f"import: {files[1]}: row 22: its text is null" in done.stderr
    assert f"import: {files[1]}: row 23: is no JSON" in done.stderr
    assert json.loads(done.stdout)["documents"]["rows_out"] == COUNT + 20
    assert litter(tmp_path / "corpus") == []
