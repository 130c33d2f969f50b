"""Tasks in which a model fills in or chooses: LAMBADA, the Children's Book Test, Winograd schemas, HellaSwag."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.testsets.choices import CBT_BLANK, WSC_MASK
from webtext.corpus.testsets.example import Example, TestSet
from webtext.train.sampling import Sampling
from webtext.train.zeroshot import scores
from webtext.train.zeroshot.continuations import Prompt
from webtext.train.zeroshot.detokenizers import detokenizer
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job, Record, Scores, drawn, in_parts, joined, kept
from webtext.train.zeroshot.likelihoods import Group
from webtext.train.zeroshot.stopwords import first_word, is_stop_word, word_is_over
from webtext.train.zeroshot.task import Score, Task

PART_EXAMPLES = 64
CANDIDATES = 16
"""First tokens of LAMBADA's last word that are tried, the likeliest first, until one makes no stop word."""


@dataclass(frozen=True)
class Cloze:
    """An example as groups of choices, and what is right."""

    example: Example
    groups: tuple[Group, ...]
    right: int
    facts: Mapping[str, Any]


def cloze_job(task: Task, found: TestSet, engine: Engine, *, limit: int | None) -> Job:
    """Make LAMBADA, CBT, Winograd or HellaSwag ready; `limit` is a number of examples, drawn by the task's seed."""
    make, score, summarise = _HOW[task.scorer]
    examples = drawn(list(found.examples()), limit, task.seed)
    if not examples:
        raise WebtextError("holds no example", where=found.files[0])
    items = [make(task, example, engine) for example in examples]
    order = sorted(range(len(items)), key=lambda item: (sum(map(_length, items[item].groups)), item))
    cut = sum(any(_length(group) > engine.context for group in item.groups) for item in items)
    names = [item.example.id for item in items]
    return Job(
        examples=names,
        parts=in_parts(order, PART_EXAMPLES),
        score=partial(score, task, engine, items),
        summarise=lambda records, without: summarise(kept(records, names, without)),
        facts={"context": engine.context, "examples": len(items), "prompts_cut": cut},
    )


def _length(group: Group) -> int:
    """Tokens that are read for the longest choice."""
    return len(group.prefix) + max(map(len, group.choices)) - 1


# --- what is asked ---


def _lambada(task: Task, example: Example, engine: Engine) -> Cloze:
    text = str(example.fields["text"])
    if task.denominator == "last token":
        tokens = engine.encode(text)
        prefix, target, word = tokens[:-1], tokens[-1:], engine.tokenizer.decode(tokens[-1:])
    else:
        # The paper's answer is a word; the harness takes what stands after the last space, a quotation mark with it.
        pattern = r"(.* )([^ ]*)" if task.protocol == "lm-eval" else r"(.*?)(\w+(?:['\u2019\-]\w+)*)\W*"
        split = re.fullmatch(pattern, text, re.DOTALL)
        before, word = (split[1], split[2]) if split else ("", text)
        if task.protocol == "paper" and split:
            before = text[: split.start(2)]
        prefix, target = joined(engine, before, word)
    return Cloze(example, (Group(tuple(prefix), (tuple(target),)),), 0, {"word": word})


def _cbt(task: Task, example: Example, engine: Engine) -> Cloze:
    fields = example.fields
    back = detokenizer(task.detokenizer)
    context = " ".join(back.detokenize(sentence) for sentence in fields["context"])
    before, _, after = back.detokenize(fields["query"]).partition(CBT_BLANK)
    choices = list(fields["choices"])
    if fields["answer"] not in choices:
        raise DamagedFile(f"the answer {fields['answer']!r} is no choice", where=f"example {example.id}")
    prefix: list[int] = []
    tokens = []
    for choice in choices:
        prefix, continuation = joined(engine, f"{context} {before}", choice + after)
        tokens.append(tuple(continuation))
    group = Group(tuple(prefix), tuple(tokens))
    return Cloze(example, (group,), choices.index(fields["answer"]), {})


_LOWERED = frozenset(["The", "A", "An", "His", "Her", "Their", "Its", "My", "Our", "Your", "This", "That", "Some"])
_POSSESSIVE = frozenset(["his", "their", "its", "my", "our", "your"])


