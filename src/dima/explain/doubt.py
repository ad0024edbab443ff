"""Which latents a classifier doubts, and the nearest at which it does not; arrays in and out."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from dima.explain.clue import clue
from dima.explain.last_layer import BayesianLastLayer
from dima.explain.tensors import rows, to_numpy
from dima.typing import Array, Float64

__all__ = ["Doubts", "doubts"]


@dataclasses.dataclass(frozen=True)
class Doubts:
    """Rows a classifier is least and most sure of, and counterfactuals of the first.

    Attributes:
        entropy: (b,) of the prediction for every row asked, in nats.
        predicted: (b,) labels.
        unsure: (n,) numbers of the least sure rows, the worst first.
        sure: (n,) numbers of the surest.
        z: (n, d) counterfactual latents of the least sure.
        z_entropy: (n,) at them.
        z_predicted: (n,) labels there.
        distance: (n,) from the rows' own latents.
    """

    entropy: Float64
    predicted: Array
    unsure: Array
    sure: Array
    z: Array
    z_entropy: Float64
    z_predicted: Array
    distance: Float64


def doubts(  # noqa: PLR0913 what it is asked and how it looks
    z: Array,
    labels: Array,
    asked: Array,
    n: int = 8,
    *,
    prior: str | Callable[[Any], Any] = "none",
    distance_weight: float = 0.1,
    prior_weight: float = 0.1,
    seed: int = 0,
) -> Doubts:
    """Fit a Bayesian last layer to latents and their labels, and explain what it says of others.

    The layer is a Gaussian process, so that it doubts latents unlike any it was fitted to.

    Args:
        z: (m, d) latents, standardised.
        labels: (m,) whole numbers.
        asked: (b, d) latents to tell of.
        n: rows shown of each kind.
        prior: of `clue`; the `denoise` of a latent model keeps counterfactuals on its manifold.
        distance_weight: of `clue`.
        prior_weight: of `clue`.
        seed: of the layer's draws and of the searches.

    Raises:
        ShapeError, DataError: as `BayesianLastLayer.fit`.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((300, 2))
        >>> told = doubts(z, (z[:, 0] > 0).astype(int), z[:50], n=2)
        >>> bool((told.z_entropy < told.entropy[told.unsure]).all())
        True
    """
    layer = BayesianLastLayer(seed=seed, kernel="gaussian").fit(rows("doubts", "z", z), labels)
    own = rows("doubts", "asked", asked)
    entropy, probabilities = layer.entropy(own), layer.predict_proba(own)
    order = torch.argsort(entropy)
    unsure, sure = order.flip(0)[:n], order[:n]
    found = clue(
        own[unsure],
        layer.entropy,
        prior=prior,
        distance_weight=distance_weight,
        prior_weight=prior_weight,
        seed=seed,
    )
    ends = found.z[:, 0]
    told = {
        "entropy": entropy,
        "predicted": layer.classes_[to_numpy(probabilities.argmax(1))],
        "unsure": unsure,
        "sure": sure,
        "z": ends,
        "z_entropy": found.uncertainty[:, 0],
        "z_predicted": layer.classes_[to_numpy(layer.predict_proba(ends).argmax(1))],
        "distance": found.distance[:, 0],
    }
    return Doubts(**{name: to_numpy(tensor) for name, tensor in told.items()})
