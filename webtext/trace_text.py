"""A trace as a person reads it: a few lines a stage, in the order of the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from webtext.corpus.outcomes import Stage
from webtext.traces import ENDED, NOT_REACHED, NOT_RUN, PASSED, UNFINISHED, StageTrace, Trace

_WIDTH = 11  # of a stage's name

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # titles are others' words: none of them may steer a terminal


def trace_text(trace: Trace, *, diff: bool = False) -> str:
    """The lines of a trace; `diff` says that a diff was asked for. Control characters of others' texts become `?`."""
    return "\n".join(_CONTROL.sub("?", line) for line in _lines(trace, diff))


def _lines(trace: Trace, diff: bool) -> Iterator[str]:
    yield trace.url or trace.asked or f"key {trace.key}"
    yield f"key {trace.key}"
    if trace.asked and trace.url and trace.asked not in (trace.url, trace.key):
        yield f"asked for as {trace.asked}"
    yield f"{_verdict(trace)}"
    if not trace.known:
        yield from _nearby(trace)
        return
    yield ""
    for stage in trace.stages:
        lines = list(_stage(trace, stage))
        yield f"{stage.stage:<{_WIDTH}}{lines[0]}"
        yield from (f"{'':<{_WIDTH}}{line}" for line in lines[1:])
    if trace.diff:
        yield ""
        yield from trace.diff
    elif diff:
        yield ""
        yield "no diff: neither was it removed for another document, nor another for it"


def _verdict(trace: Trace) -> str:
    end = trace.end
    if end is not None:
        return f"ended at {end.stage}: {end.outcome}"
    if not trace.known:
        unmade = [stage.stage for stage in trace.stages if stage.state in (NOT_RUN, UNFINISHED)]
        if Stage.LINKS in unmade:
            return "not known: links is not finished"
        if counted := trace.of(Stage.LINKS).detail:
            return f"no link: never seen, or rejected ({counted})"
        return "never seen: no line of the dumps names this address in any spelling"
    shards = trace.of(Stage.SHARDS)
    if shards.state == PASSED:
        return "validation text" if shards.facts["split"] == "val" else "training text"
    last = next(stage for stage in reversed(trace.stages) if stage.state == PASSED)
    following = next((stage for stage in trace.stages if stage.state in (NOT_RUN, UNFINISHED)), None)
    waiting = f"; next is webtext {Stage(following.stage).command}" if following is not None else ""
    return f"on its way: passed {last.stage}{waiting}"


def _nearby(trace: Trace) -> Iterator[str]:
    if trace.leading_here:
        yield ""
        yield "nobody posted it, but links that were posted led to it:"
        yield from (f"  {url}  (key {key})" for key, url in trace.leading_here)
    if trace.near:
        yield ""
        yield "it is near to:"
        yield from (f"  {url}  (key {key})" for key, url in trace.near)
    if not trace.leading_here and not trace.near and trace.of(Stage.LINKS).state == NOT_REACHED:
        yield "(posts of text, and of pictures and videos on Reddit's own hosts, are counted and leave no row)"


def _stage(trace: Trace, stage: StageTrace) -> Iterator[str]:
    tell: Mapping[str, Callable[[StageTrace], Iterator[str]]] = {
        Stage.LINKS: _links,
        Stage.PAGES: _pages,
        Stage.DOCUMENTS: _documents,
        Stage.CLEAN: _clean,
        Stage.SHARDS: _shards,
    }
    if stage.outdated:
        yield f"(made before what it reads changed; webtext {Stage(stage.stage).command} brings it up to date)"
    if stage.state == NOT_REACHED:
        yield "-"
    elif stage.state == NOT_RUN:
        yield f"not yet: webtext {Stage(stage.stage).command} {trace.corpus}"
    elif stage.state == UNFINISHED:
        yield f"unfinished: {stage.detail}"
    else:
        if stage.state == ENDED:
            told = stage.detail and not stage.facts.get("keeper")  # then `_clean` says it in full
            yield f"{stage.outcome}: {stage.detail}" if told else stage.outcome
        yield from tell[stage.stage](stage)


def _links(stage: StageTrace) -> Iterator[str]:
    facts = stage.facts
    if stage.state == PASSED:
        yield f"karma {facts['karma']:,}, {facts['domain']}, first posted {_when(facts['first_posted'])}"
    for post in facts.get("submissions", ()):
        score = "none" if post["score"] is None else f"{post['score']:,}"
        yield f"  {post['id']}  r/{post['subreddit'] or '?'}  score {score}  {_when(post['created'])}"


def _pages(stage: StageTrace) -> Iterator[str]:
    facts = stage.facts
    capture = facts.get("capture")
    if stage.state == PASSED and capture is None:
        yield f"fetched {_when(facts['answers'][-1]['fetched'])}"
    elif capture is not None:
        apart = capture["days_apart"]
        days = "" if apart is None else f", {apart:,} {'day' if apart == 1 else 'days'} from the submission"
        yield f"from {capture['source']}, captured {_when(capture['captured'])}{days}"
        yield f"  {capture['address']}"
    if facts.get("no_longer_a_link"):
        yield "(links does not name it any more)"
    for answer in facts.get("answers", ()):
        yield f"  {answer['status']} {answer['mime']}  {answer['url']}"
        if answer["length"]:
            yield f"    {answer['segment']} at {answer['offset']:,}, {answer['length']:,} bytes, {answer['record_id']}"
        else:
            yield f"    its bytes were deleted (crawl.keep_pages = until-extracted), {answer['record_id']}"
    if consent := facts.get("consent"):
        yield "  what was said of its use:"
        yield from (f"    {entry['where']}: {entry['said']}" for entry in consent)


def _documents(stage: StageTrace) -> Iterator[str]:
    facts = stage.facts
    if stage.state == PASSED:
        yield f"{facts['title'] or '(no title)'}"
        yield (
            f"  {facts['words']:,} words, {facts['characters']:,} characters, {facts['language']} "
            f"{facts['language_score']:.2f}, from {facts['source']}"
        )
        yield f"  {facts['final_url']}"


def _clean(stage: StageTrace) -> Iterator[str]:
    facts = stage.facts
    if stage.state == PASSED:
        copies = facts.get("copies", 0)
        yield "stays" + (f", and {copies:,} {'copy' if copies == 1 else 'copies'} of it went" if copies else "")
        if excised := facts.get("excised"):
            yield f"  without {excised[0]['characters']:,} characters of it that hold text of test sets:"
            yield from (f"  {row['grams']:,} n-grams of {row['set']}, example {row['example']}" for row in excised)
        for copy in facts.get("removed_for_it", ()):
            yield f"  {copy['why']} {copy['jaccard']:.3f}  {copy['url']}  (key {copy['key']})"
        if copies > len(facts.get("removed_for_it", ())):
            yield f"  and {copies - len(facts['removed_for_it']):,} more"
    elif facts.get("keeper"):
        yield f"  stays instead: {facts['keeper_url']}  (key {facts['keeper']})"
        yield f"  similarity {facts['jaccard']:.3f} (Jaccard of their shingles); --diff shows both"


def _shards(stage: StageTrace) -> Iterator[str]:
    facts = stage.facts
    yield f"{facts['split']}: {facts['shard']}, row {facts['row']:,}, {facts['tokens']:,} tokens"
    yield f"  tokens {facts['start']:,} to {facts['start'] + facts['tokens'] - 1:,} of the split"


def _when(moment: datetime | None) -> str:
    return "at an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
