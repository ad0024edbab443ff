"""Parts come from what a user hands in, and from nothing a file could name beyond the tables."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dima.errors import ArtifactError, SettingError
from dima.latent.ddpm import DDPM
from dima.manifold.dmap import DMAP
from dima.model import kinds
from model.halves import Halves


def test_estimators_and_settings_become_fresh_parts():
    dmap = DMAP(3, k=9)
    made = kinds.make_part("Model", "dmap", DMAP, dmap, seed=5)
    assert (made.get_params(), made is dmap) == (dmap.get_params(), False)
    assert kinds.make_part("Model", "dmap", DMAP, {"κ": 9}, seed=5).get_params()["k"] == 9
    assert kinds.make_part("Model", "dmap", DMAP, None, seed=5).seed == 5
    with pytest.raises(SettingError, match=r"^Model\.dmap: a setting must be one it declares; got 'kk'"):
        kinds.make_part("Model", "dmap", DMAP, {"kk": 9}, seed=5)


def test_priors():
    assert kinds.make_prior("Model", None, 0) is None
    assert isinstance(kinds.make_prior("Model", "ddpm", 3), DDPM)
    assert kinds.make_prior("Model", {"T": 9}, 3).get_params()["seed"] == 3
    assert kinds.make_prior("Model", DDPM(T=7), 3).T == 7
    with pytest.raises(
        SettingError, match=r"^Model: prior must be one of 'ddpm', settings or None; got 'vae'"
    ):
        kinds.make_prior("Model", "vae", 0)


def test_a_part_comes_back_by_its_kind():
    part = kinds.make_autoencoder("Model", PCA(2)).fit(np.random.default_rng(0).standard_normal((30, 4)))
    saved, arrays = kinds.part_arrays(part, kinds.AUTOENCODERS)
    assert saved["kind"] == "transformer"
    below = {f"autoencoder/{name}": array for name, array in arrays.items()}
    again = kinds.open_part({"autoencoder": saved}, below, "autoencoder", kinds.AUTOENCODERS)
    assert np.allclose(again.encode(np.ones((1, 4))), part.encode(np.ones((1, 4))), atol=1e-12)
    saved["kind"] = "os.system"
    with pytest.raises(ArtifactError, match=r"^load: autoencoder must be one of .*; got 'os.system'"):
        kinds.open_part({"autoencoder": saved}, below, "autoencoder", kinds.AUTOENCODERS)
    with pytest.raises(ArtifactError, match=r"got Halves\. Register it"):
        kinds.part_arrays(Halves(), kinds.AUTOENCODERS)
