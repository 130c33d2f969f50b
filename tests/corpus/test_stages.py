"""A stage's life: new, done, grown, refused; published all at once, whatever stops it; always in balance."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from webtext.corpus import faults, stages
from webtext.corpus.errors import Balance, ChangedSettings, DamagedFile, WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import file_sha256, write_bytes
from webtext.corpus.manifests import Manifest, read_manifest, verify_files
from webtext.corpus.outcomes import LossAlarm, Stage
from webtext.corpus.stages import StageRun, stage_manifest

SETTINGS = {"min_karma": 3}
RULES = {"url": 1}


def begin(corpus: Path, inputs: str = "a", **change: Any) -> StageRun:
    given = {"settings": SETTINGS, "rules": RULES, "inputs": {"sources": [inputs]}, **change}
    return StageRun.begin(corpus, Stage.LINKS, **given)


def publish(
    begun: StageRun, contents: dict[str, bytes], outcomes: dict[str, int] | None = None, **more: Any
) -> Manifest:
    files, hashes = {}, {}
    for name, data in contents.items():
        path = begun.part("out", name, data.decode(), suffix="")
        write_bytes(path, data)
        files[name], hashes[name] = path, file_sha256(path)
    counts = outcomes or {}
    given = {"rows_in": 10 + sum(counts.values()), "rows_out": 10, "outcomes": counts, **more}
    return begun.publish(files, hashes, **given)


def tree(corpus: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(corpus)): path.read_bytes()
        for path in sorted(corpus.rglob("*"))
        if path.is_file() and path.name != "stage.json"
    }


def test_a_new_stage_is_made_and_then_done(tmp_path: Path) -> None:
    run = begin(tmp_path)
    assert not run.done
    manifest = publish(run, {"links/part-00000.parquet": b"rows"}, {"karma": 2})
    assert tree(tmp_path) == {"links/part-00000.parquet": b"rows"}
    assert not (tmp_path / "work").exists()
    again = begin(tmp_path)
    assert again.done
    assert again.previous is not None
    assert again.previous.identity == manifest.identity


def test_a_manifest_that_is_taken_away_while_it_is_read_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another command does that publishes the stage anew."""
    publish(begin(tmp_path), {"links/part-00000.parquet": b"rows"})

    def late(path: Path) -> Manifest:
        path.unlink()
        return read_manifest(path)

    monkeypatch.setattr(stages, "read_manifest", late)
    assert stage_manifest(tmp_path, Stage.LINKS) is None


def test_the_identity_leaves_out_how_it_was_made(tmp_path: Path) -> None:
    first = publish(begin(tmp_path / "a"), {"links/x": b"1"}, run={"workers": 1})
    second = publish(begin(tmp_path / "b"), {"links/x": b"1"}, run={"workers": 8})
    other = publish(begin(tmp_path / "c"), {"links/x": b"2"})
    assert first.identity == second.identity
    assert first.run != second.run
    assert other.identity != first.identity


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"min_karma": 5}}, "min_karma = 3, now it is 5"),
        ({"settings": {"min_karma": 3, "nsfw": True}}, "nsfw = None, now it is True"),
        ({"rules": {"url": 2}}, "rules url = 1, now it is 2"),
    ],
)
def test_changed_settings_are_refused_by_name(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    publish(begin(tmp_path), {"links/x": b"1"})
    with pytest.raises(ChangedSettings, match=told) as caught:
        begin(tmp_path, **change)
    assert "--redo" in str(caught.value)
    assert tree(tmp_path) == {"links/x": b"1"}
    run = begin(tmp_path, redo=True, **change)
    assert not run.done
    assert tree(tmp_path)["links/x"] == b"1"  # the old stage stays until the new one is whole


def test_grown_inputs_go_on_and_replace_what_is_stale(tmp_path: Path) -> None:
    publish(begin(tmp_path), {"links/x": b"1", "links/y": b"2"})
    run = begin(tmp_path, "b")
    assert not run.done
    assert run.previous is not None
    publish(run, {"links/x": b"3"})
    assert tree(tmp_path) == {"links/x": b"3"}


def test_parts_of_an_interrupted_run_are_kept_unless_settings_change(tmp_path: Path) -> None:
    run = begin(tmp_path)
    write_bytes(run.part("lines", "block 0"), b"part")
    assert begin(tmp_path).part("lines", "block 0").read_bytes() == b"part"
    assert begin(tmp_path, "b").part("lines", "block 0").read_bytes() == b"part"
    assert not begin(tmp_path, settings={"min_karma": 5}).part("lines", "block 0").exists()


@pytest.mark.parametrize("point", ["stage.parts", "stage.journal", "stage.moved", "stage.published"])
@pytest.mark.parametrize("turn", [1, 2])
def test_a_fault_at_any_point_of_publishing_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, turn: int
) -> None:
    publish(begin(tmp_path), {"links/x": b"old", "links/stale": b"old"})
    old = tree(tmp_path)
    new = {"links/x": b"new", "outcomes/links-00000.parquet": b"why"}
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:{turn}:raise")
    try:
        publish(begin(tmp_path, "b"), new)
    except InjectedFault:
        pass
    else:
        assert turn == 2
        assert point != "stage.moved"
    monkeypatch.delenv("WEBTEXT_FAULT")
    found = {name: data for name, data in tree(tmp_path).items() if not name.startswith("work/")}
    run = begin(tmp_path, "b")
    if point == "stage.parts" and turn == 1:
        assert found == old
        assert not run.done
        publish(run, new)
    else:
        assert run.done
    assert tree(tmp_path) == new
    manifest = stage_manifest(tmp_path, Stage.LINKS)
    assert manifest is not None
    verify_files(tmp_path, manifest)


