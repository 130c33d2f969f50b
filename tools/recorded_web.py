"""The main job on a recorded web, judged: dump to documents, model and sample, row by row against what is expected.

usage: recorded_web.py DATA [CORPUS]

DATA holds web/RS_2025-01.zst, web/web.warc.gz, web/expected.json and web/gold.json. The commands are those a user
types; the bars are those of the project. Prints every row that does not hold; exits with 1 where a bar is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from webtext.crawler.reddit.urls import url_key
from webtext.crawler.text.scoring import fourgram_f1

# A label of the recording, where its word differs from the outcome's.
OUTCOME_OF = {"noai": "opt-out", "redirect-duplicate": "duplicate-redirect", "wikipedia-mirror": "wikipedia"}
ALL_OF = ("private-address", "robots", "noai", "karma")
SECONDS = 180.0  # the whole build, on two cores


def run(*command: str) -> float:
    """Run one command as a user would; give its seconds."""
    print("$ webtext", " ".join(command), flush=True)
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "webtext.cli", *command], check=False)
    if done.returncode != 0:
        sys.exit(f"webtext {command[0]} ended with {done.returncode}")
    return time.monotonic() - started


def rows(corpus: Path, pattern: str, columns: list[str]) -> list[dict[str, Any]]:
    """The rows of all files of one kind."""
    found: list[dict[str, Any]] = []
    for path in sorted(corpus.glob(pattern)):
        found += pq.read_table(path, columns=columns).to_pylist()
    return found


def fates(corpus: Path) -> dict[int, tuple[str, str]]:
    """What became of each key: (outcome or "document", detail)."""
    found: dict[int, tuple[str, str]] = {}
    for stage in ("links", "pages", "documents", "clean"):
        for row in rows(corpus, f"outcomes/{stage}-*.parquet", ["key", "outcome", "detail"]):
            if row["outcome"] != "duplicate-url":  # a further line of a link that has its fate elsewhere
                found[row["key"]] = (row["outcome"], row["detail"])
    for row in rows(corpus, "clean/part-*.parquet", ["key"]):
        found[row["key"]] = ("document", "")
    return found


def judge(corpus: Path, web: Path) -> list[str]:
    """Compare with what is expected, print the tables, give the bars that are missed."""
    expected = [row for row in json.loads((web / "expected.json").read_text()) if row["expect"] != "any"]
    fate = fates(corpus)
    address = {row["id"]: row["url"] for row in json.loads((web / "expected.json").read_text()) if row["id"]}
    held: Counter[str] = Counter()
    total: Counter[str] = Counter()
    failed: dict[str, list[str]] = defaultdict(list)
    for row in expected:
        label = row["expect"]
        total[label] += 1
        became, detail = fate.get(url_key(row["url"]), ("nothing", ""))
        if became == OUTCOME_OF.get(label, label):
            held[label] += 1
            continue
        note = ""
        if "of" in row:
            original = fate.get(url_key(address.get(row["of"], row["of"])), ("nothing", ""))[0]
            note = f"; its original became {original}"
        failed[label].append(f"{row['url'][:90]}: {became} ({detail[:90]}){note}")
    print(f"\n{'expected':<20} {'hold':>5} {'of':>5}")
    for label, count in total.most_common():
        print(f"{label:<20} {held[label]:>5} {count:>5}")
        for line in failed[label]:
            print(f"    {line}")
    share = sum(held.values()) / sum(total.values())
    print(f"{'all':<20} {sum(held.values()):>5} {sum(total.values()):>5}  {share:.1%}")
    missed = [] if share >= 0.97 else [f"{share:.1%} of the rows hold, not 97 %"]
    for label, count in total.items():
        if count >= 10 and held[label] < 0.9 * count:
            missed.append(f"{label}: {held[label]} of {count} hold, not 90 %")
        if label in ALL_OF and held[label] < count:
            missed.append(f"{label}: {held[label]} of {count} hold, not all")
    return missed + judge_text(corpus, web)


def judge_text(corpus: Path, web: Path) -> list[str]:
    """Mean F1 of the text against the reviewed text."""
    gold = json.loads((web / "gold.json").read_text())
    expected = {row["id"]: row["expect"] for row in json.loads((web / "expected.json").read_text()) if row["id"]}
    documents = rows(corpus, "clean/part-*.parquet", ["key", "text"])
    texts = {row["key"]: row["text"] for row in documents}
    scores: dict[str, list[float]] = defaultdict(list)
    for name, page in gold.items():
        text = texts.get(url_key(page["url"]))
        if text is not None:
            scores[expected[name]].append(fourgram_f1(text, page["text"])[0])
    for label in ("document", "any"):
        mean = sum(scores[label]) / max(len(scores[label]), 1)
        print(f"F1 of 4-grams, expected {label}: {mean:.4f} over {len(scores[label])}")
    mean = sum(scores["document"]) / max(len(scores["document"]), 1)
    return [] if mean >= 0.90 else [f"mean F1 is {mean:.4f}, not .90"]


def main() -> None:
    """Walk and judge."""
    web = Path(sys.argv[1]) / "web"
    if len(sys.argv) > 2:
        walk(web, Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory(prefix="recorded-web-") as folder:
        walk(web, Path(folder) / "corpus")


def walk(web: Path, folder: Path) -> None:
    """Make the corpus, judge it."""
    corpus = str(folder)
    build = run("build", corpus, str(web / "RS_2025-01.zst"), "--replay", str(web / "web.warc.gz"), "--workers", "2")
    run("status", corpus)
    missed = judge(folder, web)
    train = run("train", corpus, "--preset", "tiny", "--steps", os.environ.get("STEPS", "200"))
    run("generate", corpus, "--prompt", "The")
    print(f"\nbuild {build:.1f} s, train {train:.1f} s")
    if build > SECONDS:
        missed.append(f"the build took {build:.0f} s, not {SECONDS:.0f}")
    if missed:
        sys.exit("missed: " + "; ".join(missed))
    print("every bar holds")


if __name__ == "__main__":
    main()
