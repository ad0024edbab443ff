"""How good a fitted model is on rows it has not seen, with the floor or the rival beside every number."""

import dataclasses

import numpy as np

from dima import check
from dima.errors import DataError, sentence
from dima.metrics import reconstruction, two_sample
from dima.model.autoencoder import ManifoldAutoencoder
from dima.typing import Array, ArrayLike, Float64

__all__ = ["Evaluation", "evaluate", "pca_reconstruction"]

_FLOOR_DRAWS = 5


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Held-out figures of a model; those of samples are None for a model without a prior.

    Attributes:
        d: latent dimension.
        n_train: training rows.
        n_held_out: held-out rows.
        error_over_variance: squared reconstruction error over variance; 0 is perfect, 1 the mean.
        pca_error_over_variance: the same of principal components fitted on the training rows, at the same d.
        predicted_error: what leave-one-out on the training rows predicted.
        rmse: root mean squared reconstruction error per coordinate, in the data's units.
        n_samples: samples drawn.
        sliced_w2: sliced 2-Wasserstein distance of the samples to the held-out rows.
        sliced_w2_floor: the same of as many training rows, mean of five draws.
        sliced_w2_ratio: the former over the latter; 1 is as good as real rows.
        c2st: accuracy of a classifier telling samples from held-out rows; 0.5 cannot tell.
        c2st_floor: the same of training rows.
    """

    d: int
    n_train: int
    n_held_out: int
    error_over_variance: float
    pca_error_over_variance: float
    predicted_error: float
    rmse: float
    n_samples: int | None = None
    sliced_w2: float | None = None
    sliced_w2_floor: float | None = None
    sliced_w2_ratio: float | None = None
    c2st: float | None = None
    c2st_floor: float | None = None


def evaluate(model: ManifoldAutoencoder, X: ArrayLike, *, n_samples: int = 500, seed: int = 0) -> Evaluation:
    """Measure a model on held-out rows `X` (b, D).

    Args:
        model: a fitted model.
        X: rows the model has not seen.
        n_samples: samples compared with them.
        seed: of the samples and of the rows that make the floor.

    Raises:
        NotFittedError: the model is not fitted.
        ShapeError: another width than in `fit`.
        DataError: fewer than ten rows.
    """
    check.fitted(model, "gplm_")
    X = check.points(model, X, reset=False)
    if len(X) < 10:
        fix = "Pass more held-out rows."
        raise DataError(sentence("evaluate", "X", "at least 10 rows", len(X), fix))
    train, mean = model.dmap_.training_rows_, model.gplm_.mu_X_
    X_hat, d = model.inverse_transform(model.transform(X)), len(model.dmap_.eigenvalues_)
    measured = Evaluation(
        d=d,
        n_train=len(train),
        n_held_out=len(X),
        error_over_variance=reconstruction.error_over_variance(X, X_hat, mean),
        pca_error_over_variance=reconstruction.error_over_variance(X, pca_reconstruction(train, X, d), mean),
        predicted_error=model.gplm_.press_.error,
        rmse=reconstruction.rmse(X, X_hat),
    )
    return measured if model.prior_ is None else _with_samples(measured, model, X, n_samples, seed)


def pca_reconstruction(train: Array, X: Array, d: int) -> Float64:
    """Rows `X` (b, D) projected on the `d` leading principal components of `train` (n, D)."""
    # Evaluation only: scikit-learn's PCA is the rival, not a part.
    from sklearn.decomposition import PCA

    pca = PCA(min(d, *train.shape), random_state=0).fit(train)
    rebuilt: Float64 = pca.inverse_transform(pca.transform(X))
    return rebuilt


def _with_samples(
    measured: Evaluation, model: ManifoldAutoencoder, X: Array, n_samples: int, seed: int
) -> Evaluation:
    # All three rounded alike, or a classifier could tell rows apart by their last digits.
    train, rounded = model.dmap_.training_rows_, model.dmap_.round_like_training
    samples, X = rounded(model.sample(n_samples, seed=seed)), rounded(X)
    rng = np.random.default_rng(seed)
    draws = [train[rng.permutation(len(train))[:n_samples]] for _ in range(_FLOOR_DRAWS)]
    distance = two_sample.sliced_w2(samples, X)
    floor = float(np.mean([two_sample.sliced_w2(draw, X) for draw in draws]))
    return dataclasses.replace(
        measured,
        n_samples=n_samples,
        sliced_w2=distance,
        sliced_w2_floor=floor,
        sliced_w2_ratio=distance / floor,
        c2st=two_sample.c2st(samples, X),
        c2st_floor=two_sample.c2st(draws[0], X),
    )
