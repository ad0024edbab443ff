"""The autoencoder of images as a part: shapes, refusals, saving."""

import copy
import dataclasses

import numpy as np
import pytest

from dima.data.images import load as load_images
from dima.errors import DataError, NotFittedError, SettingError, ShapeError
from dima.image import device
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.persist import load, save

IMAGES = load_images("fashion-mnist-1000").images[:64]


@pytest.fixture(scope="module")
def fitted():
    return ImageAutoencoder("conv", latent_dim=3, epochs=1, batch_size=16).fit(IMAGES)


def test_images_and_rows_are_the_same(fitted):
    rows = IMAGES.reshape(64, -1)
    again = ImageAutoencoder("conv", latent_dim=3, epochs=1, batch_size=16).fit(rows)
    np.testing.assert_array_equal(again.encode(rows), fitted.encode(IMAGES))
    assert fitted.decode(fitted.encode(IMAGES)).shape == rows.shape
    assert again.image_shape_ == (1, 28, 28)


def test_saved_and_opened_it_is_the_same(fitted, tmp_path):
    opened = load(save(fitted, tmp_path / "coder"))
    np.testing.assert_array_equal(opened.encode(IMAGES), fitted.encode(IMAGES))
    np.testing.assert_array_equal(opened.losses_, fitted.losses_)
    assert opened.get_params() == fitted.get_params()
    assert opened.facts() == fitted.facts()
    assert opened.facts()["autoencoder"] == "conv"


def test_the_precision_is_measured_once_and_kept(fitted, tmp_path, monkeypatch):
    other = copy.copy(fitted)
    monkeypatch.setattr(device, "bf16_is_faster", lambda work, place: work() is None)
    assert other.to_device("cpu", "auto").precision == "float32"
    monkeypatch.setattr(device, "bf16_is_faster", lambda work, place: work() is not None)
    assert other.to_device("cpu", "auto").precision == "bfloat16"
    opened = load(save(other, tmp_path / "coder"))
    monkeypatch.setattr(device, "bf16_is_faster", None)  # nothing is measured any more
    codes = other.encode(IMAGES)
    np.testing.assert_array_equal(opened.encode(IMAGES), codes)
    assert 0 < np.abs(codes - fitted.encode(IMAGES)).max() < 0.1
    trained = dataclasses.replace(fitted.fit_, settings=fitted.fit_.settings | {"precision": "auto"})
    np.testing.assert_array_equal(trained.encode(IMAGES), fitted.encode(IMAGES))


def test_it_is_watched_epoch_by_epoch():
    seen = []
    ImageAutoencoder(latent_dim=2, epochs=2).fit(
        IMAGES, watch=lambda so_far, epoch: seen.append((epoch, so_far.encode(IMAGES[:1]).shape))
    )
    assert seen == [(1, (1, 2)), (2, (1, 2))]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (IMAGES[:, :, :20], ShapeError, r"\(1, 28, 28\); got \(1, 20, 28\)"),
        (IMAGES.reshape(64, -1)[:, :700], ShapeError, "700 features"),
        (IMAGES[:0], DataError, "minimum of 1 is required"),
        (IMAGES * 3, DataError, r"in \[-1, 1\]; got -3 to 3"),
        (np.full_like(IMAGES, np.nan), DataError, "finite"),
    ],
)
def test_other_images_are_refused(fitted, wrong, error, message):
    with pytest.raises(error, match=message):
        fitted.encode(wrong)


def test_what_it_cannot_be_fitted_to_is_refused():
    with pytest.raises(ShapeError, match=r"got shape \(64, 28, 28\)"):
        ImageAutoencoder().fit(IMAGES[:, 0])
    with pytest.raises(ShapeError, match="square grey"):
        ImageAutoencoder().fit(IMAGES.reshape(64, -1)[:, :700])
    with pytest.raises(DataError, match="Divide bytes"):
        ImageAutoencoder().fit(127 * IMAGES)
    with pytest.raises(SettingError, match="model must be one of 'mlp', 'conv'"):
        ImageAutoencoder("vae").fit(IMAGES)
    with pytest.raises(DataError, match="images must hold at least one number"):
        ImageAutoencoder().fit(np.zeros((5, 1, 0, 28)))
    with pytest.raises(ShapeError, match="got a list of unlike parts"):
        ImageAutoencoder().fit([[1, 2], [3]])
    with pytest.raises(SettingError, match="epochs"):
        ImageAutoencoder(epochs=0).fit(IMAGES)


def test_two_images_are_enough_with_patience_too():
    fitted = ImageAutoencoder(latent_dim=2, epochs=1, patience=1).fit(IMAGES[:2])
    assert np.isfinite(fitted.encode(IMAGES[:2])).all()


def test_before_fit_it_says_so(fitted):
    with pytest.raises(NotFittedError):
        ImageAutoencoder().encode(IMAGES)
    with pytest.raises(ShapeError, match=r"codes must have shape \(b, 3\)"):
        fitted.decode(np.zeros((2, 4)))
    assert fitted.is_fitted()
    assert not ImageAutoencoder().is_fitted()
