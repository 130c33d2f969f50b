from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.testsets.sets import read_set
from webtext.train.zeroshot.detokenizers import MARK, STYLES, detokenizer
from webtext.train.zeroshot.lm_eval import lm_eval_wikitext

CASES = [
    ("wikitext", ' He said " Hi , Mr. Bo " ( twice ) . ', 'He said "Hi, Mr. Bo" (twice).'),
    ("wikitext", " a guest @-@ role in 1 @,@ 200 of 4 @.@ 5 ", "a guest-role in 1,200 of 4.5"),
    ("wikitext", " the dogs ' house isn 't Bo 's ", "the dogs' house isn't Bo's"),
    ("wikitext", " = = Life = = ", "= = Life = ="),
    ("wikitext", " ", ""),
    ("wikitext", "no spaces around", f"{MARK} no spaces around"),
    ("ptb", " it was n't mr. bo 's $ N ", "it wasn't mr. bo's $N"),
    ("lm1b", '" Yes , " she said ; it \'s $ 7.3bn ( so far ) .', '"Yes," she said; it\'s $7.3bn (so far).'),
    ("cbt", "` Well , ' said the bird , -LRB- 3 -RRB- .", "'Well,' said the bird, (3)."),
    ("cbt", "`` Any soup , my dear ? ''", '"Any soup, my dear?"'),
    # Both sides of a rule: what a rule would take apart although it was never apart stays, marked or as it is.
    ("wikitext", " word. ", f"{MARK}word."),
    ("wikitext", " U.S. and J. Bo Inc. ", "U.S. and J. Bo Inc."),
    ("wikitext", " he won the U.S . ", "he won the U.S ."),
    ("lm1b", "it's", f"{MARK}it's"),
    ("lm1b", "-LRB- is no bracket here", "-LRB- is no bracket here"),
    ("cbt", "( was one already", "( was one already"),
    ("cbt", "(was one already", f"{MARK}(was one already"),
    ("cbt", f"{MARK}already", f"{MARK}{MARK}already"),
]


@pytest.mark.parametrize(("style", "split", "written"), CASES)
def test_text_is_written_as_people_write_it(style: str, split: str, written: str) -> None:
    both = detokenizer(style)
    assert both.detokenize(split) == written
    assert both.tokenize(written) == split


PIECES = st.sampled_from(
    [
        *sorted({token for style in STYLES.values() for token in style.left | style.right}),
        *sorted({token for style in STYLES.values() for token in {**style.written, **style.infix}}),
        "word", "Word.", "U.S.", "a-b", "1,2", '"', "'", "n't", "'s", "don't", "", MARK, "(x)", "...", "\t", "\n", "é",
    ]
)  # fmt: skip


@pytest.mark.parametrize("style", sorted(STYLES))
@given(tokens=st.lists(PIECES, max_size=12), text=st.text(max_size=12), framed=st.booleans())
def test_there_is_a_way_back_from_any_text(style: str, tokens: list[str], text: str, framed: bool) -> None:
    both = detokenizer(style)
    for split in (" ".join(tokens), f" {' '.join(tokens)} " if framed else text):
        assert both.tokenize(both.detokenize(split)) == split


@pytest.mark.parametrize(
    ("style", "where", "marked"),
    [
        ("wikitext", "wikitext-2/test.txt", 2),
        pytest.param("wikitext", "wikitext-2/valid.txt", 9, marks=pytest.mark.slow),
        pytest.param("wikitext", "wikitext-2/wiki.test.raw", 70, marks=pytest.mark.slow),
        ("ptb", "ptb-format/ptb.test.txt", 2),
        ("lm1b", "lm1b-format/news.en.heldout-00016-of-00050", 0),
        ("lm1b", "lm1b-format/news.en-00016-of-00100", 0),
        ("cbt", "cbt-format/cbtest_CN_test_2500ex.txt", 0),
        ("cbt", "cbt-format/cbtest_NE_train.txt", 0),
    ],
)
def test_there_is_a_way_back_on_the_sets_themselves(data: Path, style: str, where: str, marked: int) -> None:
    """And hardly a token needs the mark that keeps the way open."""
    both = detokenizer(style)
    marks = 0
    for example in read_set(data / "eval" / where, style).examples():
        fields = example.fields
        texts = [*fields["context"], fields["query"]] if style == "cbt" else [fields["text"].replace("\r\n", "\n")]
        for text in texts:
            written = both.detokenize(text.removesuffix("\n"))
            assert both.tokenize(written) == text.removesuffix("\n")
            marks += written.count(MARK)
    assert marks == marked


def test_the_harness_rules_are_kept_as_they_are() -> None:
    assert lm_eval_wikitext(' = A = \n \n It s " x " , ( y ) N = = B = = \n') == ' = A =\n\nIt s "x", (y) 1 == B ==\n'
