import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from dima.errors import DataError, SettingError, ShapeError
from dima.metrics import distance
from dima.metrics import manifold as mf

CHART = np.random.default_rng(1).random((200, 2)) * [60, 10]


def test_an_affine_image_of_the_chart_reads_out_exactly(rng):
    Z = CHART @ rng.standard_normal((2, 5)) + 100
    assert mf.affine_readout(Z, CHART) < 1e-12


def test_readout_against_scikit_learn():
    Z = np.column_stack([np.sin(CHART[:, 0] / 20), CHART[:, 1] ** 2, np.ones(200)])
    fitted = LinearRegression().fit(Z, CHART).predict(Z)
    expected = np.linalg.norm(CHART - fitted) / np.linalg.norm(CHART - CHART.mean(axis=0))
    assert mf.affine_readout(Z, CHART) == pytest.approx(expected, rel=1e-9)


def test_readout_does_not_depend_on_units():
    Z = np.column_stack([np.sin(CHART[:, 0] / 20), CHART[:, 1] ** 2])
    expected = mf.affine_readout(Z, CHART)
    assert mf.affine_readout(Z * [1e-9, 1e9], CHART) == pytest.approx(expected, rel=1e-9)


def test_a_latent_that_says_nothing(rng):
    assert mf.affine_readout(rng.standard_normal((200, 1)), CHART) > 0.95
    assert mf.affine_readout(np.zeros((200, 1)), CHART) == pytest.approx(1.0)


def test_readouts_that_are_refused():
    with pytest.raises(ShapeError, match=r"chart must have shape \(200, c\)"):
        mf.affine_readout(CHART, CHART[:9])
    with pytest.raises(DataError, match="spread"):
        mf.affine_readout(CHART, np.ones((200, 2)))
    with pytest.raises(DataError, match="more than"):
        mf.affine_readout(CHART[:3], CHART[:3])


def neighbours(X, k):
    return NearestNeighbors(n_neighbors=k).fit(X).kneighbors(return_distance=False)


def test_preservation_against_scikit_learn(rng):
    X, Z = CHART, CHART + 3 * rng.standard_normal(CHART.shape)
    pairs = zip(neighbours(X, 7), neighbours(Z, 7), strict=True)
    expected = np.mean([len(set(x) & set(z)) / 7 for x, z in pairs])
    assert mf.neighbour_preservation(X, Z, k=7) == pytest.approx(expected)


def test_preservation_in_blocks(monkeypatch):
    whole = mf.neighbour_preservation(CHART, CHART[:, :1], k=5)
    monkeypatch.setattr(distance.blocks.rows_within, "__defaults__", (700 * distance._HELD_BYTES,))
    monkeypatch.setattr(mf, "rows_within", lambda _: 28)
    assert mf.neighbour_preservation(CHART, CHART[:, :1], k=5) == whole


def test_preservation_of_moved_and_of_shuffled_rows(rng):
    assert mf.neighbour_preservation(CHART, 3 * CHART + 5) == 1.0
    shuffled = rng.permutation(CHART)
    assert mf.neighbour_preservation(CHART, shuffled) == pytest.approx(10 / 199, abs=0.03)


def test_a_row_is_not_its_own_neighbour_even_among_duplicates():
    X = np.repeat(CHART[:20], 3, axis=0)
    assert mf.neighbour_preservation(X, X, k=2) == 1.0


def test_preservation_needs_fewer_neighbours_than_rows():
    with pytest.raises(SettingError, match="from 1 to 199"):
        mf.neighbour_preservation(CHART, CHART, k=200)
    with pytest.raises(ShapeError, match=r"Z must have shape \(200, d\)"):
        mf.neighbour_preservation(CHART, CHART[:-1])


def test_nearest_neighbour_accuracy_against_scikit_learn(rng):
    labels = (CHART[:, 0] // 10).astype(int) + rng.integers(0, 2, 200)
    parts = CHART[:150], labels[:150], CHART[150:], labels[150:]
    expected = KNeighborsClassifier(1).fit(*parts[:2]).score(*parts[2:])
    assert mf.nearest_neighbour_accuracy(*parts) == expected
    words = labels.astype(str)
    assert mf.nearest_neighbour_accuracy(parts[0], words[:150], parts[2], words[150:]) == expected


def test_labels_must_match_rows():
    with pytest.raises(ShapeError, match="y_test"):
        mf.nearest_neighbour_accuracy(CHART, CHART[:, 0], CHART, CHART[:9, 0])
