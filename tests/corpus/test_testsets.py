"""Test sets in their publishers' layouts: every example, its fields untouched, its text as a corpus could hold it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.testsets import language
from webtext.corpus.testsets.example import Example, TestSet
from webtext.corpus.testsets.sets import read_set


def made(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def examples(path: Path, kind: str | None = None, split: str | None = None) -> list[Example]:
    return list(read_set(path, kind, split).examples())


def joined(found: TestSet) -> bytes:
    return "".join(example.fields["text"] for example in found.examples()).encode("utf-8", "surrogateescape")


def test_a_set_says_what_it_is(tmp_path: Path) -> None:
    path = made(tmp_path / "lambada_test.jsonl", '{"text": "one two"}\n{"text": "three"}\n')
    found = read_set(path)
    assert (found.name, found.kind, found.split, found.files) == ("LAMBADA", "lambada", "test", (path,))
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(example.id, example.text) for example in found.examples()] == [("1", "one two"), ("2", "three")]


def test_the_childrens_book_test_is_the_books_own_text(tmp_path: Path) -> None:
    block = "".join(f"{number} Sentence {number} .\n" for number in range(1, 21))
    block += "21 The XXXXX barked .\tdog\t\tcat|dog|cow\n\n"
    path = made(tmp_path / "cbtest_CN_valid_2000ex.txt", block * 2)
    assert (read_set(path).name, read_set(path).split) == ("CBT-CN", "valid")
    first, second = examples(path)
    assert first.fields["choices"] == ["cat", "dog", "cow"]
    assert (first.fields["query"], first.fields["answer"]) == ("The XXXXX barked .", "dog")
    assert first.text.endswith("Sentence 20 . The dog barked .")
    assert (first.id, second.id) == ("21", "43")


def test_wikitext_is_cut_at_its_articles(tmp_path: Path) -> None:
    text = " = First = \r\n \r\n A text . \r\n = = A section = = \r\n More . \r\n = Second = \r\n Other .\r\n"
    path = made(tmp_path / "wikitext-103-raw" / "wiki.test.raw", text)
    found = read_set(path)
    assert found.name == "WikiText-103"
    assert [example.fields["title"] for example in found.examples()] == ["First", "Second"]
    assert joined(found) == text.encode()


def test_ptb_is_one_running_text_and_1bw_is_not(tmp_path: Path) -> None:
    ptb = made(tmp_path / "ptb.test.txt", " one two \n three <unk> \n")
    news = made(tmp_path / "news.en.heldout-00000-of-00050", "One .\nTwo .\n")
    assert read_set(ptb).running
    assert not read_set(news).running
    assert [example.text for example in examples(ptb)] == [" one two \n", " three <unk> \n"]
    assert (read_set(news).name, read_set(news).split) == ("1BW", "test")


def test_enwik8_and_text8_are_split_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "PARTS", {"train": (0, 40), "valid": (40, 42), "test": (42, 90)})
    data = ("x" * 41 + "é<page><title>A</title>b</page>  <page>c</page>").encode().ljust(90, b" ")
    path = tmp_path / "enwik8"
    path.write_bytes(data)
    assert joined(read_set(path)) == data[42:]
    assert joined(read_set(path, split="valid")) == data[40:42]  # which ends within a letter
    assert [example.fields["title"] for example in examples(path)] == ["", "A", ""]
    monkeypatch.setattr(language, "TEXT8_WORDS", 2)
    short = made(tmp_path / "text8", " one two three four five")
    assert joined(read_set(short)) == b" one two three four five"


def test_winograd_schemas_in_both_layouts(tmp_path: Path) -> None:
    text = "The cup does not fit because [MASK] is big.\n[MASK]\nthe cup ,the bag \nthe cup \n\n"
    (lines,) = examples(made(tmp_path / "wsc273.txt", text))
    assert lines.fields["choices"] == ["the cup", "the bag"]
    assert lines.texts == ("The cup does not fit because", "is big.")
    xml = (
        "<collection><schema><text><txt1>The cup does not fit because</txt1><pron> it </pron><txt2>is big.</txt2>"
        "</text><answers><answer>the cup</answer><answer>the bag</answer></answers>"
        "<correctAnswer> A. </correctAnswer></schema></collection>"
    )
    (schema,) = examples(made(tmp_path / "WSCollection.xml", xml))
    assert schema.fields["answer"] == "the cup"
    assert schema.texts == ("The cup does not fit because it is big.",)


def test_hellaswag_in_both_layouts(tmp_path: Path) -> None:
    (plain,) = examples(
        made(tmp_path / "hellaswag_val.txt", "Roof: A man sits. he\n1\nruns.\nstands.\nsings.\ndances.\n")
    )
    assert plain.fields == {
        "ctx": "Roof: A man sits. he",
        "label": 1,
        "endings": ["runs.", "stands.", "sings.", "dances."],
    }
    assert plain.text == "A man sits. he stands."
    row = {"ind": 24, "ctx": "A man sits. he", "label": 3, "endings": ["a", "b", "c", "d"], "split_type": "zeroshot"}
    (json_row,) = examples(made(tmp_path / "hellaswag_val.jsonl", json.dumps(row)))
    assert json_row.fields == row
    assert (json_row.id, json_row.text) == ("24", "A man sits. he d")


def test_of_a_folder_of_hellaswag_validation_is_read_since_the_test_file_has_no_labels(tmp_path: Path) -> None:
    row = {"ind": 24, "ctx": "A man sits. he", "label": 3, "endings": ["a", "b", "c", "d"]}
    for name, told in (("val", row), ("test", {**row, "label": ""}), ("train", row)):
        made(tmp_path / f"hellaswag_{name}.jsonl", json.dumps(told))
    assert (read_set(tmp_path).split, len(examples(tmp_path))) == ("valid", 1)


def test_coqa_and_natural_questions_keep_every_field(tmp_path: Path) -> None:
    story = {"id": "s1", "story": "Once upon a time.", "questions": [{"input_text": "When?", "turn_id": 1}]}
    (coqa,) = examples(made(tmp_path / "coqa-dev-v1.0.json", json.dumps({"version": "1", "data": [story]})))
    assert (coqa.id, coqa.fields, coqa.text) == ("s1", story, "Once upon a time.")
    row = {"question": "who is it", "answer": ["me", "I"]}
    (question,) = examples(made(tmp_path / "NQ-open.dev.jsonl", json.dumps(row) + "\n"))
    assert (question.fields, question.text) == (row, "who is it")


def test_cnn_dailymail_takes_the_stories_of_the_split(tmp_path: Path) -> None:
    name = hashlib.sha1(b"http://a.example/1").hexdigest()
    story = "(CNN) First.\n\nSecond.\n\n@highlight\n\nShort.\n\n@highlight\n\nShorter\n"
    made(tmp_path / "cnn" / "stories" / f"{name}.story", story)
    made(tmp_path / "cnn" / "stories" / ("0" * 40 + ".story"), story)
    made(tmp_path / "all_test.txt", "http://a.example/1\n")
    (found,) = examples(tmp_path)
    assert (found.id, found.fields["url"]) == (name, "http://a.example/1")
    assert found.texts == ("(CNN) First.\n\nSecond.", "Short.", "Shorter")
    (tmp_path / "all_test.txt").unlink()
    assert len(examples(tmp_path)) == 2
    made(tmp_path / "all_test.txt", "http://elsewhere.example/\n")
    with pytest.raises(DamagedFile, match="names none of the stories"):
        examples(tmp_path)


def test_a_translation_set_is_found_by_either_language(tmp_path: Path) -> None:
    made(tmp_path / "newstest2014.en", "Hello.\nBye.\n")
    made(tmp_path / "newstest2014.fr", "Bonjour.\nAdieu.\n")
    expected = [{"en": "Hello.", "fr": "Bonjour."}, {"en": "Bye.", "fr": "Adieu."}]
    for path in (tmp_path, tmp_path / "newstest2014.en", tmp_path / "newstest2014.fr"):
        assert [example.fields for example in examples(path)] == expected
    made(tmp_path / "newstest2014.fr", "Bonjour.\n")
    with pytest.raises(DamagedFile, match="ends before sentence 2"):
        examples(tmp_path)


def test_wmts_own_layout(tmp_path: Path) -> None:
    made(tmp_path / "newstest2014-fren-src.en.sgm", '<doc><seg id="1">A &amp; B</seg>\n<seg id="2">C</seg></doc>')
    made(tmp_path / "newstest2014-fren-ref.fr.sgm", '<doc><seg id="1">D</seg>\n<seg id="2">E</seg></doc>')
    assert [example.fields for example in examples(tmp_path)] == [{"en": "A & B", "fr": "D"}, {"en": "C", "fr": "E"}]


def test_any_text_or_table_is_a_set(tmp_path: Path) -> None:
    lines = examples(made(tmp_path / "questions.txt", "One.\nTwo.\n\n"))
    assert [(example.id, example.text) for example in lines] == [("1", "One.\n"), ("2", "Two.\n")]
    blocks = examples(made(tmp_path / "story.txt", "One\nline.\n\n\nTwo.\n"))
    assert [(example.id, example.text) for example in blocks] == [("1", "One\nline.\n"), ("5", "Two.\n")]
    rows = examples(made(tmp_path / "mine.jsonl", '{"q": "a b", "more": ["c", {"d": "e"}], "n": 3}\n"bare"\n'))
    assert [example.texts for example in rows] == [("a b", "c", "e"), ("bare",)]
    table = examples(made(tmp_path / "mine.csv", 'id,text,other\n7,"a, b",c\n'))
    assert [(example.id, example.texts) for example in table] == [("7", ("a, b",))]
    pq.write_table(pa.table({"text": ["x", "y"], "id": [1, 2]}), tmp_path / "mine.parquet")
    assert [(example.id, example.text) for example in examples(tmp_path / "mine.parquet")] == [("1", "x"), ("2", "y")]
    assert [example.text for example in examples(made(tmp_path / "a.json", '{"data": ["x", {"text": "y"}]}'))] == [
        "x",
        "y",
    ]
    assert read_set(tmp_path / "mine.jsonl").name == "mine"


def test_compressed_files_read_as_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.bz2").write_bytes(bz2.compress(b'{"text": "x"}\n'))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "y"}\n'))
    with pa.CompressedOutputStream(str(tmp_path / "a.jsonl.zst"), "zstd") as stream:
        stream.write(b'{"text": "z"}\n')
    found = [examples(tmp_path / f"a.jsonl{ending}")[0].text for ending in (".bz2", ".gz", ".zst")]
    assert found == ["x", "y", "z"]
    (tmp_path / "a.jsonl.bz2").write_bytes(bz2.compress(b'{"text": "x"}\n' * 999)[:-9])
    with pytest.raises(DamagedFile):
        examples(tmp_path / "a.jsonl.bz2")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lambada_test.jsonl", '{"text": "x"}\n{"txt": 1}\n', "line 2: has no text"),
        ("lambada_test.jsonl", "{broken\n", "line 1: is no JSON"),
        ("cbtest_NE_test_2500ex.txt", "1 One .\n3 Three .\n", "line 2: sentence 2 of an example is missing"),
        ("wsc273.txt", "Only [MASK]\n\n", "line 1: an example has 1 lines, not 4"),
        ("hellaswag_val.txt", "ctx\nx\na\nb\nc\nd\n", "line 2: 'x' is no number"),
        ("coqa.json", "[]", "is no CoQA file"),
        ("x.csv", 'a,b\n"x', "is no table"),
        ("x.jsonl", "[1]\n", "line 1: is no JSON object"),
    ],
)
def test_what_is_not_in_the_layout_is_named_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DamagedFile, match=message):
        examples(made(tmp_path / name, text))


def test_what_is_no_set_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="no such test set"):
        read_set(tmp_path / "missing")
    with pytest.raises(WebtextError, match="holds no file"):
        read_set(tmp_path)
    with pytest.raises(WebtextError, match="say which with KIND=PATH"):
        read_set(made(tmp_path / "model.bin", "x"))
    with pytest.raises(WebtextError, match="is empty"):
        read_set(made(tmp_path / "empty.txt", ""))
    with pytest.raises(UsageError, match="no kind of test set 'ptbx'"):
        read_set(tmp_path, "ptbx")
    (tmp_path / "latin.txt").write_bytes(b"one\nd\xe9j\xe0\n")
    with pytest.raises(DamagedFile, match="line 2: is no UTF-8"):
        examples(tmp_path / "latin.txt")


def test_a_kind_that_is_named_goes_over_the_files_name(tmp_path: Path) -> None:
    path = made(tmp_path / "sentences.txt", "one\n\ntwo\n")
    assert [example.text for example in examples(path, "ptb")] == ["one\n", "\n", "two\n"]


def test_the_published_files(data: Path) -> None:
    folder = data / "eval"
    found = {
        name: (len(sets), sets[0].id)
        for name in ("lambada", "coqa", "hellaswag", "nq-open", "wsc273", "wmt14", "cbt-format", "cnn_dailymail-format")
        for sets in [examples(folder / name)]
    }
    assert found == {
        "lambada": (5_153, "1"),
        "coqa": (700, "3qilpralq5vi87zcuu9wth7dbav8nv"),
        "hellaswag": (10_042, "0"),
        "nq-open": (3_610, "1"),
        "wsc273": (273, "0"),
        "wmt14": (3_003, "1"),
        "cbt-format": (2, "cbtest_CN_test_2500ex.txt:21"),
        "cnn_dailymail-format": (2, "610fac8b33220bbef756d9423883c9003fa589f8"),
    }
    for path in ("wikitext-2/wiki.test.raw", "ptb-format/ptb.test.txt", "enwik8-format/enwik8"):
        assert joined(read_set(folder / path)) == (folder / path).read_bytes()
