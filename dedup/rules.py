"""The versions of the rules that decide which documents stay. Raise one with any change of what it yields."""

from __future__ import annotations

RULES = {
    "words": 2,  # what a word is, how it is folded and hashed; what a shingle's hash is (shingles)
    "minhash": 1,  # datasketch 2.0's affine32 over the upper half of a shingle's hash (minhash)
    "bands": 2,  # what makes two documents candidates (bands, and the sketch's margin in verify)
    "exact": 1,  # what counts as the same text (exact)
    "order": 2,  # which of two copies stays, and who is the keeper of a removed one (survivors)
    "wikipedia": 1,  # the marks of a Wikipedia copy (wikipedia)
}
