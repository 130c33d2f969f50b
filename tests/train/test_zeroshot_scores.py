"""Scorers on cases whose answers are known by hand, both sides of every rule."""

from __future__ import annotations

import math

import pytest

from webtext.train.zeroshot import answers, generated, scores
from webtext.train.zeroshot.batches import shared_beginning
from webtext.train.zeroshot.cloze import substituted
from webtext.train.zeroshot.paper import ROWS
from webtext.train.zeroshot.sentences import sentences
from webtext.train.zeroshot.stopwords import first_word, is_stop_word, word_is_over
from webtext.train.zeroshot.windows import Window, rolling, strided


@pytest.mark.parametrize(
    ("answer", "reference", "f1", "exact"),
    [
        ("the red fox", "A red fox!", 1.0, 1.0),
        ("red fox", "fox", 2 / 3, 0.0),
        ("fox fox", "fox", 2 / 3, 0.0),  # a word counts as often as both have it
        ("fox fox", "fox fox dog", 4 / 5, 0.0),
        ("dog", "fox", 0.0, 0.0),
        ("", "fox", 0.0, 0.0),
        ("the", "a.", 1.0, 1.0),  # nothing is left of either
        ("U.S.", "us", 1.0, 1.0),  # points go before words are made
        ("twenty-one", "twenty one", 0.0, 0.0),
        ("another", "other", 0.0, 0.0),  # an article is a whole word
        ("yes", "Yes", 1.0, 1.0),
    ],
)
def test_answers_are_compared_as_coqas_script_does(answer: str, reference: str, f1: float, exact: float) -> None:
    assert answers.f1(answer, reference) == pytest.approx(f1)
    assert answers.exact(answer, reference) == exact
    assert answers.coqa(answer, [reference]) == pytest.approx((f1, exact))


def test_each_reference_is_left_out_once() -> None:
    # Only one of four is matched: where it is left out, nothing is.
    assert answers.coqa("fox", ["fox", "dog", "cat", "cow"]) == pytest.approx((3 / 4, 3 / 4))
    # Two of four are: one is always there.
    assert answers.coqa("fox", ["fox", "the fox", "cat", "cow"]) == pytest.approx((1.0, 1.0))
    # The best of those that stay: red fox 1, fox 2/3.
    assert answers.coqa("red fox", ["red fox", "fox"]) == pytest.approx(((2 / 3 + 1) / 2, 1 / 2))


def test_an_open_question_takes_any_reference() -> None:
    assert answers.open_match("The Beatles.", ["Rolling Stones", "beatles"])
    assert not answers.open_match("The Beatles band", ["beatles"])


def test_sentences_end_at_points_and_lines_but_not_after_abbreviations() -> None:
    assert sentences('Mr. Fox came. "Who?" he said! In the U.S. it rains.\nA line\n\nJ. Dog went to St. Paul') == [
        "Mr. Fox came.", '"Who?"', "he said!", "In the U.S. it rains.", "A line", "J. Dog went to St. Paul",
    ]  # fmt: skip
    assert sentences("It is 4.5 m.So it is. I. Then") == ["It is 4.5 m.So it is.", "I.", "Then"]
    assert sentences(" \n ") == []


def test_a_word_ends_where_another_begins() -> None:
    assert [word_is_over(text) for text in (" fox", " fox.", " fox ", " don'", " don't", " don't x", " ", "")] == [
        False, True, True, False, False, True, False, False,
    ]  # fmt: skip
    assert [first_word(text) for text in (" fox jumps", '"Fox', " don't.", " …", "dogs' x")] == [
        "fox", "Fox", "don't", "", "dogs",
    ]  # fmt: skip
    assert is_stop_word("The") and is_stop_word("Don\u2019t") and not is_stop_word("fox")


def test_candidates_are_put_into_the_pronouns_place() -> None:
    assert substituted("It fell because  [MASK]  is big. ", "it", "The trophy ") == (
        "It fell because the trophy",
        " is big.",
    )
    assert substituted("It fell; [MASK], too.", "he", " Paul ") == ("It fell; Paul", ", too.")
    assert substituted("It fell. [MASK] was big.", "it", "the trophy") == ("It fell. The trophy", " was big.")
    assert substituted("[MASK] fell.", "[MASK]", "the trophy") == ("The trophy", " fell.")
    assert substituted("He sold [MASK] car.", "his", "Paul") == ("He sold Paul's", " car.")
    assert substituted("He saw [MASK] go.", "her", "Ann") == ("He saw Ann", " go.")


