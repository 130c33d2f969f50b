"""The README's recipes are run as they stand, each in a folder of its own; so no line of them can rot.

Only two things differ from what a reader does: the dump and the list of addresses lead to a little web, and so do the
names of its hosts, as in `webtext demo`. Nothing is taken from a line or added to it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path

import pytest
import typer
from commands import parse

from webtext import cli
from webtext.api import Corpus
from webtext.demo.dump import DUMP_NAME, Dump
from webtext.demo.little_web import LittleWeb
from webtext.demo.server import WebServer

README = Path(__file__).parents[2] / "README.md"
# Hosts of much the same size: the README's commands wait a second between two requests to one.
WEB = LittleWeb(
    hosts=20, pages=60, exponent=0.1, fastest=0.0001, slowest=0.001, silent=0.0, refused=0.05, unknown=0.05, missing=0.1
)
URLS = tuple(WEB.urls())
LOW = "http://unloved.example/"


@dataclass(frozen=True)
class Block:
    """A piece of code in a document, with the heading it stands under and its number there."""

    heading: str
    number: int
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def blocks(document: str) -> Iterator[Block]:
    """Every fenced piece of code."""
    heading, number = "", 0
    for found in re.finditer(
        r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", document, re.M | re.S
    ):
        if found["heading"]:
            heading, number = found["heading"], 0
        else:
            yield Block(heading, number, found["language"], found["text"])
            number += 1


BLOCKS = {(block.heading, block.number): block for block in blocks(README.read_text())}
RECIPES = ("Run the crawl pipeline", "Build a deduplicated dataset", "Train a model on the shards")


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer(WEB).running() as running:
        yield running


def beginning(folder: Path) -> Path:
    """What a reader has: an empty folder with a dump, or a list of addresses, in it."""
    dump = Dump()
    for url in URLS:
        dump.post(url)
    dump.post(LOW, 1)
    dump.self_post()
    dump.write(folder / DUMP_NAME)
    (folder / "urls.txt").write_text("".join(f"{url}\n" for url in URLS))
    return folder


@pytest.fixture(scope="module")
def little_web(server: WebServer) -> Iterator[None]:
    """The names of the hosts lead to the little web, as in `webtext demo`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Corpus, "crawl", partialmethod(Corpus.crawl, _little_web=server.resolver_table()))
        yield


@pytest.fixture
def folder(tmp_path: Path, little_web: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's folder, where the reader is."""
    monkeypatch.chdir(tmp_path)
    return beginning(tmp_path)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory, little_web: None) -> tuple[Path, str]:
    """The folder after the first recipe, and what that printed."""
    folder = beginning(tmp_path_factory.mktemp("crawled"))
    with contextlib.chdir(folder):
        return folder, run(BLOCKS["Run the crawl pipeline", 0])