def substituted(sentence: str, pronoun: str, candidate: str) -> tuple[str, str]:
    """The sentence with a candidate in the place of [MASK]: up to its end, and the rest.

    An article or possessive before the candidate is small but at the beginning of a sentence; in place of his, their,
    its the candidate takes 's. (Her may be either, and the list with [MASK] has lost its pronouns: no 's there.)
    """
    before, _, after = sentence.partition(WSC_MASK)
    before, after = " ".join(before.split()), " ".join(after.split())
    begins = not before or before[-1] in ".!?"
    words = candidate.split()
    if words and words[0] in _LOWERED and not begins:
        words[0] = words[0].lower()
    elif words and begins:
        words[0] = words[0][:1].upper() + words[0][1:]
    written = " ".join(words) + ("'s" if pronoun.lower() in _POSSESSIVE else "")
    glue = "" if not after or re.match(r"[.,;:!?'\u2019]", after) else " "
    return f"{before} {written}".strip(), glue + after


def _winograd(task: Task, example: Example, engine: Engine) -> Cloze:
    fields = example.fields
    groups = []
    for candidate in fields["choices"]:
        before, after = substituted(fields["sentence"], fields["pronoun"], candidate)
        prefix, rest = joined(engine, before, after)
        begun = [engine.endoftext, *prefix] if task.begin else prefix
        # One pass scores the whole sentence; what follows the candidate is its end.
        groups.append(Group(tuple(begun[:1]), ((*begun[1:], *rest),)))
    rests = [len(joined(engine, *substituted(fields["sentence"], fields["pronoun"], c))[1]) for c in fields["choices"]]
    normal = [" ".join(choice.split()).lower() for choice in fields["choices"]]
    answer = " ".join(fields["answer"].split()).lower()
    if answer not in normal:
        raise DamagedFile(f"the answer {fields['answer']!r} is no choice", where=f"example {example.id}")
    return Cloze(example, tuple(groups), normal.index(answer), {"rests": rests})


def _hellaswag(task: Task, example: Example, engine: Engine) -> Cloze:
    fields = example.fields
    context = str(fields["ctx"])
    if "activity_label" in fields:
        context = f"{fields['activity_label']}: {context}"
    context, endings = _hella_text(context), [_hella_text(ending) for ending in fields["endings"]]
    prefix: list[int] = []
    tokens = []
    for ending in endings:
        prefix, continuation = joined(engine, context, f" {ending}")
        tokens.append(tuple(continuation))
    sizes = [len(ending.encode()) for ending in endings]
    return Cloze(example, (Group(tuple(prefix), tuple(tokens)),), int(fields["label"]), {"bytes": sizes})


