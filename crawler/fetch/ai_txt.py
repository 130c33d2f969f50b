"""/ai.txt, in which a site says what of it may train models (Spawning's proposal of 2023). Pure functions.

The file is written like a robots.txt, but most of its rules name endings: "Disallow: *.txt" with "Disallow: *.html"
means the texts of the site. Other files of that name (Markdown, front matter) hold no such rules and say nothing.
"""

from __future__ import annotations

from webtext.crawler.fetch.robots_rules import Decision, RobotsRules, decide, parse_robots, path_of

AI_TXT = "/ai.txt"

_SUFFIX = 10  # characters of an ending; more is part of a name


def parse_ai_txt(text: bytes) -> RobotsRules:
    """The rules of a file; those of a page sent in its place are none."""
    return parse_robots(text)


def ai_txt_decision(rules: RobotsRules, url: str, agent: str) -> Decision | None:
    """The rule that keeps a page out of training, None where none does.

    An address without an ending is that of an HTML page, and is looked at as if it had that ending; where no rule says
    anything of it then, as it is.
    """
    group = rules.group(agent)
    if group is None:
        return None
    path = path_of(url)
    bare = path.partition(b"?")[0]
    _, dot, ending = bare.rpartition(b"/")[2].rpartition(b".")
    decision = decide(group, path)
    if not (dot and 0 < len(ending) <= _SUFFIX):
        as_html = decide(group, bare + b".html")
        decision = decision if as_html.rule is None else as_html
    return None if decision.allowed else decision
