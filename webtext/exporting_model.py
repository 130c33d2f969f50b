"""A run's model as a folder for others: what `transformers` needs of a checkpoint, without the optimizer's state, and
a card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import atomic, file_sha256, os_errors, read_json, write_bytes
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.stages import stage_manifest
from webtext.export_folder import ExportFolder
from webtext.exporting import CorpusExport
from webtext.exporting_cards import CARD, model_card
from webtext.reports import shards_of
from webtext.runs import run_notes

if TYPE_CHECKING:
    from webtext.api import Corpus

_FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def export_model(corpus: Corpus, folder: Path, *, run: str, checkpoint: str, name: str | None) -> CorpusExport:
    """Copy a checkpoint (`last`, `best` or a step) of a run, with its card.

    Raises:
        WebtextError: there is no such run or checkpoint.
    """
    source = corpus.checkpoint(run=run, which=checkpoint)
    from webtext.train.log import LOG_NAME, read_log, validations_in

    state = read_json(source / "state.json")
    settings = read_json(source.parent.parent / "run.json")
    missing = next((name for name in _FILES if not (source / name).is_file()), None)
    if missing is not None:
        raise WebtextError(f"has no {missing}", where=source)
    note = run_notes(corpus.path, shards_of(stage_manifest(corpus.path, Stage.SHARDS))).get(run, "")
    if note:
        say(f"run {run} was {note}")
    validations = validations_in(read_log(source.parent.parent / LOG_NAME))
    val = validations.get(int(state["step"]))
    loss = "unknown" if state["loss"] is None else f"{state['loss']:.4f}"
    losses = f"Training loss {loss} nats a token" + ("." if val is None else f", validation loss {val:.4f}.")
    title = name or f"{corpus.path.absolute().name}-{run}"
    described = {"format": "model", "run": run, "identity": str(state["identity"]), "step": state["step"]}
    with ExportFolder.opened(folder, described) as target:
        for file in _FILES:
            if not target.has(file):
                with os_errors(target.path / file), atomic(target.path / file) as aside:
                    shutil.copyfile(source / file, aside)
                target.add(file)
                if target.files[file]["sha256"] != file_sha256(source / file):
                    raise WebtextError("reads back as other bytes than were written", where=target.path / file)
        card = model_card(corpus, title, settings, state, losses, f"It was {note}" if note else "")
        if not target.has(CARD) or (target.path / CARD).read_bytes() != card:
            write_bytes(target.path / CARD, card)
            target.add(CARD)
        upload = f"hf upload USER/{title} {folder}"
        return CorpusExport(str(folder), "model", described["identity"], dict(target.files), target.made, upload)
