"""A prior comes from a name, an estimator or settings, and from nothing else."""

import pytest

from dima.errors import SettingError
from dima.latent.ddpm import DDPM
from dima.model import priors


def test_priors():
    assert priors.make_prior("Model", None, 0) is None
    assert isinstance(priors.make_prior("Model", "ddpm", 3), DDPM)
    assert priors.make_prior("Model", {"T": 9}, 3).get_params()["seed"] == 3
    assert priors.make_prior("Model", DDPM(T=7), 3).T == 7
    with pytest.raises(
        SettingError,
        match=r"^Model: prior must be one of 'auto', 'ddpm', 'gmm', 'bootstrap', settings or None; got 'vae'",
    ):
        priors.make_prior("Model", "vae", 0)
    with pytest.raises(SettingError, match=r"got 'direct'\. Fit with 'ddpm', then call distilled\(\)"):
        priors.make_prior("Model", "direct", 0)


def test_a_distilled_prior_has_the_seed_of_its_model():
    teacher = DDPM(9, n_iter=0, hidden_dim=8).fit([[0.0], [1.0]])
    made = priors.distilled("Model", teacher, {"n_pairs": 5, "n_iter": 0}, 3)
    assert (made.seed, made.fit_.settings["n_pairs"]) == (3, 5)