@pytest.mark.parametrize("turn", [1, 2, 3, 4, None])
def test_an_older_generation_can_be_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int | None
) -> None:
    publish(begin(tmp_path), {"links/x": b"old x", "links/y": b"old y"})
    aside = {"links/x": "links/older/1234/x", "links/y": "links/older/1234/y"}
    monkeypatch.setattr(faults, "_passed", Counter())
    if turn is not None:
        monkeypatch.setenv("WEBTEXT_FAULT", f"stage.moved:{turn}:raise")
        with pytest.raises(InjectedFault):
            publish(begin(tmp_path, "b"), {"links/x": b"new x", "links/y": b"new y"}, aside=aside)
        monkeypatch.delenv("WEBTEXT_FAULT")
        assert begin(tmp_path, "b").done
    else:
        publish(begin(tmp_path, "b"), {"links/x": b"new x", "links/y": b"new y"}, aside=aside)
    assert tree(tmp_path) == {
        "links/x": b"new x",
        "links/y": b"new y",
        "links/older/1234/x": b"old x",
        "links/older/1234/y": b"old y",
    }


def test_an_imbalance_is_an_error_and_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Balance, match="11 rows in, but 10 out and 0 outcomes"):
        publish(begin(tmp_path), {"links/x": b"1"}, rows_in=11)
    with pytest.raises(Balance, match="does not have"):
        publish(begin(tmp_path), {"links/x": b"1"}, {"near-duplicate": 1})
    assert stage_manifest(tmp_path, Stage.LINKS) is None


def test_a_stage_that_drops_too_much_stops_and_asks(tmp_path: Path) -> None:
    counts = {"unusable-url": 500, "karma": 490}
    with pytest.raises(LossAlarm, match=r"500 of 1,000 rows \(50%\) as unusable-url(.|\n)*--accept-loss") as caught:
        publish(begin(tmp_path), {"links/x": b"1"}, counts)
    assert caught.value.exit_code == 1
    manifest = publish(begin(tmp_path), {"links/x": b"1"}, counts, accept_loss=True)
    assert manifest.outcomes == counts


def test_karma_may_drop_everything_and_small_corpora_raise_no_alarm(tmp_path: Path) -> None:
    publish(begin(tmp_path / "a"), {"links/x": b"1"}, {"karma": 100_000})
    publish(begin(tmp_path / "b"), {"links/x": b"1"}, {"unusable-url": 900})


def test_a_flipped_byte_and_a_missing_file_are_found(tmp_path: Path) -> None:
    manifest = publish(begin(tmp_path), {"links/x": b"rows"})
    (tmp_path / "links/x").write_bytes(b"rowz")
    with pytest.raises(DamagedFile, match=r"links/x.*sha256(.|\n)*--redo"):
        verify_files(tmp_path, manifest)
    (tmp_path / "links/x").unlink()
    with pytest.raises(DamagedFile, match="links/x: is missing"):
        begin(tmp_path)


def test_a_manifest_that_was_edited_or_is_newer_is_refused(tmp_path: Path) -> None:
    publish(begin(tmp_path), {"links/x": b"rows"})
    path = tmp_path / "links/stage.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "rows_out": 11}))
    with pytest.raises(DamagedFile, match="was changed after it was written"):
        read_manifest(path)
    path.write_text(json.dumps({**written, "schema_version": 2}))
    with pytest.raises(WebtextError, match="schema version 2; this webtext reads 1"):
        begin(tmp_path)
    path.write_text("[]")
    with pytest.raises(DamagedFile, match="no manifest"):
        begin(tmp_path)
    assert not begin(tmp_path, redo=True).done
