"""The coder of a diffusion autoencoder as a part: images and rows, settings, devices."""

import numpy as np
import pytest

from dima.data.images import load as load_images
from dima.errors import BackendError, NotFittedError, SettingError, ShapeError
from dima.model.diffusion_coder import DiffusionCoder
from dima.model.persist import load, save

IMAGES = load_images("fashion-mnist-1000").images[:64]


@pytest.fixture(scope="module")
def fitted():
    return DiffusionCoder(latent_dim=2, widths=(8, 16), epochs=1, batch_size=32, steps=2).fit(IMAGES)


def test_images_and_rows_are_the_same(fitted):
    rows = IMAGES.reshape(64, -1)
    np.testing.assert_array_equal(fitted.encode(rows), fitted.encode(IMAGES))
    assert fitted.decode(fitted.encode(rows)).shape == rows.shape
    assert fitted.image_shape_ == (1, 28, 28)


def test_saved_and_opened_it_is_the_same(fitted, tmp_path):
    opened = load(save(fitted, tmp_path / "coder"))
    codes = fitted.encode(IMAGES)
    np.testing.assert_array_equal(opened.encode(IMAGES), codes)
    np.testing.assert_array_equal(opened.decode(codes[:2]), fitted.decode(codes[:2]))
    np.testing.assert_array_equal(opened.sample(2, steps=2), fitted.sample(2, steps=2))
    assert opened.get_params() == fitted.get_params()
    assert opened.facts() == fitted.facts()


def test_a_row_is_decoded_from_noise_of_its_own(fitted):
    codes = np.zeros((3, 2))
    three = fitted.decode(codes)
    assert np.abs(three[0] - three[1]).max() > 1e-3
    np.testing.assert_allclose(fitted.decode(codes[:2]), three[:2], atol=1e-5)


def test_it_says_what_is_missing(fitted):
    with pytest.raises(NotFittedError, match=r"Call DiffusionCoder\.fit first"):
        DiffusionCoder().encode(IMAGES)
    with pytest.raises(ShapeError, match=r"codes must have shape \(b, 2\)"):
        fitted.decode(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="noise must have shape"):
        fitted.decode(np.zeros((2, 2)), np.zeros((2, 1, 8, 8)))
    with pytest.raises(BackendError, match="device must be one of"):
        fitted.to_device("cuda")


def test_a_run_folder_is_a_path():
    with pytest.raises(SettingError, match=r"^DiffusionCoder: checkpoint must be a path, .*; got 3\."):
        DiffusionCoder("frozen", latent_dim=2, widths=(8, 16)).fit(IMAGES, checkpoint=3)
