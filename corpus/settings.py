"""The settings of every section of webtext.toml, each with its default and its meaning.

What a setting marked `shapes` says goes into the identity of its stage; the others (workers, speed, courtesy) may
change at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Value = str | int | float | bool | tuple[str, ...]


def setting(
    default: Value,
    meaning: str,
    *,
    shapes: bool = True,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a settings class: its default, its meaning, whether it shapes content, and what is allowed."""
    return field(
        default=default, metadata={"meaning": meaning, "shapes": shapes, "low": low, "high": high, "choices": choices}
    )


@dataclass(frozen=True)
class LinksSettings:
    """[links]: which submissions' links are followed."""

    min_karma: int = setting(3, "the least karma a link needs (the GPT-2 paper: 3)", low=-1_000_000)
    karma_policy: str = setting(
        "max", "karma of a link posted several times: its best submission, their sum, or the first",
        choices=("max", "sum", "first"),
    )  # fmt: skip
    nsfw: bool = setting(False, "follow links of submissions marked over 18")
    removed: bool = setting(False, "follow links of submissions that moderators or Reddit removed")
    media: bool = setting(False, "follow links to images, videos and sound, and to the hosts of such")
    reddit: bool = setting(False, "follow links to Reddit's own pages; self posts are such links")
    wikipedia: bool = setting(False, "follow links to Wikipedia")
    crossposts: bool = setting(True, "count a crosspost to the link of the submission it repeats; false: leave it out")
    only_domains: tuple[str, ...] = setting((), "registered domains or hosts; if any, no other links are followed")
    only_subreddits: tuple[str, ...] = setting((), "subreddits; if any, no others' submissions are read")
    block_domains: tuple[str, ...] = setting((), "registered domains or hosts whose links are not followed")
    block_subreddits: tuple[str, ...] = setting((), "subreddits whose submissions are not read")
    block_endings: tuple[str, ...] = setting((), 'endings of paths that are not followed, like ".pdf"')
    outcomes: str = setting(
        "auto", "a row for each line that is not kept (all), or their counts only; auto: all up to 10 million rows",
        choices=("auto", "all", "counts"),
    )  # fmt: skip


SOURCES = ("live", "commoncrawl", "wayback")

# Known to collect for training; not those that fetch a page because a person asked for it, nor search engines.
# Operators change their names: compare the list with their own pages; `crawl.ai_agents` takes another.
AI_AGENTS = (
    "AI2Bot", "Amazonbot", "anthropic-ai", "Applebot-Extended", "Bytespider", "CCBot", "ClaudeBot", "cohere-ai",
    "cohere-training-data-crawler", "Diffbot", "FacebookBot", "Google-Extended", "GPTBot", "ImagesiftBot",
    "Meta-ExternalAgent", "omgili", "omgilibot", "PanguBot", "Timpibot", "Webzio-Extended",
)  # fmt: skip


