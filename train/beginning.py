"""What a run begins with: asked for now, or as it was begun; its data, checked; and the weights it starts from.

Nothing is written here: what cannot be trained is said before a run exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.progress import say
from webtext.train.checkpoints import checkpoint_folders
from webtext.train.data import TrainingData
from webtext.train.folders import ModelFolder, find_model
from webtext.train.model import GPT2, PRESETS, GPTConfig, preset_name
from webtext.train.recipe import batch_windows, nearest_preset, recipe_for
from webtext.train.runs import RunSettings, read_run, refuse_changes
from webtext.train.shards_folder import find_data


@dataclass(frozen=True)
class Beginning:
    """The settings of a run, the data it pinned, and whether it is a new one."""

    settings: RunSettings
    data: TrainingData
    new: bool


def begin(
    corpus: Path,
    folder: Path,
    asked: Mapping[str, Any],
    *,
    init: Path | None,
    steps: int | None,
    default_preset: str,
    default_seed: int,
    restart: bool,
) -> Beginning:
    """Find out what `folder` is to be trained with.

    Args:
        corpus: a corpus, or a folder of shards.
        asked: settings of `RunSettings` asked for now, None for each that is not.
        init: a folder of a GPT-2 to start from.

    Raises:
        ChangedSettings: the run was begun with another setting.
        WebtextError, DamagedFile: no shards, other shards, too little text, a model that does not fit them.
    """
    begun = None if restart else read_run(folder)
    model = None if init is None else find_model(init)
    if begun is not None:
        refuse_changes(folder, begun, {**asked, "init": None if model is None else model.identity()})
        context = begun.config().context
        data = find_data(corpus, context, begun.shards, begun.fingerprint)
        data.check_model(begun.config().vocab_size, begun.tokenizer, where=folder)
        return Beginning(begun, data, new=False)
    if checkpoint_folders(folder) and not restart:
        raise DamagedFile("has checkpoints, but no run.json", where=folder, hint="--restart begins the run again")
    wanted = {name: value for name, value in asked.items() if value is not None}
    wanted.setdefault("seed", default_seed)
    if "preset" not in wanted:
        wanted["preset"] = preset_name(default_preset) if model is None else _preset_of(model.config)
    context = PRESETS[wanted["preset"]].context if model is None else model.config.context
    data = find_data(corpus, context)
    if model is not None:
        _check_vocabulary(model, data)
    settings = _settings(wanted, data, steps, model)
    _check_enough(settings, data, folder)
    data.tokenizer_json()
    return Beginning(settings, data, new=True)


def _preset_of(config: GPTConfig) -> str:
    """The preset of the same shape, whatever its vocabulary; else the one of the nearest size: for its recipe."""
    for name, preset in PRESETS.items():
        if replace(preset, vocab_size=config.vocab_size) == config:
            return name
    return nearest_preset(config.parameters)


def _check_vocabulary(model: ModelFolder, data: TrainingData) -> None:
    theirs, ours = model.tokenizer_fingerprint(), data.index.tokenizer
    if theirs is not None and theirs != ours:
        raise WebtextError(
            f"has another tokenizer ({theirs[:16]}) than the shards were made with ({ours[:16]})",
            where=model.path,
            hint=f"make shards with it: webtext tokenize CORPUS --tokenizer {model.path} --redo",
        )
    if model.config.vocab_size < data.index.vocab_size:
        raise WebtextError(
            f"has a vocabulary of {model.config.vocab_size:,}, the shards one of {data.index.vocab_size:,}",
            where=model.path,
            hint="make shards with the model's own tokenizer: webtext tokenize CORPUS --tokenizer FOLDER --redo",
        )
    if theirs is None:
        say(f"{model.path} has no tokenizer: the shards' ({ours[:16]}) is taken for its own")


def _settings(
    wanted: Mapping[str, Any], data: TrainingData, steps: int | None, model: ModelFolder | None
) -> RunSettings:
    preset = wanted["preset"]
    config = replace(PRESETS[preset], vocab_size=data.index.vocab_size) if model is None else model.config
    recipe = recipe_for(preset)
    # Another context than the preset's: the batch nearest to the recipe's.
    tokens = max(1, round(recipe.batch_tokens / config.context)) * config.context
    recipe = replace(
        recipe,
        learning_rate=wanted.get("learning_rate") or recipe.learning_rate,
        batch_tokens=wanted.get("batch_tokens") or tokens,
    )
    return RunSettings(
        preset=preset,
        seed=wanted["seed"],
        learning_rate=recipe.learning_rate,
        batch_tokens=recipe.batch_tokens,
        decay_steps=wanted.get("decay_steps") or steps or recipe.steps,
        overfit_one_batch=wanted.get("overfit_one_batch", False),
        within_documents=wanted.get("within_documents", False),
        recipe=asdict(recipe),
        model=asdict(config),
        endoftext=data.index.endoftext,
        tokenizer=data.index.tokenizer,
        shards=data.index.identity,
        fingerprint=data.fingerprint,
        init=None if model is None else model.identity(),
        init_folder=None if model is None else str(model.path.absolute()),
    )


def _check_enough(settings: RunSettings, data: TrainingData, folder: Path) -> None:
    """A batch reads no window twice."""
    context = data.train.context
    windows, there = batch_windows(settings.batch_tokens, context), len(data.train)
    if windows > there:
        raise WebtextError(
            f"too little text for one batch: a step takes {settings.batch_tokens:,} tokens, {windows:,} windows of "
            f"{context:,}; the shards have {there:,}",
            where=folder.parent.parent,
            hint=f"--batch-tokens {there * context} or less, a smaller --preset, or a larger corpus",
        )


def initial_model(settings: RunSettings) -> GPT2:
    """The model that a run was told to start from, found as it was then."""
    assert settings.init_folder is not None
    found = find_model(Path(settings.init_folder))
    if found.identity() != settings.init:
        raise WebtextError(
            "has other weights than when the run was begun",
            where=found.path,
            hint="--restart begins the run again with these",
        )
    return found.model()
