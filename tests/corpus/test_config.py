"""webtext.toml: one home for every setting, errors that help, comments that stay."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from webtext.corpus.config import Settings, load_settings, render_settings, shaping, store_values
from webtext.corpus.errors import UsageError
from webtext.corpus.settings import AI_AGENTS


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "webtext.toml"
    path.write_text(text)
    return path


def test_the_rendered_file_says_every_default_and_its_meaning(tmp_path: Path) -> None:
    text = render_settings(Settings())
    assert load_settings(write(tmp_path, text)) == Settings()
    for section in fields(Settings):
        for entry in fields(getattr(Settings(), section.name)):
            assert entry.metadata["meaning"] in text


def test_a_file_goes_over_the_default(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "[links]\nmin_karma = 5\n[crawl]\ndelay = 2\n"))
    assert settings.links.min_karma == 5
    assert settings.links.karma_policy == "max"
    assert settings.crawl.delay == 2.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[links]\nmin_kamra = 5\n", "no such setting: links.min_kamra\n  did you mean min_karma"),
        ("[link]\nmin_karma = 5\n", r"no such section: \[link\]\n  did you mean links"),
        ("min_karma = 5\n", "outside a section"),
        ('[links]\nmin_karma = "5"\n', "links.min_karma is '5'; it takes a whole number"),
        ("[links]\nmin_karma = true\n", "it takes a whole number"),
        ("[links]\nnsfw = 1\n", "it takes true or false"),
        ('[links]\nkarma_policy = "mean"\n', "it takes one of max, sum, first"),
        ("[dedup]\nthreshold = 1.5\n", r"dedup.threshold is 1.5; allowed is \(0.1..1\)"),
        ("[dedup]\nthreshold = nan\n", "allowed is"),
        ("[crawl]\nopt_out = [1]\n", "a list of strings"),
        ("[links\n", "is no TOML"),
    ],
)
def test_a_wrong_file_says_what_and_where(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError, match=told) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_stored_flag_leaves_the_users_file_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path, "# mine\n[links]\n# only the best\nmin_karma = 5  # five\nnsfw = true\n")
    store_values(path, "links", {"min_karma": 7})
    assert path.read_text() == "# mine\n[links]\n# only the best\nmin_karma = 7  # five\nnsfw = true\n"
    store_values(path, "tokenize", {"vocab_size": 8192})
    assert load_settings(path).tokenize.vocab_size == 8192


def test_only_what_shapes_content_enters_an_identity() -> None:
    assert shaping(Settings().crawl) == {
        "obey_robots": True,
        "opt_out": ["noai", "noimageai", "noml"],
        "max_crawl_delay": 300.0,
        "ai_agents": list(AI_AGENTS),
        "tdm": True,
        "ai_txt": True,
        "max_bytes": 10_000_000,
        "max_decoded": 20_000_000,
        "max_redirects": 10,
    }
    assert shaping(Settings().train) == {}
