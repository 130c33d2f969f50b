"""Whether the fast engine may be used: only if it gives the same as the exact one, here, now, with this vocabulary.

Compared on a fixed probe (what breaks tokenizers) and on a sample of the user's own text. What it gives is never taken
on trust: a new version, another processor or a damaged installation shows here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from webtext.corpus.errors import WebtextError
from webtext.corpus.progress import say
from webtext.tokenize.encoding import Encoder
from webtext.tokenize.fast import FastEncoder
from webtext.tokenize.settled import unsettled
from webtext.tokenize.vocabulary import Vocabulary

GIGATOKEN, TIKTOKEN = "gigatoken", "tiktoken"
SAMPLE_BYTES = 4_000_000
"""Of the user's own text, at most: a third of a second for tiktoken."""


@dataclass(frozen=True)
class Choice:
    """Which engine encodes, and why in words."""

    engine: str
    why: str


def choose_engine(vocabulary: Vocabulary, sample: Sequence[pa.Array], wanted: str = "auto") -> Choice:
    """Prove the fast engine with `vocabulary`, or say why not, and tell the user which one it is.

    Args:
        sample: large_string arrays of the user's own texts.
        wanted: "tiktoken" asks for the exact one without a trial.
    """
    choice = Choice(TIKTOKEN, "asked for") if wanted == TIKTOKEN else _tried(vocabulary, sample)
    say(f"encodes with {choice.engine}: {choice.why}")
    return choice


def _tried(vocabulary: Vocabulary, sample: Sequence[pa.Array]) -> Choice:
    try:
        fast = FastEncoder(vocabulary)
    except ImportError:
        return Choice(TIKTOKEN, "gigatoken, which is faster, is not installed (pip install 'webtext[fast]')")
    exact = Encoder(vocabulary)
    size = 0
    for number, texts in enumerate([pa.array(probe(), pa.large_string()), *sample]):
        size += texts.nbytes if number else 0
        try:
            differs = _difference(fast, exact, texts)
        except BaseException as error:
            if not is_failure(error):
                raise
            differs = f"{type(error).__name__}: {error}"
        if differs:
            where = "your own text" if number else "the probe"
            return Choice(TIKTOKEN, f"gigatoken does not agree with it on {where} ({differs})")
    return Choice(GIGATOKEN, f"it agrees with tiktoken on the probe and on {size / 1e6:,.1f} MB of your text")


def is_failure(error: BaseException) -> bool:
    """Whether an engine failed, or the user wants to stop. Panics of a Rust library are no `Exception`."""
    if isinstance(error, WebtextError):
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _difference(fast: FastEncoder, exact: Encoder, texts: pa.Array) -> str:
    found, edges = fast.encode_column(texts)
    meant, wanted = exact.encode_column(texts)
    if len(edges) == len(wanted) and np.array_equal(edges, wanted) and np.array_equal(found, meant):
        return ""
    for row in range(len(texts)):
        ours = meant[wanted[row] : wanted[row + 1]]
        theirs = found[edges[row] : edges[row + 1]]
        if not np.array_equal(ours, theirs):
            return f"text {row}, {str(texts[row].as_py())[:40]!r}: {len(theirs) - 1} tokens for {len(ours) - 1}"
    return "other offsets"


@cache
def probe() -> tuple[str, ...]:
    """The fixed probe: contractions, white space, repetition, long words, markers, all scripts."""
    chance = random.Random(11)
    runs = [" ", "\n", "\t", "\r\n", " \n", "a", "the", " the", "'s", "'S", "'ll", "1", "12 ", "é", "😀", "!", "\u00a0",
            "\u3000", "\x00", "\x1c", "<|endoftext|>", "的", "ß", "́"]  # fmt: skip
    mixed = ["".join(chance.choice(runs) * chance.choice((1, 1, 2, 3, 9)) for _ in range(chance.randint(1, 40)))
             for _ in range(300)]  # fmt: skip
    # every settled character of the first blocks and each 37th of the rest, after and before each class of the split
    codes = [code for code in (*range(0x3400), *range(0x3400, 0x110000, 37))
             if not (0xD800 <= code < 0xE000 or unsettled()[code])]  # fmt: skip
    scripts = "".join(f"a{chr(code)}1{chr(code)}!{chr(code)} {chr(code)} x" for code in codes)
    long = [run * (20_000 // len(run)) for run in ("a", " ", "ab", "1", "!", "é", "\n", "的一")]
    return ("", "Hello world", "<|endoftext|>", *mixed, *long, scripts)
