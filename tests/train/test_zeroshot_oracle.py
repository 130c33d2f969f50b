"""Every task beside an independent computation with transformers: prompts written out here, one forward pass each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel
from zeroshot_oracle import Oracle
from zeroshot_sets import (
    ARTICLES,
    COQA,
    ENGLISH,
    ENWIK8,
    FRENCH,
    HELLASWAG,
    LAMBADA,
    QUESTIONS,
    STORY,
    TEXT8,
    write_sets,
)

from webtext.train.sampling import random_numbers
from webtext.train.zeroshot.catalogue import TASKS
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job, Record
from webtext.train.zeroshot.jobs import make_job
from webtext.train.zeroshot.sources import find_set
from webtext.train.zeroshot.windows import Window

CONTEXT = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, corpus_writer: Callable[..., Path]) -> Path:
    """A small model whose numbers are far from uniform, as transformers writes it, and a vocabulary."""
    folder = tmp_path_factory.mktemp("model")
    corpus = corpus_writer(folder / "corpus")
    torch.manual_seed(3)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=332, n_positions=CONTEXT, n_embd=24, n_layer=2, n_head=2))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(8 if "wte" in name else 4)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((corpus / "tokenizer" / "tokenizer.json").read_bytes())
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Oracle:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Oracle(GPT2LMHeadModel.from_pretrained(folder), tokenizer)


class Watched(Engine):
    """Remembers what it said of each token of a running text."""

    said: list[float]

    def windows(self, tokens: torch.Tensor, windows: Sequence[Window]) -> list[torch.Tensor]:
        found = super().windows(tokens, windows)
        self.said += torch.cat(found).tolist()
        return found


@pytest.fixture(scope="module")
def engine(folder: Path) -> Watched:
    return Watched.load(folder, device="cpu")


@pytest.fixture(scope="module")
def run(engine: Watched, sets: Path) -> Callable[[str], tuple[Job, list[Record]]]:
    def run(key: str) -> tuple[Job, list[Record]]:
        task = TASKS[key]
        engine.said = []
        job = make_job(task, find_set(task, sets), engine)
        found: dict[int, Record] = {}
        for part in job.parts:
            found |= zip(part, job.score(part), strict=True)
        return job, [found[item] for item in range(len(found))]

    return run


Run = Callable[[str], tuple[Job, list[Record]]]


def test_no_task_is_without_an_oracle() -> None:
    """Written samples have theirs beside the corpus that they need: tests/webtext/test_zeroshot_samples.py."""
    source = Path(__file__).read_text()
    assert [key for key in TASKS if f'"{key}"' not in source] == []


def likeliest(chances: Sequence[float]) -> int:
    return max(range(len(chances)), key=chances.__getitem__)


@pytest.mark.parametrize("key", ["lambada", "lambada:hf", "lambada:lm-eval"])
def test_lambada(run: Run, oracle: Oracle, key: str) -> None:
    borders = {
        "lambada": ["window", "model", "fox", "fox", "the"],
        "lambada:lm-eval": [" window", " model", " fox", ' "fox', " the"],
    }
    _, records = run(key)
    for number, text in enumerate(LAMBADA):
        ids = oracle.ids(text)
        if key == "lambada:hf":
            prefix, rest = ids[:-1], ids[-1:]
        else:
            word = borders[key][number]
            assert text.endswith(word)
            prefix = oracle.ids(text.removesuffix(word).rstrip())
            rest = ids[len(prefix) :]
        total, greedy = oracle.scored(prefix, rest)
        assert records[number]["logprob"] == pytest.approx(total, abs=1e-4)
        assert (records[number]["greedy"], records[number]["last"]) == (all(greedy), greedy[-1])


def test_lambada_without_stop_words(run: Run, oracle: Oracle) -> None:
    """The likeliest first token whose word, written greedily, is no stop word."""
    _, records = run("lambada")
    for number, word in enumerate(["window", "model", "fox", "fox", "the"]):
        text = LAMBADA[number]
        prefix = oracle.ids(text.removesuffix(word).rstrip())[-(CONTEXT - 6) :]
        guesses = []
        for first in oracle.chances(prefix)[-1].argsort(descending=True, stable=True)[:16].tolist():
            told = oracle.tokenizer.decode([first])
            written = [first]
            # Up to six more tokens, until a letter is followed by something else.
            while re.search(r"\w", told) and not re.search(r"\w[^\w]", told.replace("'", "")) and len(written) < 7:
                written.append(int(oracle.chances([*prefix, *written])[-1].argmax()))
                told = oracle.tokenizer.decode(written)
            found = re.search(r"\w+", told)
            guesses.append(found[0] if found else "")
        wanted = next(
            (guess for guess in guesses if guess and guess.lower() not in ("the", "of", "and", "a", "every")),
            guesses[0],
        )
        assert records[number]["guess"] == wanted
        assert records[number]["right"] == (wanted == word)


@pytest.mark.parametrize("key", ["cbt-cn", "cbt-ne"])
def test_childrens_book_test(run: Run, oracle: Oracle, key: str) -> None:
    context = " ".join(f"The old fox, number {number}, sees the dog." for number in range(1, 21))
    job, records = run(key)
    hits = []
    choices = ["fox", "dog", "house", "window", "model", "page", "token", "old", "small", "red"]
    for number, (before, after, right) in enumerate(
        [(f"{context} 'The", " is red,' said the dog.", 0), (f"{context} The dog didn't see the", "'s house.", 1)]
    ):
        wanted = [oracle.scored(oracle.ids(before), oracle.ids(f" {choice}{after}"))[0] for choice in choices]
        assert records[number]["logprobs"] == pytest.approx(wanted, abs=1e-4)
        assert likeliest(records[number]["logprobs"]) == likeliest(wanted)
        assert records[number]["right"] == right
        hits.append(likeliest(wanted) == right)
    assert job.summarise(dict(enumerate(records)), frozenset())["accuracy"].value == 100 * sum(hits) / len(hits)


WIKITEXT_WRITTEN = (
    "\n= The Fox =\n\nThe fox is a small, quick animal; it didn't see the-house. In 2000, 1,200 foxes (and a dog) "
    "wrote \"pages\".\n\n= = Old = =\n\nThe <unk> fox's window is 4.5 m. Mr. Dog reads.\n\n= A Dog =\n\nThe dogs' "
    "house: red. Every token of the model sees the pages of the old house.\n"
)
PTB_WRITTEN = "no it wasn't red monday\nbut the old fox's house fell N points and $N a page\nmr. <unk> sees the dog\n"
ONE_BILLION_WRITTEN = (
    "The fox said that \"every house is red\".\nIt's a $5 token, Mr. Dog said.\nOld models don't read pages (yet).\n"
)


@pytest.mark.parametrize(
    ("key", "text", "units"),
    [
        ("wikitext2", WIKITEXT_WRITTEN, 82 + 12),
        ("wikitext103", WIKITEXT_WRITTEN, 82 + 12),
        ("ptb", PTB_WRITTEN, 25 + 3),
        ("1bw", ONE_BILLION_WRITTEN, 32 + 3),
        ("enwik8", ENWIK8, len(ENWIK8.encode())),
        ("text8", TEXT8, len(TEXT8)),
    ],
)
def test_language_models(run: Run, engine: Watched, oracle: Oracle, key: str, text: str, units: int) -> None:
    """Windows of stride 32: each token sees what its window holds before it."""
    job, records = run(key)
    tokens = [oracle.end, *oracle.ids(text)]
    wanted = oracle.rolling(tokens, 32)
    assert engine.said == pytest.approx(wanted, abs=1e-4)
    found = [piece for record in records for piece in record["pieces"]]
    assert sum(count for _, _, count in found) == len(wanted) == job.facts["tokens"]
    assert sum(loss for _, loss, _ in found) == pytest.approx(-sum(wanted), abs=1e-4)
    assert job.facts["units"] == units
    scores = job.summarise(dict(enumerate(records)), frozenset())
    mean = -sum(wanted) / units
    score = math.exp(mean) if TASKS[key].metric == "perplexity" else mean / math.log(2)
    assert scores[TASKS[key].metric].value == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize("key", ["wikitext2:hf", "wikitext103:hf"])
def test_wikitext_as_transformers_documentation_has_it(
    run: Run, engine: Watched, oracle: Oracle, sets: Path, key: str
) -> None:
    """The loop of that page, with labels, on the data set's rows joined by two line ends."""
    lines = (sets / "wikitext-2" / "wiki.test.raw").read_text().splitlines(keepends=True)
    rows = [line if line.strip() else "" for line in lines]
    ids = torch.tensor([oracle.ids("\n\n".join(rows))])
    total, count, before = 0.0, 0, 0
    each: list[float] = []
    for begin in range(0, ids.shape[1], CONTEXT):
        end = min(begin + CONTEXT, ids.shape[1])
        part = ids[:, begin:end]
        labels = part.clone()
        labels[:, : -(end - before)] = -100
        with torch.no_grad():
            loss = oracle.model(part, labels=labels).loss
        scored = int((labels != -100).sum()) - 1
        row = part[0].tolist()
        each += oracle.each(row[:1], row[1:])
        total, count, before = total + float(loss) * scored, count + scored, end
        if end == ids.shape[1]:
            break
    job, records = run(key)
    assert engine.said == pytest.approx(each, abs=1e-4)
    score = job.summarise(dict(enumerate(records)), frozenset())["perplexity"]
    assert score.value == pytest.approx(math.exp(total / count), rel=1e-4)


