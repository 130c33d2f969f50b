"""`webtext trace`: every link's way and end, in any spelling, at any moment of a corpus's life."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from commands import command, environment, webtext
from small_web import write_dump
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import DamagedFile, UsageError
from webtext.corpus.files import write_json
from webtext.corpus.lock import corpus_lock
from webtext.corpus.manifests import read_manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import key_text
from webtext.crawler.reddit.urls import url_key
from webtext.trace_text import trace_text
from webtext.traces import Trace
from webtext.tracing import trace_key

ORDER = [str(stage) for stage in Stage]
KEPT = "https://site0.example/articles/0"
COPY = "http://syndicate.example/story/0"


def states(trace: Trace) -> list[str]:
    return [stage.state for stage in trace.stages]


@pytest.fixture
def corpus(walk: Walk) -> Corpus:
    return Corpus(walk.corpus)


def test_every_link_is_traced_to_its_end(walk: Walk, corpus: Corpus) -> None:
    for url, expected in walk.web.expected.items():
        trace = corpus.trace(url)
        assert trace.known, url
        if expected == "document":
            assert trace.end is None, url
            assert states(trace) == ["passed"] * 5, url
        else:
            assert trace.end is not None, url
            assert trace.end.outcome == expected, url
            place = ORDER.index(trace.end.stage)
            assert states(trace) == ["passed"] * place + ["ended"] + ["not reached"] * (4 - place), url
        assert trace_text(trace).splitlines()[0] == trace.url


def test_a_document_with_everything_that_is_known_of_it(walk: Walk, corpus: Corpus) -> None:
    trace = corpus.trace("http://www.site3.example/articles/3?utm_campaign=again#part")
    assert trace.url == "https://site3.example/articles/3"
    assert trace.key == key_text(url_key(trace.url))
    assert not any(stage.outdated for stage in trace.stages)
    facts = {stage.stage: stage.facts for stage in trace.stages}
    assert [(post["id"], post["score"]) for post in facts["links"]["submissions"]] == [("s00003", 8), ("s00048", 3)]
    assert facts["links"]["karma"] == 8
    (answer,) = facts["pages"]["answers"]
    assert (answer["status"], answer["mime"], answer["url"]) == (200, "text/html", trace.url)
    segment = walk.corpus / "pages" / answer["segment"]
    member = segment.read_bytes()[answer["offset"] : answer["offset"] + answer["length"]]
    assert member.startswith(b"\x1f\x8b")
    assert [said["where"] for said in facts["pages"]["consent"]] == ["robots.txt", "tdmrep.json", "ai.txt"]
    assert facts["pages"]["consent"][1]["said"] == "none in what is replayed"
    assert facts["documents"]["title"] == "Article 3"
    assert facts["documents"]["record_id"] == answer["record_id"]
    assert facts["documents"]["words"] > 200
    assert facts["clean"]["copies"] == 0
    assert facts["shards"]["split"] in ("train", "val")
    text = trace_text(trace)
    assert "asked for as http://www.site3.example/articles/3?utm_campaign=again#part" in text
    assert "s00048  r/small  score 3  2025-01-01 02:54:08" in text
    assert f"{answer['segment']} at {answer['offset']:,}" in text
    assert "what was said of its use:" in text
    assert all(f"{said['where']}: {said['said']}" in text for said in facts["pages"]["consent"])


def test_the_tokens_lie_where_it_says(walk: Walk, corpus: Corpus) -> None:
    from webtext.tokenize.shard_index import open_shards
    from webtext.tokenize.shards import Shard

    place = corpus.trace(KEPT).of(Stage.SHARDS).facts
    shard = Shard.open(walk.corpus / "shards" / place["shard"])
    assert int(shard.keys[place["row"]]) == url_key(KEPT)
    tokens = shard.document(place["row"])
    assert len(tokens) == place["tokens"]
    stream = [token for found in open_shards(walk.corpus / "shards", place["split"]) for token in found.tokens]
    assert stream[place["start"] : place["start"] + place["tokens"]] == tokens.tolist()


def test_a_redirect_shows_every_hop_and_whose_page_it_is(corpus: Corpus) -> None:
    trace = corpus.trace("http://short.example/2")
    answers = trace.of(Stage.PAGES).facts["answers"]
    assert [(found["status"], found["url"]) for found in answers] == [
        (301, "http://short.example/2"),
        (200, "https://site2.example/articles/2"),
    ]
    assert trace.of(Stage.PAGES).facts["final_url"] == "https://site2.example/articles/2"
    assert trace.end is not None
    assert trace.end.detail.endswith("https://site2.example/articles/2")


def test_what_was_dropped_keeps_its_evidence(corpus: Corpus) -> None:
    for url, evidence in (
        ("https://closed.example/a", "robots: disallowed by robots.txt"),
        ("https://optout.example/a", "opt-out: noai in X-Robots-Tag"),
        ("https://optout.example/b", "opt-out: noai in meta robots"),
        ("https://broken.example/404", "http-error: status 404"),
        ("https://mirror.example/Snakes", "wikipedia: copy of Wikipedia: "),
        ("https://garten.example/1", "language: de"),
        ("https://unloved.example/1", "karma: karma 1"),
    ):
        assert evidence in trace_text(corpus.trace(url)), url
    (post,) = corpus.trace("https://unloved.example/1").of(Stage.LINKS).facts["submissions"]
    assert (post["score"], post["subreddit"]) == (1, "small")


def test_a_copy_is_shown_beside_the_one_that_stays(corpus: Corpus) -> None:
    trace = corpus.trace(COPY, diff=True)
    clean = trace.of(Stage.CLEAN)
    assert (clean.outcome, clean.facts["keeper_url"], clean.facts["keeper"]) == (
        "near-duplicate", KEPT, key_text(url_key(KEPT)),
    )  # fmt: skip
    assert 0.9 < clean.facts["jaccard"] < 1
    assert trace.diff[0] == f"--- kept {KEPT} (key {key_text(url_key(KEPT))})"
    assert trace.diff[1] == f"+++ removed {COPY} (key {trace.key})"
    assert sum("{+This story first appeared elsewhere.+}" in line for line in trace.diff) == 1
    assert not any("[-" in line for line in trace.diff)
    assert f"stays instead: {KEPT}" in trace_text(trace)
    # The same pair, asked from its other side.
    other = corpus.trace(KEPT, diff=True)
    (copy,) = other.of(Stage.CLEAN).facts["removed_for_it"]
    assert (copy["url"], copy["why"], copy["jaccard"]) == (COPY, "near-duplicate", clean.facts["jaccard"])
    assert other.diff == trace.diff
    assert "stays, and 1 copy of it went" in trace_text(other)


def test_equal_texts_and_no_pair_are_said_so(corpus: Corpus) -> None:
    assert corpus.trace("https://site1.example/print/1", diff=True).diff == (
        "the texts are equal, character by character",
    )
    for url in ("https://site2.example/articles/2", "https://mirror.example/Snakes", "https://dead.example/"):
        trace = corpus.trace(url, diff=True)
        assert trace.diff == ()
        assert trace_text(trace, diff=True).splitlines()[-1].startswith("no diff: ")


def test_a_key_does_as_well(corpus: Corpus) -> None:
    key = key_text(url_key(KEPT))
    assert corpus.trace(key=key).stages == corpus.trace(key=key.upper()).stages == corpus.trace(KEPT).stages
    for wrong in ("abc", key + "0", "0x" + key[2:], KEPT):
        with pytest.raises(UsageError, match="is no key"):
            corpus.trace(key=wrong)
    with pytest.raises(UsageError, match="an address or a key"):
        corpus.trace(KEPT, key=key)


@pytest.mark.parametrize(
    "url",
    [
        f"{KEPT}?page=1", f"{KEPT}.html", f"{KEPT}/index.html", f"{KEPT}/amp", f"{KEPT}).",
        "https://m.site0.example/articles/0", "https://site0.example/Articles/0", "m.site0.example/articles/0/",
    ],
)  # fmt: skip
def test_an_address_that_was_never_seen_is_told_with_the_nearest_that_was(corpus: Corpus, url: str) -> None:
    trace = corpus.trace(url)
    assert not trace.known
    assert (key_text(url_key(KEPT)), KEPT) in trace.near
    text = trace_text(trace)
    assert "never seen: no line of the dumps names this address in any spelling" in text
    assert f"  {KEPT}  (key " in text


def test_an_address_without_its_scheme_will_do(corpus: Corpus) -> None:
    assert corpus.trace("www.site0.example/articles/0/").stages == corpus.trace(KEPT).stages


def test_nothing_near_is_nothing(corpus: Corpus) -> None:
    trace = corpus.trace("https://nowhere.example/a/b?c=d#e")
    assert (trace.known, trace.near, trace.leading_here, trace.url) == (False, (), (), None)
    assert states(trace) == ["not reached", *["not run"] * 4] or states(trace) == ["not reached"] * 5
    assert "counted and leave no row" in trace_text(trace)


def test_a_corpus_that_only_counts_its_rejected_links_says_so(walk: Walk, tmp_path: Path) -> None:
    folder = shutil.copytree(walk.after["links"], tmp_path / "corpus")
    manifest = read_manifest(folder / "links" / "stage.json")
    gone = [name for name in manifest.files if not name.startswith("links/part-")]
    for name in gone:
        (folder / name).unlink()
    files = {name: digest for name, digest in manifest.files.items() if name not in gone}
    counts = replace(manifest, files=files, facts={**manifest.facts, "outcomes": "counts"})
    write_json(folder / "links" / "stage.json", counts.to_json())
    text = trace_text(trace_key(folder, url_key("https://unloved.example/1")))
    assert "no link: never seen, or rejected (rejected links are counted only, in this corpus)" in text
    assert trace_key(folder, url_key(KEPT)).known


def test_at_each_stage_of_a_corpus_it_says_what_comes_next(walk: Walk) -> None:
    commands = ["links", "crawl", "extract", "dedup", "tokenize"]
    for number, made in enumerate(commands[:-1], start=1):
        corpus = Corpus(walk.after[made])
        trace = corpus.trace(KEPT)
        assert states(trace) == ["passed"] * number + ["not run"] * (5 - number)
        following = commands[number]
        assert f"on its way: passed {ORDER[number - 1]}; next is webtext {following}" in trace_text(trace)
        assert f"not yet: webtext {following} {corpus.path}" in trace_text(trace)
        assert states(corpus.trace("https://unloved.example/1")) == ["ended"] + ["not reached"] * 4


def test_an_empty_corpus_knows_nothing_yet(tmp_path: Path) -> None:
    trace = Corpus(tmp_path / "new").trace(KEPT)
    assert states(trace) == ["not run"] * 5
    assert "not known: links is not finished" in trace_text(trace)


def test_a_crawl_under_way_is_unfinished(walk: Walk, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(walk.after["crawl"], tmp_path / "corpus"))
    ledger = corpus.path / "pages" / "ledger.sqlite"
    data = bytearray(ledger.read_bytes())
    data[18:20] = b"\x02\x02"  # WAL: as the crawl leaves it until it is done
    ledger.write_bytes(data)
    trace = corpus.trace(KEPT)
    assert states(trace) == ["passed", "unfinished", "not run", "not run", "not run"]
    assert "unfinished: the crawl is under way, or was stopped" in trace_text(trace)


def test_after_a_further_dump_the_old_stages_are_marked(walk: Walk, tmp_path: Path) -> None:
    corpus = Corpus(shutil.copytree(walk.corpus, tmp_path / "corpus"))
    line = {"id": "new", "url": "https://new.example/", "score": 9, "created_utc": 1_738_000_000, "subreddit": "small"}
    dump = tmp_path / "next.zst"
    write_dump(dump, [json.dumps(line).encode()])
    corpus.links(dump, workers=1)
    fresh = corpus.trace("https://new.example/")
    assert states(fresh) == ["passed", *["not run"] * 4]
    old = corpus.trace(KEPT)
    assert states(old) == ["passed"] * 5
    assert [stage.outdated for stage in old.stages] == [False, True, True, True, True]
    assert "(made before what it reads changed; webtext crawl brings it up to date)" in trace_text(old)


def test_it_only_reads_and_asks_for_no_lock(walk: Walk, tmp_path: Path) -> None:
    folder = shutil.copytree(walk.corpus, tmp_path / "corpus")
    corpus = Corpus(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with corpus_lock(tmp_path, "crawl"):
        assert corpus.trace(COPY, diff=True).known
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_publication_between_two_looks_is_waited_for(walk: Walk, tmp_path: Path) -> None:
    """Files of the earlier generation are gone, the manifest is another: it is read again."""
    import webtext.tracing as tracing

    folder = shutil.copytree(walk.corpus, tmp_path / "corpus")
    real = tracing._manifests
    looks = 0

    def older(corpus: Path) -> dict[Stage, object]:
        nonlocal looks
        looks += 1
        found = real(corpus)
        if looks == 1:
            clean = found[Stage.CLEAN]
            names = {name.replace("part-00000", "part-00009"): digest for name, digest in clean.files.items()}
            found[Stage.CLEAN] = replace(clean, files=names)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracing, "_manifests", older)
        assert trace_key(folder, url_key(KEPT)).known
    assert looks >= 3
    # No other generation has come: then the corpus is damaged.
    (folder / "clean" / "part-00000.parquet").unlink()
    with pytest.raises(DamagedFile, match=r"clean/part-00000\.parquet: is missing\n  make the stage again"):
        trace_key(folder, url_key(KEPT))
    # And while it is being published, that is said.
    (folder / "clean" / "stage.json").unlink()
    (folder / "work" / "clean").mkdir(parents=True)
    (folder / "work" / "clean" / "publish.json").write_text("{}")
    assert trace_key(folder, url_key(KEPT)).of(Stage.CLEAN).state == "unfinished"


def test_the_command(walk: Walk, tmp_path: Path) -> None:
    done = webtext("trace", walk.corpus, "--url", COPY, "--diff", "--json")
    found = json.loads(done.stdout)
    assert found["ended"] == {"stage": "clean", "outcome": "near-duplicate", "detail": found["ended"]["detail"]}
    assert found["stages"]["links"]["facts"]["submissions"][0]["created"].endswith("+00:00")
    assert found["diff"][0].startswith(f"--- kept {KEPT}")
    unknown = webtext("trace", walk.corpus, "--url", f"{KEPT}?x=1", expect=1)
    assert unknown.stderr == ""
    assert KEPT in unknown.stdout
    wrong = webtext("trace", walk.corpus, expect=2)
    assert wrong.stderr == (
        "webtext: trace takes one of --url, --key and --step\n  webtext trace CORPUS --url https://example.org/a\n"
    )
    assert "there is no corpus here" in webtext("trace", tmp_path / "no", "--url", KEPT, expect=1).stderr


@pytest.mark.slow
def test_the_command_names_what_a_training_step_read(walk: Walk, tmp_path: Path) -> None:
    folder = shutil.copytree(walk.corpus, tmp_path / "corpus")
    webtext("train", folder, *walk.arguments("train"))
    found = json.loads(webtext("trace", folder, "--step", 2, "--json").stdout)
    assert (found["run"], found["step"], found["taken"]) == ("default", 2, True)
    posts = {document["url"]: [post["id"] for post in document["submissions"]] for document in found["documents"]}
    assert posts
    for url, ids in posts.items():
        links = json.loads(webtext("trace", folder, "--url", url, "--json").stdout)["stages"]["links"]["facts"]
        assert ids == [post["id"] for post in links["submissions"]]
    told = webtext("trace", folder, "--step", 2).stdout
    assert told.startswith("step 2 of run default (loss ")
    assert "no such run" in webtext("trace", folder, "--step", 1, "--run", "other", expect=1).stderr


@pytest.mark.slow
def test_it_works_while_another_command_writes(walk: Walk, tmp_path: Path) -> None:

    folder = shutil.copytree(walk.corpus, tmp_path / "corpus")
    corpus = Corpus(folder)
    expected = corpus.trace(KEPT)
    seen = set()
    for name in ("dedup", "extract", "crawl"):
        more = ("--replay", walk.web.warc) if name == "crawl" else ("--workers", 1)
        again = command(name, folder, "--redo", *more)
        with subprocess.Popen(again, env=environment(), stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                trace = corpus.trace(KEPT)
                assert trace.of(Stage.LINKS) == expected.of(Stage.LINKS)
                assert trace.end is None
                seen.update(states(trace))
            _, told = process.communicate()
        assert process.returncode == 0, told
    assert seen <= {"passed", "unfinished", "not run"}
    assert corpus.trace(KEPT) == expected
