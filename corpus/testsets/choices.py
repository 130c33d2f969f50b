"""Sets in which the model fills in or chooses: LAMBADA, the Children's Book Test, WSC273, HellaSwag."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from webtext.corpus.errors import DamagedFile
from webtext.corpus.testsets.example import Example
from webtext.corpus.testsets.lines import lines, opened

CBT_BLANK = "XXXXX"
CBT_CONTEXT = 20  # sentences before the question
WSC_MASK = "[MASK]"


def lambada(path: Path) -> Iterator[Example]:
    """LAMBADA, as JSON lines (OpenAI's) or with one passage a line (the authors'). Fields: text."""
    for number, line in lines(path):
        if not line.strip():
            continue
        if path.name.lower().rpartition(".jsonl")[1] or line.startswith("{"):
            found = json_object(line, path, number)
            if not isinstance(found.get("text"), str):
                raise DamagedFile("has no text", where=f"{path}, line {number}")
        else:
            found = {"text": line.rstrip("\r\n")}
        yield Example(str(number), found, (found["text"],))


def cbt(path: Path) -> Iterator[Example]:
    """The Children's Book Test: 20 numbered sentences, then the question, its answer and ten choices.

    Fields: context (20 strings), query (with XXXXX), answer, choices (strings). The text is the book's own: the answer
    stands in its place.
    """
    context: list[str] = []
    for number, line in lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        count, space, rest = line.rstrip("\r\n").partition(" ")
        if not space or count != str(len(context) + 1):
            raise DamagedFile(f"sentence {len(context) + 1} of an example is missing", where=where)
        if len(context) < CBT_CONTEXT:
            context.append(rest)
            continue
        parts = [part for part in rest.split("\t") if part]
        if len(parts) != 3 or CBT_BLANK not in parts[0]:
            raise DamagedFile(f"is no question with {CBT_BLANK}, answer and choices, between tabs", where=where)
        query, answer, choices = parts
        fields = {"context": context, "query": query, "answer": answer, "choices": choices.split("|")}
        text = " ".join([*context, query.replace(CBT_BLANK, answer)])
        yield Example(str(number), fields, (text,))
        context = []
    if context:
        raise DamagedFile("ends within an example", where=path, hint="fetch it again")


def wsc273(path: Path) -> Iterator[Example]:
    """WSC273: sentence with [MASK], pronoun, choices, answer, blank line; or the authors' WSCollection.xml.

    Fields: sentence (with [MASK] in the pronoun's place), pronoun ("[MASK]" where the layout lost it), choices (two
    strings), answer. The words before and after a lost pronoun are two texts.
    """
    if path.name.lower().endswith(".xml"):
        yield from _wsc_xml(path)
        return
    held: list[tuple[int, str]] = []
    count = 0
    for number, line in [*lines(path), (0, "")]:
        if line.strip():
            held.append((number, line.strip()))
            continue
        if not held:
            continue
        where = f"{path}, line {held[0][0]}"
        if len(held) != 4:
            raise DamagedFile(f"an example has {len(held)} lines, not 4", where=where)
        sentence, pronoun, choices, answer = (text for _, text in held)
        if WSC_MASK not in sentence:
            raise DamagedFile(f"has no {WSC_MASK}", where=where)
        yield _schema(count, sentence, pronoun, [choice.strip() for choice in choices.split(",")], answer)
        held, count = [], count + 1


def hellaswag(path: Path) -> Iterator[Example]:
    """HellaSwag: the authors' JSON lines, or six lines an example (context, number of the right ending, endings).

    Fields: ctx, label (int), endings (four strings); of JSON all that it has. The text is the context with its own
    ending.
    """
    held: list[str] = []
    for number, line in lines(path):
        where = f"{path}, line {number}"
        if not held and line.lstrip().startswith("{"):
            found = json_object(line, path, number)
            try:
                text = f"{found['ctx']} {found['endings'][int(found['label'])]}"
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise DamagedFile(f"has no ctx, label and endings ({error})", where=where) from error
            yield Example(str(found.get("ind", number)), found, (text,))
            continue
        held.append(line.rstrip("\r\n"))
        if len(held) < 6:
            continue
        ctx, label, *endings = held
        if label not in {"0", "1", "2", "3"}:
            raise DamagedFile(f"{label[:40]!r} is no number of one of four endings", where=f"{path}, line {number - 4}")
        fields = {"ctx": ctx, "label": int(label), "endings": endings}
        # "Roof shingle removal: A man is sitting…": the name of the activity is no part of the text.
        yield Example(str(number // 6 - 1), fields, (f"{ctx.partition(': ')[2] or ctx} {endings[int(label)]}",))
        held = []
    if any(line.strip() for line in held):
        raise DamagedFile("ends within an example", where=path, hint="fetch it again")


def json_object(line: str, path: Path, number: int) -> dict[str, Any]:
    """A line's JSON object.

    Raises:
        DamagedFile: it is none.
    """
    try:
        found = json.loads(line)
    except ValueError as error:
        raise DamagedFile(f"is no JSON ({error})", where=f"{path}, line {number}") from error
    if not isinstance(found, dict):
        raise DamagedFile("is no JSON object", where=f"{path}, line {number}")
    return found


def _schema(number: int, sentence: str, pronoun: str, choices: list[str], answer: str) -> Example:
    fields = {"sentence": sentence, "pronoun": pronoun, "choices": choices, "answer": answer}
    if pronoun == WSC_MASK:
        texts = tuple(part.strip() for part in sentence.split(WSC_MASK) if part.strip())
    else:
        texts = (" ".join(sentence.replace(WSC_MASK, pronoun).split()),)
    return Example(str(number), fields, texts)


def _wsc_xml(path: Path) -> Iterator[Example]:
    try:
        with opened(path) as stream:
            found = ElementTree.parse(stream).getroot()
    except ElementTree.ParseError as error:
        raise DamagedFile(f"is no XML ({error})", where=path) from error
    for number, schema in enumerate(found.iter("schema")):
        before, pronoun, after = (_words(schema.find(f"text/{name}")) for name in ("txt1", "pron", "txt2"))
        choices = [_words(choice) for choice in schema.iter("answer")]
        right = _words(schema.find("correctAnswer")).strip(" .")
        if not pronoun or right not in ("A", "B") or len(choices) != 2:
            raise DamagedFile(f"schema {number + 1} has no pronoun, two answers and the correct one", where=path)
        yield _schema(number, f"{before} {WSC_MASK} {after}", pronoun, choices, choices["AB".index(right)])


def _words(element: ElementTree.Element | None) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
