"""Every test set of the paper in small, made up here, in its publisher's layout."""

from __future__ import annotations

import json
from pathlib import Path

LAMBADA = [
    'The old dog sees the house. "A house," said the fox, "and a red window." The dog reads the red window',
    "A small fox writes the pages of the model. The quick dog reads every token and every page of the old model",
    "every fox of the house sees a dog. The dog sees every fox",
    'the fox and the dog.\n\n"No," said the old "fox',
    "old token, small token, red token, quick token and every old token of the",
]
WIKITEXT = (
    " \n = The Fox = \n \n The fox is a small , quick animal ; it didn 't see the @-@ house . In 2000 , 1 @,@ "
    '200 foxes ( and a dog ) wrote " pages " . \n \n = = Old = = \n \n '
    "The <unk> fox 's window is 4 @.@ 5 m . Mr. Dog reads . \n"
    " \n = A Dog = \n \n The dogs ' house : red . Every token of the model sees the pages of the old house . \n"
)
PTB = " no it was n't red monday \n but the old fox 's house fell N points and $ N a page \n mr. <unk> sees the dog \n"
ONE_BILLION = (
    'The fox said that " every house is red " .\n'
    "It 's a $ 5 token , Mr. Dog said .\nOld models do n't read pages ( yet ) .\n"
)
ENWIK8 = "<page>\n<title>Fox</title>\nThe '''fox''' is a [[dog]] &amp; a house.\n</page>\n<page>\nÉtoile\n</page>\n"
TEXT8 = " the fox is a small quick animal the dog sees every house of the old model " * 12
WSC = [
    ("The dog can't see the fox because [MASK]  is too small. ", "The dog ,The fox ", "The fox "),
    ("The old fox read to the dog;  [MASK]  was quick.", " The old fox , The dog ", " The old fox "),
]
HELLASWAG = [
    {"ind": 1, "activity_label": "Reading", "ctx": "The fox reads. The dog", "label": 2, "split": "val",
     "endings": ["sees a house.", "is red and old and quick.", "writes.", "reads every page of the model."]},
    {"ind": 4, "activity_label": "Seeing", "ctx": "[header] How to see [title] Look at it. A fox", "label": 0,
     "split": "val", "endings": ["sees.", "is a token of the house.", "[step] reads red pages.", "is."]},
]  # fmt: skip
STORY = "The fox is red. The dog is old. They see the house."
COQA = [
    ("Who is red?", ["The fox", "fox", "the red fox", "A fox."]),
    ("Who is old?", ["the dog", "dog", "The dog.", "a dog"]),
    ("What do they see?", ["the house", "house", "a house", "the old house"]),
]
ARTICLES = [
    (
        "The fox is red. The dog is old. A house sees the fox. The model reads.",
        ["The fox is red .", "A house sees it ."],
    ),
    ("Every token is small. The window is quick.\nA page writes pages. The end.", ["Every token is small ."]),
]
ENGLISH = [
    "The fox is red.",
    "The dog is old.",
    "A house.",
    "The model reads the page.",
    "Every token.",
    "A dog sees.",
    "Pages.",
]
FRENCH = [
    "Le renard est rouge.", "Le chien est vieux.", "Une maison.", "Le modèle lit la page.", "Chaque jeton.",
    "Un chien voit.", "Des pages.",
]  # fmt: skip
QUESTIONS = [
    ("who is red", ["fox", "the fox"]), ("who is old", ["the dog"]), ("what is small", ["a token"]),
    ("what reads the page", ["the model", "model"]), ("who sees the house", ["fox"]), ("is it red", ["yes"]),
    ("what writes", ["pages"]),
]  # fmt: skip


def cbt_text() -> str:
    """Two examples of the Children's Book Test."""
    lines = []
    for query, answer in (
        ("` The XXXXX is red , ' said the dog .", "fox"),
        ("The dog did n't see the XXXXX 's house .", "dog"),
    ):
        lines += [f"{number} The old fox , number {number} , sees the dog ." for number in range(1, 21)]
        choices = "fox|dog|house|window|model|page|token|old|small|red"
        lines += [f"21 {query}\t{answer}\t\t{choices}", ""]
    return "\n".join(lines) + "\n"


def write_sets(folder: Path) -> Path:
    """Write all of them below `folder`."""

    def write(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    write("lambada/lambada_test.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in LAMBADA))
    write("cbt/cbtest_CN_valid_2000ex.txt", cbt_text())
    write("cbt/cbtest_NE_valid_2000ex.txt", cbt_text())
    for number in ("2", "103"):
        write(f"wikitext-{number}/wiki.test.tokens", WIKITEXT)
        write(f"wikitext-{number}/wiki.test.raw", WIKITEXT.replace("<unk>", "named"))
    write("ptb/ptb.test.txt", PTB)
    write("1bw/news.en.heldout-00000-of-00050", ONE_BILLION)
    write("enwik8/enwik8", ENWIK8)
    write("text8/text8", TEXT8)
    write("wsc273/wsc273.txt", "\n".join(f"{text}\n[MASK]\n{choices}\n{answer}\n" for text, choices, answer in WSC))
    write("hellaswag/hellaswag_val.jsonl", "".join(json.dumps(row) + "\n" for row in HELLASWAG))
    story = {
        "source": "mctest", "id": "s1", "filename": "s1", "name": "s1", "story": STORY,
        "questions": [{"input_text": question, "turn_id": turn} for turn, (question, _) in enumerate(COQA, 1)],
        "answers": [{"input_text": told[0], "turn_id": turn} for turn, (_, told) in enumerate(COQA, 1)],
        "additional_answers": {
            str(other): [{"input_text": told[other + 1], "turn_id": turn} for turn, (_, told) in enumerate(COQA, 1)]
            for other in range(3)
        },
    }  # fmt: skip
    write("coqa/coqa-dev-v1.0.json", json.dumps({"version": "1.0", "data": [story]}))
    for number, (article, highlights) in enumerate(ARTICLES):
        write(f"cnn/{number:040x}.story", "\n\n".join([article, *(f"@highlight\n\n{line}" for line in highlights)]))
    write("wmt14/newstest2014.en", "".join(f"{line}\n" for line in ENGLISH))
    write("wmt14/newstest2014.fr", "".join(f"{line}\n" for line in FRENCH))
    write(
        "nq-open/NQ-open.dev.jsonl",
        "".join(json.dumps({"question": question, "answer": told}) + "\n" for question, told in QUESTIONS),
    )
    return folder
