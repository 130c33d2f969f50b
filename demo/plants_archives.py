"""Facts about links that died and are had from an archive.

What the archives have are copies of pages that live in the little web: their text adds nothing to the corpus.
"""

from __future__ import annotations

from webtext.demo.answers import Answer
from webtext.demo.archive import DATA, INDEX, MACHINE, Visit, moment
from webtext.demo.finished import Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import Check, all_of, ends_as, never_asked

_HOST = "late.example"


def plant(web: DemoWeb) -> None:
    """All of them."""
    for host in (MACHINE, INDEX, DATA):
        web.name(host, "here")
    pages = [
        answers[0].body for (host, _), answers in sorted(web.answers.items()) if host == "www.harbour-gazette.example"
    ]
    gone = {
        name: web.serve(_HOST, f"/{name}", Answer(b"gone", 410)) for name in ("common", "machine", "excluded", "lost")
    }
    web.archives.crawled.append(Visit(gone["common"], moment("2024-12-24T08:00:00"), pages[0]))
    web.archives.machine += [
        Visit(gone["common"], moment("2025-01-01T00:00:00"), pages[1]),
        Visit(gone["machine"], moment("2011-05-01T00:00:00"), b"<p>of long before"),
        Visit(gone["machine"], moment("2025-01-03T00:00:00"), pages[1]),
        Visit(gone["excluded"], moment("2025-01-03T00:00:00"), pages[2]),
    ]
    web.archives.excluded.append(gone["excluded"])
    for name, source in (("common", "commoncrawl"), ("machine", "wayback")):
        web.plant(
            f"a page that is gone is had from {source}, the capture nearest to its submission",
            "near-duplicate",
            gone[name],
            also=_came_from(source, gone[name], "2024-12-24" if name == "common" else "2025-01-03"),
        )
    web.plant(
        "what its owner has had excluded from an archive, and what no archive has, stays dead",
        "http-error",
        gone["excluded"],
        gone["lost"],
        detail="status 410; commoncrawl: no capture; wayback:",
    )
    refusing = web.serve(_HOST, "/refusing", Answer(b"no", 403))
    web.archives.machine.append(Visit(refusing, moment("2025-01-03T00:00:00"), pages[2]))
    web.plant(
        "a page that its site refuses to show is had from no archive",
        "http-error",
        refusing,
        also=never_asked((MACHINE, f"/web/20250103000000id_/{refusing}")),
    )


def _came_from(source: str, url: str, day: str) -> Check:
    def check(finished: Finished) -> str:
        row = finished.document(url)
        found = None if row is None else (row["source"], f"{row['fetched']:%Y-%m-%d}")
        return "" if found == (source, day) else f"{url}: {found}, not {(source, day)}"

    return all_of(check, ends_as("near-duplicate", url))
