"""What a task is: a small record that says everything its number depends on, besides model and data.

A result without its protocol cannot be compared: each of these fields has moved published numbers. The records are in
`catalogue`; a result file repeats the record of every task it holds.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task under one protocol. `version` rises with every change that can change a number."""

    name: str
    protocol: str
    """paper, hf (transformers' documentation and scripts) or lm-eval (EleutherAI's harness)."""
    version: int
    title: str
    data: str
    """Which test set: a key of `sources.SOURCES`."""
    scorer: str
    """language-model, lambada, cbt, winograd, hellaswag, coqa, summary, translation or questions."""
    split: str
    """The split that the protocol takes; what was read stands in the result."""
    metric: str
    """The score that stands in the table."""
    provenance: str
    """Where the protocol is from, and what of it was chosen here because nobody has published it."""
    prompt: str = ""
    detokenizer: str = ""
    """A key of `detokenizers.STYLES`; lm-eval's own, which has no way back; none."""
    layout: str = "published"
    """published: the text of the files; rows: transformers' data set, its rows joined by two line ends."""
    begin: str = ""
    """What stands before the first token: <|endoftext|> or nothing."""
    windows: str = ""
    """rolling or strided: `windows`."""
    stride: int = 0
    """Tokens that each window scores; 0 for the whole context. Never more than the context."""
    stream: str = ""
    """set: one text; example: each article for itself."""
    denominator: str = ""
    """Per what the likelihood is taken: words and line ends of the published text, words (split at white space as
    lm-eval does), bytes, characters, tokens; of LAMBADA the last word or the last token."""
    truncation: str = ""
    """What leaves a prompt that is too long: its beginning (left), or the end of the article (article)."""
    shots: int = 0
    """Example pairs before the question; of a small context as many as fit."""
    seed: int = 1
    """Chooses example pairs, examples where there is a limit, and sentences, and draws tokens."""
    stop: tuple[str, ...] = ()
    max_tokens: int = 0
    top_k: int = 1
    """1 is greedy."""
    sentences: int = 0
    """How many sentences of what was written count; 0 for all."""
    parts: str = ""
    """What a score of several choices is taken over."""
    stop_words: str = ""

    @property
    def key(self) -> str:
        """What it is called on the command line: lambada, lambada:lm-eval."""
        return self.name if self.protocol == "paper" else f"{self.name}:{self.protocol}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Score:
    """A number with its standard error (None where there is none) over `count` examples."""

    value: float
    error: float | None
    count: int

    def to_json(self) -> dict[str, Any]:
        """JSON has no infinity (a perplexity may be one): null."""
        value, error = (n if n is not None and math.isfinite(n) else None for n in (self.value, self.error))
        return {"value": value, "error": error, "count": self.count}
