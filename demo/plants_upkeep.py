"""Facts about what leaves a corpus: an address that is forgotten, and what an export and a recipe hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import key_text
from webtext.demo.answers import Place
from webtext.demo.finished import DOCUMENT, Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import Check, all_of, counted, never_asked

FORGOTTEN = "http://takendown.example/story"
"""An address that the demo's corpus is told to forget before it reads its dump."""


def plant(web: DemoWeb) -> None:
    """All of them."""
    web.name("takendown.example", Place.HERE)
    web.post(FORGOTTEN, score=500)
    web.post(f"{FORGOTTEN}/?utm_source=again", score=200)
    web.expect(
        "a forgotten address is not followed, under any spelling, and no file names it",
        all_of(counted(Stage.LINKS, Outcome.FORGOTTEN, 2), never_asked(("takendown.example", "/story")), _unnamed()),
        FORGOTTEN,
    )
    web.expect("an exported dataset holds the documents that stay, split as the shards are", _exported)
    web.expect("a recipe has every link, its fate and no text", _recipe)


def _unnamed() -> Check:
    def check(finished: Finished) -> str:
        if finished.link(FORGOTTEN) is not None:
            return "it is a link"
        for path in sorted(finished.corpus.glob("links/lines/*/*.parquet")):
            if any("takendown" in url for url in pq.read_table(path, columns=["url"])["url"].to_pylist()):
                return f"{path} names it"
        return ""

    return check


def _exported(finished: Finished) -> str:
    from webtext.api import Corpus

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "dataset"
        Corpus(finished.corpus, create=False).export(folder, to="huggingface")
        for split, mine in (("train", "train"), ("validation", "val")):
            tables = [pq.read_table(path) for path in sorted(folder.glob(f"data/{split}-*.parquet"))]
            rows = [row for table in tables for row in table.select(["key", "text"]).to_pylist()]
            if [row["key"] for row in rows] != [key_text(key) for key in finished.shards[mine]]:
                return f"{split} has {len(rows)} documents, the shards have {len(finished.shards[mine])}"
            if any(row["text"] != finished.texts[int(row["key"], 16)] for row in rows):
                return f"{split} has another text"
    return ""


def _recipe(finished: Finished) -> str:
    from webtext.api import Corpus

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "recipe"
        Corpus(finished.corpus, create=False).export(folder, to="recipe")
        table = pq.read_table(folder / "recipe.parquet")
    links = finished.manifests[Stage.LINKS].rows_out
    if table.num_rows != links or "text" in table.schema.names:
        return f"{table.num_rows} rows of {', '.join(table.schema.names)}, there are {links} links"
    wrong = [row for row in table.to_pylist() if finished.fate(row["url"]).outcome != row["outcome"]]
    if wrong:
        return f"{wrong[0]['url']} became {finished.fate(wrong[0]['url'])}, the recipe says {wrong[0]['outcome']}"
    return "" if DOCUMENT in table["outcome"].to_pylist() else "no link became a document"
