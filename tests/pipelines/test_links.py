"""The stage links: from dumps to links, whatever happens on the way."""

from __future__ import annotations

import lzma
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from links_stage import DEFAULTS, SMALL, begin, contents, make, month, published, record, write_dump

from webtext.corpus import faults
from webtext.corpus.config import shaping
from webtext.corpus.errors import ChangedSettings, DamagedFile, WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import verify_files
from webtext.corpus.outcomes import LossAlarm, Stage
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.reddit.dumps import find_sources
from webtext.crawler.reddit.lines import JudgedLines
from webtext.crawler.reddit.urls import url_key
from webtext.pipelines import links as stage
from webtext.pipelines import links_decide, links_gather, links_scan
from webtext.pipelines.engine import Engine
from webtext.pipelines.links import RULES, links_inputs, make_links


def test_a_dump_becomes_links_and_outcomes_that_balance(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    made = make(corpus, [write_dump(tmp_path / "RS_1.zst", month(0))])
    assert (made.rows_in, made.facts) == (59, {"lines": 60, "blank_lines": 1, "objects": 58, "outcomes": "all"})
    assert made.rows_in == made.rows_out + sum(made.outcomes.values())
    links = read_parquet(corpus / "links/part-00000.parquet", LINKS)
    outcomes = read_parquet(corpus / "outcomes/links-00000.parquet", OUTCOMES)
    assert links["key"].to_pylist() == sorted(url_key(url) for url in links["url"].to_pylist())
    assert outcomes["key"].to_pylist() == sorted(outcomes["key"].to_pylist())
    counted = {"self-post": 1, "media": 1}
    assert {**Counter(outcomes["outcome"].to_pylist()), **counted} == made.outcomes
    assert made.outcomes["duplicate-url"] == 13  # 50 posts of 37 links
    assert set(outcomes["stage"].to_pylist()) == {"links"}
    verify_files(corpus, made)
    assert made.run["sources"] == {made.inputs["sources"][0]: "RS_1.zst"}
    assert not (corpus / "work").exists()


def test_small_blocks_make_many_parts_and_the_same_links(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "a.ndjson", month(0))
    small, whole = make(tmp_path / "small", [dump]), make(tmp_path / "whole", [dump], block_bytes=1 << 20)
    assert small.identity == whole.identity
    assert published(tmp_path / "small") == published(tmp_path / "whole")


def test_running_it_again_is_done(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "a.ndjson", month(0))
    made = make(tmp_path / "corpus", [dump])
    run, _ = begin(tmp_path / "corpus", [dump])
    assert run.done and run.previous is not None and run.previous.identity == made.identity


def test_changed_settings_are_refused(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "a.ndjson", month(0))
    make(tmp_path / "corpus", [dump])
    with pytest.raises(ChangedSettings, match="min_karma"):
        begin(tmp_path / "corpus", [dump], LinksSettings(min_karma=4))
    made = make(tmp_path / "corpus", [dump], LinksSettings(min_karma=4), redo=True)
    assert made.identity == make(tmp_path / "other", [dump], LinksSettings(min_karma=4)).identity


@pytest.mark.parametrize("policy", ["max", "sum", "first"])
def test_months_one_after_the_other_are_as_good_as_all_at_once(tmp_path: Path, policy: str) -> None:
    settings = LinksSettings(karma_policy=policy)
    dumps = [write_dump(tmp_path / f"RS_{number}.zst", month(number * 41)) for number in range(3)]
    for dump in reversed(dumps):
        grown = make(tmp_path / "grown", [dump], settings)
    at_once = make(tmp_path / "once", dumps, settings)
    assert grown.identity == at_once.identity
    assert published(tmp_path / "grown") == published(tmp_path / "once")
    assert grown.run["sources"] == at_once.run["sources"]


def test_next_months_dump_gives_the_links_of_one_dump_of_both_months(tmp_path: Path) -> None:
    settings = LinksSettings(karma_policy="sum")
    months = [[line for line in month(number * 41) if line != b"[]"] for number in range(2)]
    for number, lines in enumerate(months):
        make(tmp_path / "grown", [write_dump(tmp_path / f"RS_{number}.zst", lines)], settings)
    make(tmp_path / "once", [write_dump(tmp_path / "both.ndjson", [*months[1], *months[0]])], settings)
    for name in ("links/part-00000.parquet", "outcomes/links-00000.parquet"):
        assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()


def test_a_grown_stage_reads_only_what_is_new(tmp_path: Path) -> None:
    first = write_dump(tmp_path / "RS_1.zst", month(0))
    second = write_dump(tmp_path / "RS_2.zst", month(41))
    make(tmp_path / "corpus", [first])
    run, sources = begin(tmp_path / "corpus", [first, second])
    seen = []

    def scan(run: StageRun, found: Any, *args: Any, **kwargs: Any) -> Any:
        seen.extend(source.path.name for source in found)
        return links_scan.scan_sources(run, found, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "scan_sources", scan)
        make_links(run, sources, DEFAULTS, engine=Engine(), accept_loss=True, block_bytes=SMALL)
    assert seen == ["RS_2.zst"]


def test_the_first_dump_need_not_be_there_any_more(tmp_path: Path) -> None:
    first = write_dump(tmp_path / "RS_1.zst", month(0))
    make(tmp_path / "corpus", [first])
    first.unlink()
    made = make(tmp_path / "corpus", [write_dump(tmp_path / "RS_2.zst", month(41))])
    assert made.facts["lines"] == 120


@pytest.mark.parametrize("settings", [DEFAULTS, LinksSettings(min_karma=4)])
def test_redo_without_a_dump_of_before_is_refused_and_names_it(tmp_path: Path, settings: LinksSettings) -> None:
    corpus, first, second, third = tmp_path / "corpus", *(tmp_path / f"RS_{n}.zst" for n in range(3))
    for number, dump in enumerate((first, second, third)):
        write_dump(dump, month(number * 41))
    make(corpus, [first, second])
    before = contents(corpus)
    with pytest.raises(ChangedSettings, match=r"drop what the stage has from other dumps: RS_0\.zst\n") as caught:
        make(corpus, [second, third], settings, redo=True)
    assert "name all dumps in one command" in str(caught.value.hint) and str(corpus / "links") in str(caught.value.hint)
    assert before.items() <= contents(corpus).items()
    made = make(corpus, [first, second, third], settings, redo=True)
    assert made.identity == make(tmp_path / "other", [first, second, third], settings).identity
    assert published(corpus) == published(tmp_path / "other")


def test_redo_of_a_damaged_stage_needs_its_dumps_too(tmp_path: Path) -> None:
    first, second = (write_dump(tmp_path / f"RS_{n}.zst", month(n * 41)) for n in range(2))
    made = make(tmp_path / "corpus", [first, second])
    (tmp_path / "corpus/links/stage.json").write_text("{}")
    (lost,) = (source.sha256 for source in find_sources([first]))
    with pytest.raises(ChangedSettings, match=f"from other dumps: the dump with sha256 {lost}"):
        make(tmp_path / "corpus", [second], redo=True)
    assert make(tmp_path / "corpus", [first, second], redo=True).identity == made.identity


def test_without_its_folder_the_stage_starts_over_from_fewer_dumps(tmp_path: Path) -> None:
    first, second = (write_dump(tmp_path / f"RS_{n}.zst", month(n * 41)) for n in range(2))
    make(tmp_path / "corpus", [first, second])
    shutil.rmtree(tmp_path / "corpus/links")
    made = make(tmp_path / "corpus", [second], redo=True)
    assert made.identity == make(tmp_path / "other", [second]).identity
    assert published(tmp_path / "corpus") == published(tmp_path / "other")


def test_new_settings_need_the_earlier_dumps_again(tmp_path: Path) -> None:
    first, second = (write_dump(tmp_path / f"RS_{n}.zst", month(n * 41)) for n in range(2))
    made = make(tmp_path / "corpus", [first])
    settings = LinksSettings(nsfw=True)
    sources = find_sources([second])
    run = StageRun.begin(
        tmp_path / "corpus", Stage.LINKS, settings=shaping(settings), rules=RULES, inputs=links_inputs(sources, made),
        redo=True,
    )  # fmt: skip
    with pytest.raises(WebtextError, match=r"needed again: RS_0\.zst"):
        make_links(run, sources, settings, engine=Engine(), accept_loss=True)


def test_a_flipped_byte_in_the_lines_of_an_earlier_dump_is_noticed(tmp_path: Path) -> None:
    first, second = (write_dump(tmp_path / f"RS_{n}.zst", month(n * 41)) for n in range(2))
    make(tmp_path / "corpus", [first])
    (lines,) = (tmp_path / "corpus").glob("links/lines/*/00000.parquet")
    data = bytearray(lines.read_bytes())
    data[len(data) // 2] ^= 1
    lines.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"other bytes") as caught:
        make(tmp_path / "corpus", [second])
    assert caught.value.where == str(lines) and "RS_0.zst" in str(caught.value.hint)
    healed = make(tmp_path / "corpus", [first, second])
    assert healed.identity == make(tmp_path / "other", [first, second]).identity


@pytest.mark.parametrize(
    "fault",
    ["links.scanned:2", "links.gathered:2", "links.decided:1", "links.decided:3", "files.written:9", "stage.journal:1"],
)
def test_a_stopped_run_goes_on_to_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(links_decide, "RANGE_ROWS", 20)
    monkeypatch.setattr(links_gather, "FILE_ROWS", 20)
    monkeypatch.setattr(links_scan, "RUN_BLOCKS", 2)
    dumps = [write_dump(tmp_path / f"RS_{number}.zst", month(number * 41)) for number in range(2)]
    whole = make(tmp_path / "whole", dumps)
    corpus = tmp_path / "stopped"
    faults._passed.clear()
    monkeypatch.setenv("WEBTEXT_FAULT", f"{fault}:raise")
    with pytest.raises(Exception, match=fault):
        make(corpus, dumps)
    monkeypatch.delenv("WEBTEXT_FAULT")
    run, sources = begin(corpus, dumps)
    made = run.previous
    if not run.done:
        made = make_links(run, sources, DEFAULTS, engine=Engine(), accept_loss=True, block_bytes=SMALL)
    assert made is not None and made.identity == whole.identity
    assert published(corpus) == published(tmp_path / "whole")


def test_runs_that_are_there_are_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_scan, "RUN_BLOCKS", 1)
    dump = write_dump(tmp_path / "RS_1.zst", month(0))
    faults._passed.clear()
    monkeypatch.setenv("WEBTEXT_FAULT", "links.scanned:3:raise")
    with pytest.raises(Exception, match=r"links\.scanned"):
        make(tmp_path / "corpus", [dump])
    monkeypatch.delenv("WEBTEXT_FAULT")
    first_lines = []
    add = JudgedLines.add

    def judged(self: JudgedLines, data: bytes, first_line: int) -> None:
        first_lines.append(first_line)
        add(self, data, first_line)

    monkeypatch.setattr(JudgedLines, "add", judged)
    make(tmp_path / "corpus", [dump])
    assert first_lines and min(first_lines) > 20


