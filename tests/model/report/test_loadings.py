import sys

import numpy as np
from sklearn.decomposition import PCA

from close import assert_close
from dima.model.latent_model import LatentModel
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.report.loadings import _most, loadings
from dima.model.report.subject import Subject

section = sys.modules[loadings.__module__]  # the package has a function of that name


def test_the_columns_that_move_the_most_are_shown_in_their_order():
    values = np.zeros((50, 2))
    values[::2, 0], values[1::2, 1] = np.arange(25), -0.5 - np.arange(25)
    assert _most(values).tolist() == list(range(20, 50))


def test_tables_have_a_picture_of_cells_and_images_one_of_pixels(model, rows):
    table = loadings(model, Subject("Table", rows[:9]))
    assert table.text.endswith("The 30 of 64 columns that move the most.")
    assert "each pixel" in loadings(model, Subject("Digits", rows[:9], image_shape=(8, 8))).text
    few = ManifoldAutoencoder(2, prior=None, d_diffusion=0).fit(rows[:60, 20:24])
    assert loadings(few, Subject("Few", rows[:9, 20:24])).text.endswith("as if each had been new.")


def test_what_is_drawn_are_the_loadings(model, rows, monkeypatch):
    drawn = {}
    monkeypatch.setattr(section.heat, "cells", lambda values, names, latents: drawn.update(table=values))
    monkeypatch.setattr(section.grid, "images", lambda pixels, *_, **__: drawn.update(pixels=pixels))
    monkeypatch.setattr(section, "png", lambda _: b"")
    loadings(model, Subject("Table", rows[:9]))
    loadings(model, Subject("Digits", rows[:9], image_shape=(8, 8)))
    values = model.loadings_.values
    assert_close(drawn["table"], values[_most(values)])
    assert_close(drawn["pixels"][2].ravel(), values[:, 2])


def test_a_model_without_loadings_has_no_section(rows):
    assert loadings(LatentModel(PCA(2), prior=None).fit(rows), Subject("Flat", rows[:9])) is None
