import numpy as np
import pytest
from sklearn.decomposition import PCA

from close import assert_close
from dima.data import manifolds
from dima.data.split import train_test
from dima.errors import DataError, ShapeError
from dima.model.evaluate import evaluate, pca_reconstruction
from dima.model.manifold_autoencoder import ManifoldAutoencoder


def test_figures_agree_with_the_model_and_with_pca(model, rows):
    held_out = rows[:100] + 0.5
    measured = evaluate(model, held_out, n_samples=60)
    assert measured.error_over_variance == pytest.approx(1 - model.score(held_out))
    pca = PCA(4).fit(rows)
    left = held_out - pca.inverse_transform(pca.transform(held_out))
    share = (left**2).sum() / ((held_out - rows.mean(axis=0)) ** 2).sum()
    assert measured.pca_error_over_variance == pytest.approx(share, rel=1e-3)
    assert measured.sliced_w2_ratio == pytest.approx(measured.sliced_w2 / measured.sliced_w2_floor)


def test_the_floor_cannot_be_told_from_real_rows(model, rows):
    assert evaluate(model, rows[:120], n_samples=120).c2st_floor < 0.65


def test_without_a_prior_there_are_no_sample_figures(rows):
    measured = evaluate(ManifoldAutoencoder(2, prior=None).fit(rows), rows[:50])
    assert measured.sliced_w2 is None
    assert measured.d == 2


def test_pca_with_all_components_is_exact(rng):
    X = rng.standard_normal((20, 3))
    assert_close(pca_reconstruction(X, X, 5), X, atol=1e-10)


def test_too_few_or_wrong_rows_are_refused(model, rows):
    with pytest.raises(DataError, match="at least 10 rows; got 5"):
        evaluate(model, rows[:5])
    with pytest.raises(ShapeError):
        evaluate(model, np.zeros((20, 3)))


def test_defaults_on_the_digits_beat_pca_and_sample_near_the_floor():
    # The promise of `dima demo`, after a seventh of its training.
    X = manifolds.digits()[0]
    train, held_out = train_test(len(X), 0.2, 0)
    model = ManifoldAutoencoder(16, prior={"n_iter": 1500}).fit(X[train])
    measured = evaluate(model, X[held_out])
    assert measured.error_over_variance < measured.pca_error_over_variance
    assert measured.sliced_w2_ratio <= 1.5
    assert measured.predicted_error == pytest.approx(measured.error_over_variance, rel=0.1)
