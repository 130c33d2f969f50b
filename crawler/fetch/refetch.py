"""Fetching everything anew: what is there is thrown away once, and a refetch that was interrupted goes on.

Its sign is a note in the new ledger, beside which no manifest stands: a manifest says that the refetch was finished.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import MANIFEST_NAME
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun
from webtext.crawler.fetch import state as states
from webtext.crawler.fetch.conditions import CONDITIONS, note_of
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest
from webtext.crawler.fetch.site_store import STORE_NAME
from webtext.crawler.fetch.warc import check_lengths
from webtext.crawler.fetch.workers import folders

_NOTE = "refetch"
_UNDER_WAY, _REFUSED = "under way", "refused"


def is_under_way(run: StageRun, conditions: Mapping[str, Any], stop: Stop, *, accept_loss: bool) -> bool:
    """Whether pages/ is that of a refetch under these conditions which has not been published.

    No where it is damaged. No, too, where its loss was refused and still is: who asks again then wants other answers.

    Raises:
        CorpusLocked: its process still writes and does not end.
        Interrupted: the user asked to stop.
    """
    path = run.folder / LEDGER_NAME
    if (run.folder / MANIFEST_NAME).exists() or not path.exists():
        return False
    try:
        with Ledger.reading(path) if at_rest(path) else Ledger.writing(path) as ledger:
            note = ledger.meta(_NOTE)
            if note is None or (note == _REFUSED and not accept_loss):
                return False
            if ledger.meta(CONDITIONS) != note_of(conditions):
                return False
            check_lengths(run.folder, ledger.segments())
            with ledger.until(stop):
                return ledger.is_whole()
    except DamagedFile:
        return False


def note_under_way(ledger: Ledger) -> None:
    """The ledger belongs to a refetch."""
    ledger.set_meta(_NOTE, _UNDER_WAY)


def note_refused(run: StageRun) -> None:
    """Every link of the refetch has its outcome, but the loss was too great to publish it."""
    with Ledger.writing(run.folder / LEDGER_NAME) as ledger:
        ledger.set_meta(_NOTE, _REFUSED)
        ledger.rest()


def discard(run: StageRun) -> None:
    """Throw pages/ away, in one step for whoever looks: the folder goes to work/, then it is deleted."""
    aside = run.work / "discarded"
    for folder in (*folders(run.folder), run.folder):
        states.forsake(folder)
    with os_errors(run.folder):
        shutil.rmtree(aside, ignore_errors=True)
        if run.folder.exists():
            run.folder.rename(aside)
        hosts = aside / STORE_NAME
        if hosts.exists():  # hosts are no part of what is thrown away: they were asked all the same
            run.folder.mkdir(parents=True, exist_ok=True)
            hosts.replace(run.folder / STORE_NAME)
        shutil.rmtree(aside, ignore_errors=True)
        # By name, for an earlier attempt may have taken the manifest away and no more.
        for path in (run.corpus / OUTCOMES_FOLDER).glob(f"{run.stage}-*.parquet"):
            path.unlink(missing_ok=True)
