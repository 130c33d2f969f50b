"""Facts about `webtext eval`: small test sets in their publishers' layouts, of which overlap and scores are known."""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from webtext.corpus.manifests import fingerprint
from webtext.demo.finished import Finished
from webtext.demo.pages import DemoWeb

_WORDS = 30
"""Of a passage: 23 8-grams."""
# Whole words: half of `word2vec` is none of the corpus.
_PASSAGE = re.compile(rf"(?<![^\W_])(?:[A-Za-z]+[ ,;]+){{{_WORDS - 1}}}[A-Za-z]+(?![^\W_])")
_ENOUGH = 100
"""Steps after which a model can tell a sentence from its words in any order."""

Results = Mapping[str, Any]


def plant(web: DemoWeb, *, steps: int) -> None:
    """All of them, for a training of so many steps. The test sets are made of the finished corpus' own text."""
    scored: dict[Path, Results] = {}

    def fact(name: str, check: Callable[[Results, Finished], str]) -> None:
        def checked(finished: Finished) -> str:
            if finished.corpus not in scored:
                scored[finished.corpus] = _evaluate(finished)
            return check(scored[finished.corpus], finished)

        web.expect(name, checked)

    fact("a score names the model, and the corpus that it was trained on", _named)
    fact("what the corpus holds of a test set stands beside the score, and can be left out", _overlap)
    fact("the first three sentences, where they are the summary asked for, have a ROUGE of 100", _lede)
    if steps >= _ENOUGH:
        fact("the model tells sentences of its corpus from their words in any order", _chosen)


def _evaluate(finished: Finished) -> Results:
    from webtext.api import Corpus
    from webtext.zeroshot import evaluate

    with tempfile.TemporaryDirectory() as name:
        sets = Path(name) / "sets"
        sets.mkdir()
        found = list(islice(_passages(finished), 9))
        copied, *unseen = found[:3]
        # Words in the other direction are no text of anybody's.
        _lines(sets / "lambada_test.jsonl", [{"text": " ".join(text)} for text in (copied, *(t[::-1] for t in unseen))])
        _lines(sets / "hellaswag_val.jsonl", [_shuffled(number, text) for number, text in enumerate(found)])
        lede = [f"{' '.join(text).capitalize()}." for text in found]
        story = "\n\n".join([" ".join(lede), *(f"@highlight\n\n{sentence}" for sentence in lede[:3])])
        (sets / f"{0:040x}.story").write_text(story)
        Corpus(finished.corpus, create=False).overlap(sets / "lambada_test.jsonl", workers=1)  # eval finds it there
        results, _ = evaluate(
            finished.corpus, tasks=["lambada", "hellaswag", "cnn-dm"], data=sets, out=Path(name) / "out",
            without_overlap=True, device="cpu",
        )  # fmt: skip
        return results


def _passages(finished: Finished) -> Iterator[list[str]]:
    """Words in a row, one passage a document."""
    for _, text in sorted(finished.texts.items()):
        if found := passage(text):
            yield found


def passage(text: str) -> list[str]:
    """The first words in a row that make a passage; none where the text has no such."""
    found = _PASSAGE.search(text)
    return re.findall(r"[A-Za-z]+", found[0]) if found else []


def _shuffled(number: int, words: list[str]) -> dict[str, Any]:
    head, tail = words[:10], words[10:]
    order = random.Random(number)
    endings = [" ".join(order.sample(tail, len(tail))) for _ in range(3)]
    endings.insert(number % 4, " ".join(tail))
    return {
        "ind": number, "activity_label": "Text", "ctx": " ".join(head), "label": number % 4, "split": "val",
        "endings": endings,
    }  # fmt: skip


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _named(results: Results, finished: Finished) -> str:
    found, wanted = results["model"]["corpus"], fingerprint(finished.manifests)
    return "" if found == wanted else f"it names {str(found)[:16]}, the corpus is {str(wanted)[:16]}"


def _overlap(results: Results, finished: Finished) -> str:
    task = results["tasks"]["lambada"]
    counts = [task[name]["perplexity"]["count"] for name in ("scores", "without_overlap")]
    if abs(task["overlap"] - 100 / 3) > 0.01 or (task["left_out"], counts) != (1, [3, 2]):
        return f"{task['overlap']} % of one passage in three, {task['left_out']} left out, {counts} scored"
    return ""


def _lede(results: Results, finished: Finished) -> str:
    scores = {name: score["value"] for name, score in results["tasks"]["cnn-dm"]["scores"].items()}
    if any(abs(scores[f"lede_3_rouge_{measure}"] - 100) > 0.01 for measure in ("1", "2", "l", "average")):
        return f"Lede-3 has {scores['lede_3_rouge_average']}"
    return "" if scores["random_3_rouge_2"] < 100 else "three sentences by lot have, too"


def _chosen(results: Results, finished: Finished) -> str:
    score = results["tasks"]["hellaswag"]["scores"]["accuracy"]
    return "" if score["value"] >= 75 else f"it chose {score['value']:.0f} % of {score['count']} rightly"
