"""The recording of the demo: what a terminal would show, and the picture that stands in the README."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "demo.svg"
SVG = "{http://www.w3.org/2000/svg}"
PLAIN = ("", False)


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    found = importlib.util.spec_from_file_location("record_demo", ROOT / "tools" / "record_demo.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["record_demo"] = module  # where dataclasses look for it
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("drawn", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("50 %\r100 %", ["100 %"]),
        ("a long one\r\x1b[2Kshort", ["short"]),
        ("first\r\nsecond\r\n\x1b[1A\x1b[2Kthird", ["first", "third", ""]),
        ("\x1b[?25lhidden\x1b[?25h", ["hidden"]),
        ("x" * 81, ["x" * 80, "x"]),
        ("from here\r\n\x1b[1A\x1b[Kon", ["on", ""]),
    ],
)
def test_what_a_program_draws(recorder: ModuleType, drawn: str, lines: list[str]) -> None:
    for cut in range(len(drawn)):  # wherever the pieces end
        screen = recorder.Screen()
        screen.feed(drawn[:cut])
        screen.feed(drawn[cut:])
        assert ["".join(text for _, text, _ in screen.runs(row)) for row in range(len(screen.lines))] == lines


def test_colours_and_bold(recorder: ModuleType) -> None:
    screen = recorder.Screen()
    screen.feed("a\x1b[1mb\x1b[0m\x1b[31mc\x1b[38;5;237md\x1b[38;2;1;2;255me\x1b[39mf")
    assert screen.runs(0) == (
        (0, "a", PLAIN),
        (1, "b", ("", True)),
        (2, "c", ("#ff7b72", False)),
        (3, "d", ("#3a3a3a", False)),
        (4, "e", ("#0102ff", False)),
        (5, "f", PLAIN),
    )


@pytest.mark.parametrize("drawn", ["\x1b[2J", "\x1b]0;title\x07", "\x08"])
def test_what_is_not_understood_is_an_error(recorder: ModuleType, drawn: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        recorder.Screen().feed(drawn)


def test_a_line_that_changes_has_a_version_for_each_time(recorder: ModuleType) -> None:
    pieces = [(0.0, "$ x\r\n"), (60.0, "1 of 2"), (61.0, "\r2 of 2"), (61.1, "\r\x1b[2Kdone\r\n")]
    drawn, heights = recorder.versions(pieces)
    shown = [(version.row, version.line[0][1], round(version.start, 2), round(version.end, 2)) for version in drawn]
    # A pause is 0.8 s at most, and all goes six times as fast.
    assert shown == [
        (0, "$ x", 0.0, 8.28),
        (1, "1 of 2", 0.13, 0.27),
        (1, "2 of 2", 0.27, 0.28),
        (1, "done", 0.28, 8.28),
    ]
    assert [(round(at, 2), lines) for at, lines in heights] == [(0.0, 1), (0.13, 2)]


def test_the_picture_shows_its_end_where_nothing_moves(recorder: ModuleType) -> None:
    picture = recorder.picture([(0.0, "a & b\r\n"), (1.0, "wait"), (2.0, "\r\x1b[2Kdone  now")], "a <title>")
    texts = {text_of(node): node.get("style", "") for node in ElementTree.fromstring(picture).iter(f"{SVG}text")}
    assert [text for text, style in texts.items() if "opacity:0" not in style] == ["a <title>", "a & b", "done  now"]
    assert "opacity:0" in texts["wait"]


def text_of(node: ElementTree.Element) -> str:
    return "".join(node.itertext()).replace("\u00a0", " ")


def test_the_picture_in_the_readme_is_of_a_whole_demo_and_names_no_machine() -> None:
    assert "(docs/demo.svg)" in "\n".join((ROOT / "README.md").read_text().splitlines()[:12])
    assert PICTURE.stat().st_size < 400_000
    texts = [text_of(node) for node in ElementTree.parse(PICTURE).getroot().iter(f"{SVG}text")]
    shown = "\n".join(texts)
    assert texts[1] == "$ webtext demo"
    for command in ("init", "links", "crawl", "extract", "dedup", "tokenize", "train", "generate"):
        assert f"$ webtext {command} webtext-demo/corpus" in shown
    held = re.search(r"(\d+) of (\d+) planted facts hold", shown)
    assert held is not None
    assert held[1] == held[2]
    assert max(map(len, texts)) <= 80
    assert not re.search(r"/(?:home|root|tmp|work|Users|usr|var|opt)/|Traceback|WARNING|Warning", shown)
