"""Validation while training: a failing one costs nothing, the best checkpoint stays."""

from __future__ import annotations

from typing import Any

import pytest
from training import MakeCorpus, quick

from webtext.train import validation
from webtext.train.checkpoints import checkpoint_folders


def test_a_failing_validation_loses_nothing(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> float:
        raise ZeroDivisionError

    corpus = make_corpus()
    with monkeypatch.context() as patched:
        patched.setattr(validation, "validation_loss", fails)
        with pytest.raises(ZeroDivisionError):
            quick(corpus, steps=2)
    assert list(checkpoint_folders(corpus / "runs" / "default")) == [2]  # saved before it was validated
    report = quick(corpus, steps=2)
    assert report.begun == 2
    assert report.val_loss is not None


def test_the_last_checkpoints_and_the_best_one_are_kept(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([5.0, 3.0, 4.0, 4.5, 4.2, 6.0])
    monkeypatch.setattr(validation, "validation_loss", lambda *_, **__: next(values))
    corpus = make_corpus()
    quick(corpus, steps=6, save_every=1, keep=2)
    assert list(checkpoint_folders(corpus / "runs" / "default")) == [2, 5, 6]
    # Validated more often than saved: the best of those that exist.
    values = iter([1.0, 5.0, 2.0, 4.0, 3.0, 6.0, 3.5, 7.0])
    quick(corpus, run="other", steps=8, save_every=2, eval_every=1, keep=1)
    assert list(checkpoint_folders(corpus / "runs" / "other")) == [4, 8]


def test_without_held_out_text_there_is_no_validation(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus(val=0)
    report = quick(corpus, steps=2)
    assert report.val_loss is None
    assert "too little held-out text" in capsys.readouterr().err
