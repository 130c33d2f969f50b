"""Archives of the web, for links that died: Common Crawl and the Wayback Machine."""
