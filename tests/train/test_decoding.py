from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from webtext.train.decoding import TextStream, token_bytes

BYTES = [bytes([value]) for value in range(256)]
"""A vocabulary in which token n is the byte n."""


def streamed(data: bytes, stop: tuple[str, ...] = ()) -> tuple[list[str], TextStream]:
    stream = TextStream(BYTES, stop)
    return [stream.push(byte) for byte in data] + [stream.close()], stream


def test_a_character_is_shown_when_it_is_whole() -> None:
    pieces, stream = streamed("aé🦊".encode())
    assert pieces == ["a", "", "é", "", "", "", "🦊", ""]
    assert stream.text == "aé🦊"


def test_a_character_that_is_never_whole_is_shown_as_unknown() -> None:
    assert streamed("🦊".encode()[:3])[0] == ["", "", "", "\ufffd"]
    assert streamed(b"a\xffb")[1].text == "a\ufffdb"


@given(st.binary(max_size=40))
def test_the_pieces_are_the_whole_decoded_at_once(data: bytes) -> None:
    pieces, stream = streamed(data)
    assert "".join(pieces) == stream.text == data.decode(errors="replace")


def test_a_stop_string_is_never_shown_not_even_its_beginning() -> None:
    pieces, stream = streamed(b"one\n\ntwo", ("\n\n",))
    assert pieces[:4] == ["o", "n", "e", ""]  # the first line's end may be the beginning of the stop
    assert (stream.text, stream.stopped) == ("one", True)
    pieces, stream = streamed(b"one\ntwo\n", ("\n\n",))
    assert pieces == ["o", "n", "e", "", "\nt", "w", "o", "", "\n"]
    assert (stream.text, stream.stopped) == ("one\ntwo\n", False)


def slow_cut(text: str, stop: tuple[str, ...]) -> str:
    """The definition: read on until one of the strings is complete, and cut it off."""
    for end in range(len(text) + 1):
        complete = [string for string in stop if text[:end].endswith(string)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


@given(
    text=st.text("ab", max_size=20),
    stop=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(1, 4), max_size=20),
)
def test_a_text_ends_at_the_stop_that_is_complete_first_whatever_the_tokens(
    text: str, stop: list[str], cuts: list[int]
) -> None:
    pieces, rest = [], text
    for cut in [*cuts, 20]:
        pieces.append(rest[:cut].encode())
        rest = rest[cut:]
    stream = TextStream(pieces, tuple(stop))
    shown = "".join([stream.push(token) for token in range(len(pieces))] + [stream.close()])
    assert shown == stream.text == slow_cut(text, tuple(stop))


def test_tokens_are_the_bytes_the_tokenizer_means(make_corpus: Callable[..., Path]) -> None:
    tokenizer = Tokenizer.from_file(str(make_corpus() / "tokenizer" / "tokenizer.json"))
    vocabulary = token_bytes(tokenizer)
    text = " the fox — naïve, 🦊 a\n<|endoftext|> b"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert b"".join(vocabulary[number] for number in ids) == text.encode()
    stream = TextStream(vocabulary)
    assert "".join([stream.push(number) for number in ids] + [stream.close()]) == text


@pytest.mark.slow
def test_decoding_is_that_of_gpt2s_own_vocabulary(data: Path) -> None:
    from webtext.tokenize.files import read_vocabulary, vocabulary_files

    tokenizer = Tokenizer.from_str(vocabulary_files(read_vocabulary(data / "tokenizer"))["tokenizer.json"].decode())
    vocabulary = token_bytes(tokenizer)
    assert (len(vocabulary), vocabulary[50256], vocabulary[0], vocabulary[262]) == (
        50_257, b"<|endoftext|>", b"!", b" the",
    )  # fmt: skip
    ids = [number * 7919 % 50_256 for number in range(2_000)]
    stream = TextStream(vocabulary)
    assert "".join([stream.push(number) for number in ids] + [stream.close()]) == tokenizer.decode(ids)


@pytest.mark.parametrize("stop", [("b", "ab"), ("ab", "b")])
def test_of_two_stops_complete_at_once_the_longer_is_cut_off(stop: tuple[str, ...]) -> None:
    assert streamed(b"xab", stop)[1].text == "x"
