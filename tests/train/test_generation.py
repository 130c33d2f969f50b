from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.train.generation import Writer, generate
from webtext.train.sampling import Sampling

GREEDY = Sampling(12, temperature=0.0)
PROMPTS = [" the fox reads", "", " a window", " every token of the small house", " the fox reads"]


@pytest.fixture
def folder(make_corpus: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder as transformers writes it, with the tokenizer of a corpus."""
    data = (make_corpus() / "tokenizer" / "tokenizer.json").read_bytes()
    size = Tokenizer.from_str(data.decode()).get_vocab_size()
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=size, n_positions=32, n_embd=24, n_layer=2, n_head=2, initializer_range=0.2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").write_bytes(data)
    return tmp_path / "model"


def theirs(folder: Path, prompts: list[str], count: int) -> list[str]:
    """What transformers writes greedily, all prompts in one padded batch; cut at `<|endoftext|>`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("<|endoftext|>")
    starts = [tokenizer.encode(prompt).ids if prompt else [end] for prompt in prompts]
    longest = max(map(len, starts))
    rows = torch.tensor([[0] * (longest - len(start)) + start for start in starts])
    mask = torch.tensor([[0] * (longest - len(start)) + [1] * len(start) for start in starts])
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    found = model.generate(
        rows, attention_mask=mask, max_new_tokens=count, do_sample=False, eos_token_id=end, pad_token_id=end
    )
    texts = []
    for prompt, row in zip(prompts, found[:, longest:].tolist(), strict=True):
        written = row[: row.index(end)] if end in row else row
        texts.append(prompt + tokenizer.decode(written, skip_special_tokens=False))
    return texts


def test_greedy_texts_are_those_of_transformers(folder: Path) -> None:
    wanted = theirs(folder, PROMPTS, 12)
    writer = Writer.load(folder, device="cpu")
    assert [texts[0] for texts in writer.write(PROMPTS, GREEDY)] == wanted
    assert [texts[0] for texts in writer.write(PROMPTS, GREEDY, batch_size=2)] == wanted
    assert [writer.write([prompt], GREEDY)[0][0] for prompt in PROMPTS] == wanted
    assert len(set(wanted)) == 4  # two prompts are the same


def test_a_text_depends_on_nothing_beside_it(folder: Path) -> None:
    writer = Writer.load(folder, device="cpu")
    sampling = Sampling(20, 1.5)
    alone = [writer.write([prompt], sampling, seed=7, num_samples=3)[0] for prompt in PROMPTS]
    assert writer.write(PROMPTS, sampling, seed=7, num_samples=3) == alone
    assert writer.write(PROMPTS, sampling, seed=7, num_samples=3, batch_size=4) == alone
    assert [texts[0] for texts in writer.write(PROMPTS, sampling, seed=7)] == [texts[0] for texts in alone]
    assert writer.write(PROMPTS, sampling, seed=8, num_samples=3) != alone
    assert len(set(alone[0])) == 3
    assert all(text.startswith(prompt) for prompt, texts in zip(PROMPTS, alone, strict=True) for text in texts)


def test_a_stream_is_the_text_in_pieces(folder: Path) -> None:
    writer = Writer.load(folder, device="cpu")
    sampling = Sampling(40, 2.0, 0)
    (text,) = writer.write([" the"], sampling, seed=3)[0]
    pieces = list(writer.stream(" the", sampling, seed=3))
    assert " the" + "".join(pieces) == text
    assert len(pieces) > 10
    assert generate(folder, " the", max_tokens=40, temperature=2.0, top_k=0, seed=3, device="cpu") == [text]


def test_a_text_ends_before_a_stop_string(folder: Path) -> None:
    writer = Writer.load(folder, device="cpu")
    (whole,) = writer.write([" the"], GREEDY)[0]
    written = whole.removeprefix(" the")
    stop = written[5:8]
    cut = written[: written.index(stop)]
    assert writer.write([" the"], GREEDY, stop=[stop, "never written"])[0] == [" the" + cut]
    assert "".join(writer.stream(" the", GREEDY, stop=[stop])) == cut
    # In the prompt it is not looked for.
    assert writer.write([" the"], GREEDY, stop=[" the"])[0][0].startswith(" the")
    for wrong in ("text", [""]):
        with pytest.raises(UsageError, match="it takes strings, none of them empty"):
            writer.write([" the"], GREEDY, stop=wrong)


def test_a_text_ends_at_endoftext(folder: Path) -> None:
    writer = Writer.load(folder, device="cpu")
    with torch.no_grad():
        # The head's row of <|endoftext|> becomes that of the token that would come fifth, only longer: it wins there.
        tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        fifth = writer.write([" the"], Sampling(5, temperature=0.0))[0][0]
        last = tokens.encode(fifth).ids[-1]
        writer.model.wte.weight[-1] = writer.model.wte.weight[last] * 1.5
    ended = writer.write([" the"], GREEDY)[0][0]
    assert len(tokens.encode(ended).ids) < len(tokens.encode(fifth).ids)
    assert "<|endoftext|>" not in ended
    assert "".join(writer.stream(" the", GREEDY)) == ended.removeprefix(" the")


def test_without_a_prompt_it_begins_a_document(folder: Path) -> None:
    writer = Writer.load(folder, device="cpu")
    (text,) = writer.write([""], GREEDY)[0]
    assert "<|endoftext|>" + text == writer.write(["<|endoftext|>"], GREEDY)[0][0]
    assert "<|endoftext|>" not in text


def test_writing_stops_when_asked(folder: Path) -> None:
    writer = Writer.load(folder, device="cpu")
    asked = iter([False, False, True] + [True] * 50)
    (text,) = writer.write([" the"], GREEDY, stopped=lambda: next(asked))[0]
    assert text == writer.write([" the"], Sampling(2, temperature=0.0))[0][0]


def test_numbers_out_of_range_are_refused(folder: Path) -> None:
    for options in ({"num_samples": 0}, {"seed": -1}, {"max_tokens": 0}, {"top_p": 2.0}):
        with pytest.raises(UsageError, match=next(iter(options))):
            generate(folder, "the", device="cpu", **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="batch_size is 0"):
        Writer.load(folder, device="cpu").write(["the"], GREEDY, batch_size=0)


def test_a_folder_that_is_not_whole_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DamagedFile, match="no readable safetensors file"):
        generate(folder, "the")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DamagedFile, match="is no tokenizer"):
        generate(folder, "the")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": "two"}))
    with pytest.raises(DamagedFile, match="no whole configuration"):
        generate(folder, "the")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WebtextError, match=r"has no tokenizer\.json"):
        generate(folder, "the")


def test_weights_of_another_vocabulary_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 260}))
    with pytest.raises(WebtextError, match="tokens, the model's vocabulary only 260"):
        generate(folder, "the")
