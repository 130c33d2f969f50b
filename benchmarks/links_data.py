"""Seeded dumps for the benchmark of links: records in the layouts of 2005, 2013 and 2024, made up but for field names.

Line lengths, and the shares of self posts, media, Reddit's own pages, NSFW, escaped and normal URLs, are those that
were measured on real dumps. Nothing of a real record is in them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

# Bytes a line, about; share of self posts, of media and of NSFW; and how many constant fields fill the record.
LAYOUTS = {
    "2005": {"length": 1_400, "self": 0.0, "media": 0.05, "nsfw": 0.01},
    "2013": {"length": 1_400, "self": 0.42, "media": 0.30, "nsfw": 0.10},
    "2024": {"length": 4_300, "self": 0.40, "media": 0.36, "nsfw": 0.45},
}
_LONG = [
    "all_awardings", "allow_live_comments", "approved_at_utc", "approved_by", "archived", "author_flair_css_class",
    "author_flair_richtext", "author_flair_text", "author_flair_type", "author_is_blocked", "author_premium",
    "awarders", "banned_at_utc", "banned_by", "brand_safe", "can_gild", "can_mod_post", "category", "clicked",
    "content_categories",
    "contest_mode", "discussion_type", "distinguished", "downs", "edited", "gilded", "gildings", "hidden", "hide_score",
    "is_created_from_ads_ui", "is_crosspostable", "is_meta", "is_original_content", "is_robot_indexable", "likes",
    "link_flair_background_color", "link_flair_css_class", "link_flair_richtext", "link_flair_text", "link_flair_type",
    "locked", "media", "media_embed", "media_only", "mod_note", "mod_reason_by", "mod_reason_title", "mod_reports",
    "no_follow", "num_comments", "num_crossposts", "num_reports", "parent_whitelist_status", "pinned", "pwls",
    "quarantine", "removal_reason", "removed_by", "report_reasons", "retrieved_on", "saved", "secure_media",
    "secure_media_embed", "send_replies", "spoiler", "stickied", "subreddit_subscribers", "subreddit_type",
    "suggested_sort", "thumbnail", "thumbnail_height", "thumbnail_width", "top_awarded_type", "total_awards_received",
    "treatment_tags", "ups", "upvote_ratio", "user_reports", "view_count", "visited", "whitelist_status", "wls",
]  # fmt: skip
_SITES = 40_000
_VALUES: list[Any] = [None, False, True, 0, "", [], {}, "dark", "all_ads", "text"]
_SYLLABLES = [
    f"{a}{b}{c}" for a in "bdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "ea", "ou") for c in ("", "n", "r", "st")
]


def _words(chance: random.Random) -> list[str]:
    """20,000 made-up words, the frequent ones first and often."""
    return ["".join(chance.choices(_SYLLABLES, k=chance.choice((1, 2, 2, 3)))) for _ in range(20_000)]


def _text(chance: random.Random, words: list[str], number: int) -> str:
    return " ".join(words[int(20_000 ** chance.random()) - 1] for _ in range(number))


def records(layout: str, seed: int) -> Iterator[dict[str, Any]]:
    """Endless submissions of a layout."""
    chance = random.Random(f"{layout} {seed}")
    shape = LAYOUTS[layout]
    words = _words(chance)
    modern = layout == "2024"
    constant = {name: chance.choice(_VALUES) for name in (_LONG if modern else _LONG[::2])}
    subreddits = [f"{chance.choice(words)}{number}" for number in range(3_000)]
    sites = [_site(chance, words, number) for number in range(_SITES)]
    created = {"2005": 1_120_000_000, "2013": 1_370_000_000, "2024": 1_705_000_000}[layout]
    number = chance.getrandbits(30)
    while True:
        number += 1 + chance.getrandbits(2)
        created += chance.random() < 0.5
        name = _base36(number)
        subreddit = subreddits[min(int(chance.expovariate(1 / 200)), 2_999)]
        title = _text(chance, words, chance.randint(3, 16))
        slug = "_".join(title.split()[:6])
        is_self, is_media = chance.random() < shape["self"], False
        page = f"https://www.reddit.com/r/{subreddit}/comments/{name}/{slug}/"
        selftext = ""
        if is_self:
            url = page
            selftext = _text(chance, words, int(chance.expovariate(1 / 90)))
        elif chance.random() < shape["media"] / (1 - shape["self"]):
            is_media = modern and chance.random() < 0.8
            host = "i.redd.it" if is_media else chance.choice(["i.imgur.com", "www.youtube.com", "imgur.com"])
            url = f"https://{host}/{chance.getrandbits(60):x}.{chance.choice(['jpg', 'png', 'gifv'])}"
        else:
            url = _link(chance, words, sites, page)
        record = {
            "author": f"{chance.choice(words)}_{chance.getrandbits(24)}", "created_utc": created, "id": name,
            "domain": url.split("/")[2], "is_self": is_self, "over_18": chance.random() < shape["nsfw"],
            "permalink": page[22:], "score": int(chance.paretovariate(0.8)), "selftext": selftext,
            "subreddit": subreddit, "subreddit_id": f"t5_{chance.getrandbits(20):x}", "title": title, "url": url,
            **constant, "num_comments": chance.getrandbits(5), "is_video": False, "is_reddit_media_domain": is_media,
        }  # fmt: skip
        if modern:
            record |= {
                "name": f"t3_{name}", "author_fullname": f"t2_{chance.getrandbits(40):x}", "removed_by_category": None,
                "url_overridden_by_dest": url, "created": float(created), "upvote_ratio": chance.randint(50, 100) / 100,
                "retrieved_on": created + chance.getrandbits(8), "subreddit_name_prefixed": f"r/{subreddit}",
            }  # fmt: skip
            if not is_self and chance.random() < 0.8:
                preview = {"id": f"{chance.getrandbits(200):x}", **_sizes(chance, name), "variants": {}}
                if record["over_18"]:
                    preview["variants"] = {"obfuscated": _sizes(chance, name), "nsfw": _sizes(chance, name)}
                record["preview"] = {"images": [preview], "enabled": False}
        yield dict(sorted(record.items()))


def _sizes(chance: random.Random, name: str) -> dict[str, Any]:
    """A picture's addresses in seven sizes, each signed anew."""
    picture = chance.getrandbits(120)
    sizes = [
        {
            "url": f"https://external-preview.example/{picture:x}.jpg?width={width}&amp;crop=smart&amp;auto=webp&amp;"
            f"s={chance.getrandbits(160):040x}",
            "width": width, "height": width * 9 // 16,
        }
        for width in (108, 216, 320, 640, 960, 1080, 1600)
    ]  # fmt: skip
    return {"source": sizes[-1], "resolutions": sizes[:-1]}


