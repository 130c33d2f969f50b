"""The same on a corpus that is the same with any Python: the words of `conftest`, drawn with a seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import golden
import pytest


def test_training_follows_the_golden_losses_of_made_up_text(make_corpus: Callable[..., Path]) -> None:
    corpus = make_corpus()
    if golden.renewing():
        golden.renew("made-up", corpus / "shards", golden.losses_on(corpus, batch_tokens=512))
    wanted = golden.golden("made-up")
    assert golden.tokens_sha256(corpus / "shards") == wanted["tokens_sha256"]
    found = golden.losses_on(corpus, batch_tokens=512)
    assert golden.largest_difference(found, wanted["losses"]) < golden.TOLERANCE


@pytest.mark.parametrize("mistake", [{"seed": 2}, {"learning_rate": 0.00202}, {"decay_steps": 210}])
def test_a_mistake_would_show(make_corpus: Callable[..., Path], mistake: dict[str, float]) -> None:
    corpus = make_corpus()
    found = golden.losses_on(corpus, batch_tokens=512, steps=6, **mistake)
    assert golden.largest_difference(found, golden.golden("made-up")["losses"][:6]) > golden.TOLERANCE
