"""What a test set is to us: a name, a split, its files, and examples one after the other.

Not for prompts or scores (`train`), nor for n-grams (`dedup`): both read the same examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Example:
    """One example.

    `fields` are the publisher's own, untouched. `texts` is what may stand in a corpus: stretches of running text, so
    that no n-gram goes from one to the next.
    """

    id: str
    fields: Mapping[str, Any]
    texts: tuple[str, ...]

    @property
    def text(self) -> str:
        """`texts`, one a line."""
        return "\n".join(self.texts)


@dataclass(frozen=True)
class TestSet:
    """A test set as it lies in files.

    `running` says that the examples are stretches of one text (the lines of PTB): n-grams go from one to the next.
    `sha256` is the file's, or of several files the hash of names and hashes.
    """

    __test__ = False  # its name is no wish of pytest's

    name: str
    split: str
    kind: str
    files: tuple[Path, ...]
    sha256: str
    running: bool
    read: Callable[[], Iterator[Example]] = field(repr=False, compare=False)

    def examples(self) -> Iterator[Example]:
        """The examples, in the files' order. Files are read as they come: a set need not fit into memory.

        Raises:
            DamagedFile: a file is not in the layout of `kind`, with the line.
        """
        return self.read()
