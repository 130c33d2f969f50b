"""The hosts of a crawl in numbers: which links wait for each, and how fast it gives them. For a million links or hosts.

Plain arrays: a waiting link takes 8 bytes and a host about 100, names included. Addresses stay in the ledger until
their turn has nearly come.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from webtext.crawler.fetch.figures import SHOWN, HostFigure
from webtext.crawler.reddit.urls import host_of

_MEMORY = 0.3
"""How much the last link counts in a host's seconds a link (an exponential mean over about three)."""


class Hosts:
    """Every host with a link that waits. A host is a number from 0 on, `len(hosts)` of them.

    Args:
        links: (key, address) of each link that waits; keys as the ledger has them. Taken in one pass.
        pace: seconds from one link of a host to the next, while nothing is known of it.
        files: requests for a host's own files (robots.txt, …) before its first page; all others go without.
    """

    def __init__(self, links: Iterable[tuple[int, str]], pace: float, files: int = 0) -> None:
        self._first = 1 + files
        numbers: dict[str, int] = {}
        keys, of = array("q"), array("i")
        for key, url in links:
            keys.append(key)
            of.append(numbers.setdefault(host_of(url), len(numbers)))
        self.names = list(numbers)
        del numbers
        hosts = np.frombuffer(of, np.int32) if of else np.zeros(0, np.int32)
        order = np.argsort(hosts, kind="stable")
        self._keys: npt.NDArray[np.int64] = (np.frombuffer(keys, np.int64) if keys else np.zeros(0, np.int64))[order]
        counts = np.bincount(hosts, minlength=len(self.names))
        self._ends = array("q", np.cumsum(counts).tobytes())
        self.waiting = array("i", counts.astype(np.int32).tobytes())
        """Links that have not been taken, by host."""
        self.pages = array("i", bytes(4 * len(self.names)))
        """Pages that came, by host."""
        self.pace = array("d", np.full(len(self.names), pace).tobytes())
        """Seconds from one link to the next, by host."""
        self._measured = bytearray(len(self.names))
        self.left = len(keys)
        """Links that have not been taken, of all hosts."""

    def __len__(self) -> int:
        return len(self.names)

    def longest_first(self) -> npt.NDArray[np.int32]:
        """All hosts, those with most links first; equals in the order in which they came."""
        return np.argsort(-np.frombuffer(self.waiting, np.int32), kind="stable").astype(np.int32)

    def next_keys(self, host: int, count: int, skip: int = 0) -> list[int]:
        """The keys of the links of a host that come next: up to `count` behind the first `skip`."""
        end = self._ends[host]
        start = end - self.waiting[host] + skip
        return [int(key) for key in self._keys[start : min(start + count, end)]]

    def take(self, host: int) -> None:
        """The next link of a host has its turn."""
        self.waiting[host] -= 1
        self.left -= 1

    def ended(self, host: int, seconds: float, *, page: bool) -> None:
        """A link has ended, and the host can be asked again `seconds` after it was begun."""
        self.pages[host] += page
        old = self.pace[host]
        self.pace[host] = old + _MEMORY * (seconds - old) if self._measured[host] else seconds / self._first
        self._measured[host] = 1

    def seconds_left(self, host: int) -> float:
        """How long the links of a host will take that wait."""
        return self.waiting[host] * self.pace[host]

    def longest_seconds(self) -> float:
        """The seconds left of the host whose links that wait will take longest; those under way are not counted."""
        waiting, pace = np.frombuffer(self.waiting, np.int32), np.frombuffer(self.pace, np.float64)
        return float((waiting * pace).max()) if self.names else 0.0

    def figures(self, shown: int = SHOWN) -> dict[str, list[HostFigure]]:
        """The lists of hosts of a `CrawlFigures`: `busiest`, `slowest` (of those with links left), `bounding`."""
        if not self.names:
            return {"busiest": [], "slowest": [], "bounding": []}
        waiting, pages = np.frombuffer(self.waiting, np.int32), np.frombuffer(self.pages, np.int32)
        pace = np.frombuffer(self.pace, np.float64)
        known = np.frombuffer(self._measured, np.uint8)
        return {
            "busiest": self._top(pages, shown),
            "slowest": self._top(pace * known * (waiting > 0), shown),
            "bounding": self._top(waiting * pace, shown),
        }

    def _top(self, values: npt.NDArray[Any], shown: int) -> list[HostFigure]:
        count = min(shown, len(values))
        found = np.argpartition(values, len(values) - count)[len(values) - count :]
        ranked = sorted((int(host) for host in found if values[host] > 0), key=lambda host: (-values[host], host))
        return [
            HostFigure(
                self.names[host], self.waiting[host], self.pages[host], round(self.pace[host], 3),
                round(self.seconds_left(host), 3),
            )
            for host in ranked
        ]  # fmt: skip
