"""Settings of [links] under which published corpora chose their links; `docs/links.md` gives the source of each value.

- webtext: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.1, and this project's
  defaults where the paper is silent.
- openwebtext: jcpeterson/openwebtext, `extract_urls.py` and `url_utils.py` (the second run, "V2").
- openwebtext2: EleutherAI/openwebtext2, `pushshift/process_dump_files_sqlite.py`, `scraping/filter.py` and
  `cleaning/filter_from_reddit_scores.py`.

Their lists of hosts and endings stand here less what `webtext.crawler.reddit.select` has under media, Reddit's pages
and Wikipedia anyway.
"""

from __future__ import annotations

from collections.abc import Mapping

from webtext.corpus.errors import UsageError
from webtext.corpus.settings import LinksSettings, Value

# url_utils.py, `exclude_domains`; filter.py has the same less the second group.
_HARD_TO_READ = (
    "battleforthenet.com", "discord.gg", "facebook.com", "github.com", "google.com", "gunprime.com", "itunes.apple.com",
    "roanoke.com", "rollingstone.com", "spotrac.com", "strawpoll.me", "timeanddate.com", "twitter.com",
    "voyagefusion.com", "walmart.com", "xkcd.com",
)  # fmt: skip
_SHOPS_AND_MORE = (
    "aapks.com", "deviantart.com", "dlapkandroid.org", "ebay.com", "edealinfo.com", "hotdealstar.com",
)  # fmt: skip

# `exclude_extensions` of both.
_FILES = (
    ".7z", ".apk", ".app", ".bin", ".bz2", ".csv", ".dat", ".doc", ".docx", ".exe", ".gz", ".iso", ".jar", ".log",
    ".pdf", ".pps", ".ppt", ".pptx", ".rar", ".tar", ".tgz", ".wma", ".xml", ".xz", ".zip",
)  # fmt: skip
_MORE_FILES = (
    ".ai", ".aif", ".css", ".deb", ".dmg", ".js", ".mid", ".midi", ".otf", ".pkg", ".py", ".qt", ".ram", ".sql", ".swf",
    ".ttf", ".txt",
)  # fmt: skip

_PUBLISHED: Mapping[str, Value] = {
    "min_karma": 3,
    "media": False,
    "reddit": False,
    "wikipedia": False,
    "crossposts": True,
    "only_domains": (),
    "only_subreddits": (),
    "block_subreddits": (),
}

PRESETS: Mapping[str, Mapping[str, Value]] = {
    "webtext": {
        **_PUBLISHED,
        "karma_policy": "max",
        "nsfw": LinksSettings.nsfw,
        "removed": LinksSettings.removed,
        "block_domains": (),
        "block_endings": (),
    },
    "openwebtext": {
        **_PUBLISHED,
        "karma_policy": "max",
        "nsfw": False,
        "removed": True,
        "block_domains": tuple(sorted(_HARD_TO_READ + _SHOPS_AND_MORE)),
        "block_endings": tuple(sorted(_FILES + _MORE_FILES)),
    },
    "openwebtext2": {
        **_PUBLISHED,
        "karma_policy": "sum",
        "nsfw": True,
        "removed": True,
        "block_domains": _HARD_TO_READ,
        "block_endings": _FILES,
    },
}


def preset_values(name: str | None) -> dict[str, Value]:
    """The settings of a preset; none for None.

    Raises:
        UsageError: there is no preset of this name.
    """
    if name is None:
        return {}
    if name not in PRESETS:
        raise UsageError(f"no such preset: {name!r}", where="webtext links", hint=f"one of {', '.join(PRESETS)}")
    return dict(PRESETS[name])
