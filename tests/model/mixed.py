"""A table of numbers, integers, booleans and words with labels, and what is told of a refusal."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from dima.errors import DimaError
from dima.model.latent_model import LatentModel

NUMBERS = ["amount", "count", "is_new"]


def table(n=80):
    rng = np.random.default_rng(0)
    label = np.where(rng.random(n) < 0.4, "high", "low")
    return pd.DataFrame(
        {
            "amount": rng.lognormal(size=n) * 1e4 + 1e5 * (label == "high"),
            "label": label,
            "count": rng.integers(0, 50, n),
            "is_new": rng.random(n) < 0.3,
            "colour": rng.choice(["blue", "green", "red"], n),
        }
    )


def ranked(**given):
    return LatentModel(PCA(2), prior="gmm", columns="rank", **given)


def told(call, error=DimaError):
    with pytest.raises(error) as found:
        call()
    assert "\n" not in str(found.value)
    return str(found.value)
