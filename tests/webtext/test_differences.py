"""webtext diff: two corpora side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from webtext.corpus.config import Settings, render_settings
from webtext.corpus.errors import WebtextError
from webtext.corpus.files import file_sha256, write_bytes, write_json, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.differences import compare


def url(key: int) -> str:
    return f"https://www.host{key % 2}.example/{key}"


def make(folder: Path, texts: Mapping[int, str], ends: Mapping[int, str], **settings: object) -> Path:
    """A corpus with documents/ finished: texts by key, and outcomes by key (of documents/)."""
    documents = [
        {
            "key": key, "url": url(key), "final_url": "f", "canonical": None,
            "domain": "d", "title": "t", "text": text, "language": "en", "language_score": 1.0, "karma": 3,
            "first_posted": None, "fetched": datetime(2025, 1, 1, tzinfo=UTC), "source": "crawl", "record_id": "r",
            "characters": len(text), "words": 1, "quality": None,
        }
        for key, text in sorted(texts.items())
    ]  # fmt: skip
    rows = [
        {
            "key": key,
            "url": f"https://www.host{key % 2}.example/{key}",
            "stage": "documents",
            "outcome": o,
            "detail": "",
        }
        for key, o in sorted(ends.items())
    ]
    files = {
        "documents/part-00000.parquet": (documents, DOCUMENTS),
        "outcomes/documents-00000.parquet": (rows, OUTCOMES),
    }
    for name, (values, schema) in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_parquet(folder / name, pa.Table.from_pylist(values, schema), schema)
    write_bytes(folder / "webtext.toml", render_settings(Settings()).encode())
    manifest = Manifest(
        Stage.DOCUMENTS, settings, {"text": 2}, {}, len(texts) + len(ends), len(texts), {},
        {name: file_sha256(folder / name) for name in files},
    )  # fmt: skip
    write_json(folder / "documents/stage.json", manifest.to_json())
    return folder


@pytest.fixture
def corpora(tmp_path: Path) -> tuple[Path, Path]:
    first = make(
        tmp_path / "a",
        {1: "one\ntwo", 2: "same", 3: "gone"},
        {4: "language", 5: "empty", 6: "too-short"},
        min_words=40,
    )
    second = make(
        tmp_path / "b",
        {1: "one\nthree", 2: "same", 4: "read now"},
        {3: "quality", 5: "empty", 7: "empty"},
        min_words=50,
    )
    return first, second


def test_what_moved_from_which_fate_to_which(corpora: tuple[Path, Path]) -> None:
    found = compare(*corpora)
    assert found.links == (6, 6)
    assert found.same == 3
    assert found.moves == {
        ("document", "quality"): 1, ("language", "document"): 1, ("too-short", "absent"): 1, ("absent", "empty"): 1,
    }  # fmt: skip
    assert found.examples["document", "quality"] == ("https://www.host1.example/3",)
    assert found.examples["too-short", "absent"] == ("https://www.host0.example/6",)
    assert found.domains == {"host0.example": 2, "host1.example": 2}


def test_settings_and_rules_that_differ(corpora: tuple[Path, Path]) -> None:
    assert compare(*corpora).settings == {"extract.min_words": (40, 50)}


def test_texts_that_changed_with_the_lines_that_did(corpora: tuple[Path, Path]) -> None:
    found = compare(*corpora)
    assert (found.texts_same, found.texts_changed) == (1, 1)
    (change,) = found.changes
    assert (change.url, change.characters) == ("https://www.host1.example/1", (7, 9))
    assert (change.only_first, change.only_second) == (("two",), ("three",))
    assert compare(*corpora, examples=0).changes == ()


def test_a_corpus_is_the_same_as_itself(corpora: tuple[Path, Path]) -> None:
    found = compare(corpora[0], corpora[0])
    assert (found.same, found.moves, found.settings, found.texts_changed) == (6, {}, {}, 0)


def test_it_prints_itself_and_is_json(corpora: tuple[Path, Path]) -> None:
    found = compare(*corpora)
    assert "document -> quality" in str(found)
    assert "    - two\n    + three" in str(found)
    assert json.loads(json.dumps(found.to_json()))["texts"] == {"same": 1, "changed": 1}


def test_what_is_no_corpus_is_refused(corpora: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="there is no corpus here"):
        compare(corpora[0], tmp_path / "nowhere")
    (corpora[1] / "documents/stage.json").unlink()
    with pytest.raises(WebtextError, match="documents is not finished"):
        compare(*corpora)
