"""The peer of the crawl benchmark: a plain Scrapy spider with the settings of Scrapy's page "Broad Crawls".

    python benchmarks/crawl_peers.py URLS [--robots]

URLS is a file with one address a line. It prints JSON: answers, bytes, processor and wall seconds from the start of the
crawl to its end (imports are not counted). It keeps nothing of a page. Names are put into Scrapy's own DNS cache.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.resolver import dnscache

# https://docs.scrapy.org/en/latest/topics/broad-crawls.html, each setting of that page.
BROAD_CRAWL = {
    "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.DownloaderAwarePriorityQueue",
    "CONCURRENT_REQUESTS": 100,
    "REACTOR_THREADPOOL_MAXSIZE": 20,
    "LOG_LEVEL": "INFO",
    "COOKIES_ENABLED": False,
    "RETRY_ENABLED": False,
    "DOWNLOAD_TIMEOUT": 15,
    "REDIRECT_ENABLED": False,
}


class PlainSpider(scrapy.Spider):  # type: ignore[misc]
    """Asks for each address and counts what comes."""

    name = "plain"

    def __init__(self, urls: list[str], **more: Any) -> None:
        super().__init__(**more)
        self.urls = urls
        self.answers = 0
        self.size = 0

    async def start(self) -> AsyncIterator[Any]:
        for url in self.urls:
            yield scrapy.Request(url, dont_filter=True)

    def parse(self, response: Any) -> None:
        if response.status == 200:
            self.answers += 1
            self.size += len(response.body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", type=Path)
    parser.add_argument("--robots", action="store_true")
    arguments = parser.parse_args()
    urls = arguments.urls.read_text().split()
    import scrapy.core.downloader.handlers.http11
    import scrapy.core.engine  # noqa: F401  (imports are not part of the crawl)

    wall, cpu = time.monotonic(), time.process_time()
    process = AsyncCrawlerProcess({**BROAD_CRAWL, "ROBOTSTXT_OBEY": arguments.robots})
    hosts = {url.split("/")[2].split(":")[0] for url in urls}
    crawler = process.create_crawler(PlainSpider)
    process.crawl(crawler, urls=urls)
    dnscache.limit = 1 << 30
    for host in hosts:
        dnscache[host] = "127.0.0.1"
    process.start()
    print(
        json.dumps(
            {
                "answers": crawler.spider.answers,
                "bytes": crawler.spider.size,
                "cpu": time.process_time() - cpu,
                "wall": time.monotonic() - wall,
            }
        )
    )


if __name__ == "__main__":
    main()
