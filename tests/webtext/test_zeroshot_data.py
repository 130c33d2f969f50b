"""The test sets of `webtext eval`: found in their publishers' layouts, or made of what the hub stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from zeroshot_sets import cbt_text, write_sets

from webtext.corpus.errors import WebtextError
from webtext.corpus.testsets.sets import read_set
from webtext.train.zeroshot.catalogue import DEFAULT, TASKS
from webtext.train.zeroshot.hub import REMOTES, Place, fetch
from webtext.train.zeroshot.sources import SOURCES, MissingSet, find_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


def test_every_set_is_found_in_its_publishers_layout(sets: Path) -> None:
    assert {key: (found.name, found.split) for key, task in TASKS.items() if (found := find_set(task, sets))} == {
        "lambada": ("LAMBADA", "test"),
        "lambada:hf": ("LAMBADA", "test"),
        "lambada:lm-eval": ("LAMBADA", "test"),
        "cbt-cn": ("CBT-CN", "valid"),
        "cbt-ne": ("CBT-NE", "valid"),
        "wikitext2": ("WikiText-2", "test"),
        "wikitext2:hf": ("WikiText-2", "test"),
        "wikitext2:lm-eval": ("WikiText-2", "test"),
        "wikitext103": ("WikiText-103", "test"),
        "wikitext103:hf": ("WikiText-103", "test"),
        "wikitext103:lm-eval": ("WikiText-103", "test"),
        "ptb": ("PTB", "test"),
        "enwik8": ("enwik8", "test"),
        "text8": ("text8", "test"),
        "1bw": ("1BW", "test"),
        "winograd": ("WSC273", "test"),
        "hellaswag": ("HellaSwag", "valid"),
        "coqa": ("CoQA", "valid"),
        "cnn-dm": ("CNN/DM", "test"),
        "wmt14-en-fr": ("WMT14", "test"),
        "wmt14-fr-en": ("WMT14", "test"),
        "nq": ("NQ-open", "valid"),
    }
    assert find_set(TASKS["wikitext2"], sets).files[0].name == "wiki.test.tokens"
    assert find_set(TASKS["wikitext2:hf"], sets).files[0].name == "wiki.test.raw"


def test_the_real_sets_are_found(data: Path) -> None:
    missing = set()
    for key in DEFAULT:
        try:
            found = find_set(TASKS[key], data / "eval")
        except MissingSet:
            missing.add(key)
            continue
        assert next(found.examples()).fields
    assert missing == {"wikitext103", "text8"}
    assert find_set(TASKS["coqa"], data / "eval").split == "test"  # not the paper's: the table says so


def test_sets_of_the_hub_become_their_publishers_files(tmp_path: Path) -> None:
    """From local copies of what the hub stores; nothing is fetched."""
    story = "0" * 40
    stored: dict[str, list[dict[str, Any]]] = {
        "Salesforce/wikitext": [{"text": " = A = \n"}, {"text": ""}, {"text": " Text . \n"}],
        "Rowan/hellaswag": [{"ind": 7, "ctx": "A", "activity_label": "B", "endings": list("abcd"), "label": "3"}],
        "abisee/cnn_dailymail": [{"id": story, "article": "An article.", "highlights": "One .\nTwo ."}],
        "wmt/wmt14": [{"translation": {"en": "Dog.", "fr": "Chien."}}],
        "google-research-datasets/nq_open": [{"question": "who", "answer": ["me"]}],
        "cam-cst/cbt": [
            {"sentences": [f"Sentence {n} ." for n in range(20)], "question": "The XXXXX .", "answer": "a",
             "options": list("abcdefghij")}
        ],
    }  # fmt: skip
    asked: list[str] = []

    def download(place: Place) -> Path:
        asked.append(str(place))
        local = tmp_path / "downloads" / f"{len(asked)}"
        local.parent.mkdir(exist_ok=True)
        if place.repository == "EleutherAI/lambada_openai":
            local.write_text('{"text": "a b"}\n')
        else:
            pq.write_table(pa.Table.from_pylist(stored[place.repository]), local)
        return local

    folder = tmp_path / "data"
    for data, remotes in REMOTES.items():
        if remotes[0].place.repository:
            assert fetch(data, folder, download)
    from_hub = [task for task in TASKS.values() if task.data in REMOTES and REMOTES[task.data][0].place.repository]
    fields = {task.data: next(find_set(task, folder).examples()).fields for task in from_hub}
    assert fields["lambada"] == {"text": "a b"}
    assert fields["wikitext-103"]["text"] == " = A = \n \n Text . \n"
    assert fields["cbt-ne"]["choices"] == list("abcdefghij")
    assert fields["hellaswag"]["label"] == "3"
    assert fields["cnn_dailymail"]["highlights"] == ["One .", "Two ."]
    assert fields["wmt14"] == {"en": "Dog.", "fr": "Chien."}
    assert fields["nq-open"] == {"question": "who", "answer": ["me"]}
    assert not fetch("lm1b", folder, download)
    assert set(SOURCES) - set(REMOTES) == {"lm1b"}
    stored["wmt/wmt14"] = [{"other": "x"}]
    with pytest.raises(WebtextError, match="holds something else than wmt14"):
        fetch("wmt14", folder, download)


def test_the_made_up_book_test_is_one(tmp_path: Path) -> None:
    path = tmp_path / "cbtest_CN_valid_2000ex.txt"
    path.write_text(cbt_text())
    assert len(list(read_set(path).examples())) == 2
