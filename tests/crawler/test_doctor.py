"""What is counted of a dump, month by month, and what is said about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webtext.crawler.reddit.blocks import Block
from webtext.crawler.reddit.doctor import NULLABLE, MonthCounts, PieceCounts, count_block
from webtext.crawler.reddit.findings import FileFindings, Findings

JANUARY = 1_735_689_600  # 2025-01-01


def line(**fields: Any) -> bytes:
    record = {
        "id": "a", "url": "http://a.example/", "domain": "a.example", "subreddit": "news", "score": 5,
        "created_utc": JANUARY, "is_self": False, "over_18": False,
    }  # fmt: skip
    return json.dumps({**record, **fields}).encode()


def count(*lines: bytes, min_karma: int = 3) -> PieceCounts:
    return count_block(Block(0, 0, b"\n".join(lines) + b"\n", 0), min_karma)


def findings(counts: PieceCounts, name: str = "RS_2025-01.zst", damage: str = "") -> Findings:
    return Findings(3, [FileFindings(name, "dump", damage, counts)])


def month(**fields: Any) -> MonthCounts:
    return MonthCounts(**fields)


def test_submissions_are_counted_in_the_month_of_their_posting() -> None:
    times = (JANUARY, "1735689599", 1_738_367_999.5, 0, None)
    found = count(*(line(created_utc=time) for time in times))
    assert {name: counts.lines for name, counts in found.months.items()} == {"2024-12": 1, "2025-01": 2, "none": 2}


def test_scores_at_and_above_the_threshold() -> None:
    found = count(line(score=2), line(score=3), line(score="40"), line(score=None), line(score=[1]), min_karma=40)
    (counts,) = found.months.values()
    assert (counts.scored, counts.score_sum, counts.at_least, counts.at_least_3) == (3, 45, 1, 2)
    assert counts.nulls == {"score": 1}


def test_flags_links_and_nulls() -> None:
    found = count(line(over_18=True), line(is_self=True), line(url=None, domain=None), b'{"created_utc": 1735689600}')
    (counts,) = found.months.values()
    assert (counts.lines, counts.nsfw, counts.links) == (4, 1, 1)
    assert counts.nulls == {name: 2 if name in ("url", "domain") else 1 for name in NULLABLE if name != "created_utc"}


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        ({"retrieved_on": JANUARY + 15}, 15),
        ({"retrieved_on": JANUARY + 15, "_meta": {"retrieved_2nd_on": JANUARY + 129_600}}, 129_600),
        ({"retrieved_on": JANUARY + 15, "_meta": {"note": "no_2nd_retrieval"}}, 15),
        ({"retrieved_on": JANUARY + 15, "_meta": "?"}, 15),
        ({"retrieved_on": str(JANUARY + 8_000_000)}, 8_000_000),
        ({"retrieved_on": JANUARY}, 0),
        ({"retrieved_on": JANUARY - 1}, None),
        ({}, None),
    ],
)
def test_the_age_of_a_score_is_when_it_was_read_last(fields: dict[str, Any], age: int | None) -> None:
    (counts,) = count(line(**fields), line(created_utc=JANUARY)).months.values()
    if age is None:
        assert counts.age is None
    else:
        assert counts.age is not None and counts.age <= age <= counts.age * 1.2 + 1


def test_unreadable_lines_are_counted_with_line_offset_and_reason() -> None:
    lines = [line(), b"", b"[1]", line(url="ä"), b'{"id": "\xff"}', b'{"cut": ', rb'{"id": "\ud83d", "created_utc": 1}']
    found = count(*lines)
    offsets = [sum(len(before) + 1 for before in lines[:number]) for number in range(len(lines))]
    assert (found.lines, found.blank, found.unreadable) == (7, 1, 3)
    assert found.first == [
        (3, offsets[2], "no JSON object"), (5, offsets[4], "not UTF-8"), (6, offsets[5], "not JSON"),
    ]  # fmt: skip
    assert {name: counts.lines for name, counts in found.months.items()} == {"2025-01": 2, "1970-01": 1}


def test_a_piece_is_the_sum_of_its_blocks() -> None:
    lines = [line(score=number, retrieved_on=JANUARY + number) if number % 7 else b"?" for number in range(100)]
    whole = count(*lines)
    parts = count(*lines[:40])
    parts.add(count_block(Block(1, 40, b"", 5, "gone"), 3))
    parts.add(count(*lines[40:]))
    assert (parts.months, parts.lines, parts.unreadable) == (whole.months, 100, 15)
    assert parts.first == whole.first
    assert parts.lost == ["gone"]


_VALUES = st.sampled_from([None, 0, 1, 3, 2.5, "7", "x", True, [], JANUARY, JANUARY + 40 * 86_400, 1e30, -5, "", "u"])


@example([{"score": []}, {"score": []}])
@given(st.lists(st.dictionaries(st.sampled_from([*NULLABLE, "retrieved_on"]), _VALUES), max_size=8))
def test_the_counts_are_what_one_line_after_another_gives(records: list[dict[str, Any]]) -> None:
    found = count(*(json.dumps(record).encode() for record in records)) if records else PieceCounts()
    slow: dict[str, list[int]] = {}
    for record in records:
        created = _slow(record.get("created_utc"))
        name = "none"
        if created is not None and 0 < created <= 253_402_300_799:
            name = datetime.fromtimestamp(int(created), UTC).strftime("%Y-%m")
        score = _slow(record.get("score"))
        counts = slow.setdefault(name, [0, 0, 0, 0, 0])
        counts[0] += 1
        counts[1] += score is not None
        counts[2] += score is not None and score >= 3
        counts[3] += record.get("over_18") is True
        counts[4] += not record.get("is_self") and bool(record.get("url"))
    assert slow == {
        name: [counts.lines, counts.scored, counts.at_least, counts.nsfw, counts.links]
        for name, counts in found.months.items()
    }


def _slow(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def test_the_table_fits_80_columns_and_says_what_is_wrong() -> None:
    counts = PieceCounts(
        lines=38_123_456, unreadable=4, first=[(17, 30_112, "not JSON")],
        months={
            "2023-07": month(lines=3_000, scored=3_000, score_sum=30_600, at_least=600, at_least_3=600, links=1_000),
            "2023-08": month(lines=38_120_452, scored=38_000_000, score_sum=38_380_000, at_least=38_000,
                             at_least_3=38_000, nsfw=17_000_000, links=12_000_000,
                             nulls={"url": 8_767_703, "domain": 8_767_703}, ages={13: 38_000_000}),
        },
    )  # fmt: skip
    text = str(findings(counts, damage="is cut off at byte 12"))
    assert text.splitlines() == [
        "month          lines    bad whole  null     mean     ≥3  nsfw  link      age",
        "2023-07        3,000      0 yes      0%    10.20    20%    0%   33%        -",
        "2023-08   38,120,452      4 no      23%     1.01   0.1%   45%   31%      8 s",
        "",
        "RS_2025-01.zst: 4 unreadable lines, the first is line 17 (byte 30,112): not JSON",
        "2023-08: null or absent: url 23%",
        "RS_2025-01.zst: is cut off at byte 12",
        "2023-08 is a known hole: scores were taken at posting (mean 1.01)",
    ]
    assert max(map(len, text.splitlines()[:3])) <= 80


def test_a_source_that_is_mostly_unreadable_is_a_problem() -> None:
    counts = PieceCounts(lines=2_000, blank=500, unreadable=16, first=[(1, 0, "not JSON")])
    assert findings(counts).problems == ["RS_2025-01.zst: 1.1% of its lines cannot be read"]
    counts.unreadable = 15
    assert findings(counts).problems == []


def test_findings_are_plain_json() -> None:
    counts = count(line(), line(score=1, retrieved_on=JANUARY + 7_200), b"?")
    found = json.loads(json.dumps(findings(counts).to_json()))
    assert found["months"]["2025-01"] == {
        "lines": 2, "scored": 2, "mean_score": 3.0, "share_at_threshold": 0.5, "share_at_3": 0.5, "nsfw": 0,
        "link_posts": 2, "null": dict.fromkeys(NULLABLE, 0), "median_score_age_seconds": 6_889,
    }  # fmt: skip
    (file,) = found["files"]
    assert (file["whole"], file["unreadable_lines"], file["month"]) == (True, 1, "2025-01")
    assert file["first_unreadable"] == [{"line": 3, "byte": counts.first[0][1], "reason": "not JSON"}]
