"""A corpus of made-up text with a model of two steps, for tests of the evaluation."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import torch

from webtext.api import Corpus
from webtext.corpus.config import Settings, render_settings


def small_corpora() -> ModuleType:
    """How the tests of training make a corpus and a vocabulary without any stage."""
    place = Path(__file__).parent / "train" / "conftest.py"
    spec = importlib.util.spec_from_file_location("trained_corpora", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained_corpus(folder: Path) -> Path:
    """Make it in `folder`; two of its fourteen documents are held out."""
    torch.set_num_threads(1)
    made = small_corpora()
    folder.mkdir()
    (folder / "webtext.toml").write_text(render_settings(Settings()))
    texts = [made.made_up_text(number, 200) for number in range(14)]
    made.write_corpus(folder, train=[texts[:6], texts[6:12]], val=[texts[12:]])
    Corpus(folder).train(preset="tiny", steps=2, batch_tokens=256, samples=0, device="cpu")
    return folder
