"""The four ways of asking a language model for a task: CoQA, CNN/DM, WMT14, Natural Questions.

A prompt is built, continued, and what was written is compared with references. Metrics that compare whole texts come
from their libraries (`generated`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.testsets.example import Example, TestSet
from webtext.train.sampling import Sampling
from webtext.train.zeroshot import answers, generated, scores
from webtext.train.zeroshot.continuations import Continuation, Prompt
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job, Record, Scores, drawn, in_parts, kept, lot
from webtext.train.zeroshot.sentences import sentences
from webtext.train.zeroshot.task import Task

PART_EXAMPLES = 32
CONFIDENT = 0.01
"""The share of questions that the paper calls the most confident 1 %."""


@dataclass(frozen=True)
class Question:
    """A prompt (or several, by name), and what an answer is measured by."""

    example: str
    prompts: Mapping[str, Prompt]
    references: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False


def asking_job(task: Task, found: TestSet, engine: Engine, *, limit: int | None) -> Job:
    """Make a task that is asked for ready; `limit` is a number of questions, drawn by the task's seed."""
    make, record, summarise = _HOW[task.scorer]
    examples = list(found.examples())
    more = min(task.max_tokens, max(1, engine.context // 2))
    asked, facts = make(task, examples, engine, limit, more)
    if not asked:
        raise WebtextError("holds no example", where=found.files[0])
    names = [question.example for question in asked]
    # Questions about one text stand together: what they have in common is computed once.
    order = list(range(len(asked)))
    if task.scorer != "coqa":
        order.sort(key=lambda item: (max(len(prompt.tokens) for prompt in asked[item].prompts.values()), item))
    return Job(
        examples=names,
        parts=in_parts(order, PART_EXAMPLES),
        score=partial(_score, task, engine, asked, more, record),
        summarise=lambda records, without: summarise(kept(records, names, without)),
        facts={
            "context": engine.context,
            "examples": len(asked),
            "max_tokens": more,
            "prompts_cut": sum(question.cut for question in asked),
            **facts,
        },
    )


def _score(
    task: Task,
    engine: Engine,
    asked: Sequence[Question],
    more: int,
    record: _Recorded,
    places: Sequence[int],
) -> list[Record]:
    sampling = Sampling(max_tokens=more, temperature=0 if task.top_k == 1 else 1, top_k=task.top_k)
    named = [(place, name, prompt) for place in places for name, prompt in asked[place].prompts.items()]
    written = engine.goes_on([prompt for _, _, prompt in named], sampling, stop=task.stop)
    found: dict[int, dict[str, Continuation]] = {place: {} for place in places}
    for (place, name, _), continuation in zip(named, written, strict=True):
        found[place][name] = continuation
    records = []
    for place in places:
        kept_tokens = {name: list(continuation.tokens) for name, continuation in found[place].items()}
        records.append({**record(task.sentences, asked[place], found[place]), "tokens": kept_tokens})
    return records


def _fitted(engine: Engine, tokens: Sequence[int], more: int) -> tuple[tuple[int, ...], bool]:
    """A prompt that leaves room for `more` tokens, and whether it lost its beginning."""
    room = engine.context - more + 1
    return tuple(tokens[-room:]), len(tokens) > room


_Made = tuple[list[Question], dict[str, Any]]


def _coqa(task: Task, examples: Sequence[Example], engine: Engine, limit: int | None, more: int) -> _Made:
    asked: list[Question] = []
    for example in sorted(examples, key=lambda example: lot(task.seed, example.id)) if limit else examples:
        fields = example.fields
        tokens = engine.encode(f"{fields['story']}\n\nQ:")
        for turn, (question, answer) in enumerate(zip(fields["questions"], fields["answers"], strict=True)):
            if limit is not None and len(asked) >= limit:
                return asked, {}
            tokens += engine.encode(f" {question['input_text'].strip()}\nA:")
            prompt, cut = _fitted(engine, tokens, more)
            others = fields.get("additional_answers", {}).values()
            references = (answer["input_text"], *(other[turn]["input_text"] for other in others if turn < len(other)))
            facts = {"source": fields.get("source", ""), "turn": turn}
            asked.append(Question(example.id, {"answer": Prompt(prompt)}, references, facts, cut))
            tokens += engine.encode(f" {answer['input_text'].strip()}\nQ:")
    return asked, {}


def _coqa_record(_: int, question: Question, written: Mapping[str, Continuation]) -> Record:
    answer = written["answer"].text.strip()
    f1, exact = answers.coqa(answer, question.references)
    return {"answer": answer, "f1": f1, "exact": exact, **question.facts}


def _sum_coqa(records: Sequence[Record]) -> Scores:
    found = {
        "f1": scores.mean([record["f1"] for record in records], scale=100),
        "exact_match": scores.mean([record["exact"] for record in records], scale=100),
    }
    for source in sorted({record["source"] for record in records} - {""}):
        of_source = [record["f1"] for record in records if record["source"] == source]
        found[f"f1_{source}"] = scores.mean(of_source, scale=100)
    return found


HINT, NO_HINT = "\nTL;DR:", "\n"


def _summary(task: Task, examples: Sequence[Example], engine: Engine, limit: int | None, more: int) -> _Made:
    asked = []
    for number, example in enumerate(drawn(examples, limit, task.seed)):
        article = str(example.fields["article"])
        tokens = engine.encode(article)
        prompts, cut = {}, False
        for name, hint in (("tldr", HINT), ("no_hint", NO_HINT)):
            end = engine.encode(hint)
            room = max(1, engine.context - more + 1 - len(end))
            prompts[name] = Prompt((*tokens[:room], *end), seed=task.seed * 1_000_003 + number)
            cut = cut or len(tokens) > room
        told = sentences(article)
        three = sorted(range(len(told)), key=lambda place: lot(task.seed, f"{example.id}:{place}"))[: task.sentences]
        facts = {"lede_3": told[: task.sentences], "random_3": [told[place] for place in sorted(three)]}
        asked.append(Question(example.id, prompts, tuple(example.fields["highlights"]), facts, cut))
    return asked, {}


def _summary_record(count: int, question: Question, written: Mapping[str, Continuation]) -> Record:
    summaries = {name: sentences(continuation.text)[:count] for name, continuation in written.items()}
    summaries |= {name: question.facts[name] for name in ("lede_3", "random_3")}
    return {
        name: {"text": " ".join(summary), "rouge": generated.rouge(summary, question.references)}
        for name, summary in summaries.items()
    }


def _sum_summary(records: Sequence[Record]) -> Scores:
    found = {}
    for name in ("tldr", "no_hint", "lede_3", "random_3"):
        for measure in ("rouge_1", "rouge_2", "rouge_l", "rouge_average"):
            values = [record[name]["rouge"][measure] for record in records]
            found[f"{name}_{measure}"] = scores.mean(values, scale=100)
    return found


@dataclass(frozen=True)
class Pairs:
    """Example pairs in tokens, and the examples they leave to be scored."""

    tokens: Sequence[Sequence[int]]
    ids: Sequence[str]
    left: Sequence[Example]

    def before(self, question: Sequence[int], engine: Engine, more: int) -> tuple[Prompt, bool]:
        """The prompt with as many pairs as leave room for it, and whether the question itself was cut."""
        room = engine.context - more + 1 - len(question)
        held: list[int] = []
        for pair in self.tokens:
            if len(held) + len(pair) > room:
                break
            held += pair
        fitted, cut = _fitted(engine, [*held, *question], more)
        return Prompt(fitted), cut


def _pairs(task: Task, examples: Sequence[Example], engine: Engine, written: Callable[[Example], str]) -> Pairs:
    """The pairs are drawn by the seed, from the set itself."""
    chosen = sorted(examples, key=lambda example: lot(task.seed, f"pair:{example.id}"))[: task.shots]
    ids = {example.id for example in chosen}
    left = [example for example in examples if example.id not in ids]
    return Pairs([engine.encode(written(example)) for example in chosen], [example.id for example in chosen], left)


def _translation(task: Task, examples: Sequence[Example], engine: Engine, limit: int | None, more: int) -> _Made:
    source, target = ("en", "fr") if task.name.endswith("en-fr") else ("fr", "en")

    def pair(example: Example) -> str:
        return f"{example.fields[source].strip()} = {example.fields[target].strip()}\n"

    pairs = _pairs(task, examples, engine, pair)
    asked = []
    for example in drawn(pairs.left, limit, task.seed):
        prompt, cut = pairs.before(engine.encode(f"{example.fields[source].strip()} ="), engine, more)
        asked.append(Question(example.id, {"answer": prompt}, (example.fields[target].strip(),), {}, cut))
    return asked, {"pairs": list(pairs.ids)}


def _translation_record(count: int, question: Question, written: Mapping[str, Continuation]) -> Record:
    said = sentences(written["answer"].text)[:count] if count else [written["answer"].text.strip()]
    return {"answer": " ".join(said), "reference": question.references[0]}


def _sum_translation(records: Sequence[Record]) -> Scores:
    return {"bleu": generated.bleu([record["answer"] for record in records], [r["reference"] for r in records])}


def _questions(task: Task, examples: Sequence[Example], engine: Engine, limit: int | None, more: int) -> _Made:
    def pair(example: Example) -> str:
        return f"Q: {_asked(example)}\nA: {example.fields['answer'][0]}\n\n"

    pairs = _pairs(task, examples, engine, pair)
    asked = []
    for example in drawn(pairs.left, limit, task.seed):
        prompt, cut = pairs.before(engine.encode(f"Q: {_asked(example)}\nA:"), engine, more)
        asked.append(Question(example.id, {"answer": prompt}, tuple(example.fields["answer"]), {}, cut))
    return asked, {"pairs": list(pairs.ids)}


def _asked(example: Example) -> str:
    question = str(example.fields["question"]).strip()
    return question if question.endswith("?") else f"{question}?"


def _questions_record(_: int, question: Question, written: Mapping[str, Continuation]) -> Record:
    answer = written["answer"]
    # How likely the model found all of its answer, the stop among it: the paper does not say how it was confident.
    return {
        "answer": answer.text.strip(),
        "exact": answers.open_match(answer.text, question.references),
        "logprob": math.fsum(answer.logprobs),
    }


def _sum_questions(records: Sequence[Record]) -> Scores:
    sure = sorted(records, key=lambda record: -record["logprob"])[: max(1, math.ceil(CONFIDENT * len(records)))]
    return {
        "exact_match": scores.percent([record["exact"] for record in records]),
        "exact_match_most_confident": scores.percent([record["exact"] for record in sure]),
    }


_Make = Callable[[Task, Sequence[Example], Engine, "int | None", int], _Made]
_Recorded = Callable[[int, Question, Mapping[str, Continuation]], Record]
_HOW: Mapping[str, tuple[_Make, _Recorded, Callable[[Sequence[Record]], Scores]]] = {
    "coqa": (_coqa, _coqa_record, _sum_coqa),
    "summary": (_summary, _summary_record, _sum_summary),
    "translation": (_translation, _translation_record, _sum_translation),
    "questions": (_questions, _questions_record, _sum_questions),
}