@pytest.mark.parametrize("key", ["wikitext2:lm-eval", "wikitext103:lm-eval"])
def test_wikitext_as_the_harness_has_it(run: Run, engine: Watched, oracle: Oracle, sets: Path, key: str) -> None:
    """Each article for itself, every token with the most context of disjoint windows; words split at white space."""
    articles = [
        "\n= The Fox =\n\nThe fox is a small, quick animal; it didn 't see the-house. In 2000, 1,200 foxes (and a dog) "
        'wrote "pages".\n\n== Old ==\n\nThe named fox\'s window is 4.5 m. Mr. Dog reads.\n\n',
        " = A Dog =\n\nThe dogs' house: red. Every token of the model sees the pages of the old house.\n",
    ]
    job, records = run(key)
    losses: dict[int, float] = {}
    for record in records:
        for piece, loss, _ in record["pieces"]:
            losses[piece] = losses.get(piece, 0) + loss
    each = [oracle.rolling([oracle.end, *oracle.ids(article)], CONTEXT) for article in articles]
    assert engine.said == pytest.approx([chance for article in each for chance in article], abs=1e-4)
    assert losses == {number: pytest.approx(-sum(article), abs=1e-4) for number, article in enumerate(each)}
    # Of the published text, where an empty word stands before the first space and after the last.
    raw = (sets / "wikitext-2" / "wiki.test.raw").read_text()
    words = len(raw.split()) + 4
    score = job.summarise(dict(enumerate(records)), frozenset())["perplexity"]
    assert score.value == pytest.approx(math.exp(sum(losses.values()) / words), rel=1e-4)


