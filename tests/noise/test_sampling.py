"""The table a sampler's arguments ask for is the one built by hand."""

import numpy as np
import pytest

from close import assert_close
from dima import settings
from dima.errors import SettingError
from dima.latent.ddpm import DDPM
from dima.noise import grid, sampling, solver
from dima.noise.schedule import path

PATH = path("cosine", 60)


@pytest.mark.parametrize(
    ("asked", "name", "steps", "own"),
    [
        ({}, "ddim", 50, {}),
        ({"solver": "ddpm"}, "ddpm", 60, {}),
        ({"solver": "heun", "steps": 7}, "heun", 7, {}),
        ({"steps": 9, "eta": 0.5}, "ddim", 9, {"eta": 0.5}),
        ({"solver": "churned", "steps": 9, "churn": 0.1}, "churned", 9, {"churn": 0.1}),
    ],
    ids=str,
)
def test_a_table_by_its_arguments(asked, name, steps, own):
    by_hand = solver.build(name, *grid.levels(PATH, steps), **own)
    made = sampling.table(PATH, **asked)
    assert_close(made.M, by_hand.M)
    assert_close(made.C, by_hand.C)


def test_spacing_reaches_the_grid():
    assert_close(sampling.table(PATH, steps=9, spacing="leading").alpha, grid.levels(PATH, 9, "leading")[0])


def test_a_setting_of_another_solver_is_refused():
    with pytest.raises(SettingError, match=r"eta must be left out with solver 'heun'; got 0\.5"):
        sampling.table(PATH, solver="heun", eta=0.5)
    with pytest.raises(SettingError, match=r"steps must be in 1\.\.T = 60; got 61"):
        sampling.table(PATH, steps=61)


def test_refining_takes_the_last_steps():
    table = sampling.refining_table(PATH, 12, "ddim")
    assert table.steps == 12
    assert_close(table.alpha, PATH.alpha[12::-1])
    for wrong in (60, 0):
        with pytest.raises(SettingError, match=r"t_start must be in 1\.\.59; got"):
            sampling.refining_table(PATH, wrong, "ddim")


def test_ends_of_ranges_are_within_and_what_lies_beyond_is_refused():
    ranges = {"n": (0, -1), "seed": (0, -1), "steps": (1, 0), "eta": (1.0, 1.01), "guidance": (0.0, -0.01)}
    for name, (within, beyond) in ranges.items():
        assert settings.check("DDPM.sample", DDPM.sample, {name: within})[name] == within
        with pytest.raises(SettingError, match=f"{name} must be"):
            settings.check("DDPM.sample", DDPM.sample, {name: beyond})


def test_every_argument_is_one_of_the_model_and_bounded_alike():
    asked, declared = settings.declared(sampling.table), settings.declared(DDPM.sample)
    assert set(asked) <= set(declared)
    assert all(asked[name].type == declared[name].type for name in asked)
    assert all(asked[name].default == declared[name].default for name in asked)
    assert np.array_equal(sorted(declared), sorted([*asked, "clip", "guidance", "n", "seed"]))
