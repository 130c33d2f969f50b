"""Which language a text is in."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.crawler.text import language
from webtext.crawler.text.language import (
    LanguageDisagreement,
    detect_language,
    is_audited,
    mostly_other_scripts,
    sample_text,
)

ENGLISH = "The keeper of the lighthouse climbed the steps every evening to light the lamp before the ships came in. "
GERMAN = "Der Leuchtturmwärter stieg jeden Abend die Stufen hinauf, um die Lampe zu entzünden, ehe Schiffe kamen. "
RUSSIAN = "Смотритель маяка каждый вечер поднимался по ступеням, чтобы зажечь лампу. "


@pytest.mark.parametrize(("text", "code"), [(ENGLISH, "en"), (GERMAN, "de"), (RUSSIAN, "ru")])
def test_plain_cases(text: str, code: str) -> None:
    found, score = detect_language(text)
    assert found == code
    assert score > 0.99


@pytest.mark.parametrize("text", ["", " ", "1234 5678", "?!…", "https://example.org/page"])
def test_a_text_without_letters_is_in_no_language(text: str) -> None:
    assert detect_language(text) == ("unknown", 0.0)


def test_an_answer_does_not_depend_on_what_was_asked_before() -> None:
    # A text that langdetect itself answers differently from one call to the next.
    unsure = "Restaurant Hotel Bar Garage Taxi Radio Café Orange Menu"
    first = detect_language(unsure)
    answers = set()
    for text in (ENGLISH, GERMAN, RUSSIAN, "Otto Anna"):
        detect_language(text)
        answers.add(detect_language(unsure))
    assert answers == {first}


def test_an_answer_is_the_same_in_another_process() -> None:
    text = "Restaurant Hotel Bar Garage Taxi Radio Café Orange Menu"
    code = f"from webtext.crawler.text.language import detect_language; print(detect_language({text!r}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(detect_language(text))


def test_more_than_half_in_other_scripts_is_never_english() -> None:
    # Georgian, which langdetect does not know: it would go by the English words.
    mixed = "ყველა ადამიანი იბადება თავისუფალი the old keeper was there " * 5
    assert mostly_other_scripts(mixed)
    assert detect_language(mixed.replace("ყველა ადამიანი", ""))[0] == "en"
    assert detect_language(mixed) == ("unknown", 0.0)


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("plain", False),
        ("naïve café ﬁancé \uff21\uff42 ǅ ẞ", False),
        ("привет", True),
        ("привет hello", True),
        ("приве hello", False),
        ("漢字かな", True),
        ("1234 … «»", False),
        ("ⵉⵎⴷⴰⵏⴻⵏ", True),
    ],
)
def test_scripts_are_told_by_their_letters(text: str, others: bool) -> None:
    assert mostly_other_scripts(text) is others


def test_a_short_text_is_looked_at_whole_and_a_long_one_in_four_windows() -> None:
    assert sample_text("x" * 4_000) == "x" * 4_000
    # of 15,000 characters the windows begin at 0, 4,666, 9,333 and 14,000
    sample = sample_text("a" * 5_000 + "b" * 5_000 + "c" * 5_000)
    assert sample == "\n".join(["a" * 1_000, "a" * 334 + "b" * 666, "b" * 667 + "c" * 333, "c" * 1_000])


def test_a_short_start_in_another_language_does_not_decide() -> None:
    assert detect_language(ENGLISH * 8 + GERMAN * 90)[0] == "de"


def test_sentences_of_twenty_languages(data: Path) -> None:
    wrong = {}
    for path in sorted((data / "langid").glob("*.txt")):
        sentences = path.read_text(encoding="utf-8").splitlines()[:30]
        answers = [detect_language(sentence) for sentence in sentences if len(sentence) >= 60]
        wrong[path.stem] = sum((code == "en" and score >= 0.8) != (path.stem == "en") for code, score in answers)
    # langdetect does not know Irish and Latin, and takes much of the one for English.
    assert sum(count for code, count in wrong.items() if code not in ("ga", "la")) <= 3, wrong


def test_the_fast_port_is_langdetect_to_the_last_bit() -> None:
    port = pytest.importorskip("langdetect_rs")
    assert port is not None
    for text in (
        ENGLISH,
        GERMAN,
        RUSSIAN,
        "Restaurant Hotel Bar Garage Taxi Radio Café",
        "",
        "12 34",
        "a",
        ENGLISH + GERMAN,
    ):
        assert language._port()(text) == language.probabilities(text)  # type: ignore[misc]


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=60))
def test_the_fast_port_is_langdetect_on_any_text(text: str) -> None:
    pytest.importorskip("langdetect_rs")
    assert language._port()(text) == language.probabilities(text)  # type: ignore[misc]


def test_one_text_in_256_is_audited_and_always_the_same_ones() -> None:
    chosen = [number for number in range(25_600) if is_audited(f"text {number}")]
    assert 60 <= len(chosen) <= 140
    assert chosen == [number for number in range(25_600) if is_audited(f"text {number}")]


@given(st.text(st.sampled_from("aZ\u00e9\u0178\u0254\u1e00\u2019\u0416\u4e2d1 _"), max_size=12))
def test_the_quick_answer_about_scripts_is_the_exact_one(text: str) -> None:
    letters = [letter for letter in text if letter.isalpha()]
    others = [letter for letter in letters if letter in "\u0254\u0416\u4e2d"]
    assert mostly_other_scripts(text) is (2 * len(others) > len(letters))


def test_a_port_that_differs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    audited = next(text for number in range(9_000) if is_audited(text := f"{ENGLISH} {number}"))
    other = next(text for number in range(1_000) if not is_audited(text := f"{ENGLISH} {number}"))
    monkeypatch.setattr(language, "_port", lambda: lambda sample: [("en", 0.5)])
    assert detect_language(other) == ("en", 0.5)
    with pytest.raises(LanguageDisagreement):
        detect_language(other, audit=True)
    with pytest.raises(LanguageDisagreement, match=r"by langdetect, \[\('en', 0.5\)\] by langdetect_rs"):
        detect_language(audited)


def test_without_the_port_langdetect_decides_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = (ENGLISH, GERMAN, RUSSIAN, ENGLISH * 100 + GERMAN)
    fast = [detect_language(text) for text in texts]
    monkeypatch.setattr(language, "_port", lambda: None)
    assert [detect_language(text) for text in texts] == fast


@pytest.mark.slow
def test_no_decision_of_the_port_differs_on_five_thousand_real_samples(data: Path) -> None:
    pytest.importorskip("langdetect_rs")
    chance = random.Random(0)
    samples = []
    for path in sorted((data / "langid").glob("*.txt")):
        sentences = path.read_text(encoding="utf-8").splitlines()
        samples += [" ".join(chance.sample(sentences, chance.choice((1, 2, 3, 6)))) for _ in range(250)]
    assert len(samples) == 5_000
    differing = [text for text in samples if language._port()(text) != language.probabilities(text)]  # type: ignore[misc]
    assert differing == []