def test_winograd(run: Run, oracle: Oracle) -> None:
    job, records = run("winograd")
    hits: dict[str, list[bool]] = {"accuracy_full": [], "accuracy_partial": []}
    sentences = [
        [
            ("The dog can't see the fox because the dog", " is too small."),
            ("The dog can't see the fox because the fox", " is too small."),
        ],
        [
            ("The old fox read to the dog; the old fox", " was quick."),
            ("The old fox read to the dog; the dog", " was quick."),
        ],
    ]
    for record, choices, right in zip(records, sentences, [1, 0], strict=True):
        whole = [oracle.scored([oracle.end], oracle.ids(a + b))[0] for a, b in choices]
        partial = [oracle.scored([oracle.end, *oracle.ids(a)], oracle.ids(b))[0] for a, b in choices]
        assert record["logprobs"] == pytest.approx(whole, abs=1e-4)
        assert record["partial"] == pytest.approx(partial, abs=1e-4)
        assert record["right"] == right
        for name, found in (("accuracy_full", whole), ("accuracy_partial", partial)):
            hits[name].append(likeliest(found) == right)
    scores = job.summarise(dict(enumerate(records)), frozenset())
    assert {name: score.value for name, score in scores.items()} == {name: 50 * sum(hit) for name, hit in hits.items()}


