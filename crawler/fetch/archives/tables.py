"""The tables of a ledger that tell of archives (`dead_links` says what they mean)."""

from __future__ import annotations

ARCHIVE_TABLES = """
CREATE TABLE IF NOT EXISTS archive_links(
    key INTEGER PRIMARY KEY, url TEXT NOT NULL, host TEXT NOT NULL, posted INTEGER, next TEXT NOT NULL,
    tried TEXT NOT NULL, said TEXT NOT NULL, outcome TEXT, detail TEXT
);
CREATE INDEX IF NOT EXISTS archive_next ON archive_links(next, host) WHERE next <> '';
CREATE TABLE IF NOT EXISTS captures(
    key INTEGER PRIMARY KEY, url TEXT NOT NULL, source TEXT NOT NULL, captured INTEGER NOT NULL, days_apart INTEGER,
    address TEXT NOT NULL
);
"""
"""Made where they are not there yet: a ledger may be older than they are."""
