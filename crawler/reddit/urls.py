"""What a posted URL is (its normal form), and when two of them are the same link (identity form and key).

Not for asking whether a link should be followed: that is `webtext.crawler.reddit.select`.
"""

from __future__ import annotations

import functools
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

import ada_url
import xxhash

if TYPE_CHECKING:
    from tldextract import TLDExtract

RULES = {"url": 1}
"""Rises with any change of what `normalise` or `identity_form` give."""

MAX_CHARACTERS = 4_096  # dumps hold URLs of up to 511,885; servers and browsers stop between 2,000 and 8,000

# What Reddit's API escapes in every string unless raw_json=1 is asked for (reddit.com/dev/api, "response body
# encoding"). Not html.unescape: that turns the unescaped "?a=1&copy=2" into "?a=1©=2".
_ENTITY = re.compile(r"&(amp|lt|gt);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}

# The usable ones among ada's normal forms: no credentials, and a host name as RFC 1123 has it (the underscore is common
# in practice); the WHATWG URL standard alone lets a host keep "&", ";", "!" and more.
_USABLE = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?/")

_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
# RFC 3986, section 6.2.2: hex digits upper-case, unreserved characters not encoded.
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# Parameters that name a campaign, a click, a mail or its reader and never the page. Each is global (used on any site)
# and documented by its vendor, or listed by the query filters of Brave (brave-core, components/query_filter), Firefox
# (query stripping) or AdGuard (TrackParamFilter, general_url). Lower-case: names are compared without case.
TRACKING_PREFIXES = (
    "utm_",  # Google Analytics, "Campaign URL builder"
    "mtm_", "matomo_", "pk_", "piwik_",  # Matomo
    "hsa_",  # HubSpot ads
    "oft_",  # Omeda
)  # fmt: skip
TRACKING_PARAMETERS = frozenset({
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "srsltid", "gad_source", "gad_campaignid", "_ga", "_gl",  # Google
    "fbclid", "fb_action_ids", "fb_action_types", "fb_comment_id", "fb_ref", "fb_source",  # Facebook
    "igshid", "igsh",  # Instagram
    "ref_src", "ref_url", "twclid",  # Twitter
    "msclkid", "ttclid", "li_fat_id", "rdt_cid", "epik",  # Microsoft, TikTok, LinkedIn, Reddit, Pinterest
    "yclid", "ymclid", "ysclid", "_openstat",  # Yandex
    "mc_cid", "mc_eid",  # Mailchimp
    "_hsenc", "_hsmi", "__hsfp", "__hssc", "__hstc", "hsctatracking",  # HubSpot
    "mkt_tok", "_kx", "__s", "et_rid", "vero_id", "vero_conv",  # Marketo, Klaviyo, Drip, Salesforce, Vero
    "oly_anon_id", "oly_enc_id", "ml_subscriber", "ml_subscriber_hash",  # Omeda, MailerLite
    "s_cid", "s_kwcid", "ef_id", "irclickid", "rb_clickid", "wickedid",  # Adobe, Impact, Rollbar, Wicked Reports
    "_branch_match_id", "_branch_referrer", "guce_referrer", "guce_referrer_sig",  # Branch, Yahoo
})  # fmt: skip


class UnusableURL(ValueError):
    """A posted text that no crawler can follow; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def normalise(raw: str) -> str:
    """The posted URL as it is asked for: unescaped once, in WHATWG normal form, without fragment.

    Idempotent: an entity that is still there after one unescaping (the poster's own "&amp;") keeps its meaning as
    "&amp%3B". Tracking parameters stay.

    Raises:
        UnusableURL: not a URL, another scheme than http(s), no host, credentials, or more than 4,096 characters.
    """
    text = _ENTITY.sub(_character, raw).strip() if "&" in raw else raw.strip()
    if len(text) > MAX_CHARACTERS:
        raise _too_long(len(text))
    try:
        url: str = ada_url.normalize_url(text)
    except ValueError:
        raise UnusableURL(_why_invalid(text)) from None
    if not _USABLE.match(url):
        raise UnusableURL(_why_unusable(url))
    if "#" in url:
        url = url.partition("#")[0]
    if "&" in url:
        url = _ENTITY.sub(r"&\1%3B", url)
    if len(url) > MAX_CHARACTERS:
        raise _too_long(len(url))
    return url


def identity_form(url: str) -> str:
    """What two URLs share if they are the same link.

    No scheme, no `www.`, no port 80 or 443, no tracking parameters, no trailing slash; query parameters sorted; percent
    encoding as in RFC 3986, section 6.2.2; the host lower-case in its IDNA form, without the root's dot.

    Raises:
        UnusableURL: as `normalise`.
    """
    return _identity(normalise(url))


def url_key(url: str) -> int:
    """The key (uint64) of any text: xxh3_64, seed 0, of its identity form; of the text itself where it is unusable."""
    try:
        return key_of_normalised(normalise(url))
    except UnusableURL:
        return text_key(url)


def key_of_normalised(url: str) -> int:
    """`url_key` of a URL that `normalise` gave, without normalising it again."""
    return xxhash.xxh3_64_intdigest(_identity(url).encode())


def text_key(text: str) -> int:
    """xxh3_64, seed 0, of the UTF-8 of `text` (uint64)."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "replace"))


def host_of(url: str) -> str:
    """The host of a URL that `normalise` gave: lower-case, without port; IPv6 in brackets."""
    return _without_port(url.partition("://")[2].partition("/")[0])[0]


def path_of(url: str) -> str:
    """The path of a URL that `normalise` gave, without its query."""
    return "/" + url.partition("://")[2].partition("?")[0].partition("/")[2]


def registered_domain(host: str) -> str:
    """The domain under which one owner registered `host`; the host itself for addresses and bare names.

    From tldextract's bundled snapshot of the Public Suffix List: no network, no cache folder. Private suffixes count
    (alice.github.io is not bob.github.io): the pages below them belong to different people, and what is decided by
    domain (blocking, courtesy, a corpus's balance) should be decided by owner.
    """
    name = host.rstrip(".")
    if name.startswith("["):
        return name
    found: str = _suffixes().extract_str(name).top_domain_under_public_suffix
    return found or name


def suffix_list() -> str:
    """Which Public Suffix List `registered_domain` goes by: the release of tldextract that bundles it.

    It is no rule: rules refuse a corpus that was made with others, and a newer list touches the column `domain` alone,
    of a few links; their files, and so the stage's identity, then differ as they should.
    """
    return f"tldextract {version('tldextract')}"  # from its metadata: nothing is imported


@functools.cache
def _suffixes() -> TLDExtract:
    from tldextract import TLDExtract  # imports requests: 0.2 s

    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)


def _identity(url: str) -> str:
    rest, _, query = url.partition("://")[2].partition("?")
    authority, _, path = rest.partition("/")
    host, port = _without_port(authority)
    host = host.rstrip(".") or host
    if host.startswith("www.") and "." in host[4:]:
        host = host[4:]
    # The scheme does not count, so neither does either scheme's port.
    form = host if port in ("", "80", "443") else f"{host}:{port}"
    path = _percent(path).rstrip("/")
    if path:
        form = f"{form}/{path}"
    if query:
        parameters = sorted(filter(None, map(_parameter, _percent(query).split("&"))))
        if parameters:
            form = f"{form}?{'&'.join(parameters)}"
    return form


def _parameter(text: str) -> str:
    """A query parameter as it is compared, "" for one that does not count."""
    # Links copied out of HTML source: "&amp;" was escaped once too often, and browsers made "&amp%3B" of some.
    while text.startswith(("amp;", "amp%3B")):
        text = text[4:] if text[3] == ";" else text[6:]
    name = text.partition("=")[0].lower()
    return "" if name in TRACKING_PARAMETERS or name.startswith(TRACKING_PREFIXES) else text


def _percent(text: str) -> str:
    return _PERCENT.sub(_octet, text) if "%" in text else text


def _octet(match: re.Match[str]) -> str:
    character = chr(int(match.group(1), 16))
    return character if character in _UNRESERVED else match.group(0).upper()


def _character(match: re.Match[str]) -> str:
    return _ENTITIES[match.group(1)]


def _without_port(authority: str) -> tuple[str, str]:
    if authority.endswith("]") or ":" not in authority:
        return authority, ""
    host, _, port = authority.rpartition(":")
    return host, port


def _too_long(characters: int) -> UnusableURL:
    return UnusableURL(f"{characters:,} characters; at most {MAX_CHARACTERS:,} are followed")


def _why_unusable(url: str) -> str:
    scheme, _, rest = url.partition(":")
    if scheme not in ("http", "https"):
        return f"scheme {scheme[:40]}"
    return "credentials in the URL" if "@" in rest.split("/")[2] else "no host name"


def _why_invalid(text: str) -> str:
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):[/\\]*", text)
    if found is None:
        return "not a URL" if text else "no URL"
    if found.group(1).lower() not in ("http", "https"):
        return f"scheme {found.group(1).lower()[:40]}"
    rest = text[found.end() :]
    return "no host" if not rest or rest[0] in "?#:" else "not a URL"
