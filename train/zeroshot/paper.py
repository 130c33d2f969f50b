"""The paper's numbers, to stand beside one's own: Table 3, and what sections 3.4 to 3.8 say.

Radford et al. 2019. Its names of the models are kept; its counts of parameters are wrong, as openai/gpt-2 says, so a
figure uses the true ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MODELS: Mapping[str, int] = MappingProxyType(
    {"117M": 124_439_808, "345M": 354_823_168, "762M": 774_030_080, "1542M": 1_557_611_200}
)
"""The paper's names, and true parameters."""


@dataclass(frozen=True)
class Row:
    """A column of the paper's table: `task` and `score` name our number, `higher` says which way is better.

    `sizes` are the paper's four models; None where it gives no number. `before` is the state of the art then.
    """

    label: str
    task: str
    score: str
    higher: bool
    before: float | None
    sizes: tuple[float | None, float | None, float | None, float | None]
    unit: str


def _row(label: str, task: str, score: str, unit: str, before: float | None, *sizes: float | None) -> Row:
    four = (*(None,) * (4 - len(sizes)), *sizes)
    return Row(label, task, score, unit not in ("ppl", "bpb", "bpc"), before, four, unit)  # type: ignore[arg-type]


_STOP = "accuracy_last_word_no_stop_words"

ROWS: tuple[Row, ...] = (
    _row("LAMBADA", "lambada", "perplexity", "ppl", 99.8, 35.13, 15.60, 10.87, 8.63),
    _row("LAMBADA, no stop words", "lambada", _STOP, "acc", 59.23, 45.99, 55.48, 60.12, 63.24),
    _row("LAMBADA, last word", "lambada", "accuracy_last_word", "acc", None, 52.66),
    _row("LAMBADA, last token", "lambada", "accuracy_last_token", "acc", None),
    _row("LAMBADA (hf)", "lambada:hf", "accuracy_last_token", "acc", None),
    _row("LAMBADA (lm-eval)", "lambada:lm-eval", "accuracy_last_word", "acc", None),
    _row("LAMBADA (lm-eval)", "lambada:lm-eval", "perplexity", "ppl", None),
    _row("CBT-CN", "cbt-cn", "accuracy", "acc", 85.7, 87.65, 92.35, 93.45, 93.30),
    _row("CBT-NE", "cbt-ne", "accuracy", "acc", 82.3, 83.4, 87.1, 88.0, 89.05),
    _row("WikiText-2", "wikitext2", "perplexity", "ppl", 39.14, 29.41, 22.76, 19.93, 18.34),
    _row("WikiText-2 (hf)", "wikitext2:hf", "perplexity", "ppl", None),
    _row("WikiText-2 (lm-eval)", "wikitext2:lm-eval", "perplexity", "ppl", None),
    _row("PTB", "ptb", "perplexity", "ppl", 46.54, 65.85, 47.33, 40.31, 35.76),
    _row("enwik8", "enwik8", "bits", "bpb", 0.99, 1.16, 1.01, 0.97, 0.93),
    _row("text8", "text8", "bits", "bpc", 1.08, 1.17, 1.06, 1.02, 0.98),
    _row("WikiText-103", "wikitext103", "perplexity", "ppl", 18.3, 37.50, 26.37, 22.05, 17.48),
    _row("WikiText-103 (hf)", "wikitext103:hf", "perplexity", "ppl", None),
    _row("WikiText-103 (lm-eval)", "wikitext103:lm-eval", "perplexity", "ppl", None),
    _row("1BW", "1bw", "perplexity", "ppl", 21.8, 75.20, 55.72, 44.575, 42.16),
    _row("Winograd, partial", "winograd", "accuracy_partial", "acc", 63.7, 70.70),
    _row("Winograd, full", "winograd", "accuracy_full", "acc", None),
    _row("HellaSwag", "hellaswag", "accuracy", "acc", None),
    _row("HellaSwag, per byte", "hellaswag", "accuracy_per_byte", "acc", None),
    _row("CoQA", "coqa", "f1", "F1", 89.0, 55.0),
    _row("CNN/DM, TL;DR", "cnn-dm", "tldr_rouge_1", "R-1", 41.22, 29.34),
    _row("CNN/DM, TL;DR", "cnn-dm", "tldr_rouge_2", "R-2", 18.68, 8.27),
    _row("CNN/DM, TL;DR", "cnn-dm", "tldr_rouge_l", "R-L", 38.34, 26.58),
    _row("CNN/DM, TL;DR", "cnn-dm", "tldr_rouge_average", "R-avg", 32.75, 21.40),
    _row("CNN/DM, no hint", "cnn-dm", "no_hint_rouge_1", "R-1", None, 21.58),
    _row("CNN/DM, no hint", "cnn-dm", "no_hint_rouge_2", "R-2", None, 4.03),
    _row("CNN/DM, no hint", "cnn-dm", "no_hint_rouge_l", "R-L", None, 19.47),
    _row("CNN/DM, no hint", "cnn-dm", "no_hint_rouge_average", "R-avg", None, 15.03),
    _row("CNN/DM, Lede-3", "cnn-dm", "lede_3_rouge_1", "R-1", 40.38),
    _row("CNN/DM, Lede-3", "cnn-dm", "lede_3_rouge_2", "R-2", 17.66),
    _row("CNN/DM, Lede-3", "cnn-dm", "lede_3_rouge_l", "R-L", 36.62),
    _row("CNN/DM, Lede-3", "cnn-dm", "lede_3_rouge_average", "R-avg", 31.55),
    _row("CNN/DM, Random-3", "cnn-dm", "random_3_rouge_1", "R-1", 28.78),
    _row("CNN/DM, Random-3", "cnn-dm", "random_3_rouge_2", "R-2", 8.63),
    _row("CNN/DM, Random-3", "cnn-dm", "random_3_rouge_l", "R-L", 25.52),
    _row("CNN/DM, Random-3", "cnn-dm", "random_3_rouge_average", "R-avg", 20.98),
    _row("WMT14 En-Fr", "wmt14-en-fr", "bleu", "BLEU", None, 5.0),
    _row("WMT14 Fr-En", "wmt14-fr-en", "bleu", "BLEU", 33.5, 11.5),
    _row("Natural Questions", "nq", "exact_match", "EM", None, 4.1),
    _row("NQ, surest 1 %", "nq", "exact_match_most_confident", "EM", None, 63.1),
)
"""`before`: state of the art as Table 3 has it; CoQA's is a supervised BERT, Fr-En the best unsupervised system,
Winograd Trinh and Le 2018, CNN/DM Bottom-Up (Gehrmann et al. 2018); Lede-3 and Random-3 are those of Table 4, which
need no model."""