def run(block: Block) -> str:
    """Run a piece of code as it stands; what it prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        if block.language == "python":
            exec(block.text, {})
        for line in block.lines if block.language == "sh" else ():
            program, *arguments = shlex.split(line, comments=True)
            assert program == "webtext"
            cli.app(arguments, prog_name=program, standalone_mode=False)
    return told.getvalue()


def pages_there() -> int:
    return sum(WEB.expected(host, page) == "document" for host in range(20) for page in range(WEB.size(host)))


def test_the_recipes_are_few_lines_each_and_all_are_tested() -> None:
    headings = [block.heading for block in BLOCKS.values() if block.language in ("sh", "python")]
    assert {*RECIPES, "Without a dump and without the network"} <= set(headings)
    for (heading, _), block in BLOCKS.items():
        if heading in RECIPES:
            assert len(block.lines) <= 5
            assert block.language in ("sh", "python")


def test_the_two_commands_stand_first_and_make_knows_them() -> None:
    first = next(iter(BLOCKS.values()))
    assert first.heading == "Two commands"
    for line in first.lines:
        command = shlex.split(line, comments=True)
        assert command in (["make", "demo"], ["make", "test"])
        if shutil.which("make"):
            asked = subprocess.run([*command, "-n"], cwd=README.parent, capture_output=True, check=False)
            assert asked.returncode == 0


@pytest.mark.slow
def test_run_the_crawl_pipeline_from_a_dump(crawled: tuple[Path, str]) -> None:
    folder, told = crawled
    pages = pages_there()
    assert re.search(rf"pages +{len(URLS)} in", told)
    assert re.search(rf"{pages:,} out\n\nnot finished: documents", told)
    assert re.search(r"karma +1\n", told)
    assert re.search(r"self-post +1\n", told)
    assert list(folder.glob("my-corpus/pages/*.warc.gz"))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("webtext.crawler.reddit.lists") is None, reason="this webtext reads dumps only, no lists"
)
def test_run_the_crawl_pipeline_from_a_list_of_addresses(folder: Path) -> None:
    block = BLOCKS["Run the crawl pipeline", 1]
    run(block)
    pages = {stage.stage: stage for stage in Corpus(folder / "my-list").status().stages}["pages"]
    assert (pages.rows_in, pages.rows_out) == (len(URLS), pages_there())


@pytest.mark.slow
def test_build_a_deduplicated_dataset(folder: Path) -> None:
    run(BLOCKS["Build a deduplicated dataset", 0])
    told = run(BLOCKS["Build a deduplicated dataset", 1])
    stages = {stage.stage: stage for stage in Corpus(folder / "my-corpus").status().stages}
    assert stages["clean"].rows_out >= 0.9 * pages_there()
    assert told.startswith(f"{stages['clean'].rows_out} documents; http://h0")
    assert Corpus(folder / "my-corpus").settings.dedup.threshold == 0.8


@pytest.mark.slow
def test_train_a_model_on_the_shards(folder: Path) -> None:
    told = run(BLOCKS["Train a model on the shards", 0])
    assert told.startswith("The")
    last = Corpus(folder / "my-corpus").status().runs["default"]
    assert last["step"] == 100
    assert last["loss"] < 8.0  # a guess among 8,192 tokens has 9.0


@pytest.mark.slow
def test_without_a_dump_and_without_the_network(
    crawled: tuple[Path, str], server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a demo leaves, of this web.
    folder = tmp_path
    (folder / "webtext-demo").mkdir()
    shutil.copy(crawled[0] / DUMP_NAME, folder / "webtext-demo" / DUMP_NAME)
    shutil.copytree(crawled[0] / "my-corpus", folder / "webtext-demo" / "corpus")
    monkeypatch.chdir(folder)
    asked = server.asked.total()
    run(BLOCKS["Without a dump and without the network", 0])
    assert server.asked.total() == asked
    stages = {stage.stage: stage for stage in Corpus(folder / "practice").status().stages}
    assert stages["pages"].rows_out == pages_there()
    assert stages["shards"].rows_out > 0


def test_every_command_line_in_the_documents_has_a_command_and_options_that_exist() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    seen = 0
    for document in (README, *README.parent.glob("docs/*.md")):
        text = document.read_text()
        whole = [block.text.replace("\\\n", " ") for block in blocks(text) if block.language != "python"]
        lines = [line.removeprefix("$ ") for part in whole for line in part.splitlines()]
        lines += [" ".join(span.split()) for span in re.findall(r"`(webtext [a-z][^`]+)`", text)]
        for line in (line for line in lines if re.match(r"webtext \S", line)):
            words = shlex.split(line, comments=True)[1:]
            # Forms of a command (CORPUS, [FOLDER], …) are no lines to type, and a name alone is a mention.
            if any(word.isupper() or "…" in word or word.startswith("[") for word in words):
                continue
            assert words[0] in commands, f"{document.name}: {line}"
            # Also `webtext shards verify`: two names.
            if len(words) > 1 and not (len(words) == 2 and words[1] in getattr(commands[words[0]], "commands", {})):
                parse(words)
            seen += 1
    assert seen >= 15
