"""A model with its tokenizer: what writes text and what scores it both begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from tokenizers import Tokenizer

from webtext.corpus.errors import WebtextError
from webtext.tokenize.split import ENDOFTEXT
from webtext.train.decoding import token_bytes
from webtext.train.device import choose_device
from webtext.train.folders import load_folder
from webtext.train.model import GPT2


class TextModel:
    """A GPT-2, its tokenizer, and the bytes of each of its tokens.

    Raises:
        WebtextError: the tokenizer has no `<|endoftext|>`.
    """

    def __init__(self, model: GPT2, tokenizer: Tokenizer) -> None:
        endoftext = tokenizer.token_to_id(ENDOFTEXT)
        if endoftext is None:
            raise WebtextError(f"this tokenizer has no {ENDOFTEXT}")
        self.model = model
        self.tokenizer = tokenizer
        self.endoftext: int = endoftext
        self.context = model.config.context
        self.vocabulary = token_bytes(tokenizer)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Read a folder: Hugging Face's or OpenAI's of a GPT-2.

        Raises:
            WebtextError, DamagedFile: it is none, or not whole.
        """
        where = choose_device(device)
        model, tokenizer = load_folder(folder)
        return cls(model.to(where), tokenizer)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.wte.weight.device

    def encode(self, text: str) -> list[int]:
        """The tokens of a text. No part of it is taken for `<|endoftext|>`'s token but that string itself."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids) if text else []
