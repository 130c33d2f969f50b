"""`webtext export`: datasets, lines, models and recipes, as others read them; and a recipe followed."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import litter, webtext
from small_corpora import document, store_documents, words
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import file_sha256
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.tombstones import write_tombstones
from webtext.crawler.forgotten import Forgotten, tombstones_of
from webtext.exporting_dataset import FILE_BYTES, Dataset, _write_split
from webtext.tokenize.shard_index import SPLITS, open_shards


def texts_of(walk: Walk) -> dict[str, str]:
    found = pq.read_table(walk.corpus / "clean/part-00000.parquet", columns=["url", "text"]).to_pylist()
    return {row["url"]: row["text"] for row in found}


@pytest.fixture(scope="module")
def dataset(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "dataset"
    report = Corpus(walk.corpus).export(folder, to="huggingface", name="small")
    assert report.made == len(report.files)
    assert report.upload == f"hf upload USER/small {folder} --repo-type dataset"
    return folder


def test_a_dataset_is_split_as_the_shards_are_and_holds_every_document(walk: Walk, dataset: Path) -> None:
    names = sorted(path.name for path in (dataset / "data").iterdir())
    assert names == ["train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"]
    tables = [pq.read_table(dataset / "data" / name) for name in names]
    for split, table in zip(SPLITS, tables, strict=True):
        keys = [int(key) for shard in open_shards(walk.corpus / "shards", split) for key in shard.keys]
        assert [int(key, 16) for key in table["key"].to_pylist()] == keys
    found = {row["url"]: row["text"] for table in tables for row in table.to_pylist()}
    assert found == texts_of(walk)


def test_the_card_tells_where_it_comes_from(walk: Walk, dataset: Path) -> None:
    card = (dataset / "README.md").read_text()
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert '  - split: train\n    path: "data/train-*.parquet"' in head
    assert "language:\n- en" in head and "- n<1K" in head
    assert "| clean | 48 | 40 | 6 near-duplicate, 1 duplicate, 1 wikipedia |" in body
    assert walk.fingerprint in body


@pytest.mark.slow
def test_datasets_loads_it_by_its_folder(walk: Walk, dataset: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(str(dataset), cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 39, "validation": 1}
    assert found["train"][0]["text"] == texts_of(walk)[found["train"][0]["url"]]


def test_the_same_command_finds_it_finished_and_another_one_is_refused(walk: Walk, dataset: Path) -> None:
    corpus = Corpus(walk.corpus)
    assert corpus.export(dataset, to="huggingface", name="small").made == 0
    with pytest.raises(UsageError, match="holds another export: its format is 'huggingface', now it is 'jsonl'"):
        corpus.export(dataset, to="jsonl")
    with pytest.raises(UsageError, match="is not empty"):
        corpus.export(walk.corpus / "links", to="jsonl")
    with pytest.raises(UsageError, match="no export to 'csv'"):
        corpus.export(dataset, to="csv")
    assert not (walk.corpus / "links" / "export.json").exists()


def test_json_lines_hold_the_same_documents(walk: Walk, tmp_path: Path) -> None:
    Corpus(walk.corpus).export(tmp_path / "lines", to="jsonl")
    rows = [json.loads(line) for path in (tmp_path / "lines").glob("*.jsonl") for line in path.open()]
    assert {row["url"]: row["text"] for row in rows} == texts_of(walk)
    assert rows[0]["fetched"] == "2025-02-01T12:00:00Z"


def _dataset(tmp_path: Path, rows: list[dict[str, object]], **changed: object) -> Dataset:
    files = tuple(store_documents(tmp_path, rows))
    values: dict[str, object] = {"extra": {}, "share": 0.0, "salt": "s", "forgotten": Forgotten.of(tmp_path)}
    return Dataset(files, **{**values, **changed})  # type: ignore[arg-type]


def test_tombstones_hold_for_exports(tmp_path: Path) -> None:
    rows = [document(f"d{number}", words(number, 20)) for number in range(20)]
    write_tombstones(tmp_path, tombstones_of([f"{int(rows[3]['key']):016x}"], []))
    found = _dataset(tmp_path, rows)
    urls = [url for table in found.rows("train") for url in table["url"].to_pylist()]
    assert sorted(urls) == sorted(str(row["url"]) for row in rows if row is not rows[3])
    assert found.sizes()[0] == {"train": 19, "validation": 0}


def test_further_columns_of_imports_are_columns_of_the_dataset(tmp_path: Path) -> None:
    extra = [{"author": "a", "n": 1, "url": "x"}, {"n": 2.5, "tags": ["t"]}, None]
    rows = [document(f"d{n}", "text", extra=None if more is None else json.dumps(more)) for n, more in enumerate(extra)]
    kinds = {"author": "string", "n": "double", "tags": "json", "url": "string"}
    (table,) = _dataset(tmp_path, rows, extra=kinds).rows("train")
    found = {row["title"]: row for row in table.to_pylist()}
    assert [found[f"d{n}"]["author"] for n in range(3)] == ["a", None, None]
    assert [found[f"d{n}"]["n"] for n in range(3)] == [1.0, 2.5, None]
    assert [found[f"d{n}"]["tags"] for n in range(3)] == [None, '["t"]', None]
    assert found["d0"]["extra_url"] == "x"


def test_large_datasets_are_cut_into_files_of_even_rows_between_200_and_500_megabytes(tmp_path: Path) -> None:
    from webtext.corpus.progress import Progress
    from webtext.export_folder import ExportFolder

    for size in range(int(200e6), int(5e9), int(37e6)):
        files = max(1, -(-size // FILE_BYTES))
        assert 200e6 <= size / files <= 500e6
    found = _dataset(tmp_path / "corpus", [document(f"d{number}", words(number, 20)) for number in range(50)])
    with ExportFolder.opened(tmp_path / "out", {"format": "x"}) as target:
        _write_split(target, found, "train", 50, 3, "huggingface", Progress(None, "x", 50, "documents"))
        assert {name: facts["rows"] for name, facts in target.files.items()} == {
            "data/train-00000-of-00003.parquet": 16,
            "data/train-00001-of-00003.parquet": 17,
            "data/train-00002-of-00003.parquet": 17,
        }
    keys = [key for name in sorted(target.files) for key in pq.read_table(tmp_path / "out" / name)["key"].to_pylist()]
    assert len(keys) == 50 and keys == sorted(keys)
    assert pa.schema(found.schema).names[:4] == ["key", "url", "title", "text"]
    assert set(found.schema.names) <= set(DOCUMENTS.names)


@pytest.mark.kill
@pytest.mark.parametrize(
    ("to", "point"), [("huggingface", "export.written:1"), ("jsonl", "files.written:2"), ("recipe", "files.renamed:2")]
)
def test_killed_while_exporting_a_corpus(walk: Walk, tmp_path: Path, to: str, point: str) -> None:
    corpus = Corpus(walk.corpus)
    corpus.export(tmp_path / "whole", to=to, name="n")
    killed = webtext("export", walk.corpus, tmp_path / "killed", "--to", to, "--name", "n", fault=point, expect=None)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    corpus.export(tmp_path / "killed", to=to, name="n")
    whole, again = (
        {path.name: file_sha256(path) for path in (tmp_path / folder).rglob("*") if path.is_file()}
        for folder in ("whole", "killed")
    )
    assert again == whole


# -- a run's model ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = Corpus(shutil.copytree(walk.corpus, tmp_path_factory.mktemp("trained") / "corpus"))
    corpus.train(preset="tiny", steps=2, samples=0)
    return corpus


@pytest.mark.slow
def test_a_run_is_exported_as_a_model_that_transformers_loads(trained: Corpus, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    report = trained.export(tmp_path / "model", to="huggingface", run="default", name="small")
    assert sorted(path.name for path in (tmp_path / "model").iterdir() if path.name != "lock") == [
        "README.md", "config.json", "export.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    assert report.upload == f"hf upload USER/small {tmp_path / 'model'}"
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    ours = transformers.AutoModelForCausalLM.from_pretrained(trained.checkpoint())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), ours.parameters(), strict=True))
    tokens = tokenizer("The garden", return_tensors="pt")
    assert tokenizer.decode(tokens["input_ids"][0]) == "The garden"
    assert model.generate(**tokens, max_new_tokens=3, do_sample=False).shape[1] == tokens["input_ids"].shape[1] + 3
    assert trained.export(tmp_path / "model", to="huggingface", run="default", name="small").made == 0


@pytest.mark.slow
def test_the_card_of_a_model_tells_its_recipe_and_what_it_read(trained: Corpus, walk: Walk, tmp_path: Path) -> None:
    trained.export(tmp_path / "model", to="huggingface", run="default", name="small")
    run = json.loads((trained.path / "runs/default/run.json").read_bytes())
    head, _, body = (tmp_path / "model/README.md").read_text().removeprefix("---\n").partition("\n---\n")
    assert 'model_name: "small"' in head and "library_name: transformers" in head
    assert f"| learning_rate | {run['recipe']['learning_rate']} |" in body
    assert run["shards"][:16] in body and walk.fingerprint in body
    assert "| clean | 48 | 40 | 6 near-duplicate, 1 duplicate, 1 wikipedia |" in body
    assert "for 2 steps on " in body


@pytest.mark.slow
def test_a_model_whose_texts_were_forgotten_says_so(trained: Corpus, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(trained.path, tmp_path / "corpus"))
    assert corpus.forget(["https://site3.example/articles/3"], workers=1).runs == ("default",)
    corpus.export(tmp_path / "model", to="huggingface", run="default")
    body = (tmp_path / "model/README.md").read_text()
    assert "**It was trained on shards that held documents which were forgotten since (" in body
    assert "| clean |" not in body  # that is the corpus of now


def test_a_run_is_no_other_thing_than_a_model(walk: Walk, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a run is not exported to 'jsonl'"):
        Corpus(walk.corpus).export(tmp_path / "model", to="jsonl", run="default")
    with pytest.raises(WebtextError, match="nothing"):
        Corpus(walk.corpus).export(tmp_path / "model", to="huggingface", run="nothing")
    assert not (tmp_path / "model").exists()


# -- recipes -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recipe(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe") / "recipe"
    Corpus(walk.corpus).export(folder, to="recipe")
    return folder / "recipe.parquet"


def test_a_recipe_names_every_link_and_what_became_of_it_without_a_word_of_text(walk: Walk, recipe: Path) -> None:
    rows = {row["url"]: row for row in pq.read_table(recipe).to_pylist()}
    assert len(rows) == 59
    expected = {url: fate for url, fate in walk.web.expected.items() if url in rows}
    assert {url: rows[url]["outcome"] for url in expected} == expected
    row = rows["https://site3.example/articles/3"]
    assert (row["karma"], row["stage"], row["source"]) == (8, "clean", "segment-00000.warc.gz")
    from webtext.crawler.fetch.warc import read_record

    stored = read_record(walk.corpus / "pages" / row["source"], row["offset"], row["length"])
    import hashlib

    assert hashlib.sha256(stored.body).hexdigest() == row["payload_sha256"]
    assert not {"text", "title"} & set(pq.read_schema(recipe).names)


@pytest.mark.slow
def test_a_recipe_followed_gives_the_same_documents_and_says_what_came_back(
    walk: Walk, recipe: Path, tmp_path: Path
) -> None:
    done = webtext("build", tmp_path / "again", "--from-recipe", recipe, "--replay", walk.web.warc, "--workers", 1)
    assert "recipe: of 51 pages 51 (100.0%) came back, 51 (100.0%) with the same digest" in done.stderr
    for name in ("documents/part-00000.parquet", "clean/part-00000.parquet", "clean/duplicates.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (walk.corpus / name).read_bytes(), name
    assert json.loads((tmp_path / "again/recipe/report.json").read_bytes())["same"] == 51
    assert "already done" in webtext("build", tmp_path / "again", "--from-recipe", recipe).stderr
    assert litter(tmp_path / "again") == []


def test_pages_that_changed_or_are_gone_are_counted(walk: Walk, recipe: Path, tmp_path: Path) -> None:
    from webtext.recipes import compare

    table = pq.read_table(recipe)
    digests = table["payload_sha256"].to_pylist()
    first = next(place for place, digest in enumerate(digests) if digest)
    digests[first] = "0" * 64  # as if the page had been another one
    changed = table.set_column(table.schema.get_field_index("payload_sha256"), "payload_sha256", pa.array(digests))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), tmp_path / "changed.parquet")
    corpus = Corpus(shutil.copytree(walk.after["crawl"], tmp_path / "corpus"))
    report = compare(corpus, tmp_path / "changed.parquet")
    assert (report.pages, report.came, report.same) == (51, 51, 50)
    told = pq.read_table(corpus.path / "recipe/differences.parquet").to_pylist()
    assert told == [{"key": table["key"][first].as_py(), "url": table["url"][first].as_py(), "what": "changed"}]


def test_the_list_of_a_recipe_obeys_tombstones(recipe: Path, tmp_path: Path) -> None:
    from webtext.recipes import forget_listed, take_recipe

    corpus, gone = Corpus(tmp_path / "again"), "https://site3.example/articles/3"
    (path,) = take_recipe(corpus, recipe)
    before = pq.read_table(path)["url"].to_pylist()
    assert gone in before
    write_tombstones(corpus.path, tombstones_of([gone], []))
    forget_listed(corpus.path, Forgotten.of(corpus.path))
    assert pq.read_table(path)["url"].to_pylist() == [url for url in before if url != gone]
    data = path.read_bytes()
    take_recipe(corpus, recipe)  # does not bring it back
    assert path.read_bytes() == data


def test_what_is_no_recipe_is_refused(walk: Walk, recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="is no recipe"):
        Corpus(tmp_path / "a").build(recipe=walk.corpus / "clean/part-00000.parquet")
    with pytest.raises(UsageError, match="sources or a recipe, not both"):
        Corpus(tmp_path / "a").build(walk.web.dump, recipe=recipe)
    with pytest.raises(UsageError, match="has links already"):
        Corpus(shutil.copytree(walk.after["links"], tmp_path / "b")).build(recipe=recipe, replay=[walk.web.warc])
