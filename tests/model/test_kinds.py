"""A prior comes from a name, an estimator or settings, and from nothing else."""

import pytest

from dima.errors import SettingError
from dima.latent.ddpm import DDPM
from dima.model import kinds


def test_priors():
    assert kinds.make_prior("Model", None, 0) is None
    assert isinstance(kinds.make_prior("Model", "ddpm", 3), DDPM)
    assert kinds.make_prior("Model", {"T": 9}, 3).get_params()["seed"] == 3
    assert kinds.make_prior("Model", DDPM(T=7), 3).T == 7
    with pytest.raises(
        SettingError, match=r"^Model: prior must be one of 'ddpm', settings or None; got 'vae'"
    ):
        kinds.make_prior("Model", "vae", 0)
