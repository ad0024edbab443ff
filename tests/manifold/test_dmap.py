"""The diffusion map against a dense solver, known spectra, and its own row rule read literally."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from close import assert_close
from dima.data import manifolds
from dima.manifold.dmap import DMAP
from manifold.shapes import assert_same_up_to_sign, blobs, cloud, sheet

PARTS = "the neighbour graph falls into"


def oracle(R_iX, d, eps, alpha, t):
    """Eigenvalues and coordinates by a dense solver on the full kernel, every row written out."""
    K = np.exp(-cdist(R_iX, R_iX, "sqeuclidean") / eps)
    q = K.sum(axis=1) ** alpha
    K /= np.outer(q, q)
    s = K.sum(axis=1)
    values, vectors = np.linalg.eigh(K / np.sqrt(np.outer(s, s)))
    values, vectors = values[::-1][1 : d + 1], vectors[:, ::-1][:, 1 : d + 1]
    return values, values**t * vectors / np.sqrt(s / s.sum())[:, None]


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("t", [0.0, 0.5, 2.0])
def test_full_kernel_is_the_dense_solution(alpha, t):
    R_iX = sheet(120)
    dmap = DMAP(4, k=120, eps=3.0, alpha=alpha, t=t).fit(R_iX)
    values, coordinates = oracle(R_iX, 4, 3.0, alpha, t)
    assert_close(dmap.eigenvalues_, values, atol=1e-6)
    assert_same_up_to_sign(dmap.embedding_, coordinates, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_copies_weigh_as_if_written_out(alpha):
    R_iX = sheet(40)[np.arange(200) % 40 // (np.arange(200) % 3 + 1)]
    n_distinct = len(np.unique(R_iX, axis=0))
    dmap = DMAP(3, k=n_distinct, eps=3.0, alpha=alpha).fit(R_iX)
    values, coordinates = oracle(R_iX, 3, 3.0, alpha, 1.0)
    assert_close(dmap.eigenvalues_, values, atol=1e-6)
    assert_same_up_to_sign(dmap.embedding_, coordinates, atol=1e-4)


def test_beta_and_eps_are_one_sharpness():
    R_iX = sheet(80)
    plain, sharper = DMAP(2, k=20, eps=3.0).fit(R_iX), DMAP(2, k=20, eps=6.0, beta=2.0).fit(R_iX)
    assert_close(sharper.embedding_, plain.embedding_, atol=1e-10)
    median = DMAP(2, k=20).fit(R_iX).eps_
    assert DMAP(2, k=20, eps_mul=2.5).fit(R_iX).eps_ == pytest.approx(2.5 * median, rel=1e-12)


@pytest.mark.parametrize("density", ["even", "uneven"])
def test_strip_has_the_spectrum_of_the_heat_equation(density):
    # Generator on [0, 2 pi] with reflecting ends: -k^2/4, cos(k x / 2), whatever the density (alpha = 1).
    u = np.linspace(0, 1, 401)
    x = 2 * np.pi * (u if density == "even" else (u + u**2) / 2)
    eps = 0.02
    dmap = DMAP(4, k=401, eps=eps, t=0).fit(x[:, None])
    k = np.arange(1, 5)
    assert_close(np.log(dmap.eigenvalues_) * 4 / eps, -(k**2) / 4, rtol=0.05)
    modes = np.cos(x[:, None] * k / 2)
    for mode, found in zip(modes.T, dmap.embedding_.T, strict=True):
        assert abs(np.corrcoef(mode, found)[0, 1]) > 0.99


def test_circle_has_its_harmonics():
    angle = 2 * np.pi * np.arange(120) / 120
    dmap = DMAP(4, k=120, eps=0.1, t=0).fit(np.column_stack([np.cos(angle), np.sin(angle)]))
    assert_close(np.log(dmap.eigenvalues_) * 4 / 0.1, -np.array([1.0, 1, 4, 4]), rtol=0.05)
    waves = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    left = dmap.embedding_ - waves @ np.linalg.lstsq(waves, dmap.embedding_)[0]
    assert np.abs(left).max() < 1e-3


SETTINGS = [{}, {"sym": "mean"}, {"alpha": 0.0, "t": 0.5}, {"drop_trivial": False}, {"k": 90}, {"t": 0}]


@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_training_rows_come_back_as_the_embedding(given):
    R_iX = np.vstack([sheet(80), sheet(80)[:10]])
    dmap = DMAP(3, **({"k": 12} | given | ({"k": 80} if given == {"k": 90} else {}))).fit(R_iX)
    assert_close(dmap.transform(R_iX), dmap.embedding_, atol=1e-10)
    assert_close(clone(dmap).fit_transform(R_iX), dmap.embedding_, atol=1e-10)
    assert dmap.embedding_.shape == dmap.self_excluded_.shape == (90, 3)


@pytest.mark.parametrize("given", SETTINGS[:3], ids=str)
def test_rows_next_to_training_rows_see_what_those_see(given):
    R_iX = sheet(150)
    dmap = DMAP(3, k=12, **given).fit(R_iX)
    assert_close(dmap.transform(R_iX + 1e-6), dmap.embedding_, atol=1e-3)


@pytest.mark.parametrize("given", SETTINGS[:3], ids=str)
def test_a_row_at_a_time_is_the_batch(given):
    dmap = DMAP(3, k=12, **given).fit(sheet(150))
    queries = sheet(40, seed=1)
    one_by_one = np.vstack([dmap.transform(row[None]) for row in queries])
    assert_close(one_by_one, dmap.transform(queries), atol=1e-10)


def literal_self_excluded(R_iX, dmap, k, alpha, halve):
    """Each row averaged over the rows that are linked to it, itself left out."""
    d2 = cdist(R_iX, R_iX, "sqeuclidean")
    named = d2 <= np.sort(d2, axis=1)[:, k - 1 : k] * (1 + 1e-9)
    links = (named + named.T.astype(float)) / 2 if halve else (named | named.T).astype(float)
    K = np.exp(-d2 / dmap.eps_) * links
    weights = K / K.sum(axis=1) ** alpha * (1 - np.eye(len(R_iX)))
    psi = dmap.embedding_ / dmap.eigenvalues_
    return weights @ psi / weights.sum(axis=1)[:, None]


@pytest.mark.parametrize("sym", ["max", "mean"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_self_excluded_is_the_row_rule_without_the_row(sym, alpha):
    R_iX = sheet(100)
    dmap = DMAP(3, k=9, sym=sym, alpha=alpha).fit(R_iX)
    expected = literal_self_excluded(R_iX, dmap, 9, alpha, sym == "mean")
    assert_close(dmap.self_excluded_, expected, atol=1e-4)


def test_a_training_row_far_from_all_others_looks_at_the_nearest():
    R_iX = np.vstack([sheet(60), sheet(60)[:1] + 200.0])
    with pytest.warns(UserWarning, match=PARTS):
        dmap = DMAP(2, k=10).fit(R_iX)
    nearest = np.argsort(cdist(R_iX[60:], R_iX[:60])[0])[0]
    assert_close(dmap.self_excluded_[60], dmap.embedding_[nearest], atol=0.05)
    assert np.abs(dmap.embedding_[60] - dmap.embedding_[nearest]).max() > 1


def test_separate_clusters_are_named_and_told_apart():
    with pytest.warns(UserWarning, match=rf"^DMAP: {PARTS} 3 parts; 2 of the coordinates"):
        dmap = DMAP(3, k=8).fit(blobs([40, 30, 20]))
    assert dmap.n_components_ == 3
    assert_close(dmap.eigenvalues_[:2], np.ones(2))
    for part in np.split(dmap.embedding_[:, :2], [40, 70]):
        assert_close(part, np.tile(part[0], (len(part), 1)), atol=1e-10)
    assert_close(dmap.transform(blobs([40, 30, 20]) + 0.01)[:, :2], dmap.embedding_[:, :2], atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_large_offset_changes_little(dtype):
    R_iX = cloud(200, 3) @ cloud(3, 784, seed=1)
    plain, moved = DMAP(3, k=20).fit(R_iX), DMAP(3, k=20).fit((R_iX + 1e3).astype(dtype))
    assert_same_up_to_sign(moved.embedding_, plain.embedding_, atol=2e-2)


MOVES = {
    "permutation": lambda R_iX, rng: R_iX,
    "translation": lambda R_iX, rng: R_iX + rng.uniform(-100, 100, 4),
    "rotation": lambda R_iX, rng: R_iX @ np.linalg.qr(rng.standard_normal((4, 4)))[0],
    "scaling": lambda R_iX, rng: R_iX * 10.0 ** rng.uniform(-15, 15),
}


@settings(max_examples=20)
@given(st.sampled_from(sorted(MOVES)), st.integers(0, 10**6))
def test_embedding_follows_the_data(move, seed):
    R_iX, rng = sheet(50, D=4), np.random.default_rng(seed)
    order = rng.permutation(50)
    moved = DMAP(2, k=50).fit(MOVES[move](R_iX, rng)[order])
    plain = DMAP(2, k=50).fit(R_iX)
    assert_same_up_to_sign(moved.embedding_, plain.embedding_[order], atol=1e-3)
    assert_close(moved.eigenvalues_, plain.eigenvalues_, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-15, 1e15])
def test_extreme_scales_are_the_same_data(factor):
    plain, scaled = DMAP(3, k=15).fit(sheet(100)), DMAP(3, k=15).fit(factor * sheet(100))
    queries = sheet(20, seed=1)
    assert scaled.eps_ == pytest.approx(plain.eps_ * factor**2, rel=1e-5)
    assert_close(scaled.transform(factor * queries), plain.transform(queries), atol=1e-3)


def test_one_thread_or_two_is_the_same_map():
    R_iX, queries = sheet(400), sheet(50, seed=1)
    with threadpool_limits(1):
        one = DMAP(4, k=20).fit(R_iX)
    with threadpool_limits(2):
        two = DMAP(4, k=20).fit(R_iX)
    assert_close(two.embedding_, one.embedding_, atol=1e-6)
    assert_close(two.transform(queries), one.transform(queries), atol=1e-6)


@pytest.mark.parametrize("backend", ["brute", "sklearn", "faiss"])
def test_backends_agree(backend):
    dmap = DMAP(3, k=15, ann_backend=backend).fit(sheet(300))
    assert_close(dmap.embedding_, DMAP(3, k=15).fit(sheet(300)).embedding_, atol=1e-3)


def test_constant_columns_change_nothing():
    R_iX = sheet(100)
    padded = np.column_stack([R_iX, np.full(100, 0.1), np.full(100, -3e5)])
    assert_same_up_to_sign(DMAP(3, k=15).fit(padded).embedding_, DMAP(3, k=15).fit(R_iX).embedding_, 1e-4)


def test_few_rows():
    dmap = DMAP(1).fit([[0.0], [1.0]])
    assert_close(dmap.transform([[0.0], [1.0], [0.5]])[:, 0], [*dmap.embedding_[:, 0], 0.0], atol=1e-6)
    assert DMAP(2).fit(cloud(3, 2)).embedding_.shape == (3, 2)


def test_trivial_mode_may_stay():
    whole = DMAP(3, k=15, drop_trivial=False).fit(sheet(100))
    rest = DMAP(2, k=15).fit(sheet(100))
    assert_close(whole.eigenvalues_, [1.0, *rest.eigenvalues_], atol=1e-12)
    assert_close(whole.embedding_, np.column_stack([np.ones(100), rest.embedding_]), atol=1e-10)
    alone = DMAP(1, k=15, drop_trivial=False).fit(sheet(100))
    assert_close(alone.self_excluded_, np.ones((100, 1)), atol=1e-12)


def test_saved_maps_are_equal_to_the_bit():
    R_iX, queries = np.vstack([sheet(100), sheet(100)[:5]]), sheet(20, seed=1)
    dmap = DMAP(np.int64(3), k=15, sym="mean", alpha=np.float32(0.5)).fit(R_iX)
    saved, arrays = dmap.to_arrays()
    restored = DMAP.from_arrays(json.loads(json.dumps(saved)), {k: v.copy() for k, v in arrays.items()})
    assert restored.get_params() == clone(dmap).get_params()
    for name in ("embedding_", "self_excluded_", "eigenvalues_", "training_rows_"):
        assert_close(getattr(restored, name), getattr(dmap, name))
    assert_close(restored.transform(queries), dmap.transform(queries))
    assert (restored.k_, restored.eps_, restored.n_components_) == (15, dmap.eps_, 1)


def test_settings_changed_after_fit_wait_for_the_next():
    dmap = DMAP(2, k=15).fit(sheet(100))
    before, queries = dmap.transform(sheet(9, seed=1)), sheet(9, seed=1)
    embedding = dmap.embedding_
    dmap.set_params(t=3.0, beta=5.0, alpha=0.0, sym="mean", k=4)
    assert_close(dmap.transform(queries), before)
    assert_close(dmap.embedding_, embedding)
    assert_close(DMAP.from_arrays(*dmap.to_arrays()).transform(queries), before)


def test_facts_are_plain_and_agree_with_the_fit():
    dmap = DMAP(2, k=15).fit(sheet(100))
    facts = dmap.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["d"], facts["neighbours_k"], facts["components"]) == (2, 15, 1)
    assert facts["encoder_bandwidth"] == dmap.eps_
    assert (facts["first_eigenvalue"], facts["last_eigenvalue"]) == tuple(dmap.eigenvalues_)


def test_training_rows_can_be_asked_for():
    R_iX = 1e3 + sheet(50)
    dmap = DMAP(2, k=15).fit(R_iX)
    assert_close(dmap.training_rows_, R_iX, atol=1e-5)


def test_columns_out_are_named():
    dmap = DMAP(3, k=15).set_output(transform="pandas")
    assert list(dmap.fit_transform(sheet(60)).columns) == ["dmap0", "dmap1", "dmap2"]
    assert list(dmap.transform(sheet(5, seed=1)).columns) == list(dmap.get_feature_names_out())


def test_novelty_of_rows_of_the_same_source_is_even_and_a_far_row_is_new():
    X = manifolds.embedded_manifold(1500, 6, d=3, seed=1).astype(float)
    dmap = DMAP(2, k=30).fit(X[:1000])
    assert (dmap.novelty(X[:50]) == 0).all()
    found = dmap.novelty(X[1000:])
    for level in (0.25, 0.5, 0.75, 0.95):
        assert (found > level).mean() == pytest.approx(1 - level, abs=0.06)
    assert dmap.novelty(X[:1] + 100.0) == 1.0


def test_distance_to_the_support_is_to_the_nearest_row_and_scales_with_the_data():
    X, new = manifolds.s_curve(200)[0], manifolds.s_curve(40, noise=0.3, seed=5)[0]
    by_hand = np.sqrt(((new[:, None] - X[None]) ** 2).sum(axis=2)).min(axis=1)
    dmap = DMAP(2, k=20).fit(X)
    assert_close(dmap.support_distance(new), by_hand, atol=1e-5)
    assert_close(DMAP(2, k=20).fit(1e3 * X).support_distance(1e3 * new), 1e3 * by_hand, atol=1e-2)


def test_copies_make_near_rows_novel():
    X = manifolds.s_curve(60)[0]
    once, twice = DMAP(2, k=20).fit(X), DMAP(2, k=20).fit(np.vstack([X, X]))
    near = X[:5] + 1e-3
    assert (twice.novelty(near) == 1.0).all()
    assert (once.novelty(near) < 0.2).all()
