"""`webtext forget`: nothing of an address stays in a corpus, and nothing brings it back."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from commands import litter, status, webtext
from remains import bytes_of, everything
from small_web import write_dump
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.tombstones import Tombstones, pending, read_tombstones, write_tombstones
from webtext.crawler.fetch.archives.tables import ARCHIVE_TABLES
from webtext.crawler.fetch.lookup import look_up
from webtext.crawler.fetch.site_store import STORE_NAME, HostPace, SiteFile, SiteStore
from webtext.crawler.forgotten import Forgotten, read_addresses, tombstones_of
from webtext.crawler.reddit.urls import normalise, text_key, url_key

ADDRESSES = (
    "HTTPS://www.site1.example/articles/1/?utm_source=mail",  # a document with copies elsewhere
    "http://short.example/2",  # led to a page that another link owns
    "https://unloved.example/1",  # never had the karma
    "https://garten.example/1",  # a page, but no document
)
DOMAINS = ("site4.example", "site2.example")
TRACES = (
    b"site4.example", b"site2.example", b'articles/1"', b"unloved.example/1", b"garten.example", b"short.example",
)  # fmt: skip


# -- tombstones --------------------------------------------------------------------------------------------------------


def test_tombstones_are_hashes_and_never_addresses(tmp_path: Path) -> None:
    made = tombstones_of(["https://www.example.org/a/", "id:17", "0123456789abcdef"], ["example.com"])
    assert sorted(made.keys.tolist()) == sorted(
        [url_key("http://example.org/a"), text_key("id:17"), 0x0123456789ABCDEF]
    )
    assert made.domains.tolist() == [text_key("example.com")]
    write_tombstones(tmp_path, made)
    read = read_tombstones(tmp_path)
    assert (read.keys.tolist(), read.domains.tolist()) == (made.keys.tolist(), made.domains.tolist())
    assert b"example" not in (tmp_path / "tombstones.parquet").read_bytes()


def test_a_domain_covers_all_its_hosts_and_no_other() -> None:
    forgotten = Forgotten(tombstones_of([], ["example.org"]))
    asked = [
        "http://example.org/",
        "https://a.b.example.org/x",
        "https://example.org.evil.example/",
        "https://example.com/",
    ]
    assert [forgotten.address(normalise(url)) for url in asked] == [True, True, False, False]
    keys = np.asarray([url_key(url) for url in asked], np.uint64)
    assert forgotten.rows(keys, asked).tolist() == [True, True, False, False]
    assert not Forgotten(Tombstones()).address("https://example.org/")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("blog.example.org", "blog.example.org lies below example.org, and only whole registered domains"),
        ("https://example.org/", "'https://example.org/' is no domain"),
        ("", "'' is no domain"),
    ],
)
def test_what_is_no_registered_domain_is_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        tombstones_of([], [name])
    assert told in str(error.value)


def test_a_file_of_addresses_is_read_by_lines_and_a_wrong_line_is_named() -> None:
    assert read_addresses(b"# taken down\n\nhttps://a.example/x\nb.example/y\n0123456789abcdef\n", "f") == [
        "https://a.example/x", "b.example/y", "0123456789abcdef",
    ]  # fmt: skip
    with pytest.raises(WebtextError, match="f:2: is no address: 'what is this'"):
        read_addresses(b"a.example\nwhat is this\n", "f")


# -- a whole corpus ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forgotten(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The walk's corpus, and a run over it, made to forget."""
    path = shutil.copytree(walk.corpus, tmp_path_factory.mktemp("forgotten") / "corpus")
    shards = json.loads((path / "shards/index.json").read_bytes())["identity"]
    run = path / "runs" / "default"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"shards": shards, "decay_steps": 5}))
    (run / "log.jsonl").write_text(json.dumps({"step": 3, "loss": 2.5}) + "\n")
    read = ["https://site3.example/articles/3", "https://site4.example/articles/4"]
    keys = [f"{url_key(url):016x}" for url in read]
    skipped = {"documents": [{"key": key, "url": url} for key, url in zip(keys, read, strict=True)],
               "windows": [{"documents": keys}]}  # fmt: skip
    (run / "skipped").mkdir()
    (run / "skipped" / "step-000002.json").write_text(json.dumps(skipped))
    evaluation = run / "eval" / "step-000002"
    (evaluation / "examples").mkdir(parents=True)
    (evaluation / "examples" / "samples.jsonl").write_text("held-out texts")
    (evaluation / "results.json").write_text(json.dumps({"tasks": {"samples": {"url": read[1]}, "lambada": {}}}))
    corpus = Corpus(path)
    before = bytes_of(path, pages=True)
    seen = corpus.forget(ADDRESSES, domains=DOMAINS, dry_run=True)
    assert bytes_of(path, pages=True) == before  # a dry run changes nothing
    done = corpus.forget(ADDRESSES, domains=DOMAINS, workers=1)
    assert done.done and not seen.done
    assert (done.rows, done.runs) == (seen.rows, ("default",))
    assert done.rows == {
        "links": 12, "documents": 10, "clean": 10, "lines of dumps": 13, "pages": 12, "WARC records": 13,
        "documents in shards": 10,
    }  # fmt: skip
    return corpus


