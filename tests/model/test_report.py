import re

import pytest

from dima.model import report
from dima.model.evaluate import evaluate
from dima.model.manifold_autoencoder import ManifoldAutoencoder


@pytest.fixture(scope="module")
def measured(model, rows):
    return evaluate(model, rows[:60], n_samples=60)


def pictures(page):
    return len(re.findall(r"data:image/png;base64,", page))


def test_pictures_have_all_sections(model, rows, measured):
    subject = report.Subject("Digits", rows[:60], rows[:60, 0], (8, 8))
    page = report.build(model, measured, subject)
    assert pictures(page) == 6
    for title in ("Latent space", "Loadings", "Reconstruction", "Generated", "Refinement", "Spectrum"):
        assert title in page


def test_a_table_has_no_rows_of_pictures(model, rows, measured):
    page = report.build(model, measured, report.Subject("<b>Table</b>", rows[:60]))
    assert pictures(page) == 4
    assert "<b>Table" not in page


def test_a_model_of_one_dimension_without_prior(rows):
    model = ManifoldAutoencoder(1, prior=None).fit(rows)
    measured = evaluate(model, rows[:60])
    assert pictures(report.build(model, measured, report.Subject("Line", rows[:60]))) == 3


def test_latents_that_are_principal_components_have_no_spectrum(rows):
    model = ManifoldAutoencoder(3, prior="gmm", d_diffusion=0, columns="standard").fit(rows)
    measured = evaluate(model, rows[:60], n_samples=60)
    page = report.build(model, measured, report.Subject("Flat", rows[:60]))
    assert "Spectrum" not in page
    assert "first_eigenvalue" not in model.facts()
    assert "The latents are principal components here. The reconstruction error is equal to" in page
    assert "Columns were taken over their spreads. Rows are drawn by a Gaussian mixture." in page
    assert "On 60 rows a classifier test moves by about 0.05 by chance." in page


def test_the_summary_sets_the_rival_beside_each_figure(measured):
    rows = report.summary(measured)
    assert rows[0][0] == "error / variance"  # the rows are training rows
    assert f"{measured.pca_error_over_variance:.4f}" in rows[0][2]
    assert f"{measured.sliced_w2_floor:.4f}" in rows[2][2]
