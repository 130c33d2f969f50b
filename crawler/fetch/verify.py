"""Whether pages/ still is what its manifest says. Segments and ledger stand outside of the identity, so their hashes
are in the manifest's `run`."""

from __future__ import annotations

from pathlib import Path

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import file_sha256
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import MANIFEST_NAME, Manifest
from webtext.crawler.fetch.hashing import prefix_sha256, whole_sha256
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest, generation
from webtext.crawler.fetch.warc import REFETCH_HINT

INDEX_NAME = "index.cdxj"

_REDO_HINT = "write it again from the ledger: webtext crawl CORPUS --redo"


def verify_pages(corpus: Path, manifest: Manifest) -> None:
    """Compare segments, index and ledger with the manifest of the stage.

    A crawl that has since gone on with new links has a longer last segment and another ledger: then what the manifest
    speaks of is compared.

    Raises:
        DamagedFile: a file is missing, too short or has other bytes; pages are never made again by --redo.
    """
    folder = corpus / manifest.stage
    try:
        segments = {name: (entry["length"], entry["sha256"]) for name, entry in manifest.run["segments"].items()}
        index_sha256 = manifest.run["index"]["sha256"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFile("does not name its segments", where=folder / MANIFEST_NAME, hint=_REDO_HINT) from error
    for name, (length, expected) in segments.items():
        _check(folder / name, prefix_sha256(folder / name, length), expected, REFETCH_HINT)
    check_ledger(folder / LEDGER_NAME, manifest)
    index = folder / INDEX_NAME
    _check(index, file_sha256(index) if index.is_file() else None, index_sha256, _REDO_HINT)


def check_ledger(path: Path, manifest: Manifest, stop: Stop | None = None) -> None:
    """Compare the ledger's bytes with the manifest; its content, where a crawl has gone on with it since.

    Raises:
        DamagedFile: it is missing, no ledger, or other than the manifest says.
        Interrupted: the user asked to stop.
    """
    if not path.is_file():
        raise DamagedFile("is missing", where=path, hint=REFETCH_HINT)
    if not at_rest(path):
        return  # a crawl with more links is under way or was stopped
    named = named_ledger(manifest)
    if named is None:
        raise DamagedFile("does not name its ledger", where=path.with_name(MANIFEST_NAME), hint=_REDO_HINT)
    expected, written = named
    if generation(path) <= written:
        _check(path, whole_sha256(path, stop), expected, REFETCH_HINT)
        return
    with Ledger.reading(path) as ledger:
        if ledger.links == manifest.inputs["links"] and ledger.identity() != manifest.facts["ledger"]:
            raise DamagedFile("has other outcomes than the manifest says", where=path, hint=REFETCH_HINT)


def named_ledger(manifest: Manifest) -> tuple[str, int] | None:
    """The sha256 and the generation of the ledger that a manifest speaks of; None where it was tampered with."""
    try:
        return str(manifest.run["ledger"]["sha256"]), int(manifest.run["ledger"]["generation"])
    except (KeyError, TypeError, ValueError):
        return None


def _check(path: Path, found: str | None, expected: str, hint: str) -> None:
    if found is None:
        raise DamagedFile("is missing or too short" if path.exists() else "is missing", where=path, hint=hint)
    if found != expected:
        raise DamagedFile("has other bytes than the manifest says (sha256 differs)", where=path, hint=hint)
