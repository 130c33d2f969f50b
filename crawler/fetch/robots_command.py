"""`webtext robots`: look at one address as the crawl would, live through the same guard, or offline by a file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.explain import Explanation, explain, file_given
from webtext.crawler.fetch.judging import judge_address
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.site_process import ask_site
from webtext.crawler.fetch.site_store import STORE_NAME, SiteFile
from webtext.crawler.fetch.sites import ROBOTS_TXT
from webtext.crawler.reddit.urls import UnusableURL, normalise


def look_at(
    url: str,
    settings: CrawlSettings,
    corpus: Path | None,
    *,
    file: str | os.PathLike[str] | None,
    allow_loopback: Mapping[str, str] | None = None,
) -> Explanation:
    """What a crawl with these settings would do at an address.

    Raises:
        UsageError: it is no http(s) address; a live look without `crawl.contact`.
        WebtextError: the file cannot be read.
    """
    try:
        address = normalise(url if "://" in url else f"https://{url}")
    except UnusableURL as error:
        raise UsageError(
            f"{printable(url)} is no address that is crawled: {printable(error.reason)}",
            where="webtext robots",
            hint="like https://example.org/page",
        ) from error
    files: dict[str, SiteFile] = {}
    if file is not None:
        with os_errors(Path(file)):
            files[ROBOTS_TXT] = file_given(address, Path(file).read_bytes(), time.time())
    elif judge_address(address) is None:
        pages = None if corpus is None else corpus / "pages"
        hosts = pages.absolute() / STORE_NAME if pages is not None and pages.is_dir() else None
        files = ask_site(address, settings, hosts, allow_loopback=allow_loopback)
    return explain(address, settings, files)
