"""The self-tuning kernel against its formula written out, in sample and for new rows."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from close import assert_close
from dima.manifold.dmap import DMAP
from dima.manifold.neighbors import knn
from dima.manifold.widths import KERNELS, scaled
from manifold.shapes import assert_same_up_to_sign, cloud, sheet

K = 12


def written_out(R_iX, new, d):
    """Eigenvalues, coordinates (n, d) and those of new rows, every pair of rows by itself."""
    d2 = cdist(R_iX, R_iX, "sqeuclidean")
    radius = np.sort(d2, axis=1)[:, K - 1]
    linked = (d2 <= np.maximum.outer(radius, radius)) & ~np.eye(len(d2), dtype=bool)
    unit = np.median(radius)
    inner = d2 * unit / np.sqrt(np.outer(radius, radius))
    near = np.sort(np.where(np.eye(len(d2), dtype=bool), np.inf, d2), axis=1)[:, : K - 1]
    order = np.argsort(np.where(np.eye(len(d2), dtype=bool), np.inf, d2), axis=1)[:, : K - 1]
    assert_close(np.take_along_axis(d2, order, axis=1), near)
    eps = np.median(np.take_along_axis(inner, order, axis=1))
    kernel = np.where(linked, np.exp(-inner / eps), 0) + np.eye(len(d2))
    q = kernel.sum(axis=1)
    normal = kernel / np.outer(q, q)
    s = normal.sum(axis=1)
    values, vectors = np.linalg.eigh(normal / np.sqrt(np.outer(s, s)))
    values, psi = values[::-1][1 : d + 1], (vectors / np.sqrt(s / s.sum())[:, None])[:, ::-1][:, 1 : d + 1]
    d2 = cdist(new, R_iX, "sqeuclidean")
    own = np.sort(d2, axis=1)[:, K - 1]
    inner = d2 * unit / np.sqrt(np.outer(own, radius))
    weights = np.where(d2 <= np.maximum.outer(own, radius), np.exp(-inner / eps) / q, 0)
    return values, psi * values, weights @ psi / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("many", [False, True])
def test_modes_and_those_of_new_rows_are_the_formula(many, monkeypatch):
    if many:  # distances of new rows in float32
        monkeypatch.setattr("dima.manifold.nystrom._MANY", 1)
    R_iX, new = sheet(150), sheet(20, seed=1) + 0.05
    found = DMAP(3, k=K, kernel="self-tuning").fit(R_iX)
    values, coordinates, theirs = written_out(R_iX, new, 3)
    assert_close(found.eigenvalues_, values, atol=1e-6)
    assert_same_up_to_sign(found.embedding_, coordinates, atol=1e-4)
    assert_same_up_to_sign(found.transform(new), theirs, atol=1e-4)


@pytest.mark.parametrize("coordinates", ["first", "chart"])
def test_training_rows_are_kept_saved_and_one_at_a_time(coordinates):
    R_iX, new = np.vstack([sheet(150), sheet(150)[:5]]), sheet(30, seed=1)
    found = DMAP(2, k=K, kernel="self-tuning", coordinates=coordinates, sym="mean").fit(R_iX)
    assert_close(found.transform(R_iX), found.embedding_, atol=1e-10)
    assert_close(found.transform(R_iX + 1e-7), found.embedding_, atol=1e-3)
    codes = found.transform(new)
    assert_close(np.vstack([found.transform(row[None]) for row in new]), codes, atol=1e-9)
    settings, arrays = found.to_arrays()
    assert_close(DMAP.from_arrays(json.loads(json.dumps(settings)), arrays).transform(new), codes, atol=1e-12)
    fixed = DMAP(2, k=K, coordinates=coordinates, sym="mean").fit(R_iX)
    assert np.abs(np.abs(fixed.embedding_) - np.abs(found.embedding_)).max() > 0.01


def test_units_do_not_matter():
    R_iX = sheet(120)
    plain, grown = (DMAP(2, k=K, kernel="self-tuning").fit(X) for X in (R_iX, 1000 * R_iX))
    assert_close(grown.embedding_, plain.embedding_, atol=1e-6)
    assert grown.eps_ == pytest.approx(1e6 * plain.eps_, rel=1e-5)


def test_where_rows_thin_out_modes_go_by_their_number_and_not_by_the_distance():
    # Each is as many neighbours away from the next: to the kernel the rows are evenly spaced.
    at = (np.arange(400) + 0.5) / 400
    thinning = np.exp(4 * at)[:, None]
    wave = np.cos(np.pi * at)
    found = {name: DMAP(1, k=21, kernel=name).fit(thinning).embedding_[:, 0] for name in KERNELS}
    assert abs(np.corrcoef(wave, found["self-tuning"])[0, 1]) > 0.999
    assert abs(np.corrcoef(wave, found["fixed"])[0, 1]) < 0.99


def test_neighbours_are_scaled_by_both_ends():
    near = DMAP(2, k=5).fit(cloud(30, 2)).fit_
    found = knn(near.rows.R_uX, near.rows.R_uX, 5)
    assert scaled(found, None, near.radius2_u) is found
    by_both = scaled(found, lambda radius2: radius2**2, near.radius2_u)
    unit = np.median(near.radius2_u)
    width = (near.radius2_u / unit) ** 2
    assert_close(by_both.d2, found.d2 / np.sqrt(width[:, None] * width[found.ids]), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:DMAP:UserWarning")
@pytest.mark.parametrize("kernel", KERNELS)
def test_copies_but_for_rounding_have_finite_coordinates(kernel, rng):
    near_copies = np.repeat(rng.standard_normal((20, 3)), 15, axis=0)
    near_copies += 1e-9 * rng.standard_normal(near_copies.shape)
    found = DMAP(2, k=25, kernel=kernel).fit(near_copies)  # many a 15th neighbour is at no distance
    assert np.isfinite(found.embedding_).all()
    assert np.isfinite(found.transform(near_copies + 1e-9)).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_rows_far_from_all_others_are_told(kernel):
    found = DMAP(2, k=K, kernel=kernel).fit(sheet(150))
    reach = np.sqrt(found.eps_ * 31)
    with pytest.warns(UserWarning, match="1 of 2 rows lie far"):
        found.transform(np.vstack([sheet(150)[0] + 0.01, sheet(150).max(axis=0) + reach]))