def test_rolling_windows_score_every_token_once() -> None:
    assert rolling(8, context=3, stride=2) == [Window(0, 3, 1), Window(2, 5, 4), Window(4, 7, 6)]
    assert rolling(9, context=3, stride=2)[-1] == Window(5, 8, 8)  # the last one reads as much as fits
    assert rolling(1, context=3, stride=2) == []
    for length in range(1, 40):
        for context, stride in ((3, 1), (5, 5), (8, 3)):
            found = [
                place
                for window in rolling(length, context=context, stride=stride)
                for place in range(window.first, window.end + 1)
            ]
            assert found == list(range(1, length))
            assert all(
                0 <= window.start < window.first and window.end - window.start <= context
                for window in rolling(length, context=context, stride=stride)
            )


def test_strided_windows_leave_out_what_has_nothing_before_it() -> None:
    assert strided(7, context=3, stride=3) == [Window(0, 2, 1), Window(3, 5, 4)]
    assert strided(7, context=4, stride=2) == [Window(0, 3, 1), Window(2, 5, 4), Window(4, 6, 6)]


def test_what_all_rows_begin_with() -> None:
    assert shared_beginning([[1, 2, 3], [1, 2, 4, 5], [1, 2]]) == 2
    assert shared_beginning([[1, 2], [1, 2]]) == 2
    assert shared_beginning([[1], [2]]) == 0


def test_means_have_the_error_of_a_sample() -> None:
    found = scores.percent([True, True, False, False])
    assert (found.value, found.count) == (50.0, 4)
    assert found.error == pytest.approx(100 * math.sqrt(0.25 / 3))
    assert scores.percent([True]).error is None
    assert math.isnan(scores.mean([]).value)


def test_perplexity_is_per_unit_and_bits_are_in_bits() -> None:
    found = scores.perplexity([math.log(2), math.log(8)], [1, 3])
    assert found.value == pytest.approx(2.0)
    # Residuals 0 and 0: every part has the same loss a unit.
    assert found.error == pytest.approx(0.0)
    assert scores.perplexity([1.0, 3.0], [1, 1]).error == pytest.approx(math.exp(2) * math.sqrt(2 * 2) / 2)
    assert scores.bits([math.log(2) * 3], [2]).value == pytest.approx(1.5)
    assert scores.perplexity([1e6], [1]).value == math.inf


def test_rouge_and_bleu_are_those_of_their_libraries() -> None:
    found = generated.rouge(["The cats sat.", "A dog ran."], ["The cat sat on it."])
    # 3 of 6 and 5 stemmed words (the, cat, sat), 2 of 5 and 4 pairs.
    assert found["rouge_1"] == pytest.approx(6 / 11)
    assert found["rouge_2"] == pytest.approx(4 / 9)
    assert found["rouge_l"] == pytest.approx(6 / 11)
    assert found["rouge_average"] == pytest.approx((12 / 11 + 4 / 9) / 3)
    same = generated.bleu(["the cat sat on the mat"] * 3, ["the cat sat on the mat"] * 3)
    assert (same.value, same.error, same.count) == (pytest.approx(100.0), pytest.approx(0.0), 3)
    # 5 of 6 words, 4 of 5, 3 of 4, 2 of 3 rows of them: the fourth root of their product, no brevity penalty.
    near = generated.bleu(["the cat sat on the rug"], ["the cat sat on the mat"])
    assert near.value == pytest.approx(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)
    assert near.error is None


def test_the_papers_rouge_averages_are_the_means_of_its_rows() -> None:
    """Table 4 gives all four: a number typed wrongly would not fit the others."""
    rows = {(row.score, row.unit): (row.before, row.sizes[-1]) for row in ROWS if row.task == "cnn-dm"}
    for what in ("tldr", "no_hint", "lede_3", "random_3"):
        three = [rows[f"{what}_rouge_{part}", unit] for part, unit in (("1", "R-1"), ("2", "R-2"), ("l", "R-L"))]
        for place, average in enumerate(rows[f"{what}_rouge_average", "R-avg"]):
            found = [row[place] for row in three]
            if average is None:
                assert found == [None] * 3
            else:
                assert sum(value or 0.0 for value in found) / 3 == pytest.approx(average, abs=0.006)
