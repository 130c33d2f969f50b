"""Text for benchmarks that need much of it: random words, as frequent as words are, so that long n-grams are rare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 60_000


class Writer:
    """Writes text of words whose frequency follows Zipf's law; the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)
        letters = np.array(list("etaoinshrdlucmfwypvbgk"))
        shapes = np.random.default_rng(7)  # the vocabulary is the same for all writers
        lengths = shapes.integers(2, 10, VOCABULARY)
        self._words = np.array(["".join(shapes.choice(letters, size)) for size in lengths], object)
        weights = 1 / np.arange(1, VOCABULARY + 1)
        self._cumulative: NDArray[np.float64] = np.cumsum(weights / weights.sum())

    def words(self, count: int) -> list[str]:
        """So many words."""
        places = np.searchsorted(self._cumulative, self._numbers.random(count))
        found: list[str] = self._words[np.minimum(places, VOCABULARY - 1)].tolist()
        return found

    def text(self, count: int) -> str:
        """A text of so many words, in sentences."""
        found = self.words(count)
        for start in range(0, count, 17):
            found[start] = found[start].capitalize()
            if start:
                found[start - 1] += "."
        return " ".join(found)