@pytest.mark.slow
def test_nothing_of_it_is_left_in_any_file(walk: Walk, forgotten: Corpus) -> None:
    before, after = everything(walk.corpus), everything(forgotten.path)
    for trace in TRACES:
        assert trace in before, trace
        assert trace not in after, trace
    assert litter(forgotten.path) == []
    assert pending(forgotten.path) is None


@pytest.mark.slow
def test_no_text_and_no_key_of_it_is_left_either(walk: Walk, forgotten: Corpus) -> None:
    """Texts also in tokens; keys, which signatures and indexes know documents by, as numbers and as bytes."""
    before = pq.read_table(walk.corpus / "documents/part-00000.parquet", columns=["key", "url", "text"]).to_pylist()
    stays = set(pq.read_table(forgotten.path / "documents/part-00000.parquet")["url"].to_pylist())
    gone = [row for row in before if row["url"] not in stays]
    others = "\n".join(row["text"] for row in before if row["url"] in stays)
    assert len(gone) == 10
    (forgotten.path / "tombstones.parquet").rename(forgotten.path.parent / "aside")  # which has the keys, and only them
    try:
        after = [everything(forgotten.path), _read_tokens(forgotten.path)]
    finally:
        (forgotten.path.parent / "aside").rename(forgotten.path / "tombstones.parquet")
    whole = [everything(walk.corpus), _read_tokens(walk.corpus)]
    for row in gone:
        key = row["key"]
        named = (str(key).encode(), key.to_bytes(8, "little"), f"{key:016x}".encode())
        assert any(name in found for name in named for found in whole)
        assert not any(name in found for name in named for found in after), row["url"]
        lines = [line for line in row["text"].splitlines() if len(line) > 40 and line not in others]
        told = [json.dumps(line)[1:-1].encode() for line in lines] + [line.encode() for line in lines]
        assert not any(line in found for line in told for found in after), row["url"]
    assert any(json.dumps(line)[1:-1].encode() in whole[0] for line in gone[0]["text"].splitlines())


def _read_tokens(corpus: Path) -> bytes:
    """The texts in the shards."""
    from tokenizers import Tokenizer

    from webtext.tokenize.shard_index import open_shards

    tokenizer = Tokenizer.from_file(str(corpus / "tokenizer/tokenizer.json"))
    shards = [shard for split in ("train", "val") for shard in open_shards(corpus / "shards", split)]
    texts = [tokenizer.decode(shard.document(n)[1:].tolist()) for shard in shards for n in range(len(shard))]
    return "\n".join(texts).encode()


@pytest.mark.slow
def test_the_corpus_has_the_bytes_of_one_that_was_told_before_its_first_run(
    walk: Walk, forgotten: Corpus, tmp_path: Path
) -> None:
    never = Corpus(tmp_path / "never")
    never.forget(ADDRESSES, domains=DOMAINS)
    never.build(walk.web.dump, replay=[walk.web.warc], workers=1, settings={"tokenize": {"vocab_size": 1_000}})
    assert bytes_of(forgotten.path) == bytes_of(never.path)
    assert forgotten.status().fingerprint == never.status().fingerprint


