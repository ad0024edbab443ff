"""Transformers that are fitted numbers alone come back equal; no other is saved."""

import numpy as np
import pytest
from sklearn.decomposition import NMF, PCA, FastICA, IncrementalPCA, KernelPCA, SparsePCA, TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

import dima
from close import assert_close
from dima.errors import ArtifactError, NumericsError
from dima.model.latent_model import LatentModel
from dima.model.transformer import TransformerAutoencoder

TRANSFORMERS = [
    PCA(2),
    PCA(0.9, whiten=True),
    FastICA(2, random_state=0, max_iter=2000, tol=1e-3),
    IncrementalPCA(2),
    NMF(2, random_state=0, max_iter=2000),
    TruncatedSVD(2, random_state=0),
    MinMaxScaler(),
    RobustScaler(),
    StandardScaler(),
]


@pytest.fixture(scope="module")
def X():
    return np.abs(np.random.default_rng(0).standard_normal((80, 4))) + 0.1


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_it_comes_back_equal(transformer, X, tmp_path):
    model = LatentModel(transformer, prior=None).fit(X)
    again = dima.load(dima.save(model, tmp_path / "m"))
    Z = model.transform(X + 0.05)
    # The numbers are equal; another memory layout may round a product otherwise.
    assert_close(again.transform(X + 0.05), Z, atol=1e-12)
    assert_close(again.inverse_transform(Z), model.inverse_transform(Z), atol=1e-12)
    assert_close(again.fit(X).transform(X), model.transform(X), atol=1e-12)


@pytest.mark.parametrize(
    "transformer",
    [KernelPCA(2, fit_inverse_transform=True), make_pipeline(StandardScaler(), PCA(2))],
    ids=["KernelPCA", "Pipeline"],
)
def test_another_works_and_is_not_saved(transformer, X, tmp_path):
    model = LatentModel(transformer, prior=None).fit(X)
    assert model.inverse_transform(model.transform(X)).shape == X.shape
    with pytest.raises(ArtifactError, match=r"the transformer must be one that can be saved; got"):
        dima.save(model, tmp_path / "m")


@pytest.mark.parametrize("name", ["transform", "__class__", "n_jobs"])
def test_a_file_replaces_no_method(X, name):
    part = TransformerAutoencoder(PCA(2)).fit(X)
    saved, arrays = part.to_arrays()
    saved["fitted"][name] = 1
    with pytest.raises(ArtifactError, match="a fitted number of PCA must be one"):
        TransformerAutoencoder.from_arrays(saved, arrays)


def test_a_file_names_no_other_class():
    with pytest.raises(ArtifactError, match=r"the transformer must be one of .* got 'Popen'"):
        TransformerAutoencoder.from_arrays({"transformer": "Popen", "fitted": {}}, {})


def test_one_row_is_a_row_where_the_transformer_makes_a_vector_of_it(X):
    model = LatentModel(SparsePCA(2, random_state=0, max_iter=20), prior=None).fit(X)
    assert_close(model.transform(X[:1]), model.transform(X)[:1], atol=1e-12)


def test_latents_without_finite_rows_are_refused():
    X = np.random.default_rng(0).lognormal(size=(200, 2)) + 1.0
    model = LatentModel(PowerTransformer("box-cox"), prior=None).fit(X)
    Z = model.transform(X[:3])
    Z[1] = 50.0  # above what any row has: the power of a negative number
    with pytest.raises(NumericsError, match=r"PowerTransformer must decode .* finite rows; got 1 of 3"):
        model.inverse_transform(Z)