@dataclass(frozen=True)
class CrawlSettings:
    """[crawl]: how pages are fetched. Only what decides an outcome shapes content."""

    user_agent: str = setting("webtext/0.1", "what we call ourselves; robots.txt rules for webtext apply", shapes=False)
    contact: str = setting("", "an e-mail address or URL for the people whose servers we visit", shapes=False)
    sources: tuple[str, ...] = setting(
        SOURCES, "where a link is looked for, in this order; the next one where its page is gone", shapes=False,
        choices=SOURCES,
    )  # fmt: skip
    host_sources: tuple[str, ...] = setting(
        (), 'orders of single hosts or domains, like "github.com = commoncrawl, wayback, live"', shapes=False
    )
    archive_first: int = setting(
        0, "hosts with more links than this are looked for in the archives first, then live; 0: none", shapes=False,
        low=0,
    )  # fmt: skip
    keep_pages: str = setting(
        "all", "until-extracted: the bodies of pages are deleted once documents/ is made of them", shapes=False,
        choices=("all", "until-extracted"),
    )  # fmt: skip
    obey_robots: bool = setting(True, "obey robots.txt (RFC 9309)")
    max_crawl_delay: float = setting(
        300.0, "a host whose robots.txt asks for more seconds between requests is not visited", low=0, high=86_400
    )
    opt_out: tuple[str, ...] = setting(
        ("noai", "noimageai", "noml"), "words in X-Robots-Tag or meta robots that keep a page out; noindex and "
        "noarchive may be among them",
    )  # fmt: skip
    ai_agents: tuple[str, ...] = setting(
        AI_AGENTS, "crawlers for training whose own group in robots.txt, or name in X-Robots-Tag, speaks to us, too",
    )  # fmt: skip
    tdm: bool = setting(True, "keep out what is reserved from text and data mining (the W3C's TDMRep)")
    ai_txt: bool = setting(True, "keep out what a site's ai.txt disallows")
    timeout: float = setting(30.0, "seconds one answer may take in all", shapes=False, low=0.1, high=600)
    max_bytes: int = setting(10_000_000, "the largest body that is kept, as sent", low=1_000)
    max_decoded: int = setting(20_000_000, "the largest body that is kept, without its Content-Encoding", low=1_000)
    max_redirects: int = setting(10, "how many redirects are followed", low=0, high=30)
    concurrency: int = setting(64, "requests under way at once", shapes=False, low=1, high=4_096)
    delay: float = setting(1.0, "seconds between two requests to one host", shapes=False, low=0, high=3_600)
    retries: int = setting(
        1, "further tries after a network failure, a 5xx answer or 429", shapes=False, low=0, high=10
    )
    min_free: int = setting(2_000_000_000, "bytes of disk that stay free; below, a crawl waits", shapes=False, low=0)
    disk_patience: float = setting(3_600.0, "seconds that it waits for room before it stops", shapes=False, low=0)


@dataclass(frozen=True)
class ArchivesSettings:
    """[archives]: how Common Crawl and the Wayback Machine are asked for pages that are gone."""

    max_requests: int = setting(10_000, "requests to one archive in one run; the rest waits", shapes=False, low=0)
    max_days: int = setting(
        0, "captures further from the submission than this are not taken; 0: any", shapes=False, low=0
    )
    commoncrawl_index: tuple[str, ...] = setting(
        (), "files or folders of its columnar index (Parquet); if any, its index server is not asked", shapes=False
    )
    commoncrawl_warcs: str = setting(
        "", "a folder with its WARC files; what is not in it comes from commoncrawl_data", shapes=False
    )
    commoncrawl_api: str = setting("https://index.commoncrawl.org", "its index server", shapes=False)
    commoncrawl_data: str = setting("https://data.commoncrawl.org", "the server of its WARC files", shapes=False)
    commoncrawl_delay: float = setting(2.0, "seconds between two requests to them", shapes=False, low=0, high=3_600)
    commoncrawl_crawls: int = setting(
        3,
        "how many of its crawls, those nearest to the submission, are asked for a link",
        shapes=False,
        low=1,
        high=1_000,
    )
    wayback_api: str = setting("https://web.archive.org", "the Wayback Machine", shapes=False)
    wayback_delay: float = setting(
        3.0, "seconds between two requests to it (it allows 24 a minute)", shapes=False, low=0, high=3_600
    )


LANGUAGES = (
    "any", "af", "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he",
    "hi", "hr", "hu", "id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "ml", "mr", "ne", "nl", "no", "pa", "pl", "pt",
    "ro", "ru", "sk", "sl", "so", "sq", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh-cn", "zh-tw",
)  # fmt: skip
"""The languages of langdetect's profiles; `any` keeps all."""


PRESETS = ("webtext", "openwebtext", "c4", "gopher", "fineweb")


