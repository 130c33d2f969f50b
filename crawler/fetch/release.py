"""Deleting the bodies of pages whose documents are made (`crawl.keep_pages = until-extracted`).

What became of each link stays: the ledger with every outcome, address and payload hash, and so the stage's identity.
The index names what is there and nothing else. The order bears a crash anywhere: one transaction says that the bytes
are no longer counted on, then the files go, then index and manifest are published anew; who comes next goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from webtext.corpus.errors import Balance
from webtext.corpus.faults import fault_point
from webtext.corpus.interrupts import Stop
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.stages import StageRun, stage_manifest
from webtext.crawler.fetch.ledger import RELEASING, Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest
from webtext.crawler.fetch.publishing import publish
from webtext.crawler.fetch.warc import segment_name


def release_pages(corpus: Path, links: Sequence[Path], stop: Stop) -> int:
    """Delete the bodies of all pages; how many bytes that gave back. documents/ must have been published of them.

    Args:
        links: the files of links/.
    """
    path = corpus / Stage.PAGES / LEDGER_NAME
    with Ledger.reading(path) as ledger:
        freed = sum(ledger.segments().values())
    if not freed:
        return 0
    with Ledger.writing(path) as ledger:
        ledger.begin_generation()
        ledger.release()
    fault_point("release.noted")
    _finish(corpus, links, stop)
    say(f"extract: the bodies of all pages are deleted, {freed:,} bytes (crawl.keep_pages = until-extracted)")
    return freed


def go_on_releasing(corpus: Path, links: Sequence[Path], stop: Stop) -> None:
    """Finish a release that was interrupted; nothing where none was."""
    path = corpus / Stage.PAGES / LEDGER_NAME
    if not path.is_file() or at_rest(path):
        return
    with Ledger.writing(path) as ledger:
        under_way = ledger.meta(RELEASING) is not None
    if under_way:
        _finish(corpus, links, stop)


def _finish(corpus: Path, links: Sequence[Path], stop: Stop) -> None:
    folder = corpus / Stage.PAGES
    with Ledger.writing(folder / LEDGER_NAME) as ledger:
        gone = [number for number, length in ledger.segments().items() if not length]
    for number in gone:
        (folder / segment_name(number)).unlink(missing_ok=True)
        fault_point("release.deleted")
    before = stage_manifest(corpus, Stage.PAGES)
    if before is None:
        return  # a crawl with more links has begun since: it publishes what is there
    run = StageRun.begin(
        corpus, Stage.PAGES, settings=before.settings, rules=before.rules, inputs=before.inputs, resume=True
    )  # fmt: skip
    made = publish(run, links, stop, accept_loss=True)
    if made.identity != before.identity:
        raise Balance("pages are others after their bodies were deleted", hint="a fault of webtext; please report it")
