"""Held to scikit-learn's cosine similarity."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from close import assert_close
from dima.errors import DataError, DataTypeError, ShapeError
from dima.explain.influence.cosine import similarity

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.standard_normal((4, 6))
REFERENCE = RANDOM.standard_normal((50, 6)) * RANDOM.uniform(0.1, 10, (50, 1))
WANTED = cosine_similarity(FEATURES, REFERENCE)


@pytest.fixture(params=["whole", "in blocks of three rows"])
def block(request, monkeypatch):
    if request.param != "whole":
        monkeypatch.setattr("dima.explain.influence.cosine.rows_within", lambda _: 3)


@pytest.mark.usefixtures("block")
def test_similarities_are_those_of_scikit_learn():
    assert_close(similarity(FEATURES, REFERENCE), WANTED, atol=1e-14)


@pytest.mark.usefixtures("block")
def test_a_memory_map_is_read_in_place(tmp_path):
    np.save(tmp_path / "reference.npy", REFERENCE.astype(np.float32))
    mapped = np.load(tmp_path / "reference.npy", mmap_mode="r")
    found = similarity(FEATURES.astype(np.float32), mapped)
    assert found.dtype == np.float32
    assert_close(found, WANTED, atol=1e-6)


def test_whole_numbers_are_understood():
    whole = (REFERENCE * 10).astype(np.int8)
    assert_close(similarity(FEATURES, whole), cosine_similarity(FEATURES, whole.astype(float)), atol=1e-6)


def test_rows_of_any_length_count_alike():
    for size in (1e-30, 1e17):
        scaled = (REFERENCE / 10 * size).astype(np.float32)
        assert_close(similarity(FEATURES.astype(np.float32), scaled), WANTED, atol=1e-5)


def test_a_row_of_zeros_is_like_nothing():
    found = similarity([[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 4.0]])
    assert_close(found, [[0.0, 1.0], [0.0, 0.0]], atol=1e-15)


def test_refusals():
    with pytest.raises(ShapeError, match="reference must have shape"):
        similarity(FEATURES, REFERENCE[:, 1:])
    with pytest.raises(ShapeError, match="features must have shape"):
        similarity(FEATURES[0], REFERENCE)
    with pytest.raises(DataError, match=r"reference\[0:50\] must be finite"):
        similarity(FEATURES, np.where(REFERENCE > 20.0, np.nan, REFERENCE))
    with pytest.raises(DataTypeError, match="real numbers"):
        similarity(FEATURES, REFERENCE.astype(complex))
