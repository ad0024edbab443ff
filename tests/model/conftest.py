import numpy as np
import pytest

from dima.data import manifolds
from dima.manifold.dmap import DMAP
from dima.model.dima import DIMA
from dima.model.manifold_autoencoder import ManifoldAutoencoder

TINY = {"n_iter": 60, "hidden_dim": 16, "T": 20, "batch_size": 32}


@pytest.fixture(scope="session")
def rows():
    # The digits stand by writer: shuffled, a first part and a second are of one law.
    return np.random.default_rng(0).permutation(manifolds.digits()[0])[:300]


@pytest.fixture(scope="session")
def model(rows):
    return ManifoldAutoencoder(4, dmap=DMAP(k=60), gplm={"m": 80}, prior=TINY).fit(rows)


@pytest.fixture(scope="session")
def dima(model):
    return DIMA.of(model)
