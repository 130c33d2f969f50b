"""The cards of exports: README.md for a dataset and for a model, made of the manifests and the run's own files.

Figures come from the corpus; what only its owner knows (what for, under which rights) is left open in so many words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from webtext.corpus.manifests import Manifest, fingerprint, is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import stage_manifest
from webtext.corpus.tombstones import read_tombstones

if TYPE_CHECKING:
    from webtext.api import Corpus

CARD = "README.md"

_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
)  # fmt: skip

_RIGHTS = (
    "The copyright in the texts stays with their authors. Whether they may be copied, trained on or published depends "
    "on where you are and what for. Honour deletions: `webtext forget` removes addresses from a corpus."
)


def dataset_card(
    corpus: Corpus, name: str, files: Mapping[str, Mapping[str, Any]], schema: pa.Schema, counts: Mapping[str, int]
) -> bytes:
    """The card of a dataset, with the header that the Hub and `datasets` read."""
    manifests = _manifests(corpus)
    size = sum(counts.values())
    head = [
        "---",
        f"pretty_name: {json.dumps(name)}",
        "license: other",
        *_languages(manifests),
        "task_categories:",
        "- text-generation",
        "size_categories:",
        f"- {next((label for most, label in _SIZES if size < most), 'n>1B')}",
        "tags:",
        "- webtext",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split, count in counts.items():
        if count:
            head += [f"  - split: {split}", f'    path: "data/{split}-*.parquet"']
    head.append("---")
    rows = [
        "| split | documents | files | bytes |", "|---|---|---|---|",
        *(
            f"| {split} | {count:,} | {len(mine)} | {sum(f['bytes'] for f in mine):,} |"
            for split, count in counts.items()
            if (mine := [f for f in files.values() if f.get("split") == split])
        ),
    ]  # fmt: skip
    columns = ["| column | type |", "|---|---|", *(f"| `{field.name}` | {field.type} |" for field in schema)]
    parts = [
        "\n".join(head),
        f"# {name}",
        _what(manifests),
        "\n".join(rows),
        "The split is by a hash of each document's key: it never changes while the document stays.",
        _made(manifests),
        "## Columns",
        "\n".join(columns),
        "## How it was made",
        _waterfall(manifests),
        _settings(manifests),
        *_forgotten(corpus),
        "## Rights",
        _RIGHTS,
    ]
    return ("\n\n".join(parts) + "\n").encode()


def model_card(
    corpus: Corpus, name: str, run: Mapping[str, Any], state: Mapping[str, Any], losses: str, note: str
) -> bytes:
    """The card of a run's model."""
    recipe = "\n".join(f"| {key} | {value} |" for key, value in sorted(dict(run["recipe"]).items()))
    parts = [
        "\n".join(
            ["---", f"model_name: {json.dumps(name)}", "license: other", "library_name: transformers",
             "pipeline_tag: text-generation", "tags:", "- gpt2", "- webtext", "---"]
        ),
        f"# {name}",
        f"A GPT-2 ({run['preset']}; {', '.join(f'{key} {value}' for key, value in run['model'].items())}), trained "
        "with "
        f"webtext for {state['step']:,} steps on {state['tokens']:,} tokens. {losses}",
        "```python\nfrom transformers import pipeline\n\n"
        f'print(pipeline("text-generation", "{name}")("The"))\n```',
        "## What it was trained on",
        f"Shards `{run['shards'][:16]}` of the corpus with the fingerprint\n`{run['fingerprint']}`.",
        _waterfall(_manifests(corpus)) if not note else f"**{note}.**",
        *([f"It began with the weights `{run['init'][:16]}`."] if run.get("init") else []),
        "## How it was trained",
        f"| setting | value |\n|---|---|\n{recipe}",
        "## Rights",
        _RIGHTS,
    ]  # fmt: skip
    return ("\n\n".join(parts) + "\n").encode()


def _manifests(corpus: Corpus) -> dict[Stage, Manifest]:
    found = {stage: stage_manifest(corpus.path, stage) for stage in Stage}
    return {stage: manifest for stage, manifest in found.items() if manifest is not None}


def _languages(manifests: Mapping[Stage, Manifest]) -> list[str]:
    documents = manifests.get(Stage.DOCUMENTS)
    if documents is None or is_imported(documents):
        return []
    names = [code for code in documents.settings.get("languages", ()) if code != "any"]
    return ["language:", *(f"- {code.partition('-')[0]}" for code in names)] if names else []


def _what(manifests: Mapping[Stage, Manifest]) -> str:
    if is_imported(manifests.get(Stage.DOCUMENTS)):
        return "Texts that were imported and deduplicated with webtext."
    return (
        "Pages that Reddit users linked to and others found worth some karma, fetched, reduced to their main text and "
        "deduplicated with webtext, as GPT-2's WebText was."
    )


def _made(manifests: Mapping[Stage, Manifest]) -> str:
    version = manifests[Stage.CLEAN].run.get("webtext", "unknown")
    return f"Fingerprint of the corpus: `{fingerprint(manifests)}` (webtext {version})."


def _waterfall(manifests: Mapping[Stage, Manifest]) -> str:
    lines = ["| stage | in | out | dropped |", "|---|---|---|---|"]
    for stage, manifest in manifests.items():
        ranked = sorted(manifest.outcomes.items(), key=lambda entry: (-entry[1], entry[0]))
        dropped = ", ".join(f"{count:,} {name}" for name, count in ranked)
        lines.append(f"| {stage} | {manifest.rows_in:,} | {manifest.rows_out:,} | {dropped} |")
    return "\n".join(lines)


def _settings(manifests: Mapping[Stage, Manifest]) -> str:
    shown = {str(stage): dict(manifest.settings) for stage, manifest in manifests.items()}
    text = json.dumps(shown, indent=1, sort_keys=True)
    return f"<details><summary>Settings</summary>\n\n```json\n{text}\n```\n\n</details>"


def _forgotten(corpus: Corpus) -> list[str]:
    count = len(read_tombstones(corpus.path))
    return [f"Addresses and domains forgotten on request: {count:,}; none of them is in here."] if count else []
