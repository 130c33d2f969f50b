"""`webtext doctor` over files: several at once, damaged ones, lists, and its exit code."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import zstandard
from commands import webtext

from webtext.api import doctor
from webtext.corpus.errors import UsageError


def dump(path: Path, *, month_start: int, score: int, rows: int = 200) -> Path:
    lines = [
        json.dumps({
            "id": f"{number}", "url": f"http://a.example/{random.Random(number).getrandbits(99)}", "score": score,
            "created_utc": month_start + number, "retrieved_on": month_start + number + 12, "is_self": False,
        })
        for number in range(rows)
    ]  # fmt: skip
    path.write_bytes(zstandard.ZstdCompressor().compress("\n".join(lines).encode()))
    return path


AUGUST, JUNE = 1_690_848_000, 1_685_577_600  # 2023


def test_several_dumps_are_looked_through(tmp_path: Path) -> None:
    dump(tmp_path / "RS_2023-06.zst", month_start=JUNE, score=40)
    hole = dump(tmp_path / "RS_2023-08.zst", month_start=AUGUST, score=1)
    cut = dump(tmp_path / "cut.zst", month_start=JUNE + 9_000, score=2)
    cut.write_bytes(cut.read_bytes()[:-9])
    found = doctor(tmp_path, workers=1)
    assert {name: counts.lines for name, counts in found.months.items()} == {"2023-06": 200, "2023-08": 200}
    damaged, hole_found = found.problems
    assert damaged.startswith("cut.zst: is cut off")
    assert hole_found == "2023-08 is a known hole: scores were taken at posting (mean 1.00)"
    assert found.months["2023-08"].age == pytest.approx(12, rel=0.2)
    assert [file.damage != "" for file in sorted(found.files, key=lambda file: file.name)] == [False, False, True]
    done = webtext("doctor", tmp_path / "RS_2023-06.zst", hole, "--json", "--workers", 1, expect=1)
    assert json.loads(done.stdout)["problems"] == [hole_found]


def test_lists_are_looked_through_and_listings_are_not(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("http://a.example/\nhttp://b.example/\n")
    found = doctor(tmp_path / "urls.txt", workers=1)
    assert found.months["none"].lines == found.months["none"].links == 2 and not found.problems
    with pytest.raises(UsageError, match="gathered by links alone"):
        doctor("reddit:/r/science/new")