@dataclass(frozen=True)
class ExtractSettings:
    """[extract]: what becomes a document."""

    languages: tuple[str, ...] = setting(
        ("en",), "the languages that stay, as langdetect names them; any keeps all", choices=LANGUAGES
    )
    min_language_score: float = setting(0.9, "langdetect's least probability for it", low=0, high=1)
    min_words: int = setting(40, "documents with fewer words are too short", low=0)
    quality: tuple[str, ...] = setting(
        ("webtext",), "sets of quality rules: those of the paper (none), of other corpora, or several", choices=PRESETS
    )
    cpu_seconds: float = setting(10.0, "processor time one page may take", low=0.1, high=3_600)
    max_html: int = setting(5_000_000, "bytes of decoded HTML that are looked at", low=10_000)
    openwebtext_min_tokens: int = setting(128, "pieces of GPT-2's pattern (Gokaslan and Cohen 2019)", low=0)
    c4_min_sentences: int = setting(5, "sentences in lines that C4 keeps (Raffel et al. 2020, 2.2)", low=0)
    c4_max_curly_brackets: int = setting(0, "curly brackets (Raffel et al. 2020, 2.2)", low=0)
    c4_max_lorem_ipsum: int = setting(0, "times lorem ipsum (Raffel et al. 2020, 2.2)", low=0)
    gopher_min_words: int = setting(50, "words (Rae et al. 2021, A1.1, and so below)", low=0)
    gopher_max_words: int = setting(100_000, "words", low=0)
    gopher_min_mean_word: float = setting(3.0, "mean length of a word", low=0)
    gopher_max_mean_word: float = setting(10.0, "mean length of a word", low=0)
    gopher_max_hashes: float = setting(0.1, "hash signs a word", low=0)
    gopher_max_ellipses: float = setting(0.1, "ellipses a word", low=0)
    gopher_max_bullet_lines: float = setting(0.9, "share of lines that begin with a bullet", low=0, high=1)
    gopher_max_ellipsis_lines: float = setting(0.3, "share of lines that end with an ellipsis", low=0, high=1)
    gopher_min_alphabetic_words: float = setting(0.8, "share of words with a letter", low=0, high=1)
    gopher_min_stop_words: int = setting(2, "how many of: the be to of and that have with", low=0, high=8)
    gopher_max_duplicate_lines: float = setting(0.3, "share of lines that came before (table A1)", low=0, high=1)
    gopher_max_duplicate_paragraphs: float = setting(0.3, "share of paragraphs that came before", low=0, high=1)
    gopher_max_duplicate_line_characters: float = setting(0.2, "share of characters in such lines", low=0, high=1)
    gopher_max_duplicate_paragraph_characters: float = setting(0.2, "and in such paragraphs", low=0, high=1)
    gopher_max_top_2grams: float = setting(0.2, "share of characters in the most frequent 2-gram", low=0)
    gopher_max_top_3grams: float = setting(0.18, "in the most frequent 3-gram", low=0)
    gopher_max_top_4grams: float = setting(0.16, "in the most frequent 4-gram", low=0)
    gopher_max_duplicate_5grams: float = setting(0.15, "share of characters in 5-grams that came before", low=0, high=1)
    gopher_max_duplicate_6grams: float = setting(0.14, "in 6-grams that came before", low=0, high=1)
    gopher_max_duplicate_7grams: float = setting(0.13, "in 7-grams that came before", low=0, high=1)
    gopher_max_duplicate_8grams: float = setting(0.12, "in 8-grams that came before", low=0, high=1)
    gopher_max_duplicate_9grams: float = setting(0.11, "in 9-grams that came before", low=0, high=1)
    gopher_max_duplicate_10grams: float = setting(0.1, "in 10-grams that came before", low=0, high=1)
    fineweb_min_sentences: int = setting(5, "sentences, however lines end (Penedo et al. 2024, 3.6)", low=0)
    fineweb_min_punctuated_lines: float = setting(0.12, "more than this share of lines ends with a mark", low=0, high=1)
    fineweb_max_short_lines: float = setting(0.67, "less than this share has under 30 characters", low=0, high=1)
    fineweb_max_duplicate_line_characters: float = setting(0.1, "less than this share in repeated lines", low=0, high=1)