def _hella_text(text: str) -> str:
    """WikiHow's texts carry [title], [header] marks: the first ends a sentence, others go."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ").strip()


# --- how it is scored ---


def _score(task: Task, engine: Engine, items: Sequence[Cloze], places: Sequence[int]) -> list[Record]:
    asked = [items[place] for place in places]
    scored = iter(engine.choices([group for item in asked for group in item.groups]))
    records = []
    for item in asked:
        choices = [choice for _ in item.groups for choice in next(scored)]
        record: Record = {"right": item.right, "logprobs": [choice.total for choice in choices]}
        if "rests" in item.facts:
            rests = zip(choices, item.facts["rests"], strict=True)
            record["partial"] = [sum(choice.logprobs[len(choice.logprobs) - rest :]) for choice, rest in rests]
        if "bytes" in item.facts:
            sizes = zip(record["logprobs"], item.facts["bytes"], strict=True)
            record["per_byte"] = [total / max(size, 1) for total, size in sizes]
        records.append(record)
    return records


def _score_lambada(task: Task, engine: Engine, items: Sequence[Cloze], places: Sequence[int]) -> list[Record]:
    asked = [items[place].groups[0] for place in places]
    records: list[Record] = []
    for (choice,) in engine.choices(asked):
        records.append(
            {
                "logprob": choice.total,
                "greedy": all(choice.greedy),
                "last": choice.greedy[-1],
                "tokens": len(choice.greedy),
            }
        )
    if task.stop_words:
        words = [items[place].facts["word"] for place in places]
        for record, word, guess in zip(records, words, _guesses(task, engine, asked), strict=True):
            record |= {"guess": guess, "right": guess == word}
    return records


def _guesses(task: Task, engine: Engine, asked: Sequence[Group]) -> list[str]:
    """The likeliest last word of each that is no stop word.

    The first tokens are tried in the order of their probability; each is completed greedily to a word.
    """
    room = engine.context - task.max_tokens
    prefixes = [group.prefix[-room:] or (engine.endoftext,) for group in asked]
    firsts = engine.likeliest(prefixes, CANDIDATES)
    guesses: dict[int, str] = {}
    fallback: dict[int, str] = {}
    open_ = list(range(len(asked)))
    sampling = Sampling(max_tokens=task.max_tokens, temperature=0)
    for turn in range(min(CANDIDATES, len(engine.vocabulary))):
        if not open_:
            break
        begun = {here: engine.tokenizer.decode([firsts[here][turn]]) for here in open_}
        # A first token with no letter in it, or after which the word is over, needs no completing.
        unsure = [here for here in open_ if not word_is_over(begun[here]) and first_word(begun[here])]
        asked_on = [Prompt((*prefixes[here], firsts[here][turn])) for here in unsure]
        written = _completed(engine, asked_on, [begun[here] for here in unsure], sampling)
        begun |= zip(unsure, written, strict=True)
        for here in open_:
            word = first_word(begun[here])
            fallback.setdefault(here, word)
            if word and not is_stop_word(word):
                guesses[here] = word
        open_ = [here for here in open_ if here not in guesses]
    return [guesses.get(here, fallback.get(here, "")) for here in range(len(asked))]


def _completed(engine: Engine, prompts: Sequence[Prompt], begun: Sequence[str], sampling: Sampling) -> list[str]:
    # Each prompt ends with the first token of its word; `over` sees only what comes after: a letter stands for it.
    found = engine.goes_on(prompts, sampling, over=lambda text: word_is_over(f"x{text}"))
    return [before + continuation.text for before, continuation in zip(begun, found, strict=True)]


# --- what comes of it ---


def _best(values: Sequence[float]) -> int:
    """The first of the largest."""
    return max(range(len(values)), key=lambda place: values[place])


def _sum_lambada(records: Sequence[Record]) -> Scores:
    found = {
        "perplexity": scores.perplexity([-record["logprob"] for record in records], [1.0] * len(records)),
        "accuracy_last_token": scores.percent([record["last"] for record in records]),
        "accuracy_last_word": scores.percent([record["greedy"] for record in records]),
    }
    if records and "right" in records[0]:
        found["accuracy_last_word_no_stop_words"] = scores.percent([record["right"] for record in records])
    return found


def _sum_cbt(records: Sequence[Record]) -> Scores:
    return {"accuracy": _accuracy(records, "logprobs")}


def _sum_winograd(records: Sequence[Record]) -> Scores:
    return {"accuracy_full": _accuracy(records, "logprobs"), "accuracy_partial": _accuracy(records, "partial")}


def _sum_hellaswag(records: Sequence[Record]) -> Scores:
    return {"accuracy": _accuracy(records, "logprobs"), "accuracy_per_byte": _accuracy(records, "per_byte")}


def _accuracy(records: Sequence[Record], name: str) -> Score:
    return scores.percent([_best(record[name]) == record["right"] for record in records])


_Make = Callable[[Task, Example, Engine], Cloze]
_ScoreSome = Callable[[Task, Engine, Sequence[Cloze], Sequence[int]], list[Record]]
_Summarise = Callable[[Sequence[Record]], Scores]
_HOW: Mapping[str, tuple[_Make, _ScoreSome, _Summarise]] = {
    "lambada": (_lambada, _score_lambada, _sum_lambada),
    "cbt": (_cbt, _score, _sum_cbt),
    "winograd": (_winograd, _score, _sum_winograd),
    "hellaswag": (_hellaswag, _score, _sum_hellaswag),
}
