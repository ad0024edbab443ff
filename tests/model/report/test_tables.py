"""The page of a table says how honest its generated rows are, and shows every column."""

import dataclasses
import html
import re

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dima.data.table import Table
from dima.model import report
from dima.model.evaluate import Evaluation, evaluate
from dima.model.evaluate.rows import RowFigure
from dima.model.latent_model import LatentModel
from dima.model.report import tables
from dima.model.report.summary import column_summary, more_columns, row_summary

FIGURES = [RowFigure("coverage", 0.91234, 0.97, 0.9), RowFigure("copy ratio, median", 1.0, 0.0, float("nan"))]
R2 = {"amount <kg>": 0.75, "colour": float("nan")}
MEASURED = Evaluation(2, 60, 30, 0.1, 0.2, rows=FIGURES, column_r2=R2)


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.lognormal(size=n), rng.integers(0, 3, n)])
    return Table(values, list(R2), [], ("float", "text"), {1: ("blue", "green", "red")})


@pytest.fixture(scope="module")
def model():
    return LatentModel(PCA(2), prior="gmm", columns="rank").fit(table(60))


def test_figures_stand_beside_those_of_training_rows_and_the_mixture():
    assert row_summary(MEASURED) == [
        ("coverage", "0.912", "0.970", "0.900"),
        ("copy ratio, median", "1.000", "0.000", "-"),
    ]
    assert column_summary(MEASURED) == [("amount <kg>", "0.750"), ("colour", "-")]
    assert more_columns(MEASURED) == ""


def test_of_many_columns_the_worst_are_told():
    many = {"flat": float("nan")} | {f"x{place}": 1 - place / 10 for place in range(29)}
    measured = dataclasses.replace(MEASURED, column_r2=many)
    assert [name for name, _ in column_summary(measured)] == [f"x{place}" for place in range(28, 4, -1)]
    assert column_summary(measured)[0][1] == "-1.800"
    assert more_columns(measured) == "The 24 of 30 columns that are rebuilt worst."


def test_the_page_of_a_table(model):
    page = report.build(model, MEASURED, report.Subject("Rows", table(30, seed=1)))
    for cell in ("0.912", "1.000", "0.750"):
        assert f">{cell}</td>" in page
    assert "Columns were taken by rank. Rows are drawn by a Gaussian mixture." in page
    assert "the C2ST accuracy above is by the better of a linear classifier" in page
    assert re.findall("<h2[^>]*>(.*?)</h2>", page)[1:3] == ["Honesty of generated rows", "Columns"]
    assert html.escape("amount <kg>") in page
    assert "amount <kg>" not in page


def test_columns_are_drawn_of_held_out_rows_and_as_many_as_training_rows(model, monkeypatch):
    shown = []
    draw = tables.marginals.marginals
    monkeypatch.setattr(tables.marginals, "marginals", lambda *given: shown.append(given) or draw(*given))
    held_out = table(30, seed=1)
    section = tables.columns(model, MEASURED, report.Subject("Rows", held_out, seed=3))
    real, fake, names, words = shown[0]
    assert np.allclose(real, held_out.values)
    assert np.array_equal(fake, model.sample(60, seed=3).values)
    assert (names, words) == (list(R2), {1: ("blue", "green", "red")})
    assert len(section.figures) == 1


def test_without_a_prior_there_are_no_generated_rows():
    bare = LatentModel(PCA(2), prior=None, columns="rank").fit(table(60))
    measured = evaluate(bare, table(30, seed=1))
    section = tables.columns(bare, measured, report.Subject("Rows", table(30, seed=1)))
    assert section.figures == ()
    assert tables.honesty(measured) is None


def test_what_is_no_table_has_neither_section(model):
    measured = Evaluation(2, 60, 30, 0.1, 0.2)
    assert tables.honesty(measured) is None
    assert tables.columns(model, measured, report.Subject("Points", np.eye(3))) is None
