"""Links in, pages out: the ledger, the Scrapy spider and its components, WARC."""
