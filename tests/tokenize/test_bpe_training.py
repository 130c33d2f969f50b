"""Training a byte-level BPE."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.tokenize import reference
from webtext.tokenize.training import train_vocabulary

TEXTS = ["the cat sat on the mat", "the hat of the cat", "that's it: 1999, 1998", "naïve café, naïve café\n\n\n"]


def test_the_most_frequent_pair_is_the_first_merge() -> None:
    assert train_vocabulary(["abab abab"], 259).merges == ((b"a", b"b"), (b"ab", b"ab"))


def test_no_merge_crosses_a_piece_of_the_split() -> None:
    vocabulary = train_vocabulary(["a1a1 a1 a1!a1!" * 3], 300)
    assert not any(b"a1" in token or b"1!" in token for token in vocabulary.tokens)


def test_a_vocabulary_ends_where_no_pair_occurs_twice() -> None:
    assert train_vocabulary(["ab ab"], 50_257).size == 258  # 256 bytes, ab, <|endoftext|>
    assert train_vocabulary(["ab"], 50_257).size == 257
    assert train_vocabulary([], 50_257).size == 257


def test_a_vocabulary_has_the_size_asked_for() -> None:
    for size in (257, 258, 270):
        vocabulary = train_vocabulary(TEXTS, size)
        assert vocabulary.size == size
        assert vocabulary.endoftext == size - 1


def test_a_literal_endoftext_in_a_page_is_text() -> None:
    vocabulary = train_vocabulary(["<|endoftext|> <|endoftext|>"] * 5, 400)
    assert b"endoftext" in vocabulary.tokens
    assert b"<|endoftext|>" not in vocabulary.tokens  # the split cuts it in three


def test_the_order_of_texts_decides_nothing() -> None:
    assert train_vocabulary(TEXTS, 300) == train_vocabulary(TEXTS[::-1], 300)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet=st.sampled_from("ab c'sé1 \n"), max_size=60), max_size=8),
    st.integers(min_value=257, max_value=300),
)
def test_it_trains_what_the_reference_trains(texts: list[str], size: int) -> None:
    assert train_vocabulary(texts, size, engine="regex") == reference.train(texts, size)


def test_another_process_with_other_threads_trains_the_same(tmp_path: Path) -> None:
    text = "\n".join(f"{number} {number * number % 997} words-{number % 37} thé thè {'x' * (number % 9)}"
                     for number in range(3000))  # fmt: skip
    (tmp_path / "text.txt").write_text(text)
    script = (
        "import sys, pathlib; from webtext.tokenize.training import train_vocabulary; "
        "print(train_vocabulary(pathlib.Path(sys.argv[1]).read_text().splitlines(), 600).fingerprint)"
    )
    expected = train_vocabulary(text.splitlines(), 600).fingerprint
    for threads, seed in (("1", "1"), ("3", "2")):
        found = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "text.txt")],
            env={"RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "true", "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout.strip() == expected
