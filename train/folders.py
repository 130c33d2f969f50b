"""Any folder of a GPT-2: Hugging Face's (config.json, safetensors) or OpenAI's (hparams.json, a TensorFlow checkpoint).

No pickle is ever opened: reading one runs whatever program it holds. A folder that has its weights only in one
(pytorch_model.bin) is refused, with a way to convert it elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import file_sha256, identity_of, os_errors, read_json
from webtext.tokenize.files import TOKENIZER_JSON, parse_vocabulary, read_vocabulary, vocabulary_files
from webtext.tokenize.split import ENDOFTEXT
from webtext.train.checkpoint import CONFIG, WEIGHTS, read_tensors
from webtext.train.model import GPT2, GPTConfig
from webtext.train.tensorflow import HPARAMS, checkpoint_prefix, is_openai_folder, read_hparams, read_openai
from webtext.train.weights import config_from_json, load_into

WEIGHT_INDEX = "model.safetensors.index.json"
"""Names the files of weights that lie in several (transformers' sharded checkpoints)."""
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "flax_model.msgpack", "tf_model.h5")
_VOCABULARIES = ("vocab.json", "encoder.json", "merges.txt", "vocab.bpe")


@dataclass(frozen=True)
class ModelFolder:
    """A folder that holds a GPT-2, looked at but not read. Make one with `find_model`."""

    path: Path
    config: GPTConfig
    openai: bool

    def weights(self) -> dict[str, Tensor]:
        """All tensors, under Hugging Face's names and in its layout."""
        if self.openai:
            return read_openai(self.path)
        found: dict[str, Tensor] = {}
        for file in self._files():
            found |= read_tensors(file)
        return found

    def model(self) -> GPT2:
        """The model, on the CPU in float32.

        Raises:
            DamagedFile: a file is not whole, or the weights are not those that the configuration names.
        """
        model = empty_model(self.config)
        load_into(model, self.weights(), where=self.path)
        return model

    def identity(self) -> str:
        """A hash over the shape and every byte of the weights."""
        return identity_of([vars(self.config), [file_sha256(file) for file in self._files()]])

    def tokenizer_json(self) -> bytes | None:
        """The bytes of tokenizer.json, made of the vocabulary's other files where need be; None where there is none."""
        path = self.path / TOKENIZER_JSON
        if path.is_file():
            with os_errors(path):
                return path.read_bytes()
        if not any((self.path / name).is_file() for name in _VOCABULARIES):
            return None
        return vocabulary_files(read_vocabulary(self.path))[TOKENIZER_JSON]

    def tokenizer_fingerprint(self) -> str | None:
        """The fingerprint of its vocabulary as shards name it; None where it has no tokenizer."""
        data = self.tokenizer_json()
        return None if data is None else parse_vocabulary(data, self.path / TOKENIZER_JSON).fingerprint

    def _files(self) -> Sequence[Path]:
        if self.openai:
            prefix = checkpoint_prefix(self.path)
            return sorted(path for path in self.path.glob(f"{prefix.name}.*") if path.suffix != ".meta")
        whole, index = self.path / WEIGHTS, self.path / WEIGHT_INDEX
        if whole.is_file():
            return [whole]
        found = read_json(index)
        names = sorted(set(found.get("weight_map", {}).values())) if isinstance(found, dict) else []
        if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise DamagedFile("names no files of weights in its folder", where=index)
        return [self.path / name for name in names]


def find_model(folder: Path) -> ModelFolder:
    """See what kind of GPT-2 a folder holds.

    Raises:
        WebtextError: there is none, another model, or one whose weights lie in a pickle only.
        DamagedFile: its configuration is no whole one.
    """
    if not folder.is_dir():
        raise WebtextError("there is no such folder", where=folder, hint="name a folder that holds a GPT-2")
    if is_openai_folder(folder):
        return ModelFolder(folder, read_hparams(folder), openai=True)
    has_config = (folder / CONFIG).is_file()
    if has_config and ((folder / WEIGHTS).is_file() or (folder / WEIGHT_INDEX).is_file()):
        return ModelFolder(folder, config_from_json(read_json(folder / CONFIG), where=folder / CONFIG), openai=False)
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if has_config and pickles:
        raise WebtextError(
            f"has its weights in {pickles[0]} only: such a file can run any program when it is read, so it is not",
            where=folder,
            hint="convert it where you trust it: transformers' GPT2LMHeadModel.from_pretrained(FOLDER), then "
            ".save_pretrained(NEW), which writes model.safetensors",
        )
    missing = WEIGHTS if has_config else CONFIG
    raise WebtextError(
        f"is no folder of a GPT-2: it has no {missing}",
        where=folder,
        hint=f"Hugging Face's have {CONFIG} and {WEIGHTS}, OpenAI's hparams.json and model.ckpt.index",
    )


def load_folder(folder: Path) -> tuple[GPT2, Tokenizer]:
    """The model (on the CPU, float32) and tokenizer of a folder; no pickle is opened."""
    found = find_model(folder)
    data = found.tokenizer_json()
    if data is None:
        raise WebtextError(f"has no {TOKENIZER_JSON}: without it no text can be written", where=folder)
    tokenizer = read_tokenizer(data, found.config, where=folder / TOKENIZER_JSON)
    return found.model(), tokenizer


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


def is_model_folder(folder: Path) -> bool:
    """Whether a folder is a GPT-2's, or was meant to be: `find_model` then says what is wrong with it."""
    return (folder / CONFIG).is_file() or (folder / HPARAMS).is_file()
