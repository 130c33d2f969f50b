"""Gathering listings, in a process of its own (a Twisted reactor runs once only), and its caller's side.

The credentials pass in the environment alone: not in the plan, not in arguments, not in what is written or said.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.processes import end_with_parent
from webtext.corpus.progress import progress, say
from webtext.corpus.telling import error_told, how_it_ended, tell, tell_error, told_by
from webtext.crawler.reddit.listing import Endpoints, Gathering, Listing, check_credentials

_GOES_ON = "what was gathered is kept; the same command goes on where it was"


def gather(listings: Sequence[Listing], folder: Path, corpus: Path, endpoints: Endpoints) -> list[Path]:
    """The submissions of each listing, in files that stay in the corpus.

    Raises:
        UsageError: no credentials in the environment.
        WebtextError: the API refuses, or does not answer.
    """
    gatherings = [Gathering(listing, folder) for listing in dict.fromkeys(listings)]
    todo = [gathering for gathering in gatherings if not gathering.state()["done"]]
    if todo:
        check_credentials()
        _run(todo, folder, corpus, endpoints)
    for gathering in gatherings:
        if not gathering.state()["rows"]:
            gathering.state_file.unlink(missing_ok=True)
            raise WebtextError("has no submissions", where=gathering.listing, hint="check its name, or try again later")
    return [gathering.keep(corpus) for gathering in gatherings]


def _run(todo: Sequence[Gathering], folder: Path, corpus: Path, endpoints: Endpoints) -> None:
    plan = {
        "parent": os.getpid(),
        "folder": str(folder),
        "listings": [[gathering.listing.path, gathering.listing.query] for gathering in todo],
        "endpoints": [endpoints.token, endpoints.api],
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "webtext.crawler.reddit.listing_process", json.dumps(plan)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches it from here
    )
    assert process.stdout is not None
    failure: WebtextError | None = None
    rows = {str(gathering.listing): int(gathering.state()["rows"]) for gathering in todo}
    try:
        with progress(corpus, "reddit", None, "submissions", begun=sum(rows.values())) as shown:
            for told in told_by(process.stdout):
                failure = error_told(told)
                if failure is not None:
                    break  # its last line
                if "waiting" in told:
                    say(f"reddit: waiting for {told['waiting']} s, as the API asks")
                else:
                    rows[told["listing"]] = told["rows"]
                    shown.set(sum(rows.values()), told["listing"])
            process.wait()
    finally:
        process.kill()  # every finished page is on disk
        process.wait()
        process.stdout.close()
    if failure is not None:
        raise failure
    if process.returncode:
        raise WebtextError(f"the process that gathers listings {how_it_ended(process.returncode)}", hint=_GOES_ON)


def main(plan: Mapping[str, Any]) -> int:
    """Gather what the plan names; 0, or 1 with an error on standard output."""
    from scrapy.crawler import AsyncCrawlerProcess

    from webtext.crawler.reddit.listing_spider import ListingSpider

    end_with_parent(plan["parent"])
    gatherings = [Gathering(Listing(path, query), Path(plan["folder"])) for path, query in plan["listings"]]
    process = AsyncCrawlerProcess(_settings(), install_root_handler=False)
    process.crawl(ListingSpider, gatherings=gatherings, endpoints=Endpoints(*plan["endpoints"]), report=tell)
    (crawler,) = process.crawlers
    process.start()
    failure = crawler.spider.failure
    if failure is None:
        return 0
    if not isinstance(failure, WebtextError):
        raise failure
    return tell_error(failure)


def _settings() -> dict[str, Any]:
    handler = "scrapy.core.downloader.handlers.http11.HTTP11DownloadHandler"
    return {
        # Nothing of Scrapy's may try again, follow or log a request that carries a token.
        "DOWNLOADER_MIDDLEWARES_BASE": {"scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590},
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "TELNETCONSOLE_ENABLED": False,
        "COOKIES_ENABLED": False,
        "LOG_ENABLED": False,
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "DOWNLOAD_HANDLERS_BASE": {},
        "DOWNLOAD_HANDLERS": {"http": handler, "https": handler},
        "DOWNLOAD_DELAY": 0,  # the spider waits itself, as the API asks
        "DOWNLOAD_TIMEOUT": 30,
        "DOWNLOAD_MAXSIZE": 64 << 20,
    }


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)
