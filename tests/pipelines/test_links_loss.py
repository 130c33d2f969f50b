"""The stage links: what cannot be read, rows or counts of outcomes, and dumps read in pieces."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard
from links_stage import make, month, published, record, write_dump

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import read_parquet
from webtext.corpus.outcomes import LossAlarm
from webtext.corpus.schemas import OUTCOMES
from webtext.corpus.settings import LinksSettings
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.dumps import find_sources
from webtext.pipelines import links, links_gather, links_scan
from webtext.pipelines.links_scan import READER_MEMORY, workers_for_memory


def frames(path: Path, lines: list[dict[str, Any] | bytes], number: int) -> Path:
    """A .zst whose lines are cut into `number` frames, wherever that falls."""
    plain = write_dump(path.with_suffix(".ndjson"), lines).read_bytes()
    size = -(-len(plain) // number)
    cuts = [plain[start : start + size] for start in range(0, len(plain), size)]
    path.write_bytes(b"".join(map(zstandard.ZstdCompressor().compress, cuts)))
    return path


def outcomes_of(corpus: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_parquet(corpus / "outcomes/links-00000.parquet", OUTCOMES).to_pylist()
    return found


def test_a_dump_of_several_frames_is_read_in_pieces_to_the_same_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = frames(tmp_path / "RS_1.zst", month(0), 7)
    whole = make(tmp_path / "whole", [dump])
    monkeypatch.setattr(dumps, "PIECE_BYTES", 1)
    assert len(dumps.pieces(find_sources([dump])[0])) == 7
    assert make(tmp_path / "pieces", [dump], workers=2).identity == whole.identity
    assert published(tmp_path / "pieces") == published(tmp_path / "whole")
    (unreadable,) = [row for row in outcomes_of(tmp_path / "pieces") if row["outcome"] == "unreadable"]
    assert unreadable["detail"].startswith("no JSON object: line 59 of the dump with sha256 ")


def test_counts_instead_of_rows_change_nothing_else(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "RS_1.zst", month(0))
    rows = make(tmp_path / "all", [dump], LinksSettings(outcomes="all"))
    counts = make(tmp_path / "counts", [dump], LinksSettings(outcomes="counts"))
    assert counts.outcomes == rows.outcomes and counts.rows_out == rows.rows_out
    assert (rows.facts["outcomes"], counts.facts["outcomes"]) == ("all", "counts")
    assert outcomes_of(tmp_path / "counts") == []
    counted = Counter(row["outcome"] for row in outcomes_of(tmp_path / "all"))
    assert {**counted, "self-post": 1, "media": 1} == rows.outcomes
    part = "links/part-00000.parquet"
    assert (tmp_path / "all" / part).read_bytes() == (tmp_path / "counts" / part).read_bytes()


@pytest.mark.parametrize(("limit", "mode"), [(5, "counts"), (20, "counts"), (40, "all"), (1_000, "all")])
def test_rows_are_kept_up_to_a_limit_in_whatever_way_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, mode: str
) -> None:
    """Of 57 lines that are links 7 have an outcome by themselves; 33 have one in the end."""
    for module in (links, links_gather):
        monkeypatch.setattr(module, "OUTCOME_ROWS", limit)
    dump = write_dump(tmp_path / "RS_1.zst", month(0))
    made = make(tmp_path / "auto", [dump])
    assert sum(made.outcomes.values()) - 2 == 33
    assert made.facts["outcomes"] == mode
    assert len(outcomes_of(tmp_path / "auto")) == (33 if mode == "all" else 0)
    other = make(tmp_path / mode, [dump], LinksSettings(outcomes=mode))
    assert made.outcomes == other.outcomes
    for name in ("links/part-00000.parquet", "outcomes/links-00000.parquet"):
        assert (tmp_path / "auto" / name).read_bytes() == (tmp_path / mode / name).read_bytes()


def test_the_counts_of_a_source_say_what_its_months_hold_and_where_it_is_unreadable(tmp_path: Path) -> None:
    make(tmp_path / "corpus", [write_dump(tmp_path / "RS_1.zst", month(0))])
    (path,) = (tmp_path / "corpus").glob("links/lines/*/counts.json")
    counts = json.loads(path.read_bytes())
    scores = [number % 7 for number in range(50)]
    assert counts["months"] == {
        "1970-01": {
            "submissions": 58, "score_sum": sum(scores) + 8 * 5, "at_least_3": sum(score >= 3 for score in scores) + 8,
        }
    }  # fmt: skip
    assert counts["unreadable_first"] == [[59, "no JSON object"]]


def test_a_dump_that_is_cut_off_is_refused_unless_its_loss_is_accepted(tmp_path: Path) -> None:
    dump = frames(tmp_path / "RS_1.zst", month(0), 2)
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-3])
    with pytest.raises(DamagedFile, match=r"cut off.*byte") as caught:
        make(tmp_path / "corpus", [dump], accept_loss=False)
    assert "--accept-loss" in str(caught.value.hint)
    made = make(tmp_path / "corpus", [dump], accept_loss=True)
    (lost,) = [row for row in outcomes_of(tmp_path / "corpus") if "cut off" in row["detail"]]
    assert lost["outcome"] == "unreadable" and "of the dump with sha256" in lost["detail"]
    assert made.rows_in == made.rows_out + sum(made.outcomes.values())
    again = make(tmp_path / "again", [dump], accept_loss=True, workers=2)
    assert again.identity == made.identity


def foreign(window_log: int, lines: int) -> bytes:
    """A frame that asks for a window above what can be kept."""
    data = b"{}\n" * lines
    header = b"\x28\xb5\x2f\xfd" + bytes([0, (window_log - 10) << 3])
    return header + (len(data) << 3 | 1).to_bytes(3, "little") + data


def test_a_small_frame_with_too_large_a_window_is_counted_and_a_large_one_stops(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "RS_1.zst", [record(n, f"http://s{n}.example/{n * n}") for n in range(2_000)])
    good = dump.read_bytes()
    dump.write_bytes(foreign(40, 1) + good)
    made = make(tmp_path / "small", [dump], accept_loss=False)
    assert (made.rows_out, made.outcomes) == (2_000, {"unreadable": 1})
    (row,) = outcomes_of(tmp_path / "small")
    assert row["detail"].startswith("needs a window of 1,099,511,627,776 bytes for the zstd frame at byte 0;")
    dump.write_bytes(good + foreign(35, 2_000))
    with pytest.raises(LossAlarm, match=r"bytes are unreadable.*for the zstd frame at byte") as caught:
        make(tmp_path / "large", [dump], accept_loss=False)
    assert caught.value.where == str(dump)
    assert make(tmp_path / "large", [dump], accept_loss=True).outcomes == {"unreadable": 1}


def test_a_scan_of_mostly_unreadable_lines_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_scan, "_SAID_EARLY", 1_000)
    monkeypatch.setattr(links_scan, "RUN_BLOCKS", 1)
    dump = write_dump(
        tmp_path / "a.ndjson", [b"{" if n % 50 == 0 else record(n, "http://x.example/") for n in range(9_000)]
    )
    with pytest.raises(LossAlarm, match=r"unreadable, more than 1% \(line 1: not JSON; line 51: not JSON"):
        make(tmp_path / "corpus", [dump], accept_loss=False, block_bytes=20_000)
    assert len(list((tmp_path / "corpus/work").rglob("*.arrow"))) < 15


def test_readers_with_large_windows_are_as_many_as_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = find_sources([write_dump(tmp_path / "RS_1.zst", month(0))])
    monkeypatch.setattr(dumps, "memory", lambda source: 2 << 30)
    free = [5 * ((2 << 30) + READER_MEMORY), 1 << 30]
    for available, workers in zip(free, (5, 1), strict=True):
        monkeypatch.setattr(links_scan, "_free_memory", lambda available=available: available)
        assert workers_for_memory(sources) == workers
    assert capsys.readouterr().err == "a reader of these dumps may need 2,348 MB of memory, and 1,024 MB are free\n"
