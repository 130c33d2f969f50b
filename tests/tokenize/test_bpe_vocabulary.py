"""Vocabularies and their files."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.tokenize.files import parse_vocabulary, read_vocabulary, vocabulary_files, write_vocabulary
from webtext.tokenize.split import byte_order
from webtext.tokenize.vocabulary import Vocabulary, _merged, merge_bytes

SMALL = Vocabulary.from_merges([(b"t", b"h"), (b"th", b"e"), (b" ", b"the"), (b"\n", b"\n")])


def test_ids_are_bytes_then_merges_then_endoftext() -> None:
    assert SMALL.size == 261
    assert SMALL.ranks[b"!"] == 0
    assert SMALL.ranks[b"th"] == 256
    assert SMALL.ranks[b"\n\n"] == 259
    assert SMALL.endoftext == 260


def test_the_fingerprint_is_the_sha256_of_vocab_bpe(tmp_path: Path) -> None:
    assert SMALL.merges_text.decode() == "#version: 0.2\nt h\nth e\nĠ the\nĊ Ċ\n"
    assert write_vocabulary(tmp_path, SMALL)["vocab.bpe"] == SMALL.fingerprint


def test_the_fingerprint_tells_vocabularies_apart() -> None:
    assert Vocabulary.from_merges(SMALL.merges[:3]).fingerprint != SMALL.fingerprint
    assert Vocabulary.from_merges(list(SMALL.merges)).fingerprint == SMALL.fingerprint


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.bpe", "encoder.json"])
def test_each_file_alone_holds_the_vocabulary(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(vocabulary_files(SMALL)[name])
    assert read_vocabulary(tmp_path) == SMALL
    assert read_vocabulary(tmp_path / name) == SMALL


@pytest.mark.parametrize(("theirs", "ours"), [("merges.txt", "vocab.bpe"), ("vocab.json", "encoder.json")])
def test_files_under_transformers_names_are_read(tmp_path: Path, theirs: str, ours: str) -> None:
    (tmp_path / theirs).write_bytes(vocabulary_files(SMALL)[ours])
    assert read_vocabulary(tmp_path) == SMALL


def test_a_tiktoken_file_is_read(tmp_path: Path) -> None:
    lines = [base64.b64encode(token) + f" {number}\n".encode() for token, number in SMALL.ranks.items()]
    (tmp_path / "small.tiktoken").write_bytes(b"".join(lines))
    assert read_vocabulary(tmp_path) == SMALL


def test_merges_are_recovered_from_ids_alone() -> None:
    assert Vocabulary.from_ranks(SMALL.ranks) == SMALL


@given(st.dictionaries(st.binary(min_size=2, max_size=4), st.integers(300, 320), max_size=30), st.binary(max_size=12))
def test_what_a_token_was_made_of_is_found_as_the_plain_merging_finds_it(more: dict[bytes, int], piece: bytes) -> None:
    ranks = {bytes([byte]): rank for rank, byte in enumerate(byte_order())} | more
    assert _merged(piece, ranks) == merge_bytes(piece, ranks)


def test_the_tokenizers_library_reads_and_keeps_it(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    write_vocabulary(tmp_path, SMALL)
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.encode("the the\n\n").ids == [257, 258, 259]
    assert theirs.decode([257, 258]) == "the the"
    assert theirs.token_to_id("<|endoftext|>") == 260
    again = tmp_path / "again"
    again.mkdir()
    theirs.save(str(again / "tokenizer.json"))
    assert read_vocabulary(again) == SMALL  # merges as pairs, in the library's own layout


def test_tiktokens_loader_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    write_vocabulary(tmp_path, SMALL)
    ranks = data_gym_to_mergeable_bpe_ranks(str(tmp_path / "vocab.bpe"), str(tmp_path / "encoder.json"))
    assert ranks == SMALL.ranks


def test_transformers_reads_it(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    write_vocabulary(tmp_path, SMALL)
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), eos_token="<|endoftext|>"
    )
    assert len(theirs) == 261
    assert theirs.eos_token_id == 260
    assert theirs("the the")["input_ids"] == [257, 258]


def test_files_of_two_vocabularies_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_vocabulary(tmp_path, SMALL)
    (tmp_path / "vocab.bpe").write_bytes(Vocabulary.from_merges(SMALL.merges[:2]).merges_text)
    with pytest.raises(DamagedFile, match="another vocabulary"):
        read_vocabulary(tmp_path)


def test_an_empty_folder_is_named_with_what_it_may_hold(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="no tokenizer in this folder") as caught:
        read_vocabulary(tmp_path)
    assert "tokenizer.json" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.bpe", "encoder.json"])
def test_a_file_cut_at_any_place_is_damaged_and_never_another_vocabulary(tmp_path: Path, name: str) -> None:
    whole = vocabulary_files(SMALL)[name]
    for end in range(len(whole) - 1):
        if whole[end - 1 : end] == b"\n" and name == "vocab.bpe":
            continue  # a file that ends with a whole line is a smaller vocabulary: nothing in it can tell
        with pytest.raises(WebtextError):
            parse_vocabulary(whole[:end], tmp_path / name)


def test_another_layout_of_ids_is_refused_with_the_token(tmp_path: Path) -> None:
    ids = json.loads(vocabulary_files(SMALL)["encoder.json"])
    special_first = {text: 0 if text == "<|endoftext|>" else number + 1 for text, number in ids.items()}
    with pytest.raises(WebtextError, match="GPT-2"):
        parse_vocabulary(json.dumps(special_first).encode(), tmp_path / "encoder.json")
    theirs = json.loads(vocabulary_files(SMALL)["tokenizer.json"])
    theirs["added_tokens"][0]["id"] = 999
    with pytest.raises(WebtextError, match=r"endoftext.*999.*260"):
        parse_vocabulary(json.dumps(theirs).encode(), tmp_path / "tokenizer.json")


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    word_piece = {"model": {"type": "WordPiece", "vocab": {}}, "pre_tokenizer": {"type": "BertPreTokenizer"}}
    with pytest.raises(WebtextError, match="no byte-level BPE"):
        parse_vocabulary(json.dumps(word_piece).encode(), tmp_path / "tokenizer.json")


def test_a_merge_of_unknown_tokens_is_refused() -> None:
    with pytest.raises(WebtextError, match="merge 0"):
        Vocabulary.from_merges([(b"th", b"e")])


def test_a_token_made_twice_is_refused() -> None:
    with pytest.raises(WebtextError, match="merge 1"):
        Vocabulary.from_merges([(b"a", b"b"), (b"a", b"b")])


def test_more_tokens_than_sixteen_bits_hold_are_refused() -> None:
    letters = [bytes([byte]) for byte in byte_order()]
    pairs = [(left, right) for left in letters for right in letters]
    assert Vocabulary.from_merges(pairs[: 65_535 - 257]).size == 65_535
    with pytest.raises(WebtextError, match="65,535 tokens at most"):
        Vocabulary.from_merges(pairs[: 65_535 - 256])
