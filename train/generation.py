"""Text from any Hugging Face GPT-2 folder: temperature and top-k, as openai/gpt-2's samples were drawn.

The same seed gives the same text (with the same PyTorch on the same kind of device): logits may differ in their last
bits elsewhere. Serving many users is not what this is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import read_json
from webtext.tokenize.split import ENDOFTEXT
from webtext.train.checkpoint import CONFIG, TOKENIZER, WEIGHTS, read_latest, read_tensors
from webtext.train.device import autocast, choose_device
from webtext.train.model import GPT2, Cache, GPTConfig
from webtext.train.weights import config_from_json, load_into

TOP_K = 40  # openai/gpt-2: the samples it publishes
TEMPERATURE = 1.0


def generate(
    checkpoint: Path,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    seed: int = 0,
    num_samples: int = 1,
    device: str = "auto",
) -> list[str]:
    """Continue `prompt` with a checkpoint's model.

    Args:
        checkpoint: a Hugging Face folder of a GPT-2: config.json, model.safetensors, tokenizer.json.
        prompt: empty for samples that begin where a document does, after `<|endoftext|>`.
        max_tokens: the most tokens that are added; a sample ends earlier at `<|endoftext|>`.
        temperature: 0 takes the likeliest token each time.
        top_k: only the k likeliest tokens are drawn; 0 for all.

    Returns:
        `num_samples` texts, each beginning with `prompt`.

    Raises:
        UsageError: a number out of range.
        WebtextError, DamagedFile: the folder is none of a GPT-2, or not whole.
    """
    model, tokenizer = load_folder(checkpoint)
    return sample_texts(
        model.to(choose_device(device)),
        tokenizer,
        prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
        num_samples=num_samples,
    )


def latest_checkpoint(run: Path) -> Path:
    """The last whole checkpoint of a run, runs/NAME/; a damaged one is named and passed over.

    Raises:
        WebtextError: there is none yet.
        DamagedFile: none of them is whole.
    """
    found = read_latest(run)
    if found is None:
        raise WebtextError("has no checkpoint yet", where=run, hint="train first: webtext train CORPUS")
    return found.folder


def load_folder(folder: Path) -> tuple[GPT2, Tokenizer]:
    """The model (on the CPU, float32) and tokenizer of a Hugging Face folder; no pickle is opened."""
    if not folder.is_dir():
        raise WebtextError("no such checkpoint", where=folder, hint="train a model first: webtext train CORPUS")
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise WebtextError(f"has no {name}: not a Hugging Face folder of a GPT-2", where=folder)
    config = config_from_json(read_json(folder / CONFIG), where=folder / CONFIG)
    tokenizer = read_tokenizer((folder / TOKENIZER).read_bytes(), config, where=folder / TOKENIZER)
    model = empty_model(config)
    load_into(model, read_tensors(folder / WEIGHTS), where=folder / WEIGHTS)
    return model, tokenizer


def empty_model(config: GPTConfig) -> GPT2:
    """A model whose weights are not set yet."""
    with torch.device("meta"):
        model = GPT2(config)
    return model.to_empty(device="cpu")


def read_tokenizer(data: bytes, config: GPTConfig, *, where: object) -> Tokenizer:
    """A tokenizer.json, checked against the model.

    Raises:
        DamagedFile: it is none.
        WebtextError: it has no `<|endoftext|>`, or ids that the model does not have.
    """
    try:
        tokenizer = Tokenizer.from_str(data.decode())
    except Exception as error:  # tokenizers raises no other
        raise DamagedFile(f"is no tokenizer ({error})", where=where) from error
    if tokenizer.token_to_id(ENDOFTEXT) is None:
        raise WebtextError(f"has no token {ENDOFTEXT}: not a tokenizer of a GPT-2", where=where)
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    if size > config.vocab_size:
        raise WebtextError(f"has {size:,} tokens, the model's vocabulary only {config.vocab_size:,}", where=where)
    return tokenizer


def sample_texts(
    model: GPT2,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    max_tokens: int,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    seed: int = 0,
    num_samples: int = 1,
    stopped: Callable[[], bool] = lambda: False,
) -> list[str]:
    """As `generate`, with a model at hand."""
    endoftext = tokenizer.token_to_id(ENDOFTEXT)
    if endoftext is None:
        raise WebtextError(f"this tokenizer has no {ENDOFTEXT}")
    start = tokenizer.encode(prompt, add_special_tokens=False).ids if prompt else [endoftext]
    samples = sample_tokens(
        model,
        start,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
        num_samples=num_samples,
        endoftext=endoftext,
        stopped=stopped,
    )
    # Decoded together with the prompt: a token may be part of a character only.
    begun = start if prompt else []
    return [tokenizer.decode([*begun, *sample], skip_special_tokens=False) for sample in samples]


def sample_tokens(
    model: GPT2,
    start: Sequence[int],
    *,
    max_tokens: int,
    temperature: float,
    top_k: int,
    seed: int,
    num_samples: int,
    endoftext: int,
    stopped: Callable[[], bool] = lambda: False,
) -> list[list[int]]:
    """`num_samples` continuations of `start`, without it and without the `<|endoftext|>` that ended them.

    Sample i draws from its own random numbers, (seed, i): asking for more samples does not change the first ones.
    """
    for name, value, least in (
        ("max_tokens", max_tokens, 1),
        ("temperature", temperature, 0),
        ("top_k", top_k, 0),
        ("seed", seed, 0),
        ("num_samples", num_samples, 1),
    ):
        if not value >= least:  # so that NaN fails, too
            raise UsageError(f"{name} is {value}; it takes a number from {least}")
    context = model.config.context
    device = model.wte.weight.device
    randoms = [torch.Generator().manual_seed(_mix(seed, number)) for number in range(num_samples)]
    samples: list[list[int]] = [[] for _ in randoms]
    ended = [False] * num_samples
    history = torch.tensor([list(start)] * num_samples, dtype=torch.long)
    fresh = history[:, -context:]
    cache: Cache = []
    with torch.no_grad():
        for _ in range(max_tokens):
            if cache and cache[0][0].shape[2] + fresh.shape[1] > context:
                # Positions are learned: there is none after the last. Half of the context is read again, so that this
                # happens once in context / 2 tokens.
                cache, fresh = [], history[:, -max(1, context // 2) :]
            with autocast(device):
                logits = model.head(model.hidden(fresh.to(device), cache)[:, -1]).float().cpu()
            drawn = [_draw(row, temperature, top_k, random) for row, random in zip(logits, randoms, strict=True)]
            for number, token in enumerate(drawn):
                ended[number] = ended[number] or token == endoftext
                if not ended[number]:
                    samples[number].append(token)
            if all(ended) or stopped():
                break
            fresh = torch.tensor(drawn, dtype=torch.long)[:, None]
            history = torch.cat([history, fresh], dim=1)
    return samples


def _draw(logits: Tensor, temperature: float, top_k: int, random: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    if 0 < top_k < len(logits):
        likeliest, ids = logits.topk(top_k)
    else:
        likeliest, ids = logits, torch.arange(len(logits))
    return int(ids[torch.multinomial(torch.softmax(likeliest / temperature, dim=0), 1, generator=random)])


def _mix(seed: int, number: int) -> int:
    # PyTorch seeds its generator with 64 bits; neighbouring seeds must not share samples.
    return (seed * 0x9E3779B97F4A7C15 + number) % (1 << 63)
