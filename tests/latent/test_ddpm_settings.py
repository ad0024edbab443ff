"""Each setting of `DDPM` reaches the training: one that were ignored would leave every number as it was."""

import inspect

import numpy as np
import pytest

from close import assert_close
from dima.latent import ddpm_fit
from dima.latent.ddpm import DDPM

SMALL = {"T": 20, "hidden_dim": 8, "t_embed_dim": 4, "n_iter": 10, "batch_size": 16, "learning_rate": 1e-2}
LINEAR = {"schedule": "linear"}

# setting -> (another value, what else is set on both sides): those that change the numbers of the network.
CHANGES = {
    "T": (10, {}),
    "n_iter": (11, {}),
    "batch_size": (8, {}),
    "learning_rate": (2e-2, {}),
    "ema_decay": (0.5, {}),
    "eps_root": (1e-2, {}),
    "beta_max": (0.3, {}),
    "eps": (0.2, {}),
    "target": ("eps", {}),
    "levels": ("lognormal", {}),
    "weight": ("min_snr", {}),
    "condition_dropout": (0.9, {}),
    "schedule": ("flow", {}),
    "beta_start": (1e-2, LINEAR),
    "beta_end": (0.1, LINEAR),
    "zero_snr": (True, LINEAR),
    "patience": (5, {}),  # a tenth of the points is held out
    "seed": (1, {}),
}
# setting -> (another value, an array of the network, its shape): those that change what the network is.
SHAPES = {
    "hidden_dim": (5, "in/w", (2, 5)),
    "t_embed_dim": (6, "level1/w", (6, 6)),
    "block": ("double", "inner0/w", (8, 8)),
}
# Where the others are held: they change neither.
ELSEWHERE = {
    "record_every": "below",
    "verbose_every": "test_a_second_fit_is_equal_while_the_log_says_the_loss",
    "device": "test_a_gpu_that_is_not_there",
}


def fitted(n=60, **changes):
    random = np.random.default_rng(0)
    Z, labels = random.standard_normal((n, 2)), random.integers(2, size=n)
    return DDPM(**{**SMALL, **changes}).fit(Z, condition=labels)


def numbers(model):
    return np.concatenate([np.ravel(model.parameters_[name]) for name in sorted(model.parameters_)])


@pytest.fixture(scope="module")
def plain():
    """The numbers without a change, by what else is set."""
    return {(): numbers(fitted()), ("schedule",): numbers(fitted(**LINEAR))}


def test_every_setting_is_here():
    declared = set(inspect.signature(DDPM).parameters)
    assert {*CHANGES, *SHAPES, *ELSEWHERE} == declared


def test_equal_settings_equal_numbers(plain):
    assert_close(numbers(fitted()), plain[()])


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_changes_what_is_learnt(name, plain):
    value, common = CHANGES[name]
    changed, same = numbers(fitted(**{**common, name: value})), plain[tuple(common)]
    assert changed.shape == same.shape
    assert np.abs(changed - same).max() > 1e-5


@pytest.mark.parametrize("name", SHAPES)
def test_a_setting_changes_the_network(name):
    value, array, shape = SHAPES[name]
    assert fitted(**{"n_iter": 0, name: value}).parameters_[array].shape == shape


@pytest.mark.parametrize(("every", "steps"), [(None, range(1, 11)), (5, [5, 10])])
def test_records_are_as_far_apart_as_asked(every, steps):
    assert_close(fitted(record_every=every).losses_[:, 0], [*steps])


def test_a_batch_is_no_larger_than_the_points():
    assert_close(numbers(fitted(n=12, batch_size=200)), numbers(fitted(n=12, batch_size=12)))


@pytest.mark.parametrize(("n", "steps"), [(1, 300), (150, 300), (151, 302), (5000, 10_000), (60_000, 30_000)])
def test_training_steps_that_points_ask_for(n, steps):
    assert ddpm_fit._n_iter(None, n) == steps
    assert ddpm_fit._n_iter(7, n) == 7
