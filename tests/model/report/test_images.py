"""The page of an image generator holds its pictures and its figures, in grey and in colour."""

import re

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dima.data.images import load
from dima.errors import DataError, ShapeError
from dima.model.evaluate.images import Figure
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.report import Subject
from dima.model.report.images import image_report

TRAIN, TEST = load("fashion-mnist-1000").images[:100], load("fashion-mnist-1000", "test")
FIGURES = [Figure("FID", 2.5, 1.25, 2.0, "lenet"), Figure("MSE", 0.125, None, None, "pixels")]
QUICK = {"n_iter": 20, "hidden_dim": 8, "T": 20}


@pytest.fixture(scope="module")
def model():
    return LatentDiffusion(PCA(3), prior=QUICK).fit(TRAIN)


def pictures(page):
    return len(re.findall(r"data:image/png;base64,", page))


def test_the_page_has_all_sections(model):
    page = image_report(
        model, FIGURES, Subject("<b>Clothes", TEST.images[:30], TEST.labels[:30], train=TRAIN)
    )
    for title in ("Figures", "Generated", "Reconstruction", "Interpolation", "Latent space"):
        assert f">{title}</h2>" in page
    assert pictures(page) == 4
    assert "<b>Clothes" not in page
    for cell in ("2.5", "1.25", "2.00", "lenet", "0.125"):
        assert f">{cell}</td>" in page
    assert "100 training images of 1 x 28 x 28, 3 latent dimensions" in page


def test_a_model_without_prior_and_figures_shows_what_it_has():
    model = LatentDiffusion(PCA(3), prior=None).fit(TRAIN)
    page = image_report(model, [], Subject("Clothes", TEST.images[:2]))
    assert pictures(page) == 3
    assert "Generated" not in page
    assert ">Figures</h2>" not in page


@pytest.mark.slow
def test_colours_are_shown(model):
    images = np.repeat(TRAIN, 3, axis=1)
    page = image_report(
        LatentDiffusion(PCA(3), prior=QUICK).fit(images), FIGURES, Subject("Red", images[:20])
    )
    assert pictures(page) == 4


def test_other_images_are_refused(model):
    with pytest.raises(ShapeError, match="images must be of shape"):
        image_report(model, FIGURES, Subject("Clothes", TEST.images[:, :, :14]))
    with pytest.raises(DataError, match="at least two images"):
        image_report(model, FIGURES, Subject("Clothes", TEST.images[:1]))
