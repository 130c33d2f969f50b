"""The tasks of the paper (section 3) as records, and the other protocols people use for LAMBADA and WikiText.

Numbers to compare with are in `paper`; where to get the data in `sources`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from webtext.corpus.errors import UsageError
from webtext.tokenize.split import ENDOFTEXT
from webtext.train.zeroshot.task import Task

_STRIDE = "stride 32 as Radford told afterwards (llm.c, pull request 276, quotes him); de-tokenizer rules are ours"

_WIKITEXT2 = Task(
    "wikitext2", "paper", 1, "WikiText-2", "wikitext-2", "language-model", "test", "perplexity",
    provenance=f"Radford et al. 2019, section 3.1; {_STRIDE}",
    detokenizer="wikitext", begin=ENDOFTEXT, windows="rolling", stride=32, stream="set",
    denominator="words and line ends",
)  # fmt: skip
_WIKITEXT103 = replace(_WIKITEXT2, name="wikitext103", title="WikiText-103", data="wikitext-103")
_HF = {
    "protocol": "hf", "detokenizer": "", "layout": "rows", "begin": "", "windows": "strided", "stride": 0,
    "denominator": "tokens",
    "provenance": "transformers' documentation, Perplexity of fixed-length models, stride 1024: 29.94 for 124M",
}  # fmt: skip
_LM_EVAL = {
    "protocol": "lm-eval", "detokenizer": "lm-eval", "stride": 0, "stream": "example", "denominator": "words",
    "provenance": "EleutherAI's harness, task wikitext: word_perplexity 37.37 for 124M",
}  # fmt: skip
_PTB = replace(
    _WIKITEXT2, name="ptb", title="PTB", data="ptb", detokenizer="ptb",
    provenance=f"Radford et al. 2019, section 3.1; {_STRIDE}",
)  # fmt: skip
_ENWIK8 = replace(
    _PTB, name="enwik8", title="enwik8", data="enwik8", detokenizer="", denominator="bytes", metric="bits",
    provenance="Radford et al. 2019, section 3.1, bits per byte; the usual last 5 million bytes; stride as elsewhere",
)  # fmt: skip
_LAMBADA = Task(
    "lambada", "paper", 1, "LAMBADA", "lambada", "lambada", "test", "accuracy_last_word_no_stop_words",
    provenance="Radford et al. 2019, section 3.3: accuracy 52.66 (1542M) without the stop-word filter, 63.24 with it; "
    "the list of stop words is ours",
    prompt="{passage without its last word}", denominator="last word", truncation="left", max_tokens=6,
    stop_words="stopwords.STOP_WORDS 1",
)  # fmt: skip
_CBT = Task(
    "cbt-cn", "paper", 1, "CBT-CN", "cbt-cn", "cbt", "valid", "accuracy",
    provenance="Radford et al. 2019, section 3.2: validation set, choice and rest of the sentence; de-tokenizer rules "
    "and the joining of sentences by a space are ours",
    prompt="{20 sentences} {question up to the blank}", detokenizer="cbt", truncation="left",
    parts="choice and the rest of the sentence, summed",
)  # fmt: skip
_COQA = Task(
    "coqa", "paper", 1, "CoQA", "coqa", "coqa", "valid", "f1",
    provenance="Radford et al. 2019, section 3.5: document, history (the reference answers), A:, greedy; line ends, Q: "
    "and the limit of tokens are ours",
    prompt="{story}\n\nQ: {question}\nA: {answer}\n…Q: {question}\nA:", truncation="left", stop=("\n",), max_tokens=32,
)  # fmt: skip
_WMT = Task(
    "wmt14-en-fr", "paper", 1, "WMT14 En-Fr", "wmt14", "translation", "test", "bleu",
    provenance="Radford et al. 2019, section 3.7: example pairs, english sentence =, greedy, first sentence; "
    "number and choice of pairs (from the same set, not scored), splitter of sentences are ours; sacrebleu (13a)",
    prompt="{english} = {french}\n…{english} =", truncation="left", shots=5, stop=("\n",), max_tokens=100, sentences=1,
)  # fmt: skip

_ALL: tuple[Task, ...] = (
    _LAMBADA,
    replace(
        _LAMBADA, protocol="hf", metric="accuracy_last_token", denominator="last token", max_tokens=0, stop_words="",
        prompt="{all tokens but the last}",
        provenance="what scripts around transformers measured: the last token only; 46.67 for 124M",
    ),
    replace(
        _LAMBADA, protocol="lm-eval", metric="accuracy_last_word", max_tokens=0, stop_words="",
        prompt="{passage up to its last space}",
        provenance="EleutherAI's harness, task lambada_openai: accuracy 32.56, perplexity 40.06 for 124M",
    ),
    _CBT,
    replace(_CBT, name="cbt-ne", title="CBT-NE", data="cbt-ne"),
    _WIKITEXT2,
    replace(_WIKITEXT2, **_HF),  # type: ignore[arg-type]
    replace(_WIKITEXT2, **_LM_EVAL),  # type: ignore[arg-type]
    _WIKITEXT103,
    replace(_WIKITEXT103, **_HF),  # type: ignore[arg-type]
    replace(_WIKITEXT103, **_LM_EVAL),  # type: ignore[arg-type]
    _PTB,
    _ENWIK8,
    replace(
        _ENWIK8, name="text8", title="text8", data="text8", denominator="characters",
        provenance="Radford et al. 2019, section 3.1, bits per character; the usual last 5 million",
    ),
    replace(_PTB, name="1bw", title="1BW", data="lm1b", detokenizer="lm1b", stream="set"),
    Task(
        "winograd", "paper", 1, "Winograd", "wsc273", "winograd", "test", "accuracy_partial",
        provenance="Radford et al. 2019, section 3.4, after Trinh and Le 2018, who call the scores full and partial",
        prompt="{sentence, the candidate in the pronoun's place}", begin=ENDOFTEXT, truncation="left",
        parts="full: the whole sentence; partial: what follows the candidate",
    ),
    Task(
        "hellaswag", "paper", 1, "HellaSwag", "hellaswag", "hellaswag", "valid", "accuracy_per_byte",
        provenance="not in the paper (Zellers et al. 2019 came after it); as EleutherAI's harness scores it",
        prompt="{activity}: {context}", truncation="left", parts="ending, summed; and divided by its bytes",
    ),
    _COQA,
    Task(
        "cnn-dm", "paper", 1, "CNN/DM", "cnn_dailymail", "summary", "test", "tldr_rouge_average",
        provenance="Radford et al. 2019, section 3.6: article, TL;DR:, 100 tokens with top-k 2, first 3 sentences; the "
        "splitter of sentences and the cutting of long articles at their end are ours; ROUGE by rouge-score with "
        "stemmer, its summary-level L",
        prompt="{article}\nTL;DR:", truncation="article", max_tokens=100, top_k=2, sentences=3,
    ),
    _WMT,
    replace(
        _WMT, name="wmt14-fr-en", title="WMT14 Fr-En", prompt="{french} = {english}\n…{french} =",
    ),
    Task(
        "nq", "paper", 1, "Natural Questions", "nq-open", "questions", "valid", "exact_match",
        provenance="Radford et al. 2019, section 3.8: example pairs, exact match; number, choice (from the same set, "
        "not scored) and layout of the pairs are ours",
        prompt="Q: {question}\nA: {answer}\n\n…Q: {question}\nA:", truncation="left", shots=5, stop=("\n",),
        max_tokens=16,
    ),
)  # fmt: skip

TASKS: Mapping[str, Task] = MappingProxyType({task.key: task for task in _ALL})
"""Every task by its key."""

DEFAULT: tuple[str, ...] = tuple(task.key for task in _ALL if task.protocol == "paper")
SAMPLES = Task(
    "samples", "paper", 1, "Written samples", "", "samples", "held-out documents of the corpus", "found_written",
    provenance="Radford et al. 2019, section 4: 8-grams of lower-cased alphanumeric words of what is written that are "
    "in the corpus, beside those of held-out text; lengths are ours, drawn as openai/gpt-2 draws (top-k 40)",
    prompt="{the first 64 tokens of a held-out document, at most half the context}", max_tokens=128, top_k=40,
)  # fmt: skip
"""Needs the corpus beside the model, so it is scored elsewhere: `webtext.written_samples`."""


def chosen(names: Sequence[str]) -> list[Task]:
    """The tasks of that names, in the catalogue's order; `all` for all protocols, none for the paper's.

    Raises:
        UsageError: no such task.
    """
    names = [name for name in names if name != SAMPLES.name]
    for name in names:
        if name not in TASKS and name != "all":
            near = difflib.get_close_matches(name, [*TASKS, SAMPLES.name], n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join([*TASKS, SAMPLES.name, 'all'])}"
            raise UsageError(f"no such task: {name}", hint=hint)
    return [task for key, task in TASKS.items() if "all" in names or key in names]
