"""Recipes: what was saved acts as before, bit for bit; what is foreign or code is refused."""

import numpy as np
import pytest
import torch

from dima import store
from dima.errors import ArtifactError, SettingError
from dima.image.hooks.ready import (
    READY,
    Amplify,
    Away,
    Bias,
    Compose,
    Dampen,
    ProjectOut,
    Select,
    Swap,
    Toward,
)
from dima.image.hooks.recipe import KIND, load_recipe, save_recipe
from dima.image.hooks.tape import Context

DRAWS = torch.Generator().manual_seed(0)
F = torch.randn(4, 3, 2, 2, generator=DRAWS)
ONE, ALL = torch.randn(3, 2, 2, generator=DRAWS), torch.randn(9, 3, 2, 2, generator=DRAWS)
WHERE = Context("mid", None, 0, slice(5, 9))
HOOKS = {
    "amplify": Amplify(1.1),
    "away": Away([ONE, ALL[0]], 0.3),
    "bias": Bias(torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64)),
    "dampen": Dampen(1 / 3),
    "project-out": ProjectOut(ALL[:2]),
    "select": Select([2, 0]),
    "swap": Swap(ALL),
    "toward": Toward(ALL, 0.7),
}


def test_every_ready_hook_is_tried_here():
    assert HOOKS.keys() == READY.keys()
    assert {name: type(hook) for name, hook in HOOKS.items()} == READY


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_comes_back_bit_for_bit(tmp_path, name):
    save_recipe(tmp_path / "recipe", {"up.1": HOOKS[name]})
    loaded = load_recipe(tmp_path / "recipe")
    assert list(loaded) == ["up.1"]
    assert type(loaded["up.1"]) is type(HOOKS[name])
    assert torch.equal(loaded["up.1"](F, WHERE), HOOKS[name](F, WHERE))
    for field, value in vars(HOOKS[name]).items():
        again = vars(loaded["up.1"])[field]
        assert type(again) is type(value)
        if isinstance(value, torch.Tensor):
            assert again.dtype == value.dtype
            assert torch.equal(again, value)
        else:
            assert again == value


def test_several_sites_and_hooks_within_hooks(tmp_path):
    inner = Compose([Bias(1.0), Toward(ONE, 0.2)])
    saved = {
        "mid": Compose([Bias(0.5), inner, Swap(ALL), Toward(ALL.flip(0), 0.25)]),
        "skip.0": Compose([]),
        "up.1": inner,
    }
    save_recipe(tmp_path / "recipe", saved)
    loaded = load_recipe(tmp_path / "recipe")
    assert list(loaded) == list(saved)
    for site, hook in saved.items():
        assert torch.equal(loaded[site](F, WHERE), hook(F, WHERE))
    assert [type(hook) for hook in loaded["mid"].hooks] == [Bias, Compose, Swap, Toward]


def test_an_older_recipe_is_replaced_and_an_empty_one_is_one(tmp_path):
    save_recipe(tmp_path, {"mid": Amplify(2.0)})
    assert save_recipe(tmp_path, {}) == tmp_path
    assert load_recipe(tmp_path) == {}


def test_config_is_readable(tmp_path):
    save_recipe(tmp_path, {"mid": Toward(ONE, 0.5)})
    saved = store.load(tmp_path)
    assert saved.settings == {"sites": {"mid": {"name": "toward", "settings": {"strength": 0.5}}}}
    assert list(saved.arrays) == ["mid/target"]


def double(features, context):
    return 2 * features


class Louder(Amplify):
    """A class of one's own is code as well."""


@pytest.mark.parametrize(
    ("hook", "named"),
    [(double, "double"), (Compose([Amplify(2.0), double]), "double"), (Louder(2.0), "Louder")],
)
def test_code_is_refused_and_nothing_is_written(tmp_path, hook, named):
    with pytest.raises(SettingError, match=f"'up.0' must be a ready hook, .*; got {named}. Keep functions"):
        save_recipe(tmp_path / "recipe", {"mid": Amplify(2.0), "up.0": hook})
    assert not (tmp_path / "recipe").exists()


def test_another_artifact_is_refused(tmp_path):
    store.save(tmp_path, store.Artifact("dima", {}, {}))
    with pytest.raises(ArtifactError, match="must hold a hook-recipe; got a dima"):
        load_recipe(tmp_path)
    with pytest.raises(ArtifactError, match="nothing there"):
        load_recipe(tmp_path / "missing")


@pytest.mark.parametrize(
    ("sites", "arrays", "said"),
    [
        ({"mid": {"name": "os.system"}}, {}, "os.system"),
        ({"mid": {"name": "amplify"}}, {}, "factor"),
        ({"mid": {"name": "amplify", "settings": {"factor": 0.5}}}, {}, "factor must be"),
        ({"mid": {"name": "amplify", "settings": {"factor": 2.0, "more": 1}}}, {}, "more"),
        ({"mid": {"name": "amplify", "settings": {"factor": 2.0}}}, {"mid/x": np.ones(2)}, "'x'"),
        ({"mid": {"name": "swap"}}, {"mid/donor": np.full(3, np.nan)}, "finite"),
        ({"mid": {"name": "amplify", "code": "1"}}, {}, "code"),
        ({"mid": "amplify"}, {}, "object"),
        ([], {}, "object"),
    ],
)
def test_a_recipe_of_unknown_form_is_refused(tmp_path, sites, arrays, said):
    store.save(tmp_path, store.Artifact(KIND, {"sites": sites}, arrays))
    with pytest.raises(ArtifactError, match=f"must hold hooks this version knows.*{said}") as told:
        load_recipe(tmp_path)
    assert "\n" not in str(told.value)
