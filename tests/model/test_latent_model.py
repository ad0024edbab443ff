"""A new kind costs a page; a scikit-learn transformer costs nothing."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, KernelPCA
from sklearn.preprocessing import OneHotEncoder

import dima
from close import assert_close
from dima.cli import run
from dima.errors import ArtifactError, DataError, NotFittedError, SettingError, ShapeError
from dima.metrics.reconstruction import error_over_variance
from dima.model import kinds, report
from dima.model.evaluate import evaluate
from dima.model.latent_model import LatentModel
from model.conftest import TINY
from model.halves import Halves


@pytest.fixture
def halves(monkeypatch):
    """The kind is registered for the length of a test."""
    monkeypatch.setitem(kinds.AUTOENCODERS, "halves", lambda: Halves)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(3)
    return rng.standard_normal((200, 5)) * [3.0, 2.0, 0.5, 0.1, 0.1] + 4.0


@pytest.fixture(scope="module")
def pca(X):
    return LatentModel(PCA(3), prior=TINY).fit(X, names=list("abcde"))


def test_pca_is_an_autoencoder_at_once(pca, X):
    by_hand = PCA(3).fit(X)
    codes = by_hand.transform(X)
    assert_close(pca.transform(X), codes / codes.std(axis=0), atol=1e-9)
    assert_close(pca.inverse_transform(pca.transform(X)), by_hand.inverse_transform(codes), atol=1e-9)
    assert pca.score(X) == pytest.approx(by_hand.explained_variance_ratio_.sum())


def test_a_new_kind_costs_a_page(halves, X, tmp_path):
    model = LatentModel(Halves(3), prior=TINY).fit(X)
    assert_close(model.transform(X).std(axis=0), np.ones(3), atol=1e-10)
    assert model.sample(5).shape == (5, 5)
    measured = evaluate(model, X[:60], n_samples=30)
    page = report.build(model, measured, report.Subject("Halves", X[:60]))
    assert "Latent space" in page
    folder = dima.save(model, tmp_path / "m")
    again = dima.load(folder)
    assert_close(again.transform(X), model.transform(X))
    assert_close(again.sample(4, seed=1), model.sample(4, seed=1))
    assert_close(again.fit(X).sample(4, seed=1), model.sample(4, seed=1))


def test_a_new_kind_is_served_by_every_verb(halves, X, tmp_path, capsys):
    dima.save(LatentModel(Halves(3), prior=TINY).fit(X, names=list("abcde")), tmp_path / "m")
    np.save(tmp_path / "X.npy", X[:40])
    m, rows, Z, out = (str(tmp_path / name) for name in ("m", "X.npy", "Z.npy", "out.csv"))
    assert run(["encode", m, rows, "-o", Z]) == 0
    assert run(["decode", m, Z, "-o", out, "--refine", "--t-start", "2"]) == 0
    assert (tmp_path / "out.csv").read_text().startswith("a,b,c,d,e\n")
    assert run(["reconstruct", m, rows, "-o", out]) == 0
    assert run(["sample", m, "-n", "7", "-o", out]) == 0
    assert run(["evaluate", m, rows, "--n-samples", "10"]) == 0
    capsys.readouterr()
    assert run(["info", m, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["d"], facts["prior_T"]) == ("LatentModel", 3, 20)


def test_without_training_rows_the_floor_is_one_half_of_the_rows_to_the_other(pca, X):
    alone = evaluate(pca, X, n_samples=500)
    assert alone.pca_error_over_variance is None
    assert alone.n_samples == 100
    beside = evaluate(pca, X[:60], train=X[60:], n_samples=60)
    assert beside.pca_error_over_variance == pytest.approx(beside.error_over_variance, rel=0.3)
    assert 0.4 < alone.sliced_w2_floor / beside.sliced_w2_floor < 2


def test_interpolation_is_straight_in_latent_space(pca, X):
    path = pca.interpolate(X[:4], X[4:8], steps=5)
    assert path.shape == (4, 5, 5)
    rebuilt = pca.inverse_transform(pca.transform(X[:8]))
    assert_close(path[:, 0], rebuilt[:4], atol=1e-9)
    assert_close(path[:, -1], rebuilt[4:], atol=1e-9)
    assert_close(path[:, 2], (rebuilt[:4] + rebuilt[4:]) / 2, atol=1e-9)
    with pytest.raises(SettingError, match=r"steps must be at least 2; got 1"):
        pca.interpolate(X[:1], X[:1], steps=1)
    with pytest.raises(ShapeError, match=r"end must have shape \(4, 3\)"):
        pca.interpolate(X[:4], X[:3])


def test_density_is_that_of_the_prior_at_the_latents(pca, X):
    assert_close(pca.log_density(X[:5]), pca.prior_.score_samples(pca.transform(X[:5])))


def test_columns_are_kept(pca, tmp_path):
    assert dima.load(dima.save(pca, tmp_path / "m")).columns_ == list("abcde")


def test_facts_are_plain_and_say_the_sizes(pca):
    facts = pca.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["training_rows"], facts["columns"], facts["d"]) == (200, 5, 3)
    assert facts["transformer"] == "PCA"
    assert facts["prior_training_steps"] == 60


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (LatentModel(KMeans(3)), SettingError, "must be an autoencoder or a transformer with inverse"),
        (LatentModel(PCA), SettingError, "must be an autoencoder or a transformer with inverse"),
        (LatentModel(PCA(99)), DataError, "PCA must encode and decode these rows; got: n_components=99"),
        (LatentModel(KernelPCA(2)), DataError, "KernelPCA must encode and decode these rows"),
        (LatentModel(OneHotEncoder()), DataError, "OneHotEncoder must encode and decode these rows"),
        (LatentModel(PCA(2), prior="vae"), SettingError, "prior must be one of 'auto'"),
        (LatentModel(PCA(2), prior=3), SettingError, "prior must be a DDPM, its settings or None; got int"),
        (LatentModel(PCA(2), seed=-1), SettingError, "seed must be a whole number >= 0"),
        (LatentModel(PCA(2), prior={"n_itr": 3}), SettingError, "Did you mean 'n_iter'"),
    ],
)
def test_what_is_refused(X, model, error, message):
    with pytest.raises(error, match=message):
        model.fit(X)


def test_bad_rows_are_refused(pca, X):
    with pytest.raises(DataError, match="finite"):
        LatentModel(PCA(2), prior=None).fit(np.full_like(X, np.nan))
    with pytest.raises(ShapeError, match="features"):
        pca.transform(X[:, :3])
    with pytest.raises(NotFittedError, match=r"Call LatentModel\.fit first"):
        LatentModel(PCA(2)).transform(X)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (lambda X: X[:, :2] * np.nan, "codes of the autoencoder must be finite"),
        (lambda X: X[:, 0], r"codes of the autoencoder must have shape \(200, d\); got shape \(200,\)"),
        (lambda X: np.vstack([X, X]), "codes of the autoencoder must have shape"),
    ],
)
def test_codes_that_cannot_be_used_are_refused(monkeypatch, X, codes, message):
    monkeypatch.setattr(Halves, "encode", lambda self, X: codes(X))
    with pytest.raises((DataError, ShapeError), match=message):
        LatentModel(Halves(2), prior=None).fit(X)


def test_half_precision_codes_are_understood(monkeypatch, X):
    monkeypatch.setattr(Halves, "encode", lambda self, X: X[:, :2].astype(np.float16))
    assert LatentModel(Halves(2), prior=None).fit(X).transform(X).shape == (200, 2)


def test_names_of_columns_are_as_many_as_the_columns(X):
    with pytest.raises(ShapeError, match="names must be 5, one for each column; got 1"):
        LatentModel(PCA(2), prior=None).fit(X, names=["a"])


def test_training_rows_have_no_floor_and_break_nothing(pca, X):
    measured = evaluate(pca, X, train=X, n_samples=500)
    assert (measured.sliced_w2_floor, measured.sliced_w2_ratio, measured.n_samples) == (0.0, None, 200)
    assert "floor 0.0000, ratio -" in [row[2] for row in report.summary(measured)]
    with pytest.raises(SettingError, match="n_samples must be at least 10; got 3"):
        evaluate(pca, X, n_samples=3)


def test_an_unregistered_kind_is_not_saved(X, tmp_path):
    model = LatentModel(Halves(2), prior=None).fit(X)
    with pytest.raises(ArtifactError, match="must be of a registered kind; got Halves"):
        dima.save(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_it_can_be_cloned(pca):
    assert clone(pca).get_params()["seed"] == 0
    assert not hasattr(clone(pca), "fit_")


def test_the_error_is_over_the_variance_about_the_training_mean(pca, X):
    held_out = X + 1.0
    rebuilt = pca.inverse_transform(pca.transform(held_out))
    expected = error_over_variance(held_out, rebuilt, X.mean(axis=0))
    assert evaluate(pca, held_out, n_samples=20).error_over_variance == pytest.approx(expected)
