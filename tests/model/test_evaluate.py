import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from close import assert_close
from dima.data import manifolds
from dima.data.split import train_test
from dima.errors import DataError, ShapeError
from dima.metrics import rows as honesty
from dima.model.evaluate import evaluate, pca_reconstruction
from dima.model.evaluate.tables import table_figures
from dima.model.latent_model import LatentModel
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.report.summary import summary


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


@pytest.mark.parametrize("columns", ["raw", "standard", "rank"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_rows_are_known_in_any_order_and_no_others(rng, columns, dtype):
    X = (100 + rng.standard_normal((120, 5))).astype(dtype)
    model = LatentModel(PCA(2), prior=None, columns=columns).fit(X)
    assert evaluate(model, X).is_training
    assert evaluate(model, X[rng.permutation(120)]).is_training
    for others in (X[:119], np.vstack([X[1:], X[:1] + 1e-3]), 100 + rng.standard_normal((120, 5))):
        assert not evaluate(model, others).is_training


@pytest.mark.parametrize("columns", ["raw", "rank"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_were_fitted_to_are_counted(rng, columns, dtype):
    X = (100 + rng.standard_normal((120, 5))).astype(dtype)
    new = 100 + rng.standard_normal((30, 5))
    model = ManifoldAutoencoder(2, prior=None, columns=columns).fit(X)
    mixed = np.vstack([new, X[40:60], X[41:42]])
    assert evaluate(model, mixed).n_seen == 21
    assert evaluate(model, new, train=X).n_seen == 0
    assert evaluate(model, X).n_seen == 120
    assert evaluate(model, np.vstack([X[1:], X[:1] + 1e-3])).n_seen == 119
    bare = LatentModel(PCA(2), prior=None, columns=columns).fit(X)
    assert evaluate(bare, mixed).n_seen is None
    assert evaluate(bare, mixed, train=X).n_seen == 21


def test_a_floor_of_rounding_has_no_ratio(model, rows):
    measured = evaluate(model, rows, n_samples=len(rows))
    assert measured.sliced_w2_floor < 1e-6
    assert measured.sliced_w2_ratio is None
    assert "ratio -" in summary(measured)[2][2]


def test_pca_with_all_components_is_exact(rng):
    X = rng.standard_normal((20, 3))
    assert_close(pca_reconstruction(X, X, 5), X, atol=1e-10)


def test_too_few_or_wrong_rows_are_refused(model, rows):
    with pytest.raises(DataError, match="at least 10 rows; got 5"):
        evaluate(model, rows[:5])
    with pytest.raises(DataError, match="train must hold at least 10 rows; got 9"):
        evaluate(model, rows[:50], train=rows[:9])
    with pytest.raises(ShapeError):
        evaluate(model, np.zeros((20, 3)))


@pytest.fixture
def frame(rng, monkeypatch):
    """A table whose columns have names, and a label."""
    monkeypatch.setattr(honesty, "_TREES", 15)
    kind = rng.choice(["old", "new"], 90)
    amount = rng.lognormal(size=90) + 5 * (kind == "new")
    return pd.DataFrame({"amount": amount, "count": rng.integers(0, 50, 90), "kind": kind})


def test_points_and_pictures_have_no_figures_of_a_table(model, rows):
    measured = evaluate(model, rows[:60], n_samples=60)
    assert measured.rows is measured.column_r2 is None


def test_a_table_has_the_figures_of_its_rows_and_columns(frame):
    train, held_out = frame[:60], frame[60:]
    model = LatentModel(PCA(2), prior="gmm", columns="rank").fit(train, "kind")
    measured = evaluate(model, held_out, train=train, seed=4)
    assert measured.rows == table_figures(model, held_out, train, seed=4)
    assert measured.column_r2.keys() == {"amount", "count"}
    # Standard scores of two columns, of one size each: what both lose is what the rows lose.
    spread = ((model.numbers(held_out) - model.fit_.mean_X) ** 2).sum(axis=0)
    kept = spread @ list(measured.column_r2.values()) / spread.sum()
    assert kept == pytest.approx(1 - measured.error_over_variance)
    # Neither this model nor any other keeps labels of its training rows.
    assert evaluate(model, held_out).rows is None


def test_rows_that_a_model_keeps_stand_for_a_table(frame):
    table = frame.assign(kind=frame["kind"].where(frame["count"] > 5, "none"))
    model = ManifoldAutoencoder(2, columns="rank").fit(table[:60])
    kept, given = (evaluate(model, table[60:], train=train) for train in (None, table[:60]))
    for ours, theirs in zip(kept.rows, given.rows, strict=True):
        assert ours.name == theirs.name
        assert ours.value == pytest.approx(theirs.value, abs=0.05)
    assert kept.column_r2 == given.column_r2


def test_without_a_prior_a_table_has_its_columns(frame):
    measured = evaluate(LatentModel(PCA(1), prior=None, columns="rank").fit(frame[:60]), frame[60:])
    assert measured.rows is None
    assert measured.column_r2.keys() == {"amount", "count", "kind"}


def test_defaults_on_the_digits_beat_pca_and_sample_near_the_floor():
    # The promise of `dima demo`, after a seventh of its training.
    X = manifolds.digits()[0]
    train, held_out = train_test(len(X), 0.2, 0)
    model = ManifoldAutoencoder(16, prior={"n_iter": 1500}).fit(X[train])
    measured = evaluate(model, X[held_out])
    assert measured.error_over_variance < measured.pca_error_over_variance
    assert measured.sliced_w2_ratio <= 1.5
    assert measured.predicted_error == pytest.approx(measured.error_over_variance, rel=0.1)
