"""Signature tables: what they hold, and that they are the references' values."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from webtext.corpus.config import DedupSettings
from webtext.corpus.errors import UsageError
from webtext.corpus.schemas import DOCUMENTS
from webtext.dedup.bands import band_hashes
from webtext.dedup.exact import digests
from webtext.dedup.minhash import EMPTY, Permutations, signature_reference
from webtext.dedup.parts import matrix_of
from webtext.dedup.shingles import shingles_reference
from webtext.dedup.signatures import COLUMNS, NEVER, check_settings, sign

SETTINGS = DedupSettings(shingle_words=2, permutations=16, band_rows=6)
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


def test_sketch_and_bands_are_those_of_the_references() -> None:
    permutations = Permutations.of(16, 1)
    wanted = [
        signature_reference([value >> 32 for value in shingles_reference(text, 2)], permutations) for text in TEXTS
    ]
    found = sign(documents(TEXTS), SETTINGS)
    assert matrix_of(found, "sketch").tolist() == [[value & 0xFF for value in row] for row in wanted]
    bands = [found["band_0"].to_pylist(), found["band_1"].to_pylist()]
    assert bands == band_hashes(np.array(wanted, np.uint32), 6).tolist()
    assert "band_2" not in found.column_names  # four permutations are left over
    assert wanted[1] == [EMPTY] * 16


def test_length_in_characters_shingles_and_exact_hash_stand_beside_them() -> None:
    found = sign(documents(TEXTS), SETTINGS)
    assert found["length"].to_pylist() == [23, 0, 3, 1200]
    assert found["shingles"].to_pylist() == [5, 0, 0, 159]
    assert matrix_of(found, "exact").tolist() == digests(TEXTS).tolist()
    assert len(set(found["site"].to_pylist())) == 1


def test_a_document_without_a_date_was_posted_after_all_others() -> None:
    dates: list[object] = [None, datetime(1970, 1, 2, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)]
    posted = sign(documents(["a", "b", "c"], first_posted=dates), SETTINGS)["posted"].to_pylist()
    assert posted[0] == NEVER
    assert posted[1] < posted[2] < NEVER


def test_marks_of_wikipedia_are_noted_unless_the_setting_is_off() -> None:
    table = documents(["a"], title=["Duck - Wikipedia"])
    assert sign(table, SETTINGS)["wikipedia"].to_pylist() == ["title 'Duck - Wikipedia'"]
    assert sign(table, DedupSettings(wikipedia=False))["wikipedia"].to_pylist() == [""]


def test_no_documents_have_no_signatures() -> None:
    assert len(sign(documents([]), SETTINGS)) == 0


def test_a_band_wider_than_the_signature_is_refused() -> None:
    check_settings(DedupSettings(permutations=16, band_rows=16))
    with pytest.raises(UsageError, match="band_rows is 17"):
        check_settings(DedupSettings(permutations=16, band_rows=17))
