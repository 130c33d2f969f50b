"""Signature tables: what they hold, and that they are the references' values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.settings import DedupSettings
from webtext.dedup.exact import digests
from webtext.dedup.minhash import EMPTY, Permutations, signature_reference
from webtext.dedup.parts import matrix_of
from webtext.dedup.shingles import shingles_reference
from webtext.dedup.signatures import COLUMNS, NEVER, check_settings, sign
from webtext.dedup.utf8 import Texts

Numbers = NDArray[Any]

SETTINGS = DedupSettings(shingle_words=2, permutations=16, band_rows=6)
PERMUTATIONS = Permutations.of(16, 1)
TEXTS = ["The cat sat on the mat.", "", "One", "Ein Hündchen läuft \u2013 schnell! " * 40]


def documents(texts: list[str], **changed: list[object]) -> pa.Table:
    count = len(texts)
    columns: dict[str, list[object]] = {
        "key": list(range(count)),
        "url": ["https://site.example/"] * count,
        "final_url": ["https://site.example/"] * count,
        "canonical": [None] * count,
        "title": ["A title"] * count,
        "text": list(texts),
        "karma": [3] * count,
        "first_posted": [datetime(2025, 1, 2, tzinfo=UTC)] * count,
        "domain": ["site.example"] * count,
        **changed,
    }
    return pa.table(columns, pa.schema([DOCUMENTS.field(name) for name in COLUMNS]))


def test_sketches_are_those_of_the_references() -> None:
    wanted = [
        signature_reference([value >> 32 for value in shingles_reference(text, 2)], PERMUTATIONS) for text in TEXTS
    ]
    found = sign(documents(TEXTS), SETTINGS, PERMUTATIONS)
    assert matrix_of(found, "sketch").tolist() == [[value & 0xFF for value in row] for row in wanted]
    assert wanted[1] == [EMPTY] * 16


def test_length_in_characters_shingles_and_exact_hash_stand_beside_them() -> None:
    found = sign(documents(TEXTS), SETTINGS, PERMUTATIONS)
    assert found["length"].to_pylist() == [23, 0, 3, 1200]
    assert found["shingles"].to_pylist() == [5, 0, 0, 159]
    assert matrix_of(found, "exact").tolist() == digests(Texts.of(TEXTS)).tolist()
    assert len(set(found["site"].to_pylist())) == 1


def test_a_document_without_a_date_was_posted_after_all_others() -> None:
    dates: list[object] = [None, datetime(1970, 1, 2, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)]
    posted = sign(documents(["a", "b", "c"], first_posted=dates), SETTINGS, PERMUTATIONS)["posted"].to_pylist()
    assert posted[0] == NEVER
    assert posted[1] < posted[2] < NEVER


def test_marks_of_wikipedia_are_noted_unless_the_setting_is_off() -> None:
    table = documents(["a"], title=["Duck - Wikipedia"])
    assert sign(table, SETTINGS, PERMUTATIONS)["wikipedia"].to_pylist() == ["title 'Duck - Wikipedia'"]
    assert sign(table, DedupSettings(wikipedia=False), PERMUTATIONS)["wikipedia"].to_pylist() == [""]


def test_what_is_known_is_not_signed_again_and_what_is_not_known_is() -> None:
    keys, wanted = [], sign(documents(TEXTS), SETTINGS, PERMUTATIONS)

    def known(key: Numbers, exact: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        keys.append(key.tolist())
        assert exact.tolist() == matrix_of(wanted, "exact").tolist()
        return key % 2 == 0, np.full(4, 77, np.int32), np.full((4, 16), 7, np.uint8)

    found = sign(documents(TEXTS), SETTINGS, PERMUTATIONS, known)
    assert keys == [[0, 1, 2, 3]]
    assert found["shingles"].to_pylist() == [77, 0, 77, 159]
    assert matrix_of(found, "sketch")[::2].tolist() == [[7] * 16] * 2
    assert matrix_of(found, "sketch")[1::2].tolist() == matrix_of(wanted, "sketch")[1::2].tolist()


def test_no_documents_have_no_signatures() -> None:
    assert len(sign(documents([]), SETTINGS, PERMUTATIONS)) == 0


def test_a_band_wider_than_the_signature_is_refused() -> None:
    check_settings(DedupSettings(permutations=16, band_rows=16))
    with pytest.raises(UsageError, match="band_rows is 17"):
        check_settings(DedupSettings(permutations=16, band_rows=17))
