"""The quality rules: each by name on both sides of its edge, and what becomes of what they drop."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.settings import PRESETS as PRESET_NAMES
from webtext.corpus.settings import ExtractSettings
from webtext.crawler.text.filtering import split_by_quality
from webtext.crawler.text.measures import MEASURES, measure
from webtext.crawler.text.quality import (
    ALL_RULES,
    PRESETS,
    QUALITY_SETTINGS,
    ActiveRule,
    active_rules,
    failed_rules,
    rule_of,
)

# name: (measure, the last value that stays, the first that does not)
EDGES: dict[str, tuple[str, float, float]] = {
    "openwebtext_min_tokens": ("tokens", 128, 127),
    "c4_min_sentences": ("c4_sentences", 5, 4),
    "c4_max_curly_brackets": ("curly_brackets", 0, 1),
    "c4_max_lorem_ipsum": ("lorem_ipsum", 0, 1),
    "gopher_min_words": ("words", 50, 49),
    "gopher_max_words": ("words", 100_000, 100_001),
    "gopher_min_mean_word": ("mean_word_length", 3.0, 2.99),
    "gopher_max_mean_word": ("mean_word_length", 10.0, 10.01),
    "gopher_max_hashes": ("hashes", 0.1, 0.101),
    "gopher_max_ellipses": ("ellipses", 0.1, 0.101),
    "gopher_max_bullet_lines": ("bullet_lines", 0.9, 0.91),
    "gopher_max_ellipsis_lines": ("ellipsis_lines", 0.3, 0.31),
    "gopher_min_alphabetic_words": ("alphabetic_words", 0.8, 0.79),
    "gopher_min_stop_words": ("stop_words", 2, 1),
    "gopher_max_duplicate_lines": ("duplicate_lines", 0.3, 0.31),
    "gopher_max_duplicate_paragraphs": ("duplicate_paragraphs", 0.3, 0.31),
    "gopher_max_duplicate_line_characters": ("duplicate_line_characters", 0.2, 0.21),
    "gopher_max_duplicate_paragraph_characters": ("duplicate_paragraph_characters", 0.2, 0.21),
    "gopher_max_top_2grams": ("top_2grams", 0.2, 0.21),
    "gopher_max_top_3grams": ("top_3grams", 0.18, 0.181),
    "gopher_max_top_4grams": ("top_4grams", 0.16, 0.161),
    "gopher_max_duplicate_5grams": ("duplicate_5grams", 0.15, 0.151),
    "gopher_max_duplicate_6grams": ("duplicate_6grams", 0.14, 0.141),
    "gopher_max_duplicate_7grams": ("duplicate_7grams", 0.13, 0.131),
    "gopher_max_duplicate_8grams": ("duplicate_8grams", 0.12, 0.121),
    "gopher_max_duplicate_9grams": ("duplicate_9grams", 0.11, 0.111),
    "gopher_max_duplicate_10grams": ("duplicate_10grams", 0.1, 0.101),
    "fineweb_min_sentences": ("sentences", 5, 4),
    "fineweb_min_punctuated_lines": ("punctuated_lines", 0.121, 0.12),
    "fineweb_max_short_lines": ("short_lines", 0.66, 0.67),
    "fineweb_max_duplicate_line_characters": ("duplicate_line_characters", 0.099, 0.1),
}
SETTINGS = ExtractSettings()


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_a_rule_on_both_sides_of_its_edge(rule: Any) -> None:
    name, stays, goes = EDGES[rule.name]
    assert rule.measure == name
    active = [ActiveRule(rule, float(getattr(SETTINGS, rule.name)))]
    assert failed_rules({name: stays}, active) == []
    (detail,) = failed_rules({name: goes}, active)
    assert rule_of(detail) == rule.name
    # over a whole table the same
    table = documents([{name: stays}, {name: goes}, {name: stays}])
    kept, aside, outcomes = split_by_quality(table, active)
    assert (kept["key"].to_pylist(), aside["key"].to_pylist()) == ([0, 2], [1])
    assert outcomes.to_pylist() == [
        {"key": 1, "url": "u1", "stage": "documents", "outcome": "quality", "detail": detail}
    ]


def documents(measures: list[dict[str, float]]) -> pa.Table:
    good = dict.fromkeys(MEASURES, 0.0)
    rows = [
        {
            "key": key, "url": f"u{key}", "final_url": "f", "canonical": None, "domain": "d", "title": "t", "text": "x",
            "language": "en", "language_score": 1.0, "karma": 3, "first_posted": None,
            "fetched": datetime(2025, 1, 1, tzinfo=UTC), "source": "crawl", "record_id": "r", "characters": 1,
            "words": int(found.get("words", 100)),
            "quality": {**good, **{name: value for name, value in found.items() if name != "words"}},
        }
        for key, found in enumerate(measures)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, DOCUMENTS)


def test_every_rule_has_its_value_in_the_settings() -> None:
    names = {field.name for field in fields(ExtractSettings)}
    assert names >= QUALITY_SETTINGS
    assert set(EDGES) == {rule.name for rule in ALL_RULES}
    assert tuple(PRESETS) == PRESET_NAMES


def test_presets_may_be_added_and_a_rule_counts_once() -> None:
    assert active_rules(SETTINGS) == ()
    both = active_rules(replace(SETTINGS, quality=("gopher", "fineweb", "openwebtext")))
    assert len(both) == len({active.rule.name for active in both})
    assert both[0].rule.name == "openwebtext_min_tokens"
    gopher = active_rules(replace(SETTINGS, quality=("gopher",), gopher_min_words=7))
    assert {active.rule.name: active.value for active in gopher}["gopher_min_words"] == 7
    assert len(gopher) == 23


def test_fineweb_is_gopher_c4_but_for_the_last_mark_and_three_rules_of_its_own() -> None:
    names = {rule.name for rule in PRESETS["fineweb"]}
    assert {rule.name for rule in PRESETS["gopher"]} < names
    assert "c4_min_sentences" not in names
    assert {"c4_max_curly_brackets", "c4_max_lorem_ipsum", "fineweb_min_sentences"} <= names


def test_the_first_rule_that_fails_is_the_one_that_counts_and_all_are_named() -> None:
    rules = active_rules(replace(SETTINGS, quality=("gopher",)))
    measures = {**measure("ab " * 20), "words": 20}
    details = failed_rules(measures, rules)
    assert rule_of("; ".join(details)) == "gopher_min_words"
    assert details[0] == "gopher_min_words: 20, at least 50 is needed"
    assert [rule_of(detail) for detail in details[1:3]] == ["gopher_min_mean_word", "gopher_min_stop_words"]


def test_a_document_without_measures_stays() -> None:
    table = documents([{}])
    table = table.set_column(
        table.schema.get_field_index("quality"),
        DOCUMENTS.field("quality"),
        pa.nulls(1, DOCUMENTS.field("quality").type),
    )
    kept, aside, outcomes = split_by_quality(table, active_rules(replace(SETTINGS, quality=("c4",))))
    assert (kept.num_rows, aside.num_rows, outcomes.num_rows) == (1, 0, 0)


PROSE = "\n".join(
    f"In the year {year} the keeper of the lighthouse wrote to the council that the lamp of the tower, which was lit "
    f"by hand, had failed on {year % 50} nights. They answered him with a new lamp, and that was the end of it."
    for year in range(1900, 1908)
)
MENU = "\n".join(f"Item {number}" for number in range(60))


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_prose_stays_under_every_preset(preset: str) -> None:
    rules = active_rules(replace(SETTINGS, quality=(preset,)))
    prose = "\n".join(dict.fromkeys(PROSE.split("\n")))
    measures = {**measure(prose), "words": len(prose.split())}
    # the sentences above are alike but for their years: repetition is what they would be dropped for, and nothing else
    assert [rule_of(d) for d in failed_rules(measures, rules) if "duplicate" not in d] == []


@pytest.mark.parametrize(("preset", "stays"), [("webtext", True), ("c4", False), ("gopher", False), ("fineweb", False)])
def test_a_menu_is_dropped_where_a_preset_says_so(preset: str, stays: bool) -> None:
    rules = active_rules(replace(SETTINGS, quality=(preset,)))
    assert (failed_rules({**measure(MENU), "words": 120}, rules) == []) is stays
