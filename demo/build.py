"""The demo's web, built: sites with articles, and all planted facts. The same machine gives the same web."""

from __future__ import annotations

import random
from dataclasses import dataclass

from webtext.corpus.errors import WebtextError
from webtext.demo import (
    plants_archives,
    plants_beside,
    plants_clean,
    plants_documents,
    plants_links,
    plants_pages,
    plants_scores,
    plants_shards,
    plants_trace,
    plants_upkeep,
)
from webtext.demo.articles import write_articles
from webtext.demo.pages import DemoWeb, build_sites

SEED = 1
SPARE = 120
"""Articles for the planted pages."""


@dataclass(frozen=True)
class Size:
    """How large a demo is, and the settings of its corpus that differ from the defaults."""

    pages: int = 560
    """Articles of the ordinary sites: some 3.7 MB of text."""
    hosts: int = 40
    timeout: float = 4.0
    """Seconds; short, since some answers never come."""
    delay: float = 0.05
    """Seconds between two requests to a host: it is our own."""
    max_bytes: int = 1_000_000
    vocab_size: int = 8_192
    steps: int = 450


def build_web(size: Size) -> DemoWeb:
    """Sites, plants and dump.

    Raises:
        WebtextError: there is too little documentation on this machine.
    """
    articles = write_articles(size.pages + SPARE, seed=SEED)
    if len(articles) < size.pages + SPARE:
        raise WebtextError(
            f"only {len(articles)} articles can be made of the documentation installed here, "
            f"{size.pages + SPARE} are needed",
            where="webtext demo",
            hint="pip install 'webtext[all]' brings enough",
        )
    web = DemoWeb(articles[size.pages :], random.Random(SEED))
    build_sites(web, articles[: size.pages], size.hosts)
    plants_links.plant(web)
    plants_pages.plant(web, max_bytes=size.max_bytes, timeout=size.timeout)
    plants_documents.plant(web)
    plants_clean.plant(web)
    plants_shards.plant(web, steps=size.steps)
    plants_upkeep.plant(web)
    plants_trace.plant(web)
    plants_archives.plant(web)
    plants_beside.plant(web)
    plants_scores.plant(web, steps=size.steps)
    return web