def test_hellaswag(run: Run, oracle: Oracle) -> None:
    job, records = run("hellaswag")
    hits: dict[str, list[bool]] = {"accuracy": [], "accuracy_per_byte": []}
    contexts = ["Reading: The fox reads. The dog", "Seeing: How to see. Look at it. A fox"]
    for record, row, context in zip(records, HELLASWAG, contexts, strict=True):
        endings = [ending.replace("[step] ", "") for ending in row["endings"]]  # type: ignore[attr-defined]
        wanted = [oracle.scored(oracle.ids(context), oracle.ids(f" {ending}"))[0] for ending in endings]
        assert record["logprobs"] == pytest.approx(wanted, abs=1e-4)
        per_byte = [total / len(ending) for total, ending in zip(wanted, endings, strict=True)]
        assert record["per_byte"] == pytest.approx(per_byte, abs=1e-4)
        hits["accuracy"].append(likeliest(wanted) == row["label"])
        hits["accuracy_per_byte"].append(likeliest(per_byte) == row["label"])
    scores = job.summarise(dict(enumerate(records)), frozenset())
    assert {name: score.value for name, score in scores.items()} == {name: 50 * sum(hit) for name, hit in hits.items()}


def test_coqa(run: Run, oracle: Oracle) -> None:
    _, records = run("coqa")
    text = f"{STORY}\n\nQ:"
    for record, (question, told) in zip(records, COQA, strict=True):
        text += f" {question}\nA:"
        prompt = oracle.ids(text)[-(CONTEXT - 32 + 1) :]
        assert record["tokens"]["answer"] == oracle.greedy(prompt, 32, "\n")
        text += f" {told[0]}\nQ:"


def test_summaries(run: Run, oracle: Oracle) -> None:
    """Of the two likeliest tokens one is drawn, with random numbers of the example's own."""
    _, records = run("cnn-dm")
    most = CONTEXT // 2
    for number, (record, (article, _)) in enumerate(zip(records, ARTICLES, strict=True)):
        for name, hint in (("tldr", "\nTL;DR:"), ("no_hint", "\n")):
            end = oracle.ids(hint)
            prompt = [*oracle.ids(article)[: CONTEXT - most + 1 - len(end)], *end]
            random = random_numbers(1_000_003 + number, 0)
            written: list[int] = []
            while len(written) < most and (not written or written[-1] != oracle.end):
                best, ids = oracle.chances([*prompt, *written])[-1].topk(2)
                written.append(int(ids[int(torch.multinomial(best.exp() / best.exp().sum(), 1, generator=random))]))
            assert record["tokens"][name] == written


@pytest.mark.parametrize("key", ["wmt14-en-fr", "wmt14-fr-en"])
def test_translation(run: Run, oracle: Oracle, key: str) -> None:
    job, records = run(key)
    source, target = (ENGLISH, FRENCH) if key == "wmt14-en-fr" else (FRENCH, ENGLISH)
    assert len(records) == len(ENGLISH) - 5 == 2
    shots = [f"{source[int(line) - 1]} = {target[int(line) - 1]}\n" for line in job.facts["pairs"]]
    for record, name in zip(records, job.examples, strict=True):
        assert name not in job.facts["pairs"]
        _check_shots(oracle, record, shots, f"{source[int(name) - 1]} =", CONTEXT // 2)


def test_questions(run: Run, oracle: Oracle) -> None:
    job, records = run("nq")
    shots = [
        f"Q: {QUESTIONS[int(line) - 1][0]}?\nA: {QUESTIONS[int(line) - 1][1][0]}\n\n" for line in job.facts["pairs"]
    ]
    for record, name in zip(records, job.examples, strict=True):
        prompt, written = _check_shots(oracle, record, shots, f"Q: {QUESTIONS[int(name) - 1][0]}?\nA:", 16)
        total = sum(
            float(oracle.chances([*prompt, *written[:place]])[-1][token]) for place, token in enumerate(written)
        )
        assert record["logprob"] == pytest.approx(total, abs=1e-4)


def _check_shots(
    oracle: Oracle, record: Record, shots: Sequence[str], question: str, most: int
) -> tuple[list[int], list[int]]:
    """As many example pairs as fit stand before the question."""
    prompt = oracle.ids(question)
    held: list[int] = []
    for shot in shots:
        if len(held) + len(oracle.ids(shot)) + len(prompt) > CONTEXT - most + 1:
            break
        held += oracle.ids(shot)
    prompt = [*held, *prompt][-(CONTEXT - most + 1) :]
    written = oracle.greedy(prompt, most, "\n")
    assert record["tokens"]["answer"] == written
    return prompt, written
