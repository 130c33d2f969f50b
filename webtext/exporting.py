"""`webtext export`: a corpus, or a run's model, for others. What each form is made of is in the modules beside.

Nothing is uploaded: the line that would do it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.errors import UsageError
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.tombstones import refuse_pending

if TYPE_CHECKING:
    from webtext.api import Corpus

FORMATS = ("huggingface", "jsonl", "nanogpt", "recipe")
RUN_FORMATS = ("huggingface",)


@dataclass(frozen=True)
class CorpusExport:
    """What an export wrote, or found finished. `files` by name: rows, bytes, sha256."""

    folder: str
    format: str
    identity: str
    files: Mapping[str, Mapping[str, Any]]
    made: int
    upload: str = ""
    """The line that would upload it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{name}: "
            + ", ".join(filter(None, (f"{f['rows']:,} rows" if "rows" in f else "", f"{f['bytes']:,} bytes")))
            for name, f in self.files.items()
        ]
        lines.append(f"{self.folder}: {len(self.files)} files ({self.made} new)")
        if self.upload:
            lines.append(f"nothing was uploaded; this would: {self.upload}")
        return "\n".join(lines)


def export(corpus: Corpus, folder: Path, *, to: str, run: str | None, checkpoint: str, name: str | None) -> Any:
    """Write one form into `folder`.

    Raises:
        UsageError: no such form; the folder holds other things, or another export.
        WebtextError: the stage it is made of is not finished.
        DamagedFile: a file of the corpus is not as it was written.
    """
    refuse_pending(corpus.path)
    if run is not None:
        if to not in RUN_FORMATS:
            raise UsageError(f"a run is not exported to {to!r}", hint=f"one of {', '.join(RUN_FORMATS)}")
        from webtext.exporting_model import export_model

        return export_model(corpus, folder, run=run, checkpoint=checkpoint, name=name)
    if to not in FORMATS:
        raise UsageError(f"there is no export to {to!r}", hint=f"one of {', '.join(FORMATS)}")
    if to == "nanogpt":
        return corpus.export_shards(folder, to=to)
    with stop_signals(raising=True):
        if to == "recipe":
            from webtext.recipes import export_recipe

            return export_recipe(corpus, folder)
        from webtext.exporting_dataset import export_dataset

        return export_dataset(corpus, folder, to=to, name=name)
