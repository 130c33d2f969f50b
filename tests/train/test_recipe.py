from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from webtext.corpus.errors import UsageError
from webtext.train.model import PRESETS, build
from webtext.train.optimizer import make_optimizer
from webtext.train.recipe import RECIPES, batch_windows, learning_rate, parameter_groups, recipe_for


def test_the_published_recipes() -> None:
    assert {name: recipe.learning_rate for name, recipe in RECIPES.items() if name != "tiny"} == {
        "124M": 6e-4,
        "355M": 3e-4,
        "774M": 2.5e-4,
        "1558M": 2e-4,
    }
    for name in ("124M", "355M", "774M", "1558M"):
        recipe = recipe_for(name)
        assert batch_windows(recipe.batch_tokens, PRESETS[name].context) == 512
        assert (recipe.beta1, recipe.beta2, recipe.weight_decay, recipe.clip) == (0.9, 0.95, 0.1, 1.0)
    assert recipe_for("117M") is RECIPES["124M"]


def test_the_rate_warms_up_and_comes_down_to_a_tenth() -> None:
    recipe = replace(RECIPES["124M"], learning_rate=1.0, warmup_steps=10)
    rates = [learning_rate(step, recipe=recipe, decay_steps=110) for step in range(130)]
    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55)  # half of the cosine: between 1 and .1
    assert rates[35] == pytest.approx(0.1 + 0.9 * 0.8535533905932737)
    assert rates[110:] == pytest.approx([0.1] * 20)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


def test_a_short_run_warms_up_over_a_tenth() -> None:
    recipe = replace(RECIPES["124M"], learning_rate=1.0)
    assert learning_rate(0, recipe=recipe, decay_steps=50) == pytest.approx(0.2)
    assert learning_rate(5, recipe=recipe, decay_steps=50) == pytest.approx(1.0)
    assert learning_rate(0, recipe=recipe, decay_steps=1) == pytest.approx(1.0)


def test_only_matrices_decay() -> None:
    model = build(replace(PRESETS["tiny"], vocab_size=50), seed=1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decaying, others = parameter_groups(model.parameters(), weight_decay=0.1)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    decaying_names = {names[id(parameter)] for parameter in decaying["params"]}
    other_names = {names[id(parameter)] for parameter in others["params"]}
    assert decaying_names | other_names == set(names.values())
    assert {"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.3.mlp.c_proj.weight"} <= decaying_names
    assert all(name.endswith(".bias") or ".ln_" in name or name.startswith("ln_f") for name in other_names)
    assert not any(name.endswith(".bias") or "ln_" in name for name in decaying_names)


def test_the_optimizer_follows_the_recipe() -> None:
    optimizer = make_optimizer(build(replace(PRESETS["tiny"], vocab_size=50), seed=1), RECIPES["124M"])
    assert [(group["betas"], group["eps"], group["weight_decay"]) for group in optimizer.param_groups] == [
        ((0.9, 0.95), 1e-8, 0.1),
        ((0.9, 0.95), 1e-8, 0.0),
    ]


@pytest.mark.parametrize(("tokens", "hint"), [(1_000, "take 896 or 1024"), (5, "take 128 or 256")])
def test_a_batch_is_a_whole_number_of_windows(tokens: int, hint: str) -> None:
    assert batch_windows(1_024, 128) == 8
    with pytest.raises(UsageError, match=hint):
        batch_windows(tokens, 128)
