"""ROUGE and BLEU of written texts, by the libraries everybody uses for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from webtext.train.zeroshot.task import Score

RESAMPLES = 1_000
"""Of the bootstrap behind BLEU's standard error (Koehn 2004); seeded by sacrebleu."""


def rouge(summary: Sequence[str], reference: Sequence[str]) -> Mapping[str, float]:
    """F of ROUGE-1, 2 and L (summary level: sentence by sentence), 0 to 1, and their mean. Words are stemmed."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeLsum"], use_stemmer=True)
    # One sentence a line: what the summary-level L takes apart.
    found = scorer.score("\n".join(reference), "\n".join(summary))
    one, two, longest = (float(found[name].fmeasure) for name in ("rouge1", "rouge2", "rougeLsum"))
    return {"rouge_1": one, "rouge_2": two, "rouge_l": longest, "rouge_average": (one + two + longest) / 3}


def bleu(texts: Sequence[str], references: Sequence[str]) -> Score:
    """Corpus BLEU, 0 to 100."""
    from sacrebleu.metrics.bleu import BLEU

    if not texts:
        return Score(float("nan"), None, 0)
    metric = BLEU()
    value = float(metric.corpus_score(list(texts), [list(references)]).score)
    if len(texts) == 1:
        return Score(value, None, 1)
    resampled = BLEU().corpus_score(list(texts), [list(references)], n_bootstrap=RESAMPLES)
    half = getattr(resampled, "_ci", None)  # of the 95 % interval
    return Score(value, None if half is None else float(half) / 1.96, len(texts))


def libraries() -> dict[str, str]:
    """The versions that decide these numbers."""
    return {name: version(name) for name in ("sacrebleu", "rouge-score")}
