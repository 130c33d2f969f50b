"""Paging through listings of Reddit's API, one page after another by `after`, as slowly as the API asks.

Each page's submissions are on disk before its cursor is: killed at any moment, at most one page is asked for again. How
a request is made is the caller's (`webtext.crawler.reddit.listing_spider`: by Scrapy).
"""

from __future__ import annotations

import base64
import json
import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.crawler.reddit.listing import CLIENT_ID, CLIENT_SECRET, USER_AGENT, Endpoints, Gathering
from webtext.crawler.reddit.listing_limits import TRIES, pause_after, refusal, retry_after

_LIMIT = 100  # the most a page may have
_SAID = 5.0  # a wait of more seconds is told


@dataclass(frozen=True)
class Answer:
    """An answer of the API; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):
    """No answer; says what kind of failure it was, and nothing of the request."""


Ask = Callable[[str, Mapping[str, str], str | None], Awaitable[Answer]]
"""Makes a request (URL, headers, body of a POST); raises `Unreachable`."""


class Pager:
    """Gathers listings, one after another, with one token."""

    def __init__(
        self,
        endpoints: Endpoints,
        ask: Ask,
        sleep: Callable[[float], Awaitable[None]],
        report: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._endpoints = endpoints
        self._send = ask
        self._sleep = sleep
        self._report = report
        self._token = ""
        self._pause = 0.0

    async def gather(self, gathering: Gathering) -> None:
        """Every page that is not there yet.

        Raises:
            WebtextError: the API refuses, or does not answer.
        """
        state = gathering.state()
        while not state["done"]:
            page = await self._page(gathering, state["after"])
            children = [child["data"] for child in page["children"] if child.get("kind") == "t3"]
            data = b"".join(json.dumps(child).encode() + b"\n" for child in children)
            gathering.append(data, state["bytes"])
            fault_point("listing.page")
            after = page.get("after")
            state = {
                "after": after,
                "bytes": state["bytes"] + len(data),
                "rows": state["rows"] + len(children),
                "pages": state["pages"] + 1,
                # An API that answers with the cursor it was asked for would be asked for ever.
                "done": not after or after == state["after"],
            }
            gathering.save(state)
            self._report({"listing": str(gathering.listing), "rows": state["rows"]})

    async def _page(self, gathering: Gathering, after: str | None) -> Mapping[str, Any]:
        listing = gathering.listing
        query = {"limit": str(_LIMIT), **({"after": after} if after else {})}
        url = f"{self._endpoints.api}{listing.path}?{listing.query}{'&' if listing.query else ''}{urlencode(query)}"
        renewed = False
        while True:
            if not self._token:
                await self._authorise()
            answer = await self._ask(url, str(listing), {"Authorization": f"bearer {self._token}"})
            if answer.status == 401 and not renewed:
                self._token, renewed = "", True  # tokens last an hour or a day
                continue
            if answer.status != 200:
                raise refusal(answer.status, str(listing))
            return _listing(answer.body, str(listing))

    async def _authorise(self) -> None:
        pair = f"{os.environ.get(CLIENT_ID, '')}:{os.environ.get(CLIENT_SECRET, '')}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = await self._ask(self._endpoints.token, "Reddit's API", headers, body="grant_type=client_credentials")
        if answer.status != 200:
            raise refusal(answer.status, "Reddit's API", token=True)
        try:
            token = json.loads(answer.body).get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token:
            raise refusal(401, "Reddit's API", token=True)  # {"error": "invalid_grant"} comes with 200
        self._token = token

    async def _ask(self, url: str, where: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        """An answer that is not to be tried again."""
        tried = 0
        while True:
            if self._pause:
                await self._wait(self._pause)
            tried += 1
            try:
                answer = await self._send(url, {"User-Agent": _user_agent(), **headers}, body)
            except Unreachable as error:
                if tried >= TRIES:
                    raise WebtextError(
                        f"cannot be reached ({error})", where=where,
                        hint="what was gathered is kept; the same command goes on where it was",
                    ) from error  # fmt: skip
                self._pause = retry_after(503, {}, tried) or 0.0
                continue
            self._pause = pause_after(answer.headers) if body is None else 0.0
            wait = retry_after(answer.status, answer.headers, tried)
            if wait is None:
                return answer
            self._pause = wait

    async def _wait(self, seconds: float) -> None:
        if seconds > _SAID:
            self._report({"waiting": round(seconds)})
        await self._sleep(seconds)


def _listing(body: bytes, where: str) -> Mapping[str, Any]:
    try:
        data = json.loads(body)["data"]
        if not all(isinstance(child["data"], dict) for child in data["children"]):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WebtextError("gave an answer that is no listing", where=where, hint="try again later") from error
    found: Mapping[str, Any] = data
    return found


def _user_agent() -> str:
    """As Reddit's rules have it: platform, app, version."""
    return os.environ.get(USER_AGENT) or f"{platform.system().lower()}:webtext:v{version('webtext')}"
