"""Every task beside an independent computation with transformers: prompts written out here, one forward pass each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel
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

CONTEXT = 96
END = "<|endoftext|>"


class Oracle:
    """transformers' model, asked in the plainest way: one row, no cache, no padding."""

    def __init__(self, folder: Path) -> None:
        self.model = GPT2LMHeadModel.from_pretrained(folder).eval()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    @torch.no_grad()
    def chances(self, tokens: Sequence[int]) -> torch.Tensor:
        """Log-probabilities (length, vocabulary) of what follows each token."""
        return self.model(torch.tensor([list(tokens)])).logits[0].log_softmax(dim=1)

    def scored(self, prefix: Sequence[int], rest: Sequence[int]) -> tuple[float, list[bool]]:
        """The log-likelihood of `rest` after `prefix`, cut at its beginning, and which of its tokens are likeliest."""
        prefix = list(prefix)[-(CONTEXT + 1 - len(rest)) :]
        found = self.chances([*prefix, *rest][:-1])[len(prefix) - 1 :]
        return float(sum(row[token] for row, token in zip(found, rest, strict=True))), [
            int(row.argmax()) == token for row, token in zip(found, rest, strict=True)
        ]

    def greedy(self, prompt: Sequence[int], most: int, stop: str) -> list[int]:
        written: list[int] = []
        while len(written) < most and stop not in self.tokenizer.decode(written):
            written.append(int(self.chances([*prompt, *written])[-1].argmax()))
            if written[-1] == self.tokenizer.token_to_id(END):
                break
        return written


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
    return Oracle(folder)


@pytest.fixture(scope="module")
def run(folder: Path, sets: Path) -> Callable[[str], tuple[Job, list[Record]]]:
    engine = Engine.load(folder, device="cpu")

    def run(key: str) -> tuple[Job, list[Record]]:
        task = TASKS[key]
        job = make_job(task, find_set(task, sets), engine)
        found: dict[int, Record] = {}
        for part in job.parts:
            found |= zip(part, job.score(part), strict=True)
        return job, [found[item] for item in range(len(found))]

    return run