def test_a_run_that_goes_on_with_another_suffix_list_decides_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = write_dump(tmp_path / "RS_1.zst", month(0))
    faults._passed.clear()
    monkeypatch.setenv("WEBTEXT_FAULT", "stage.parts:1:raise")
    with pytest.raises(Exception, match=r"stage\.parts"):
        make(tmp_path / "corpus", [dump])
    monkeypatch.delenv("WEBTEXT_FAULT")
    for module in (stage, links_decide):
        monkeypatch.setattr(module, "suffix_list", lambda: "tldextract 99")
    decided = []
    decide_lines = links_decide.decide_lines
    monkeypatch.setattr(
        links_decide, "decide_lines", lambda *given, **k: decided.append(1) or decide_lines(*given, **k)
    )
    assert make(tmp_path / "corpus", [dump]).run["suffixes"] == "tldextract 99"
    assert decided


def test_the_result_does_not_depend_on_workers(tmp_path: Path) -> None:
    dumps = [write_dump(tmp_path / f"RS_{number}.zst", month(number * 41)) for number in range(3)]
    assert make(tmp_path / "one", dumps).identity == make(tmp_path / "two", dumps, workers=2).identity
    assert published(tmp_path / "one") == published(tmp_path / "two")


def test_line_files_and_key_ranges_of_any_size_give_the_same_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = [write_dump(tmp_path / f"RS_{number}.zst", month(number * 41)) for number in range(2)]
    make(tmp_path / "large", dumps)
    monkeypatch.setattr(links_decide, "RANGE_ROWS", 7)
    monkeypatch.setattr(links_gather, "FILE_ROWS", 11)
    make(tmp_path / "small", dumps)
    assert len(list((tmp_path / "small/links/lines").rglob("*.parquet"))) > 4
    for name in ("links/part-00000.parquet", "outcomes/links-00000.parquet"):
        assert (tmp_path / "small" / name).read_bytes() == (tmp_path / "large" / name).read_bytes()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([b"<html>", b"<body>not found</body>"], "of its 2 lines 0 are JSON objects"),
        ([b"[1]", b"null", b""], "of its 2 lines 0 are JSON objects"),
        ([b'{"body":"a comment","link_id":"t3_a"}'], "of its 1 lines 1 are JSON objects, and none has a URL"),
        ([b"", b""], "of its 0 lines 0 are JSON objects"),
    ],
)
def test_a_file_that_holds_no_submissions_is_named(tmp_path: Path, lines: list[bytes], message: str) -> None:
    foreign = write_dump(tmp_path / "foreign.ndjson", list(lines))
    with pytest.raises(DamagedFile, match="holds no submissions") as caught:
        make(tmp_path / "corpus", [foreign, write_dump(tmp_path / "RS_1.zst", month(0))])
    assert message in caught.value.message and caught.value.where == str(foreign)
    assert not (tmp_path / "corpus/links").exists()


