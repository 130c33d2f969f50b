"""OpenAI's own vocabulary: found, proved, and encoded with exactly."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from webtext.corpus.errors import WebtextError
from webtext.tokenize import gpt2, reference
from webtext.tokenize.encoding import Encoder
from webtext.tokenize.files import vocabulary_files
from webtext.tokenize.gpt2 import gpt2_vocabulary

VOCAB_BPE_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has the vocabulary nowhere; gives tiktoken's cache folder."""
    monkeypatch.delenv(gpt2.VARIABLE, raising=False)
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return cache


@pytest.mark.parametrize("name", ["gpt2.tiktoken", "vocab.bpe", "encoder.json"])
def test_each_of_openais_files_gives_the_vocabulary(data: Path, name: str) -> None:
    vocabulary = gpt2_vocabulary(data / "tokenizer" / name)
    assert vocabulary.size == 50_257
    assert vocabulary.endoftext == 50_256
    assert vocabulary.fingerprint == VOCAB_BPE_SHA256


def test_our_files_are_openais_byte_for_byte(data: Path) -> None:
    files = vocabulary_files(gpt2_vocabulary(data / "tokenizer"))
    for name in ("vocab.bpe", "encoder.json"):
        assert files[name] == (data / "tokenizer" / name).read_bytes()


def test_it_is_found_where_the_variable_says(data: Path, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpt2.VARIABLE, str(data / "tokenizer"))
    assert gpt2_vocabulary().fingerprint == VOCAB_BPE_SHA256


def test_it_is_found_in_tiktokens_cache(data: Path, alone: Path) -> None:
    url = "https://openaipublic.blob.core.windows.net/encodings/r50k_base.tiktoken"
    shutil.copyfile(data / "tokenizer" / "gpt2.tiktoken", alone / sha1(url.encode()).hexdigest())
    assert gpt2_vocabulary().fingerprint == VOCAB_BPE_SHA256


def test_it_is_found_in_a_package_that_carries_it(
    data: Path, alone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "whisper" / "assets").mkdir(parents=True)
    (tmp_path / "whisper" / "__init__.py").write_text("raise ImportError('is looked at, not imported')")
    shutil.copyfile(data / "tokenizer" / "gpt2.tiktoken", tmp_path / "whisper" / "assets" / "gpt2.tiktoken")
    monkeypatch.undo()
    monkeypatch.delenv(gpt2.VARIABLE, raising=False)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(alone))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert gpt2_vocabulary().fingerprint == VOCAB_BPE_SHA256


class _Answers(BaseHTTPRequestHandler):
    """Answers every request with `body`, a 404 where there is none."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.body else 404)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The download goes to a server of this test; gives the address of the file there."""
    monkeypatch.setattr(_Answers, "body", b"")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/r50k_base.tiktoken"
    official = {**gpt2.OFFICIAL, "gpt2.tiktoken": (url, gpt2.OFFICIAL["gpt2.tiktoken"][1])}
    monkeypatch.setattr(gpt2, "OFFICIAL", official)
    yield url
    server.shutdown()
    server.server_close()


def test_where_it_is_nowhere_it_is_fetched_once_and_kept_in_tiktokens_cache(
    data: Path, alone: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Answers, "body", (data / "tokenizer" / "gpt2.tiktoken").read_bytes())
    assert gpt2_vocabulary().fingerprint == VOCAB_BPE_SHA256
    told = capsys.readouterr().err
    assert address in told
    assert "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930" in told
    monkeypatch.setattr(_Answers, "body", b"")
    assert gpt2_vocabulary().fingerprint == VOCAB_BPE_SHA256
    assert capsys.readouterr().err == ""
    assert [path.name for path in alone.iterdir()] == [sha1(address.encode()).hexdigest()]


def test_what_is_fetched_and_is_not_it_is_refused_with_its_hash(
    alone: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Answers, "body", b"IQ== 0\n")
    with pytest.raises(WebtextError, match=r"has the sha256 [0-9a-f]{64}, not 306cd27f.* is refused"):
        gpt2_vocabulary()
    assert list(alone.iterdir()) == []


def test_nothing_is_fetched_in_the_place_of_a_named_file(
    data: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Answers, "body", (data / "tokenizer" / "gpt2.tiktoken").read_bytes())
    with pytest.raises(WebtextError, match="was not found"):
        gpt2_vocabulary(tmp_path)


def test_where_it_is_nowhere_the_message_says_what_to_put_where(
    alone: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WebtextError, match=r"was not found on this machine, and http:.*Not Found") as caught:
        gpt2_vocabulary()
    message = str(caught.value)
    assert gpt2.VARIABLE in message
    assert VOCAB_BPE_SHA256 in message
    assert "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/vocab.bpe" in message


def test_a_file_of_other_content_is_refused_with_its_hash(data: Path, tmp_path: Path) -> None:
    changed = bytearray((data / "tokenizer" / "vocab.bpe").read_bytes())
    changed[1000] ^= 1
    (tmp_path / "vocab.bpe").write_bytes(changed)
    with pytest.raises(WebtextError, match=r"vocab\.bpe \(sha256 [0-9a-f]{64}\)"):
        gpt2_vocabulary(tmp_path)


def _texts(data: Path) -> list[str]:
    lambada = (data / "eval" / "lambada" / "lambada_test.jsonl").read_text().splitlines()
    return [
        *(json.loads(line)["text"] for line in lambada[:1000]),
        (data / "eval" / "wikitext-2" / "wiki.test.raw").read_text(),
        *(data / "eval" / "wmt14" / "en-fr" / "newstest2014.fr").read_text().splitlines()[:1000],
        *(path.read_text()[:3000] for path in sorted((data / "langid").iterdir()) if path.is_file()),
    ]


def test_ids_are_those_of_tiktoken_and_of_transformers(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks
    from transformers import GPT2TokenizerFast

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    folder = data / "tokenizer"
    ranks = data_gym_to_mergeable_bpe_ranks(str(folder / "vocab.bpe"), str(folder / "encoder.json"))
    theirs = tiktoken.Encoding(
        "gpt2",
        # the pattern as published, not the one that we encode with
        pat_str=r"""'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 50_256},
    )
    fast = GPT2TokenizerFast(vocab=str(folder / "encoder.json"), merges=str(folder / "vocab.bpe"))
    ours = Encoder(gpt2_vocabulary(folder))
    texts = _texts(data)
    assert len(texts) > 2000
    tokens, offsets = ours.encode_batch(texts)
    for number, text in enumerate(texts):
        found = tokens[offsets[number] : offsets[number + 1]].tolist()
        assert found == theirs.encode_ordinary(text)
        assert found == fast(text)["input_ids"]
        assert ours.decode(found) == text


def test_ids_are_those_of_the_reference(data: Path) -> None:
    vocabulary = gpt2_vocabulary(data / "tokenizer")
    ours = Encoder(vocabulary)
    for text in _texts(data)[:200]:
        assert ours.encode(text).tolist() == reference.encode(text, vocabulary)


def test_known_ids(data: Path) -> None:
    ours = Encoder(gpt2_vocabulary(data / "tokenizer"))
    assert ours.encode("Hello world").tolist() == [15496, 995]
    assert ours.encode_batch(["Hello world"], endoftext=True)[0].tolist() == [50256, 15496, 995]
    assert ours.decode(np.array([15496, 995, 50256])) == "Hello world<|endoftext|>"
