import numpy as np
import pytest
from sklearn.decomposition import PCA

from close import assert_close
from dima.data import manifolds
from dima.errors import DataError
from dima.metrics.reconstruction import error_over_variance
from dima.model.latent_model import LatentModel
from dima.model.latent_noise import latent_noise
from dima.model.manifold_autoencoder import ManifoldAutoencoder

WIDTH, SPREAD = 40, np.array([9.0, 4.0])


def plane(n, seed=0):
    """A plane in 40 dimensions with spreads 9 and 4, and a little noise."""
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(9).standard_normal((WIDTH, 2)))[0]
    return (SPREAD * random.standard_normal((n, 2))) @ axes.T + 0.1 * random.standard_normal((n, WIDTH))


@pytest.fixture(scope="module")
def model():
    return LatentModel(PCA(2), prior="gmm").fit(plane(1000))


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_noise_moves_latents_of_a_plane_by_its_size_over_their_spread(model, noise):
    X = plane(500, seed=1)
    noisy = X + noise * np.random.default_rng(2).standard_normal(X.shape)
    assert_close(latent_noise(model, noisy), noise / SPREAD, rtol=0.12)


def test_rows_like_those_of_the_fit_have_no_noise(model):
    assert latent_noise(model, plane(500, seed=3)).max() < 0.02


def test_refining_by_it_is_the_filter_of_a_gaussian(model):
    # Latents are standard normal: what carries noise s is shrunk to 1 / (1 + s^2).
    noisy = plane(500, seed=1) + 6.0 * np.random.default_rng(2).standard_normal((500, WIDTH))
    Z, noise = model.transform(noisy), latent_noise(model, noisy)
    assert_close(model.refine(Z, "auto", noise=noise), Z / (1 + noise**2), atol=0.15)


def test_refined_latents_decode_nearer_to_clean_rows(model):
    X = plane(500, seed=1)
    noisy = X + 6.0 * np.random.default_rng(2).standard_normal(X.shape)
    Z = model.transform(noisy)
    refined = model.refine(Z, "auto", noise=latent_noise(model, noisy))
    before, after = (error_over_variance(X, model.inverse_transform(z), X.mean(axis=0)) for z in (Z, refined))
    assert after < 0.8 * before


def test_the_error_of_new_rows_is_that_of_leaving_each_out():
    X, _ = manifolds.digits()
    model = ManifoldAutoencoder(4, prior="gmm").fit(X[:300])
    fit = model.fit_
    known, as_new = (fit.scale.apply(codes) for codes in fit.autoencoder.training_codes(X[:300]))
    assert_close(fit.latent_error, np.sqrt(np.square(as_new - known).mean(axis=0)))
    assert fit.latent_error.max() > 0.01
    Z = as_new[:5]
    assert_close(model.refine(Z, "auto"), model.prior_.refine(Z, "auto", noise=fit.latent_error))
    again = ManifoldAutoencoder.from_arrays(*model.to_arrays()).fit_
    assert_close(again.latent_error, fit.latent_error)
    assert again.residual == fit.residual == float(np.square(fit.autoencoder.left_out(X[:300])).mean())


def test_a_model_without_a_residual_says_so(model):
    saved, arrays = model.to_arrays()
    older = LatentModel.from_arrays({**saved, "residual": None}, arrays)
    with pytest.raises(DataError) as caught:
        latent_noise(older, plane(5))
    assert "must tell of its residuals; got none" in str(caught.value)
