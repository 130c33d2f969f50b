"""Which submissions' links are followed."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.errors import UsageError
from webtext.corpus.settings import LinksSettings
from webtext.crawler.reddit.select import Candidate, Judge, decide
from webtext.crawler.reddit.submissions import Submission
from webtext.crawler.reddit.urls import text_key, url_key

DEFAULTS = LinksSettings()


def submission(url: str = "http://x.example/a", **changes: Any) -> Submission:
    fields: dict[str, Any] = {
        "id": "a", "url": url, "subreddit": "news", "score": 5, "created": 1_700_000_000, "is_self": False,
        "is_media": False, "nsfw": False, "removed": "", "recognised": True,
    }  # fmt: skip
    return Submission(**{**fields, **changes})


class Verdict(NamedTuple):
    outcome: str | None
    key: int
    url: str
    detail: str


def judge(url: str = "http://x.example/a", settings: LinksSettings = DEFAULTS, **changes: Any) -> Verdict:
    judge = Judge(settings)
    first, again = judge(submission(url, **changes)), judge(submission(url, **changes))
    assert first == again
    return Verdict(*first)


def test_an_ordinary_link_is_a_candidate_under_its_normal_form_and_key() -> None:
    assert judge("http://X.example/a?b&amp;c#d") == Verdict(
        None, url_key("http://x.example/a?b&c"), "http://x.example/a?b&c", ""
    )


@pytest.mark.parametrize(
    ("changes", "outcome", "detail"),
    [
        ({"is_self": True}, "self-post", ""),
        ({"is_media": True}, "media", ""),
        ({"nsfw": True}, "nsfw", "marked over 18"),
        ({"removed": "moderator"}, "removed", "moderator"),
        ({"removed": "[deleted]"}, "removed", "[deleted]"),
    ],
)
def test_what_reddit_says_about_a_submission_counts(changes: dict[str, object], outcome: str, detail: str) -> None:
    found = judge(**changes)
    assert (found.outcome, found.detail) == (outcome, detail)


@pytest.mark.parametrize(
    "url",
    [
        "https://i.redd.it/abc.jpeg", "https://v.redd.it/abc", "https://preview.redd.it/abc?width=1",
        "https://www.reddit.com/gallery/abc", "https://imgur.com/a/abc", "http://i.imgur.com/abc",
        "https://www.youtube.com/watch?v=abc", "https://youtu.be/abc", "https://m.youtube.com/watch?v=abc",
        "http://x.example/a.JPG", "http://x.example/a.jpg?size=1", "http://x.example/a.gifv", "http://x.example/a.mp4",
        "http://x.example/a.webm#t=1",
    ],
)  # fmt: skip
def test_pictures_videos_and_sounds_are_media(url: str) -> None:
    assert judge(url).outcome == "media"


@pytest.mark.parametrize(
    "url",
    [
        "http://x.example/paper.pdf", "http://x.example/jpg", "http://x.example/view?file=a.jpg", "http://x.example/a.jpg/",
        "http://notimgur.com/a", "http://imgur.com.example/a", "http://xn--mgur-65a.com/",
    ],
)  # fmt: skip
def test_what_only_resembles_media_is_followed(url: str) -> None:
    assert judge(url).outcome is None


@pytest.mark.parametrize(
    "url",
    [
        "https://en.wikipedia.org/wiki/A", "http://de.m.wikipedia.org/wiki/A", "https://wikipedia.org/",
        "https://www.wikipedia.org/", "https://zh-min-nan.wikipedia.org/wiki/A", "http://EN.WIKIPEDIA.ORG./wiki/A",
        "http://en.wikipedia.com/A", "https://secure.wikimedia.org/wikipedia/en/wiki/A",
    ],
)  # fmt: skip
def test_wikipedia_is_known_in_every_language_and_form(url: str) -> None:
    assert judge(url).outcome == "wikipedia"


def test_what_is_not_wikipedia_is_followed() -> None:
    assert judge("http://notwikipedia.org/").outcome is None
    assert judge("http://wikipedia.org.example/").outcome is None
    assert judge("https://secure.wikimedia.org/wikibooks/en/wiki/A").outcome is None


@pytest.mark.parametrize(
    ("setting", "changes"),
    [
        ("media", {"url": "https://i.redd.it/a.jpg"}), ("media", {"is_media": True}),
        ("reddit", {"url": "https://www.reddit.com/r/a/"}), ("reddit", {"is_self": True}),
        ("wikipedia", {"url": "https://en.m.wikipedia.org/wiki/A"}),
        ("wikipedia", {"url": "https://secure.wikimedia.org/wikipedia/en/wiki/A"}),
    ],
)  # fmt: skip
def test_settings_let_in_what_is_left_out_otherwise(setting: str, changes: dict[str, Any]) -> None:
    assert judge(**changes).outcome is not None
    assert judge(settings=LinksSettings(**{setting: True}), **changes).outcome is None


def test_crossposts_may_be_left_out() -> None:
    found = judge(settings=LinksSettings(crossposts=False), crosspost=True)
    assert (found.outcome, found.detail) == ("blocked", "a crosspost")
    assert judge(crosspost=True).outcome is None
    assert judge(settings=LinksSettings(crossposts=False)).outcome is None


def test_settings_name_the_only_domains_and_subreddits() -> None:
    domains = LinksSettings(only_domains=("y.example", "b\u00fccher.example"))
    assert judge("http://a.y.example/", domains).outcome is None
    assert judge("http://b\u00fccher.example/", domains).outcome is None
    assert judge("http://x.example/", domains).detail == "domain x.example, none of only_domains"
    subreddits = LinksSettings(only_subreddits=("r/News",))
    assert judge(settings=subreddits, subreddit="nEws").outcome is None
    assert judge(settings=subreddits, subreddit="other").detail == "subreddit other, none of only_subreddits"
    assert judge(settings=subreddits, subreddit=None).outcome == "blocked"
    with pytest.raises(UsageError, match=r"links\.only_domains"):
        Judge(LinksSettings(only_domains=("a b",)))


def test_endings_of_paths_may_be_blocked() -> None:
    settings = LinksSettings(block_endings=(".PDF", "doc"))
    assert judge("http://x.example/a.Pdf?b", settings).detail == "ending .pdf"
    assert judge("http://x.example/a.doc", settings).outcome == "blocked"
    assert judge("http://x.example/a.docx", settings).outcome is None
    assert judge("http://x.example/?a.doc", settings).outcome is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.example", "www.a.example", "i.redd.it", "1.2.3.4", "b.local", "en.wikipedia.org"]),
            st.sampled_from(["/", "/a.jpg", "/wikipedia/a", "/gallery/x", "/a?b=1"]),
            st.booleans(),
        )
    )
)
def test_a_verdict_does_not_depend_on_the_lines_before(links: list[tuple[str, str, bool]]) -> None:
    at_once = Judge(DEFAULTS)
    for host, path, nsfw in links:
        line = submission(f"http://{host}{path}", nsfw=nsfw)
        assert at_once(line) == Judge(DEFAULTS)(line)


@pytest.mark.parametrize(
    "url",
    ["https://www.reddit.com/r/a/comments/b/", "http://redd.it/abc", "https://old.reddit.com/", "/r/a/comments/b/c/"],
)
def test_pages_of_reddit_are_blocked(url: str) -> None:
    assert (judge(url).outcome, judge(url).detail) == ("blocked", "a page of Reddit")


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://2130706433/", "http://[::1]/", "http://localhost/x"])
def test_private_addresses_are_not_followed(url: str) -> None:
    assert judge(url).outcome == "private-address"


@pytest.mark.parametrize(
    ("url", "detail"), [("ftp://a/", "scheme ftp"), ("", "no URL"), ("http://u:p@h.example/", "credentials in the URL")]
)
def test_unusable_urls_are_recorded_as_posted(url: str, detail: str) -> None:
    assert judge(url) == Verdict("unusable-url", text_key(url), url, detail)


@pytest.mark.parametrize("removed", [False, True])
def test_a_removed_submission_whose_url_is_gone_is_removed_whatever_the_settings(removed: bool) -> None:
    settings = LinksSettings(removed=removed)
    assert judge("", settings=settings, removed="deleted") == Verdict("removed", text_key(""), "", "deleted")
    assert judge("", settings=settings).outcome == "unusable-url"


def test_of_an_enormous_url_the_beginning_is_recorded_and_all_of_it_is_the_key() -> None:
    url = "http://x.example/" + "a" * 500_000
    found = judge(url)
    assert (found.outcome, found.key, len(found.url)) == ("unusable-url", text_key(url), 4_096)


def test_a_rejected_link_has_the_key_of_its_url() -> None:
    assert judge("http://www.x.example/a/", nsfw=True).key == url_key("http://x.example/a")
    assert judge("ftp://a/", nsfw=True) == Verdict("nsfw", text_key("ftp://a/"), "ftp://a/", "marked over 18")


def test_of_several_reasons_the_first_counts() -> None:
    order = [
        ("self-post", {"is_self": True}),
        ("media", {"is_media": True}),
        ("nsfw", {"nsfw": True}),
        ("removed", {"removed": "moderator"}),
        ("private-address", {"url": "http://127.0.0.1/"}),
        ("blocked", {"subreddit": "spam"}),
    ]
    settings = LinksSettings(block_subreddits=("spam",))
    for (first, one), (_, other) in itertools.combinations(order, 2):
        assert judge(settings=settings, **{**other, **one}).outcome == first


def test_settings_let_nsfw_and_removed_submissions_in() -> None:
    assert judge(settings=LinksSettings(nsfw=True), nsfw=True).outcome is None
    assert judge(settings=LinksSettings(removed=True), removed="moderator").outcome is None


def test_settings_block_subreddits_without_regard_to_case() -> None:
    settings = LinksSettings(block_subreddits=("r/News",))
    assert judge(settings=settings, subreddit="nEWS").detail == "subreddit nEWS"
    assert judge(settings=settings, subreddit="newsy").outcome is None
    assert judge(settings=settings, subreddit=None).outcome is None


@pytest.mark.parametrize("domain", ["x.example", "X.Example", "*.x.example", ".x.example."])
def test_settings_block_a_domain_with_all_below_it(domain: str) -> None:
    settings = LinksSettings(block_domains=(domain, "bücher.example"))
    assert judge("http://x.example/", settings).detail == "domain x.example"
    assert judge("http://a.b.x.example/", settings).outcome == "blocked"
    assert judge("http://notx.example/", settings).outcome is None
    assert judge("http://a.xn--bcher-kva.example/", settings).outcome == "blocked"


@pytest.mark.parametrize("domain", ["http://x.example/", "not a domain", "", "a@b.example"])
def test_a_setting_that_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(UsageError, match=r"links\.block_domains"):
        Judge(LinksSettings(block_domains=(domain,)))


def post(score: int, created: int | None, name: str = "a", url: str = "http://x.example/") -> Candidate:
    return Candidate(url, name, "news", score, created)


@pytest.mark.parametrize(
    ("policy", "karma", "deciding"),
    [("max", 9, "best"), ("sum", 13, "best"), ("first", 1, "first")],
)
def test_karma_is_the_best_the_sum_or_the_first(policy: str, karma: int, deciding: str) -> None:
    lines = [post(3, 30, "last"), post(9, 20, "best"), post(1, 10, "first")]
    found = decide(lines, LinksSettings(karma_policy=policy))
    assert (found.karma, found.deciding.id) == (karma, deciding)
    assert [line.id for line in found.submissions] == ["first", "best", "last"]
    assert found.first_posted == 10
    assert len(found.further) == 2 and found.deciding not in found.further


def test_a_link_needs_the_least_karma() -> None:
    assert decide([post(3, 10)], DEFAULTS).kept
    assert not decide([post(2, 10)], DEFAULTS).kept
    assert decide([post(-5, 10)], LinksSettings(min_karma=-5)).kept
    assert decide([post(2, 10, "a"), post(2, 11, "b")], LinksSettings(karma_policy="sum")).kept


def test_the_url_is_the_earliest_spelling_then_the_smallest_ids() -> None:
    lines = [post(9, 20, "a", "http://x.example/?late"), post(1, 10, "c", "http://x.example/"),
             post(1, 10, "b", "https://x.example/")]  # fmt: skip
    assert decide(lines, DEFAULTS).url == "https://x.example/"


def test_a_submission_without_a_time_comes_last() -> None:
    found = decide([post(5, None, "a"), post(5, 10, "b")], DEFAULTS)
    assert [line.id for line in found.submissions] == ["b", "a"]
    assert (found.first_posted, found.deciding.id) == (10, "b")
    assert decide([post(5, None)], DEFAULTS).first_posted is None


def test_one_submission_in_two_dumps_counts_once_with_its_best_score() -> None:
    lines = [post(2, 10, "a"), post(7, 10, "a"), post(1, 20, "b")]
    found = decide(lines, LinksSettings(karma_policy="sum"))
    assert found.karma == 8
    assert [(line.id, line.score) for line in found.submissions] == [("a", 7), ("b", 1)]
    assert len(found.further) == 2
    assert decide(lines, LinksSettings(karma_policy="first")).karma == 7


def test_submissions_without_an_id_are_all_different() -> None:
    assert decide([post(1, 10, ""), post(1, 10, "")], LinksSettings(karma_policy="sum")).karma == 2


_POSTS = st.lists(
    st.builds(
        post, st.integers(-2, 5), st.sampled_from([None, 10, 20]), st.sampled_from(["", "a", "b", "c"]),
        st.sampled_from(["http://x.example/", "https://x.example/"]),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(_POSTS, st.sampled_from(["max", "sum", "first"]), st.randoms())
def test_a_decision_depends_on_the_lines_and_not_on_their_order(
    lines: list[Candidate], policy: str, random: Any
) -> None:
    settings = LinksSettings(karma_policy=policy)
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert decide(lines, settings) == decide(shuffled, settings)


@given(_POSTS, st.sampled_from(["max", "sum", "first"]))
def test_a_decision_is_what_its_rules_say(lines: list[Candidate], policy: str) -> None:
    found = decide(lines, LinksSettings(karma_policy=policy))
    age = {None: 99}
    names = {line.id for line in lines if line.id}
    best = {name: max(line.score for line in lines if line.id == name) for name in names}
    scores = [*best.values(), *(line.score for line in lines if not line.id)]
    earliest = min(lines, key=lambda line: (age.get(line.created, line.created or 0), line.id, line.url, -line.score))
    karma = {"max": max(scores), "sum": sum(scores), "first": best.get(earliest.id, earliest.score)}[policy]
    assert (found.karma, found.kept, found.url) == (karma, karma >= 3, earliest.url)
    assert sorted([found.deciding, *found.further], key=repr) == sorted(lines, key=repr)
    assert len(found.submissions) == len(scores)
