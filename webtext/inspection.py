"""What a corpus tells about itself beyond its status: a link's way, whether its shards are whole, other forms of them.

A part of `webtext.api.Corpus`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import progress
from webtext.corpus.stages import stage_manifest
from webtext.corpus.tombstones import refuse_pending
from webtext.extras import needs
from webtext.models import CorpusModels

if TYPE_CHECKING:
    from webtext.api import Corpus
    from webtext.report_page import CorpusReport
    from webtext.tokenize.exporting import ExportReport
    from webtext.tokenize.verifying import ShardsReport
    from webtext.traces import Trace


class CorpusInspection(CorpusModels):
    """Reads a corpus and changes nothing in it (`report` writes a page beside)."""

    def report(self) -> CorpusReport:
        """Write report/index.html, one page about the corpus for people; its figures are given back."""
        from webtext.report_page import make_report

        refuse_pending(self.path)
        with os_errors(self.path):
            return make_report(cast("Corpus", self))

    def trace(self, url: str | None = None, *, key: str | None = None, diff: bool = False) -> Trace:
        """The whole way of one link, by its address (in any spelling) or its key (16 hex digits).

        Args:
            diff: where it was removed as a copy (or another for it), also what differs between the two.
        """
        if (url is None) == (key is None):
            raise UsageError("trace takes an address or a key")
        with needs("crawl"), os_errors(self.path):
            from webtext.trace_address import trace_address, trace_key_text, with_diff

            found = trace_address(self.path, url) if url is not None else trace_key_text(self.path, str(key))
            return with_diff(self.path, found) if diff else found

    def verify_shards(self) -> ShardsReport:
        """Compare every byte of `shards/` and `tokenizer/` with what was written; the report names what differs."""
        with needs("tokenize"):
            from webtext.tokenize.verifying import shards_folder, verify_shards
        folder = shards_folder(self.path)
        manifest = stage_manifest(self.path, Stage.SHARDS)
        size = sum(path.stat().st_size for path in folder.rglob("*.arrow"))
        with stop_signals(raising=True), progress(None, "verify", size, "bytes") as shown:
            hashes = None if manifest is None else manifest.files
            return verify_shards(folder, hashes, self.path / "tokenizer", seen=shown.add)

    def export_shards(self, folder: str | os.PathLike[str], *, to: str) -> ExportReport:
        """Write the shards into `folder` as nanogpt, parquet or jsonl; goes on where an earlier call stopped."""
        with needs("tokenize"):
            from webtext.tokenize.exporting import export_shards
            from webtext.tokenize.files import read_vocabulary
            from webtext.tokenize.shard_index import SPLITS, ShardIndex
            from webtext.tokenize.verifying import shards_folder
        source, target = shards_folder(self.path), Path(folder)
        total = sum(ShardIndex.read(source).tokens(split) for split in SPLITS)
        vocabulary = read_vocabulary(self.path / "tokenizer")
        with os_errors(target), stop_signals(raising=True), progress(None, "export", total, "tokens") as shown:
            return export_shards(source, target, to, vocabulary, done=shown.add)