@pytest.mark.slow
def test_the_corpus_has_the_texts_and_tokens_of_one_whose_dump_never_named_them(
    walk: Walk, forgotten: Corpus, tmp_path: Path
) -> None:
    """Not even tombstones: the lines are cut out of the dump. What says which dump it was differs, and nothing else."""
    import zstandard

    gone = Forgotten(tombstones_of(ADDRESSES, DOMAINS))
    lines = zstandard.ZstdDecompressor().stream_reader(walk.web.dump.open("rb")).read().splitlines()

    def stays(line: bytes) -> bool:
        try:
            return not gone.address(normalise(json.loads(line)["url"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return True

    write_dump(tmp_path / "cut.zst", [line for line in lines if stays(line)])
    never = Corpus(tmp_path / "never")
    never.build(tmp_path / "cut.zst", replay=[walk.web.warc], workers=1, settings={"tokenize": {"vocab_size": 1_000}})
    mine, theirs = bytes_of(forgotten.path), bytes_of(never.path)
    for folder in (
        "links/part",
        "outcomes/pages",
        "documents/",
        "outcomes/documents",
        "clean/",
        "outcomes/clean",
        "tokenizer/",
    ):
        names = [name for name in theirs if name.startswith(folder)]
        assert names and [name for name in mine if name.startswith(folder)] == names
        assert all(mine[name] == theirs[name] for name in names), folder
    from webtext.tokenize.shard_index import open_shards

    for split in ("train", "val"):
        a, b = (open_shards(corpus.path / "shards", split) for corpus in (forgotten, never))
        assert [shard.tokens.tolist() for shard in a] == [shard.tokens.tolist() for shard in b]


@pytest.mark.slow
def test_ledger_and_archive_still_fit_and_other_pages_are_read_from_them(walk: Walk, forgotten: Corpus) -> None:
    from webtext.corpus.outcomes import Stage
    from webtext.corpus.stages import stage_manifest
    from webtext.crawler.fetch.evidence import read_evidence
    from webtext.crawler.fetch.verify import verify_pages
    from webtext.crawler.fetch.warc import read_record

    manifest = stage_manifest(forgotten.path, Stage.PAGES)
    assert manifest is not None
    verify_pages(forgotten.path, manifest)
    fetch = look_up(forgotten.path / "pages/ledger.sqlite", url_key("https://site3.example/articles/3"))
    assert fetch is not None
    (answer,) = fetch.answers
    stored = read_record(forgotten.path / "pages" / answer.segment, answer.offset, answer.length)
    assert stored.url == "https://site3.example/articles/3"
    # What was said of its use stays beside it.
    consent = [
        Corpus(path).trace(stored.url).of(Stage.PAGES).facts["consent"] for path in (walk.corpus, forgotten.path)
    ]
    assert consent[0]
    assert consent[0] == consent[1]
    said = read_evidence(forgotten.path / "pages" / answer.segment, answer.offset)
    before = look_up(walk.corpus / "pages/ledger.sqlite", url_key("https://site3.example/articles/3"))
    assert before is not None
    (place,) = before.answers
    assert said == read_evidence(walk.corpus / "pages" / place.segment, place.offset) != []
    assert look_up(forgotten.path / "pages/ledger.sqlite", url_key(ADDRESSES[0])) is None
    db = sqlite3.connect(forgotten.path / "pages/ledger.sqlite")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
def test_runs_that_read_it_are_flagged_and_rid_of_what_they_noted_of_it(forgotten: Corpus) -> None:
    noted = json.loads((forgotten.path / "runs/default/skipped/step-000002.json").read_bytes())
    assert [document["url"] for document in noted["documents"]] == ["https://site3.example/articles/3"]
    assert noted["windows"][0]["documents"] == [noted["documents"][0]["key"]]
    evaluation = forgotten.path / "runs/default/eval/step-000002"
    assert json.loads((evaluation / "results.json").read_bytes())["tasks"] == {"lambada": {}}
    assert not list((evaluation / "examples").iterdir())
    shown = forgotten.status()
    assert shown.run_notes["default"].startswith("trained on shards that held documents which were forgotten since (")
    assert shown.run_notes["default"] in str(shown)
    assert not (forgotten.path / "shards" / "older").exists()


@pytest.mark.slow
def test_a_later_month_does_not_bring_it_back(walk: Walk, forgotten: Corpus, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(forgotten.path, tmp_path / "corpus"))
    post = {"subreddit": "later", "created_utc": 1_738_400_000, "title": "later", "is_self": False, "over_18": False}
    urls = ["https://site1.example/articles/1", "http://site4.example/x", "https://unloved.example/2"]
    write_dump(tmp_path / "later.zst", [json.dumps({**post, "id": f"t{n}", "url": url, "score": 99}).encode()
                                        for n, url in enumerate(urls)])  # fmt: skip
    before = corpus.status().stages[0].outcomes["forgotten"]
    links = corpus.links(tmp_path / "later.zst", workers=1)
    assert links.outcomes["forgotten"] == before + 2
    assert corpus.trace(urls[0]).known is False
    corpus.crawl(replay=[walk.web.warc])
    assert look_up(corpus.path / "pages/ledger.sqlite", url_key(urls[2])) is not None


def test_a_redirect_to_a_forgotten_address_ends_there(walk: Walk, tmp_path: Path) -> None:
    """Told before the crawl, and told after it: the same outcome, and no record."""
    after = Corpus(shutil.copytree(walk.after["crawl"], tmp_path / "after"))
    after.forget(["https://site2.example/articles/2"], workers=1)
    before = Corpus(shutil.copytree(walk.after["links"], tmp_path / "before"))
    before.forget(["https://site2.example/articles/2"])
    before.crawl(replay=[walk.web.warc])
    for corpus in (before, after):
        fetch = look_up(corpus.path / "pages/ledger.sqlite", url_key("http://short.example/2"))
        assert fetch is not None
        assert (fetch.outcome, fetch.final_url, fetch.answers) == ("forgotten", None, ())
    assert [stage.identity for stage in before.status().stages] == [stage.identity for stage in after.status().stages]


def test_what_is_remembered_of_a_forgotten_domain_goes(walk: Walk, tmp_path: Path) -> None:
    """What a live crawl keeps of hosts in hosts.sqlite, and what an archive was asked for; other domains' stay."""
    corpus = Corpus(shutil.copytree(walk.after["crawl"], tmp_path / "corpus"))
    pages = corpus.path / "pages"
    kept, gone = "site3.example", "site4.example"
    with SiteStore.open(pages / STORE_NAME, 0.0) as store:
        for host in (kept, gone, "www.example.org"):
            store.keep_file(SiteFile(f"https://{host}/robots.txt", 1.0, body=b"User-agent: *"))
            store.keep_pace(host, HostPace(2.0, 0.0))
    urls = {host: f"https://{host}/articles/{host[4]}" for host in (kept, gone)}
    with sqlite3.connect(pages / "ledger.sqlite") as db:
        db.executescript(ARCHIVE_TABLES)
        for host, url in urls.items():
            (key,) = db.execute("SELECT key FROM links WHERE url = ?", (url,)).fetchone()
            for table in ("captures", "archive_links"):
                names = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
                row = [{"key": key, "url": url, "host": host, "next": ""}.get(name, 1) for name in names]
                db.execute(f"INSERT INTO {table} VALUES({', '.join('?' * len(row))})", row)
    db.close()
    corpus.forget([], domains=[gone, "example.org"], workers=1)
    with sqlite3.connect(pages / STORE_NAME) as db:
        assert db.execute("SELECT host FROM hosts").fetchall() == [(kept,)]
        assert db.execute("SELECT url FROM files").fetchall() == [(f"https://{kept}/robots.txt",)]
    db.close()
    with sqlite3.connect(pages / "ledger.sqlite") as db:
        for table in ("captures", "archive_links"):
            assert db.execute(f"SELECT url FROM {table}").fetchall() == [(urls[kept],)], table
    db.close()
    assert all(gone.encode() not in path.read_bytes() for path in (pages / STORE_NAME, pages / "ledger.sqlite"))


def test_a_domain_that_only_a_host_is_known_of_goes(walk: Walk, tmp_path: Path) -> None:
    """A redirect that was not followed: its robots.txt was asked for, and there is no page."""
    corpus = Corpus(shutil.copytree(walk.after["crawl"], tmp_path / "corpus"))
    with SiteStore.open(corpus.path / "pages" / STORE_NAME, 0.0) as store:
        store.keep_pace("elsewhere.example", HostPace(2.0, 0.0))
    assert not any(corpus.forget([], domains=["elsewhere.example"]).rows.values())
    assert b"elsewhere.example" not in (corpus.path / "pages" / STORE_NAME).read_bytes()


# -- as a command ------------------------------------------------------------------------------------------------------


def test_the_command_wants_a_yes_and_goes_on_where_it_was_stopped(walk: Walk, at, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    corpus = at("crawl")
    refused = webtext("forget", corpus, "--domain", "site4.example", expect=2)
    assert "0 addresses and 1 domain: 4 links" in refused.stderr
    assert "needs --yes where nobody can be asked" in refused.stderr
    assert read_tombstones(corpus).domains.tolist() == []
    killed = webtext("forget", corpus, "--domain", "site4.example", "--yes", fault="forget.noted:1", expect=None)
    assert killed.returncode == -signal.SIGKILL
    told = "is being made to forget addresses, and that is not finished"
    assert told in webtext("crawl", corpus, "--replay", walk.web.warc, expect=1).stderr
    webtext("forget", corpus)
    assert status(corpus)["stages"]["links"]["outcomes"]["forgotten"] == 4
    assert litter(corpus) == []


@pytest.mark.kill
@pytest.mark.parametrize(
    ("point", "turn"),
    [("forget.segments", 1), ("forget.ledger", 1), ("forget.stage", 4), ("stage.moved", 3)],
)
def test_killed_while_forgetting(walk: Walk, forgotten: Corpus, tmp_path: Path, point: str, turn: int) -> None:
    corpus = shutil.copytree(walk.corpus, tmp_path / "corpus")
    (tmp_path / "list.txt").write_text("\n".join(ADDRESSES))
    flags = ("--urls", tmp_path / "list.txt", *(word for name in DOMAINS for word in ("--domain", name)), "--yes")
    killed = webtext("forget", corpus, *flags, "--workers", 1, fault=f"{point}:{turn}", expect=None)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    webtext("forget", corpus, "--workers", 1)
    assert bytes_of(corpus) == bytes_of(forgotten.path)
    after = everything(corpus)
    assert [trace for trace in TRACES if trace in after] == []
    assert Corpus(corpus).status().fingerprint == forgotten.status().fingerprint
    assert litter(corpus) == []
