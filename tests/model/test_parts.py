"""Parts come from what a user hands in, and from nothing a file could name beyond the tables."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dima.errors import ArtifactError, SettingError
from dima.manifold.dmap import DMAP
from dima.model import kinds, parts
from model.halves import Halves


def test_estimators_and_settings_become_fresh_parts():
    dmap = DMAP(3, k=9)
    made = parts.make_part("Model", "dmap", DMAP, dmap, seed=5)
    assert (made.get_params(), made is dmap) == (dmap.get_params(), False)
    assert parts.make_part("Model", "dmap", DMAP, {"κ": 9}, seed=5).get_params()["k"] == 9
    assert parts.make_part("Model", "dmap", DMAP, None, seed=5).seed == 5
    with pytest.raises(SettingError, match=r"^Model\.dmap: a setting must be one it declares; got 'kk'"):
        parts.make_part("Model", "dmap", DMAP, {"kk": 9}, seed=5)


def test_a_part_comes_back_by_its_kind():
    part = parts.make_autoencoder("Model", PCA(2)).fit(np.random.default_rng(0).standard_normal((30, 4)))
    saved, arrays = parts.part_arrays(part, kinds.AUTOENCODERS)
    assert saved["kind"] == "transformer"
    below = {f"autoencoder/{name}": array for name, array in arrays.items()}
    again = parts.open_part({"autoencoder": saved}, below, "autoencoder", kinds.AUTOENCODERS)
    assert np.allclose(again.encode(np.ones((1, 4))), part.encode(np.ones((1, 4))), atol=1e-12)
    saved["kind"] = "os.system"
    with pytest.raises(ArtifactError, match=r"^load: autoencoder must be one of .*; got 'os.system'"):
        parts.open_part({"autoencoder": saved}, below, "autoencoder", kinds.AUTOENCODERS)
    with pytest.raises(ArtifactError, match=r"got Halves\. Register it"):
        parts.part_arrays(Halves(), kinds.AUTOENCODERS)
