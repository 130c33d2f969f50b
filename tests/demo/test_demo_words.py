"""What the demo takes for words is what the comparisons take for words, whatever documentation its web is made of."""

from __future__ import annotations

from webtext.dedup.alphanumeric import words_reference
from webtext.demo.plants_beside import few
from webtext.demo.plants_scores import passage

PLAIN = "one two three four five six seven eight nine ten"


def test_twelve_words_of_a_page_are_twelve_where_it_has_code_too() -> None:
    page = f"Notice that the symmetric element T[-1] == T[1].conj() is omitted. At the {PLAIN}"
    assert few(page) == "notice that the symmetric element t 1 t 1 conj is omitted"
    assert words_reference(few(page)) == words_reference(page)[:12]


def test_a_passage_begins_and_ends_with_whole_words() -> None:
    row = " ".join([PLAIN] * 3)
    assert passage(f"{row}.") == row.split()
    assert passage(f"2nd{row}2") == []
    assert passage(f"2nd {row} word2vec {PLAIN}") == row.split()
    assert passage(f"{row.rpartition(' ')[0]} word2vec {PLAIN}") == []
