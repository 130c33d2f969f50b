"""Facts about `webtext trace`: that a link's whole way can be told, also of what was dropped or never posted."""

from __future__ import annotations

from webtext.corpus.outcomes import Stage
from webtext.demo.articles import Article
from webtext.demo.finished import DOCUMENT, Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import Check
from webtext.trace_address import trace_address, with_diff

_ADDED = "None of this stood in the first print."


def plant(web: DemoWeb) -> None:
    """All of them. Comes last: it asks after everything that was planted."""
    story = web.article()
    original = web.page("traced.example", "/story?a=1&b=2", story)
    second = Article(story.title, (*story.paragraphs, _ADDED))
    copy = web.page("retold.example", "/story", second)
    web.post(original, score=300)
    web.post(copy)
    spelling = "https://www.traced.example:443/story/?utm_source=x&b=2&a=1#end"
    web.expect("a link is traced by any spelling of its address", _is_traced_as(original, spelling), original)
    web.expect("a copy is traced to the text that stays, with the words that differ", _differs(copy, original), copy)
    unseen = "http://traced.example/story?a=1&b=2&page=2"
    web.expect("of an address that nobody posted, the nearest that was is told", _is_near(unseen, original), unseen)
    everything = tuple(address for fact in web.facts for address in fact.about)
    web.expect("every planted link is traced to its end, stage by stage", _ends_agree(everything))


def _is_traced_as(url: str, spelling: str) -> Check:
    def check(finished: Finished) -> str:
        trace = trace_address(finished.corpus, spelling)
        states = [stage.state for stage in trace.stages]
        if trace.url != url or states != ["passed"] * len(Stage):
            return f"{spelling} is traced as {trace.url}: {', '.join(states)}"
        (post,) = trace.of(Stage.LINKS).facts["submissions"]
        return "" if post["score"] == 300 else f"its submission has score {post['score']}"

    return check


def _differs(copy: str, original: str) -> Check:
    def check(finished: Finished) -> str:
        trace = with_diff(finished.corpus, trace_address(finished.corpus, copy))
        keeper = trace.of(Stage.CLEAN).facts.get("keeper_url")
        if keeper != original:
            return f"its keeper is {keeper}"
        return "" if any(_ADDED in line for line in trace.diff) else f"the diff is {trace.diff}"

    return check


def _is_near(unseen: str, url: str) -> Check:
    def check(finished: Finished) -> str:
        trace = trace_address(finished.corpus, unseen)
        near = [address for _, address in trace.near]
        return f"known is {trace.known}, near are {near}" if trace.known or url not in near else ""

    return check


def _ends_agree(addresses: tuple[str, ...]) -> Check:
    """What is traced of each address is what the corpus itself says of it."""

    def check(finished: Finished) -> str:
        known = 0
        for address in addresses:
            fate, trace = finished.fate(address), trace_address(finished.corpus, address)
            ended = DOCUMENT if trace.end is None and trace.known else trace.end.outcome if trace.end else "nothing"
            if ended != fate.outcome:
                return f"{address}: became {fate}, is traced as {ended}"
            known += trace.known
        return "" if known else "the corpus knows none of these addresses"

    return check
