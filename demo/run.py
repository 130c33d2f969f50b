"""`webtext demo`: the whole way over a little web on this machine, and a check of everything that was planted in it.

The steps are those a user takes, through the same `Corpus`; what is special is only where the hosts' names lead. It may
be stopped at any moment and goes on where it was.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webtext.api import Corpus, doctor
from webtext.corpus.config import CONFIG_NAME, store_values
from webtext.corpus.errors import ChangedSettings, WebtextError
from webtext.corpus.files import os_errors, read_json, write_json
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.progress import say
from webtext.demo import show
from webtext.demo.archive import DATA, INDEX, MACHINE
from webtext.demo.build import Size, build_web
from webtext.demo.dump import DUMP_NAME
from webtext.demo.encyclopedia import ENCYCLOPEDIA_NAME, INDEX_NAME, QUIZ_NAME
from webtext.demo.finished import Finished
from webtext.demo.pages import LIST_NAME, DemoWeb
from webtext.demo.plants_upkeep import FORGOTTEN
from webtext.demo.registry import Broken
from webtext.demo.server import WebServer, read_log
from webtext.overlaps import make_article_index

MARKER = "demo.json"
"""The file that makes a folder a demo's."""

REQUESTS = "requests.log"
"""Everything the server was asked for, over all sittings."""

CONTACT = "demo@example.org"
"""Who the demo's requests say is behind them; the little web has nobody who would write."""

CLOCK = "2025-02-01T12:00:00+00:00"
"""When the demo's pages were fetched, according to its corpus: so that it comes out the same each time."""

PROMPT = "The function"

QUALITY = "openwebtext"
"""A set of rules that drops something here: the default, the paper's, drops nothing."""

WORKERS = 2
"""Processes of a stage, and threads of the training: more take memory and have nothing to do here."""

_NEEDED = ("scrapy", "apache_beam", "trafilatura", "langdetect", "tokenizers", "torch", "safetensors")