@dataclass(frozen=True)
class ImportSettings:
    """[imports]: how the rows of files become documents."""

    text_column: str = setting("", "the column of texts; empty: text, content, raw_content or body", shapes=False)
    id_column: str = setting("", "the column of ids; empty: id, _id or doc_id; none: no column", shapes=False)
    url_column: str = setting(
        "", "the column of addresses; empty: url, uri or source_url; none: no column", shapes=False
    )
    apply_rules: bool = setting(False, "apply the rules of [extract] (language, length, quality) to rows, too")


@dataclass(frozen=True)
class DedupSettings:
    """[dedup]: which documents are copies."""

    threshold: float = setting(0.7, "shingle Jaccard from which a document is a near copy", low=0.1, high=1)
    shingle_words: int = setting(5, "words a shingle", low=1, high=50)
    permutations: int = setting(128, "MinHash permutations", low=16, high=1_024)
    band_rows: int = setting(6, "signature rows a band: fewer find more candidates, all of which are verified", low=1)
    seed: int = setting(1, "seed of the permutations (datasketch's default)", low=0, high=2**32 - 1)
    wikipedia: bool = setting(True, "remove copies of Wikipedia pages")
    wikipedia_index: str = setting("", "an index of articles (webtext wikipedia index): copies are found by content")
    wikipedia_containment: float = setting(
        0.5, "share of a document's n-grams in one article from which it is a copy", low=0.05, high=1
    )
    decontaminate: tuple[str, ...] = setting((), "test sets (PATH or KIND=PATH) whose text may not be in the corpus")
    decontaminate_by: str = setting(
        "remove", "take out documents that hold test text, or excise it (GPT-3's rule)", choices=("remove", "excise")
    )
    decontaminate_words: int = setting(13, "words in a row of a test set that are such text", low=1, high=100)
    decontaminate_window: int = setting(200, "characters on both sides that are excised with it", low=0)


@dataclass(frozen=True)
class TokenizeSettings:
    """[tokenize]: how documents become tokens."""

    tokenizer: str = setting("train", "train, gpt2 (found, or gpt2:PATH), or a folder that holds a tokenizer")
    vocab_size: int = setting(
        50_257, "tokens of a trained vocabulary, <|endoftext|> included; less where the text yields less",
        low=257, high=65_535,
    )  # fmt: skip
    sample_bytes: int = setting(2_000_000_000, "text a tokenizer is trained on: a seeded sample", low=1_000)
    validation: float = setting(0.01, "share of the documents held out, by hash of their key", low=0, high=0.5)
    salt: str = setting("webtext", "salt of that hash")
    shard_tokens: int = setting(100_000_000, "tokens a shard, about", low=1_000)
    engine: str = setting(
        "auto", "what encodes: auto is gigatoken where it proves equal to tiktoken", shapes=False,
        choices=("auto", "tiktoken"),
    )  # fmt: skip


@dataclass(frozen=True)
class TrainSettings:
    """[train]: what a run uses where no flag says otherwise. None of it shapes the corpus."""

    preset: str = setting(
        "124M", "the model; the paper's and Hugging Face's names are understood, too", shapes=False,
        choices=(
            "tiny", "124M", "355M", "774M", "1558M", "117M", "345M", "762M", "1542M",
            "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl",
        ),
    )  # fmt: skip
    seed: int = setting(1, "seed of initialisation and of the order of windows", shapes=False, low=0)


@dataclass(frozen=True)
class EngineSettings:
    """[engine]: what carries the pipelines. It decides where the work is done, never what comes out."""

    name: str = setting(
        "local", "the engine", shapes=False, choices=("local", "dask", "flink", "spark", "dataflow", "portable"),
    )  # fmt: skip
    address: str = setting(
        "", "of a scheduler (dask), a master (flink, spark) or a job service (portable)", shapes=False
    )
    options: tuple[str, ...] = setting((), "options of Beam's runner, each NAME=VALUE", shapes=False)
