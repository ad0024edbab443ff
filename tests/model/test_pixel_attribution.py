"""Attribution of models of pixels, held against dense sums of our own and plain torch."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from dima.data.images import load as load_images
from dima.errors import DataError, NotFittedError, SettingError, ShapeError
from dima.model import pixel_attribution
from dima.model.attribution import METHODS, attribute
from dima.model.direct import DirectModel, pairs_of
from dima.model.pixel_attribution import PIXEL_METHODS, pixel_influence
from dima.model.pixel_diffusion import PixelDiffusion

IMAGES = load_images("fashion-mnist-1000").images[:96, :, ::2, ::2].copy()


@pytest.fixture(scope="module")
def teacher():
    return PixelDiffusion(widths=(8, 16), epochs=4, batch_size=32, steps=4).fit(IMAGES)


@pytest.fixture(scope="module")
def direct(teacher, tmp_path_factory):
    pairs = pairs_of(teacher, 64, tmp_path_factory.mktemp("pairs"), steps=2)
    return DirectModel(epochs=1, batch_size=32).fit(teacher, pairs)


@pytest.fixture(scope="module", params=["teacher", "direct"])
def model(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("method", ["cosine", "posterior"])
def test_a_training_image_finds_itself(model, method):
    found = attribute(model, IMAGES, IMAGES[[7, 40]], method, k=5)
    assert found.ids[:, 0].tolist() == [7, 40]
    assert found.ids.shape == found.scores.shape == (2, 5)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_cosine_is_that_of_features_of_the_noise_behind_images(model, teacher, monkeypatch):
    # Whole stacks of features in plain torch, and blocks of 7 images at a time here.
    walker = teacher.fit_.model()
    encoder = DirectModel.network(model).encoder if isinstance(model, DirectModel) else None
    noise = walker.encode_noise(torch.from_numpy(IMAGES), steps=16)
    with torch.no_grad():
        level = torch.full((len(noise),), float(walker.path.log_snr[-1]))
        known = walker.unet.encode(noise, walker.unet.embedding(level))[0].flatten(1)
        if encoder is not None:
            torch.testing.assert_close(encoder(noise)[0].flatten(1), known, rtol=1e-4, atol=1e-5)
    wanted = torch.cosine_similarity(known[:3, None], known[None], dim=2)
    monkeypatch.setattr(pixel_attribution, "rows_within", lambda size: 7)
    found = pixel_influence(model, IMAGES, IMAGES[:3], "cosine")
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)


def test_features_are_taken_block_by_block(teacher, monkeypatch):
    asked = []
    whole = PixelDiffusion.features
    monkeypatch.setattr(PixelDiffusion, "features", lambda self, X: asked.append(len(X)) or whole(self, X))
    monkeypatch.setattr(pixel_attribution, "rows_within", lambda size: 40)
    pixel_influence(teacher, IMAGES, IMAGES[:3], "cosine")
    assert asked == [3, 40, 40, 16]


def test_posterior_is_a_softmax_of_exact_distances(model):
    X = IMAGES.reshape(len(IMAGES), -1).astype(np.float64)
    spread = X.std()
    Z = (X - X.mean()) / spread  # pixels in units of their spread, as the network has them
    levels = np.linspace(0, -3, 7)
    drawn = np.random.default_rng(5).standard_normal((7, 4, Z.shape[1]))
    wanted = np.zeros((2, len(Z)))
    for level, own in zip(levels, drawn, strict=True):
        alpha, sigma = 1 / np.sqrt(1 + np.exp(-2 * level)), 1 / np.sqrt(1 + np.exp(2 * level))
        for noise in own:
            d2 = np.square(alpha * Z[[3, 8], None] + sigma * noise - alpha * Z).sum(axis=2)
            wanted += softmax(-d2 / (2 * sigma**2), axis=1) / 28
    found = pixel_influence(model, IMAGES, IMAGES[[3, 8]], "posterior", seed=5)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.sort(found, axis=1)[:, -2].min() > 1e-3  # levels at which others have a share too


def test_features_of_the_decoder_are_its_teacher_s(direct, teacher):
    found = direct.features(IMAGES[:5])
    assert found.shape == (5, 16, *found.shape[2:])
    np.testing.assert_allclose(found, teacher.features(IMAGES[:5]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(teacher.features(IMAGES[:5].reshape(5, -1)), found, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_told_is_one_sentence(model):
    kind = type(model).__name__
    rule = rf"method must be one of cosine, posterior, random for a {kind}; got 'unrolled'\. The others need"
    with pytest.raises(SettingError, match=rule):
        attribute(model, IMAGES, IMAGES[:1], "unrolled")
    with pytest.raises(SettingError, match=r"k must be in 1\.\.96; got 97"):
        attribute(model, IMAGES, IMAGES[:1], k=97)
    with pytest.raises(ShapeError, match=r"queries must have shape"):
        attribute(model, IMAGES, np.zeros((1, 1, 28, 28)))
    with pytest.raises(DataError, match=r"NaN"):
        attribute(model, IMAGES, np.full((1, 1, 14, 14), np.nan))
    with pytest.raises(DataError, match=r"\[-1, 1\]"):
        model.features(np.full((1, 1, 14, 14), 3.0))
    with pytest.raises(NotFittedError):
        type(model)().features(IMAGES)


@pytest.mark.parametrize(
    ("training", "fault", "told"),
    [
        (IMAGES[:0], DataError, r"^attribute: training must"),
        ([IMAGES[0], IMAGES[0, 0]], ShapeError, r"^attribute: training must .* unlike parts"),
        (IMAGES[0], ShapeError, r"^attribute: training must have shape"),
    ],
)
def test_training_images_are_checked_before_k(teacher, training, fault, told):
    with pytest.raises(fault, match=told):
        attribute(teacher, training, IMAGES[:1], k=500)


def test_methods_of_pixels_are_methods():
    assert set(PIXEL_METHODS) < set(METHODS)
