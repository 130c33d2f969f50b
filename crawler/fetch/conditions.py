"""Under which conditions a ledger's outcomes came about: settings, rules, WARC files. Who goes on must have the same.

They stand in the ledger itself, for a crawl that was interrupted has no manifest yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webtext.corpus.config import shaping
from webtext.corpus.errors import ChangedSettings
from webtext.corpus.files import canonical_json
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.addresses import RULES as ADDRESS_RULES
from webtext.crawler.fetch.consent import product_token
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest
from webtext.crawler.fetch.shards import Shard
from webtext.crawler.fetch.workers import is_divided
from webtext.crawler.reddit.urls import RULES as URL_RULES

RULES = {"fetch": 4, **URL_RULES, **ADDRESS_RULES}
"""Rises with any change of the rules that decide an outcome."""

CONDITIONS = "conditions"
"""The ledger's note of its conditions, as canonical JSON."""

SHARD = "shard"
"""The ledger's note of which shard of the links it has ("2/8"); none for all of them."""


def pages_rules(settings: CrawlSettings) -> dict[str, Any]:
    """`RULES`, and the name that robots.txt and opt-outs may address us by: it decides outcomes as the rules do.

    The user agent's version and the contact decide nothing.
    """
    # Lower-case: robots.txt, X-Robots-Tag and meta robots are matched so.
    return {**RULES, "agent": product_token(settings.user_agent).lower()}


def conditions_of(settings: CrawlSettings, warcs: list[str]) -> dict[str, Any]:
    """The conditions of a crawl; `warcs` are the sha256 of the WARC files that answer."""
    return {"settings": shaping(settings), "rules": pages_rules(settings), "replay": warcs}


def note_of(conditions: Mapping[str, Any]) -> str:
    """Conditions as the ledger stores them."""
    return canonical_json(conditions).decode()


def check_conditions(corpus: Path, settings: CrawlSettings, shard: Shard | None = None) -> None:
    """Refuse a crawl under other settings or rules than those of the pages that are there, or of another shard, before
    anything is changed.

    Whether the same WARC files answer is left to `make_pages`: it takes reading them. Nothing to say where nothing was
    fetched yet.

    Raises:
        ChangedSettings: a setting, a rule or our name is another one.
        DamagedFile: the ledger is damaged.
        CorpusLocked: the process of an interrupted crawl still writes and does not end.
    """
    path = corpus / Stage.PAGES / LEDGER_NAME
    if path.exists():
        with Ledger.reading(path) if at_rest(path) else Ledger.writing(path) as ledger:
            _fetched_under(ledger, conditions_of(settings, []))
            check_shard(corpus, ledger, shard)


def check_shard(corpus: Path, ledger: Ledger, shard: Shard | None) -> None:
    """Refuse to fetch another shard into a ledger than the one it has. One machine's shard may grow to all links,
    where that is asked for (`--shard 1/1`).

    Raises:
        ChangedSettings: the ledger has another shard.
    """
    if ledger.meta(CONDITIONS) is None:
        return
    stored = ledger.meta(SHARD)
    if stored is None and (shard is None or shard.whole):
        return
    if stored is None:
        raise ChangedSettings(
            f"its pages are of all links, not of shard {shard} alone",
            where=corpus,
            hint="make the shard in a corpus of its own, with a copy of links/ (and webtext.toml)",
        )
    if shard is None or (not shard.whole and str(shard) != stored):
        asked = "all links" if shard is None else f"shard {shard}"
        raise ChangedSettings(
            f"its pages are of shard {stored}, asked for are those of {asked}",
            where=corpus,
            hint=f"go on with --shard {stored}; --shard 1/1 fetches all links into this corpus",
        )


def begins_anew(ledger: Ledger, conditions: Mapping[str, Any]) -> bool:
    """Whether more WARC files are replayed than before: then everything is answered again, for the new files may hold
    other answers, and the old ones are all there.

    Raises:
        ChangedSettings: the conditions differ in any other way.
    """
    before = _fetched_under(ledger, conditions)
    if before is None:
        return False
    old, new = set(before["replay"]), set(conditions["replay"])
    if old == new:
        return False
    if old and old < new:
        return True
    raise ChangedSettings(
        f"pages were fetched from {_source(old)}, now they would come from {_source(new)}",
        where="webtext crawl",
        hint="give all WARC files of before (and any others), or fetch all pages again: webtext crawl CORPUS --refetch",
    )


def _fetched_under(ledger: Ledger, conditions: Mapping[str, Any]) -> dict[str, Any] | None:
    """The conditions under which outcomes came about, None where there is none yet; refused where settings or rules
    differ from `conditions`."""
    stored = ledger.meta(CONDITIONS)
    if stored is None or not (ledger.has_outcomes() or is_divided(ledger)):
        return None
    before: dict[str, Any] = json.loads(stored)
    for part in ("settings", "rules"):
        for name in sorted({*before[part], *conditions[part]}):
            was, now = before[part].get(name), conditions[part].get(name)
            if was != now:
                raise ChangedSettings(
                    f"pages were fetched with {part} {name} = {was!r}, now it is {now!r}",
                    where="webtext crawl",
                    hint="set it back, or fetch all pages again: webtext crawl CORPUS --refetch",
                )
    return before


def _source(warcs: set[str]) -> str:
    return f"{len(warcs)} WARC files (--replay)" if warcs else "the network"