Run = Callable[[str], tuple[Job, list[Record]]]


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
    _, records = run(key)
    choices = ["fox", "dog", "house", "window", "model", "page", "token", "old", "small", "red"]
    for number, (before, after, right) in enumerate(
        [(f"{context} 'The", " is red,' said the dog.", 0), (f"{context} The dog didn't see the", "'s house.", 1)]
    ):
        wanted = [oracle.scored(oracle.ids(before), oracle.ids(f" {choice}{after}"))[0] for choice in choices]
        assert records[number]["logprobs"] == pytest.approx(wanted, abs=1e-4)
        assert records[number]["right"] == right


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
def test_language_models(run: Run, oracle: Oracle, key: str, text: str, units: int) -> None:
    """Windows of stride 32: each token sees what its window holds before it."""
    job, records = run(key)
    tokens = [oracle.tokenizer.token_to_id(END), *oracle.ids(text)]
    total = 0.0
    for place in range(1, len(tokens)):
        end = CONTEXT if place <= CONTEXT else CONTEXT + -(-(place - CONTEXT) // 32) * 32
        start = max(0, min(end, len(tokens) - 1) - CONTEXT)
        total += float(oracle.chances(tokens[start:place])[-1][tokens[place]])
    found = [piece for record in records for piece in record["pieces"]]
    assert sum(count for _, _, count in found) == len(tokens) - 1 == job.facts["tokens"]
    assert sum(loss for _, loss, _ in found) == pytest.approx(-total, abs=1e-4 * len(tokens))
    assert job.facts["units"] == units
    scores = job.summarise(dict(enumerate(records)), frozenset())
    mean = torch.tensor(-total / units)
    wanted = mean.exp() if TASKS[key].metric == "perplexity" else mean / torch.tensor(2.0).log()
    assert scores[TASKS[key].metric].value == pytest.approx(float(wanted), rel=1e-4)


@pytest.mark.parametrize("key", ["wikitext2:hf", "wikitext103:hf"])
def test_wikitext_as_transformers_documentation_has_it(run: Run, oracle: Oracle, sets: Path, key: str) -> None:
    """The loop of that page, with labels, on the data set's rows joined by two line ends."""
    lines = (sets / "wikitext-2" / "wiki.test.raw").read_text().splitlines(keepends=True)
    rows = [line if line.strip() else "" for line in lines]
    ids = torch.tensor([oracle.ids("\n\n".join(rows))])
    total, count, before = 0.0, 0, 0
    for begin in range(0, ids.shape[1], CONTEXT):
        end = min(begin + CONTEXT, ids.shape[1])
        part = ids[:, begin:end]
        labels = part.clone()
        labels[:, : -(end - before)] = -100
        with torch.no_grad():
            loss = oracle.model(part, labels=labels).loss
        scored = int((labels != -100).sum()) - 1
        total, count, before = total + float(loss) * scored, count + scored, end
        if end == ids.shape[1]:
            break
    job, records = run(key)
    score = job.summarise(dict(enumerate(records)), frozenset())["perplexity"]
    assert score.value == pytest.approx(float(torch.tensor(total / count).exp()), rel=1e-4)


@pytest.mark.parametrize("key", ["wikitext2:lm-eval", "wikitext103:lm-eval"])
def test_wikitext_as_the_harness_has_it(run: Run, oracle: Oracle, sets: Path, key: str) -> None:
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
    for number, article in enumerate(articles):
        tokens = [oracle.tokenizer.token_to_id(END), *oracle.ids(article)]
        total = 0.0
        for place in range(1, len(tokens)):
            end = min(-(-place // CONTEXT) * CONTEXT, len(tokens) - 1)
            total += float(oracle.chances(tokens[max(0, end - CONTEXT) : place])[-1][tokens[place]])
        assert losses[number] == pytest.approx(-total, abs=1e-4 * len(tokens))
    # Of the published text, where an empty word stands before the first space and after the last.
    raw = (sets / "wikitext-2" / "wiki.test.raw").read_text()
    words = len(raw.split()) + 4
    score = job.summarise(dict(enumerate(records)), frozenset())["perplexity"]
    assert score.value == pytest.approx(float(torch.tensor(sum(losses.values()) / words).exp()), rel=1e-4)


def test_winograd(run: Run, oracle: Oracle) -> None:
    _, records = run("winograd")
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
        whole = [oracle.scored([oracle.tokenizer.token_to_id(END)], oracle.ids(a + b))[0] for a, b in choices]
        partial = [
            oracle.scored([oracle.tokenizer.token_to_id(END), *oracle.ids(a)], oracle.ids(b))[0] for a, b in choices
        ]
        assert record["logprobs"] == pytest.approx(whole, abs=1e-4)
        assert record["partial"] == pytest.approx(partial, abs=1e-4)
        assert record["right"] == right


def test_hellaswag(run: Run, oracle: Oracle) -> None:
    _, records = run("hellaswag")
    contexts = ["Reading: The fox reads. The dog", "Seeing: How to see. Look at it. A fox"]
    for record, row, context in zip(records, HELLASWAG, contexts, strict=True):
        endings = [ending.replace("[step] ", "") for ending in row["endings"]]  # type: ignore[attr-defined]
        wanted = [oracle.scored(oracle.ids(context), oracle.ids(f" {ending}"))[0] for ending in endings]
        assert record["logprobs"] == pytest.approx(wanted, abs=1e-4)
        assert record["per_byte"] == pytest.approx(
            [total / len(ending) for total, ending in zip(wanted, endings, strict=True)], abs=1e-4
        )


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
            while len(written) < most and (not written or written[-1] != oracle.tokenizer.token_to_id(END)):
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
