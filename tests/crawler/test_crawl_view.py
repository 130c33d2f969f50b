"""What people see of a crawl: the same figures in the panel, the line, the file and `status`; no stranger's control
characters in any of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from webtext.corpus.printable import printable, printable_line
from webtext.corpus.progress import say
from webtext.crawler.fetch import view
from webtext.crawler.fetch.figures import CrawlFigures, HostFigure
from webtext.crawler.fetch.view import CrawlView, duration, line, lines, panel, size
from webtext.reports import Status

EVIL = "evil\x1b]0;owned\x07\x9b31m\u202egnp.\r\n\x00exe[red]"
PICTURE = CrawlFigures(
    done=11_600, total=40_000, pages=5_800, bytes=139_200_000, pages_per_second=48.31, bytes_per_second=1.2e6,
    outcomes={"http-error": 2_320, "page": 5_800, "robots": 580, "timeout": 22, "redirect": 8, "opt-out": 6,
              "too-large": 4, "content-type": 2, EVIL: 1},
    busiest=[HostFigure("www.busy.example", 10, 300, 1.05, 10.5)],
    slowest=[HostFigure(EVIL, 12, 3, 9.14, 109.7)],
    bounding=[HostFigure("long.example", 5_000, 260, 5.05, 25_250)],
    eta_seconds=25_250.0,
)  # fmt: skip


def shown(columns: int, standing: str = "") -> list[str]:
    out = io.StringIO()
    Console(file=out, width=columns, force_terminal=True, color_system=None).print(panel(PICTURE, standing))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("columns", [80, 120])
def test_the_panel_fits_and_tells_everything(columns: int) -> None:
    rows = shown(columns, "2 processes, the disk is low: waiting for room")
    assert all(len(row) <= columns for row in rows)
    assert len(rows) == 6
    text = "\n".join(rows)
    for told in (
        "11,600/40,000 links, 7:00:50 left", "48.3 pages/s", "1.2 MB/s", "139.2 MB so far", "page 5,800",
        "http-error 2,320", "2 processes, the disk is low: waiting for room", "busiest", "www.busy.exam", "300",
        "slowest", "9.1 s", "last to end", "long.example", "5,000 in 7:00:50",
    ):  # fmt: skip
        assert told in text


def test_the_line_and_the_status_tell_the_same() -> None:
    assert line(PICTURE, "2 processes") == (
        "crawl: 11,600 of 40,000 links (29%), 48.3 pages/s, 1.2 MB/s, 5,800 pages, 139.2 MB, 7:00:50 left, "
        "2 processes, longest queue long.example 5,000 in 7:00:50"
    )
    assert lines(PICTURE)[0] == "48.3 pages/s, 1.2 MB/s, 139.2 MB so far, 7:00:50 left"
    assert lines(PICTURE)[2] == "busiest: www.busy.example 300"
    assert lines(PICTURE)[4] == "last: long.example 5,000 in 7:00:50"
    progress = {"label": "crawl", "done": 11_600, "total": 40_000, "unit": "links", "crawl": PICTURE.to_json()}
    status = Status("c", None, (), (), {}, {"command": "crawl", "pid": 1}, json.loads(json.dumps(progress)))
    assert "             48.3 pages/s, 1.2 MB/s, 139.2 MB so far, 7:00:50 left" in str(status)
    for other in ({"crawl": {"done": 1}}, {"crawl": "x"}, {}):  # of another version
        assert "crawl: 11,600" in str(Status("c", None, (), (), {}, {}, {**progress, **other}))


def test_nothing_a_server_says_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{EVIL}: a reason")
    said = capsys.readouterr().err.removesuffix("\n").replace("\n", "")  # lines are ours to break
    for text in (*shown(300), *lines(PICTURE), line(PICTURE), said):
        assert all(character.isprintable() for character in text), text
    assert any("evil\\x1b]0;owned\\x07\\x9b31m\\u202egnp.\\x0d\\n\\x00exe[red]" in row for row in shown(300))
    assert printable_line(EVIL) == "evil\\x1b]0;owned\\x07\\x9b31m\\u202egnp.\\x0d\\n\\x00exe[red]"
    assert printable("a\tb\nc é 漢 👩\u200d🚀") == "a\tb\nc é 漢 👩\u200d🚀"
    assert printable("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42, "0:42"), (3_661, "1:01:01"), (90_000, "1 d 1 h"), (900_000, "10 d 10 h")]
)
def test_times_are_told_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (7.1e12, "7.1 TB")])
def test_sizes_are_told_for_people(count: float, text: str) -> None:
    assert size(count) == text


def message(done: int, total: int, *, low: bool = False) -> dict[str, Any]:
    host = HostFigure(f"host{total}.example", total - done, done, 2.0, 2.0 * (total - done))
    figures = CrawlFigures(
        done, total, done, done * 1_000, 5.0, 5_000.0, {"page": done}, [host], [host], [host], 2.0 * (total - done)
    )
    return {"figures": figures.to_json(), "low": low}


def test_several_processes_are_one_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, CrawlView(tmp_path, 100, 20, 2) as shown:
        patch.setattr(view, "LINE_SECONDS", 0.0)
        shown.update(0, message(10, 50))
        shown.update(1, message(5, 30, low=True))
        shown.show()
        picture = shown.picture()
        told = json.loads((tmp_path / "progress.json").read_text())
    assert (picture.done, picture.total, picture.pages_per_second) == (35, 100, 10.0)
    assert [host.host for host in picture.bounding] == ["host50.example", "host30.example"]
    assert told["crawl"]["outcomes"] == {"page": 15}
    assert (told["done"], told["note"]) == (35, "2 processes, the disk is low: waiting for room")
    assert capsys.readouterr().err.startswith("crawl: 35 of 100 links (35%), 10.0 pages/s, 10.0 kB/s, 15 pages")
    assert not (tmp_path / "progress.json").exists()