def test_a_damaged_dump_leaves_nothing_half_published(tmp_path: Path) -> None:
    whole = lzma.compress(write_dump(tmp_path / "a.ndjson", month(0)).read_bytes(), check=lzma.CHECK_CRC32)
    (tmp_path / "RS_1.xz").write_bytes(whole[:200] + b"\x00\x00\x00\x00" + whole[204:])
    with pytest.raises(DamagedFile, match="byte") as caught:
        make(tmp_path / "corpus", [tmp_path / "RS_1.xz"], accept_loss=False)
    assert caught.value.where == str(tmp_path / "RS_1.xz")
    assert not (tmp_path / "corpus/links").exists()


def test_a_dump_with_no_link_in_it_makes_an_empty_stage(tmp_path: Path) -> None:
    made = make(
        tmp_path / "corpus", [write_dump(tmp_path / "a.ndjson", [record(1, "http://a.example/", is_self=True)])]
    )
    assert (made.rows_in, made.rows_out, made.outcomes) == (1, 0, {"self-post": 1})
    assert read_parquet(tmp_path / "corpus/links/part-00000.parquet", LINKS).num_rows == 0


def test_a_dump_that_loses_too_much_stops_and_asks(tmp_path: Path) -> None:
    broken: list[dict[str, Any] | bytes] = [
        b"{" if n % 5 == 0 else record(n, f"http://s{n}.example/") for n in range(1_000)
    ]
    dump = write_dump(tmp_path / "a.ndjson", broken)
    with pytest.raises(LossAlarm, match=r"200 of 1,000 lines are unreadable.*\(line 1: not JSON; line 6: ") as caught:
        make(tmp_path / "corpus", [dump], accept_loss=False, block_bytes=1 << 20)
    assert caught.value.where == str(dump)
    assert make(tmp_path / "corpus", [dump], block_bytes=1 << 20).outcomes == {"unreadable": 200}