def write_dump(path: Path, layout: str, megabytes: int, *, seed: int = 1, level: int = 6) -> int:
    """A .zst with a window of 2^31 and long-distance matching, as Pushshift made them; gives its bytes of JSON."""
    parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=31, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    written = 0
    with path.open("wb") as file, compressor.stream_writer(file, write_size=1 << 20) as writer:
        for record in records(layout, seed):
            written += writer.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
            if written >= megabytes * 1_000_000:
                break
    return written


def _link(chance: random.Random, words: list[str], sites: list[str], page: str) -> str:
    """An outbound link: of 2.8 million real ones 19 % led to Reddit, 6 % had an escaped "&", 1 % was Wikipedia."""
    draw = chance.random()
    if draw < 0.19:
        return page
    if draw < 0.20:
        return f"https://en.wikipedia.org/wiki/{chance.choice(words)}_{chance.choice(words)}"
    # Of 20,000 real links (2008, 2015, 2018) to 2,300 to 5,600 hosts, 44 to 71 % led to the first hundred.
    host = sites[int(_SITES ** chance.random()) - 1]
    path = _text(chance, words, chance.randint(1, 4)).replace(" ", "/")
    url = f"{chance.choice(['http', 'https'])}://{host}/{path}-{chance.getrandbits(24)}"
    if draw < 0.26:
        return f"{url}?id={chance.getrandbits(16)}&amp;utm_source={chance.choice(words)}"
    if draw < 0.32:
        return f"{url}?article={chance.getrandbits(30)}"
    return url + chance.choice(["", "/", ".html", ".php"])


def _site(chance: random.Random, words: list[str], number: int) -> str:
    name = f"{chance.choice(words)}{chance.choice(words)}{number % 97}"
    return (
        f"{chance.choice(['www.', 'www.', '', 'blog.'])}{name}.{chance.choice(['com', 'com', 'org', 'co.uk', 'net'])}"
    )


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits
