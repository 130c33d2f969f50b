"""What a corpus has been told to forget: keys of addresses and hashes of domains, never the addresses themselves.

`tombstones.parquet` is obeyed by every later run and import. `forgetting.json` stands beside it while what was written
earlier is being removed: until that is finished, no other command writes to the corpus or trains on it. Which address
has which key is not known here (`webtext.crawler.forgotten`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import identity_of, read_json, read_parquet, write_json, write_parquet

TOMBSTONES_NAME = "tombstones.parquet"
PENDING_NAME = "forgetting.json"

SCHEMA = pa.schema(
    [pa.field("kind", pa.string(), nullable=False), pa.field("hash", pa.uint64(), nullable=False)]
)  # fmt: skip
"""One row a tombstone, sorted. `kind` is "key" (`hash`: the key of an address) or "domain" (xxh3_64 of a registered
domain)."""

_KEY, _DOMAIN = "key", "domain"

Hashes = npt.NDArray[np.uint64]


def _none() -> Hashes:
    return np.empty(0, np.uint64)


@dataclass(frozen=True)
class Tombstones:
    """Sorted hashes, each once."""

    keys: Hashes = field(default_factory=_none)
    domains: Hashes = field(default_factory=_none)

    def __len__(self) -> int:
        return len(self.keys) + len(self.domains)

    @cached_property
    def identity(self) -> str:
        """One hash for all of them."""
        return identity_of({_KEY: self.keys.tolist(), _DOMAIN: self.domains.tolist()})

    def joined(self, other: Tombstones) -> Tombstones:
        """Both together."""
        return Tombstones(np.union1d(self.keys, other.keys), np.union1d(self.domains, other.domains))

    def has_keys(self, keys: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these keys are forgotten; bool [n]."""
        return _among(self.keys, keys)

    def has_domains(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these hashes of registered domains are forgotten; bool [n]."""
        return _among(self.domains, hashes)


def read_tombstones(corpus: Path) -> Tombstones:
    """Those of a corpus; none where it was never told to forget anything."""
    path = corpus / TOMBSTONES_NAME
    if not path.exists():
        return Tombstones()
    table = read_parquet(path, SCHEMA)
    kinds, hashes = np.asarray(table["kind"].to_pylist()), table["hash"].to_numpy()
    return Tombstones(*(np.unique(hashes[kinds == kind]).astype(np.uint64) for kind in (_KEY, _DOMAIN)))


def write_tombstones(corpus: Path, tombstones: Tombstones) -> None:
    """Write them, atomically."""
    kinds = [_DOMAIN] * len(tombstones.domains) + [_KEY] * len(tombstones.keys)
    hashes = np.concatenate([np.sort(tombstones.domains), np.sort(tombstones.keys)])
    write_parquet(corpus / TOMBSTONES_NAME, pa.table({"kind": kinds, "hash": hashes}), SCHEMA)


def pending(corpus: Path) -> dict[str, Any] | None:
    """What a forgetting that is under way, or was interrupted, has noted; None where there is none."""
    path = corpus / PENDING_NAME
    if not path.exists():
        return None
    found = read_json(path)
    return found if isinstance(found, dict) else {}


def note_pending(corpus: Path, note: dict[str, Any]) -> None:
    """Say that what was written earlier is being removed."""
    write_json(corpus / PENDING_NAME, note)


def clear_pending(corpus: Path) -> None:
    """All is removed."""
    (corpus / PENDING_NAME).unlink(missing_ok=True)


def refuse_pending(corpus: Path) -> None:
    """Raise where a forgetting was interrupted: what is to be forgotten may still lie in the corpus."""
    if pending(corpus) is not None:
        raise WebtextError(
            "is being made to forget addresses, and that is not finished",
            where=corpus,
            hint=f"webtext forget {corpus} goes on where it was; after that this command runs",
        )


def _among(sorted_hashes: Hashes, wanted: Hashes) -> npt.NDArray[np.bool_]:
    if not len(sorted_hashes):
        return np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(sorted_hashes, wanted), len(sorted_hashes) - 1)
    found: npt.NDArray[np.bool_] = sorted_hashes[places] == wanted
    return found
