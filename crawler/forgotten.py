"""Which addresses are forgotten: tombstones, asked about addresses; and tombstones made of what a person names.

An address is forgotten by its key, in any spelling, or by its registered domain. Only keys and hashes are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.tombstones import Tombstones, read_tombstones
from webtext.crawler.reddit.urls import (
    UnusableURL,
    host_of,
    key_of_normalised,
    normalise,
    registered_domain,
    text_key,
    url_key,
)

_KEY = re.compile(r"[0-9a-fA-F]{16}")
_NAMED = ("id:", "content:")  # how rows without a URL are named


class Forgotten:
    """The tombstones of a corpus, ready to be asked. Falsy where there is none."""

    def __init__(self, tombstones: Tombstones) -> None:
        self.tombstones = tombstones
        self._domains: dict[str, bool] = {}

    @classmethod
    def of(cls, corpus: Path) -> Forgotten:
        """Those of a corpus."""
        return cls(read_tombstones(corpus))

    def __bool__(self) -> bool:
        return len(self.tombstones) > 0

    def address(self, url: str) -> bool:
        """Whether an address that `normalise` gave is forgotten."""
        if not self:
            return False
        key = np.asarray([key_of_normalised(url)], np.uint64)
        return bool(self.tombstones.has_keys(key)[0]) or self.host(host_of(url))

    def host(self, host: str) -> bool:
        """Whether the registered domain of a host is forgotten."""
        if not len(self.tombstones.domains):
            return False
        if host not in self._domains:
            if len(self._domains) >= 100_000:
                self._domains.clear()
            hashed = np.asarray([text_key(registered_domain(host))], np.uint64)
            self._domains[host] = bool(self.tombstones.has_domains(hashed)[0])
        return self._domains[host]

    def rows(self, keys: npt.NDArray[np.uint64], urls: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Which rows are forgotten, bool [n].

        Args:
            urls: as they are stored: normal forms, or texts that are no usable address.
        """
        found = self.tombstones.has_keys(keys)
        if len(self.tombstones.domains):
            found = found | np.fromiter((self.host(_host(url)) for url in urls), np.bool_, len(keys))
        return found


def tombstones_of(addresses: Iterable[str], domains: Sequence[str], *, where: str = "") -> Tombstones:
    """Tombstones of addresses (in any spelling; keys of 16 hex digits are taken, too) and of registered domains.

    Raises:
        UsageError: no domain, or a domain below a registered one; nothing at all.
    """
    keys = np.unique(np.asarray([_key(address) for address in addresses], np.uint64))
    hashes = np.unique(np.asarray([text_key(_domain(name)) for name in domains], np.uint64))
    found = Tombstones(keys, hashes)
    if not len(found):
        raise UsageError("there is nothing to forget", where=where or None, hint="--urls FILE or --domain NAME")
    return found


def read_addresses(text: bytes, where: str) -> list[str]:
    """One address a line; blank lines and lines that begin with # are passed over.

    Raises:
        WebtextError: a line is no UTF-8, or no address.
    """
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            address = line.decode().strip()
        except UnicodeDecodeError as error:
            raise WebtextError(f"is no UTF-8 ({error})", where=f"{where}:{number}") from error
        if not address or address.startswith("#"):
            continue
        if " " in address or ("." not in address and not address.startswith(_NAMED) and not _KEY.fullmatch(address)):
            raise WebtextError(
                f"is no address: {address[:80]!r}", where=f"{where}:{number}",
                hint="one address a line, as https://example.org/a; or its key, 16 hex digits",
            )  # fmt: skip
        found.append(address)
    return found


def _key(address: str) -> int:
    if _KEY.fullmatch(address):
        return int(address, 16)
    if "://" not in address and not address.startswith(_NAMED):
        address = f"http://{address}"
    return url_key(address)


def _domain(name: str) -> str:
    try:
        if "/" in name or not name.strip("."):
            raise UnusableURL("a whole URL" if "/" in name else "no domain")
        host = host_of(normalise(f"http://{name.strip().strip('.')}/"))
    except UnusableURL as error:
        raise UsageError(
            f"{name!r} is no domain ({error.reason})", where="--domain", hint='write it as "example.com"'
        ) from None
    owner = registered_domain(host)
    if owner != host.removeprefix("www."):
        raise UsageError(
            f"{name} lies below {owner}, and only whole registered domains are forgotten",
            where="--domain",
            hint=f"--domain {owner} forgets all of it; for some of its addresses there is --urls",
        )
    return owner


def _host(url: str) -> str:
    return host_of(url) if "://" in url else ""
