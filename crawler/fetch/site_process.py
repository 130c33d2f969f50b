"""Asking one site for its own files, in a process like that of a crawl: `python -m webtext.crawler.fetch.site_process`.

The same guard, resolver, delays and limits as those of a crawl, for it is the crawl's spider that asks; it follows no
link. It tells (`webtext.corpus.telling`) the files by path, or an error.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_json, write_json
from webtext.corpus.settings import CrawlSettings
from webtext.corpus.telling import error_told, how_it_ended, tell, tell_error, told_by
from webtext.crawler.fetch.contact import check_contact
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.site_store import SiteFile

_NAME = "webtext.crawler.fetch.site_process"


def ask_site(
    url: str, settings: CrawlSettings, hosts: Path | None = None, *, allow_loopback: Mapping[str, str] | None = None
) -> dict[str, SiteFile]:
    """The files of the site of a normalised URL, by path, as a crawl would have them.

    Args:
        hosts: the corpus's cache (`SiteStore`): what it holds is not asked for again.
        allow_loopback: only for tests, as `Plan.allow_loopback`.

    Raises:
        UsageError: nobody is named who can be reached (`check_contact`).
        WebtextError: what the process met, as itself; or that it failed.
    """
    check_contact(settings)
    with tempfile.TemporaryDirectory(prefix="webtext-robots-") as folder:
        plan = Plan(
            pages=Path(folder), settings=settings, parent=os.getpid(), hosts=hosts, allow_loopback=allow_loopback or {}
        )
        config = Path(folder) / "plan.json"
        write_json(config, {"plan": plan.to_json(), "url": url})
        done = subprocess.run(
            [sys.executable, "-P", "-m", _NAME, str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
    told = list(told_by(io.BytesIO(done.stdout)))
    if told and (failure := error_told(told[-1])):
        raise failure
    if done.returncode:
        raise WebtextError(f"the process that asks {how_it_ended(done.returncode)}", where="webtext robots")
    files: dict[str, dict[str, Any]] = told[-1]["files"]
    return {name: SiteFile(**{**value, "body": base64.b64decode(value["body"])}) for name, value in files.items()}


def main(arguments: list[str]) -> int:
    """Ask as the file says; 0, or 1 with an error."""
    try:
        tell({"files": _ask(read_json(Path(arguments[0])))})
    except WebtextError as error:
        return tell_error(error)
    return 0


def _ask(value: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The files by path, as plain JSON values."""
    from scrapy.crawler import AsyncCrawlerProcess

    from webtext.corpus.processes import end_with_parent
    from webtext.crawler.fetch.components import scrapy_settings
    from webtext.crawler.fetch.ledger import Ledger
    from webtext.crawler.fetch.ledger_file import LEDGER_NAME
    from webtext.crawler.fetch.process import open_store
    from webtext.crawler.fetch.recorder import Recorder
    from webtext.crawler.fetch.sockets import seal_sockets
    from webtext.crawler.fetch.spider import LinkSpider
    from webtext.crawler.fetch.warc import Segments

    plan = Plan.from_json(value["plan"])
    end_with_parent(plan.parent)
    seal_sockets(plan.allow_loopback)
    found: dict[str, SiteFile] = {}

    class AskingSpider(LinkSpider):
        """Asks for the files of one site instead of following links."""

        async def start(self) -> AsyncIterator[Any]:
            found.update(await self.sites.files(value["url"]))
            nothing: tuple[Any, ...] = ()
            for request in nothing:
                yield request

    with Ledger.writing(plan.pages / LEDGER_NAME) as ledger, open_store(plan) as store:
        recorder = Recorder(ledger, Segments(plan.pages, {}, {}))
        process = AsyncCrawlerProcess(scrapy_settings(plan))
        process.crawl(AskingSpider, plan=plan, ledger=ledger, recorder=recorder, report=lambda: None, store=store)
        process.start(install_signal_handlers=False)
    return {
        name: {**dataclasses.asdict(file), "body": base64.b64encode(file.body).decode("ascii")}
        for name, file in found.items()
    }


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # look-ups may still hang
