import numpy as np
from sklearn.decomposition import PCA

from close import assert_close
from dima.model.transformer import TransformerAutoencoder


def plane(n):
    random = np.random.default_rng(0)
    return random.standard_normal((n, 3)) * [5.0, 2.0, 0.5]


def test_without_leaving_out_codes_of_training_rows_are_those_of_any():
    X = plane(50)
    part = TransformerAutoencoder(PCA(2)).fit(X)
    known, as_new = part.training_codes(X)
    assert_close(known, part.encode(X))
    assert_close(as_new, known)
    assert_close(part.left_out(X), X - part.decode(part.encode(X)))


def test_the_expected_residual_is_a_mean_square_over_the_first_two_thousand_rows():
    X = plane(2500)
    part = TransformerAutoencoder(PCA(2)).fit(X)
    left = X[:2000] - part.decode(part.encode(X[:2000]))
    assert_close(part.expected_residual(X), np.square(left).mean(), rtol=1e-12)
    assert part.expected_residual(X) < 0.25 / 3 * 1.1  # the smallest of the three spreads is left


def test_a_part_is_fitted_once_it_has_fitted_attributes():
    assert not TransformerAutoencoder(PCA(2)).is_fitted()
    assert TransformerAutoencoder(PCA(2)).fit(plane(20)).is_fitted()


def test_images_are_rows_to_a_part_that_takes_rows():
    X = plane(20)
    part = TransformerAutoencoder(PCA(2)).fit(X)
    assert_close(part.encode_images(X.reshape(20, 1, 1, 3)), part.encode(X))