@dataclass(frozen=True)
class DemoReport:
    """What a demo came to."""

    folder: str
    corpus: str
    fingerprint: str
    documents: int
    tokens: int
    loss: float | None
    sample: str
    facts: int
    broken: tuple[Broken, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `broken` as what is printed of each."""
        return {**asdict(self), "broken": [str(fact) for fact in self.broken]}


def run_demo(
    folder: Path, *, size: Size | None = None, workers: int = WORKERS, result: Callable[[str], None] = show.result
) -> DemoReport:
    """Make the web, crawl it, train on it, check it; what is done already stays as it is.

    Args:
        folder: new, empty, or that of an earlier demo.
        workers: processes of each stage that takes some; what comes out does not depend on them.
        result: takes what is printed as a result: sample, waterfall, facts, what to do next.

    Raises:
        WebtextError: the folder is something else, or was made with other packages; or what any stage raises.
    """
    started = time.monotonic()
    size = size or Size()
    _check_packages()
    _calm_threads()
    with stop_signals(raising=True):
        _check_folder(folder)
        show.note(
            f"A little web is made out of the documentation on this machine, served on 127.0.0.1 and walked over "
            f"with the commands below. Everything lies in {folder}/."
        )
        web = build_web(size)
        _claim(folder, web, size)
        web.write_sources(folder)
        posts = len(web.dump.lines)
        show.note(
            f"{len(web.answers):,} addresses on {len(web.names)} hosts, {posts:,} lines in the dump, "
            f"{len(web.facts)} planted facts ({time.monotonic() - started:.0f} s)"
        )
        try:
            corpus, asked = build_corpus(folder, web, size, workers)
            show.command("train", corpus.path, "--preset", "tiny", "--steps", size.steps)
            loss = corpus.train(preset="tiny", steps=size.steps).loss
        except ChangedSettings as error:  # a newer webtext, or a hand in webtext.toml: --redo would be a long way round
            raise WebtextError(error.message, where=error.where, hint=_another(folder)) from error
        show.command("generate", corpus.path, "--prompt", PROMPT)
        (text,) = corpus.generate(PROMPT, seed=1, max_tokens=100)
        result(show.sample(text))
        status = corpus.status()
        result(f"\n{show.waterfall(status)}")
        broken = tuple(web.facts.broken(Finished(corpus.path, asked)))
        stages = {stage.stage: stage for stage in status.stages}
        found = DemoReport(
            folder=str(folder),
            corpus=str(corpus.path),
            fingerprint=str(status.fingerprint),
            documents=stages["clean"].rows_out,
            tokens=sum(stages["shards"].facts["tokens"].values()),
            loss=loss,
            sample=text,
            facts=len(web.facts),
            broken=broken,
            seconds=round(time.monotonic() - started, 1),
        )
        result(f"\n{show.verdict(found.facts, found.broken)}\n{show.closing(found)}")
        return found


def build_corpus(
    folder: Path, web: DemoWeb, size: Size, workers: int = WORKERS
) -> tuple[Corpus, Mapping[tuple[str, str], int]]:
    """The five stages over a web whose dump and URL list lie in `folder`.

    Returns:
        The corpus, and how often the server was asked for each (host, target).
    """
    corpus = Corpus(folder / "corpus")
    path = corpus.path
    show.command("init", path)
    # There is no flag for these: some hosts of the little web never answer, and one sends a page without an end.
    limits = {"timeout": size.timeout, "max_bytes": size.max_bytes, "max_decoded": size.max_bytes}
    # The demo needs little room, and is often tried where there is little.
    store_values(path / CONFIG_NAME, "crawl", {**limits, "min_free": 50_000_000})
    show.note(f"{CONFIG_NAME}: " + ", ".join(f"crawl.{name} = {value}" for name, value in limits.items()))
    archives: dict[str, str | float] = {
        "commoncrawl_api": f"http://{INDEX}", "commoncrawl_data": f"http://{DATA}", "wayback_api": f"http://{MACHINE}",
        "commoncrawl_delay": 0.0, "wayback_delay": 0.0,
    }  # fmt: skip
    store_values(path / CONFIG_NAME, "archives", archives)
    show.note(f"{CONFIG_NAME}: the archives of this web are {INDEX} and {MACHINE}")
    dump, reading_list = folder / DUMP_NAME, folder / LIST_NAME
    show.command("doctor", dump, "--workers", 1)
    for line in str(doctor(dump, workers=1)).splitlines():
        say(line)
    show.command("forget", path, "--urls", "-", "--yes")
    show.note(f"as if its owner had asked for it: {FORGOTTEN} (the dump links to it)")
    corpus.forget([FORGOTTEN])
    show.command("links", path, dump, reading_list, "--workers", workers)
    corpus.links(dump, reading_list, workers=workers)
    show.command("crawl", path, "--contact", CONTACT, "--delay", size.delay)
    server = WebServer(web, folder / REQUESTS)
    with os_errors(folder / REQUESTS), server.running():
        show.note(f"for the demo alone, the names of its hosts lead to 127.0.0.1:{server.port}")
        corpus.crawl(contact=CONTACT, delay=size.delay, _little_web=server.resolver_table(), _clock=CLOCK)
    show.command("extract", path, "--quality", QUALITY, "--workers", workers)
    corpus.extract(quality=[QUALITY], workers=workers)
    encyclopedia, articles, quiz = folder / ENCYCLOPEDIA_NAME, folder / INDEX_NAME, folder / QUIZ_NAME
    show.command("wikipedia", "index", articles, encyclopedia, "--workers", workers)
    make_article_index(articles, encyclopedia, workers=workers)
    show.command("dedup", path, "--wikipedia-index", articles, "--decontaminate", quiz, "--workers", workers)
    corpus.dedup(wikipedia_index=articles, decontaminate=[quiz], workers=workers)
    show.command("tokenize", path, "--vocab-size", size.vocab_size, "--workers", workers)
    corpus.tokenize(vocab_size=size.vocab_size, workers=workers)
    return corpus, read_log(folder / REQUESTS)


def _calm_threads() -> None:
    """Tell PyTorch's threads, before it is loaded, to be few and patient.

    They wait for each other after every operation, by default in a loop: where another program had one of two cores,
    25 steps took 12 to 51 s instead of 7 (on quiet cores 10 % less). The weights that come out are the same.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(WORKERS))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _check_packages() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise WebtextError(f"the demo needs {', '.join(missing)}", hint="pip install 'webtext[all]'")


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds other things than a demo."""
    with os_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise WebtextError("is a file", where=folder, hint="name a new or empty folder: webtext demo FOLDER")
        if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise WebtextError(
                f"holds something else than a demo (it has no {MARKER})",
                where=folder,
                hint="name a new or empty folder: webtext demo FOLDER",
            )


def _another(folder: Path) -> str:
    return f"delete it (rm -r {folder}), or name another folder: webtext demo FOLDER"


def _claim(folder: Path, web: DemoWeb, size: Size) -> None:
    """Mark the folder as this web's, or see that it is."""
    wanted = {"web": web.identity(), "size": asdict(size)}
    path = folder / MARKER
    if not path.exists():
        write_json(path, wanted)
    elif read_json(path) != wanted:
        raise WebtextError(
            "holds a demo of another web: Python, the installed packages or webtext have changed since",
            where=folder,
            hint=_another(folder),
        )
