"""Eigenpairs of the chain against a dense solver, and the ones that need no solver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import ArpackNoConvergence

from close import assert_close
from dima.errors import NumericsError
from dima.manifold import graph, spectrum
from dima.manifold.neighbors import knn
from manifold.shapes import assert_same_up_to_sign, blobs, cloud, sheet


def markov(points, k=10, bandwidth=1.0, weights=None):
    found = knn(points, points, k, "brute")
    weights = np.ones(len(points)) if weights is None else weights
    return graph.markov(graph.log_affinity(found, bandwidth, 1.0, "max"), weights, 1.0)


def transitions(chain):
    kernel = chain.off_ii.toarray() + np.diag(chain.self_i)
    return kernel * chain.weight_i / chain.degree_i[:, None]


@pytest.mark.parametrize("rows", [0, 3000], ids=["lanczos", "dense"])
def test_modes_are_right_eigenvectors(monkeypatch, rows):
    monkeypatch.setattr(spectrum, "_DENSE_ROWS", rows)
    chain = markov(sheet(150), weights=np.arange(150) % 3 + 1.0)
    values, modes, n_components = spectrum.diffusion_modes(chain, 6, seed=0)
    P, pi = transitions(chain), chain.stationary_i
    assert n_components == 1
    assert_close(P @ modes, modes * values, atol=1e-8)
    assert_close(modes.T @ (pi[:, None] * modes), np.eye(6), atol=1e-8)
    assert_close(pi @ modes, np.zeros(6), atol=1e-8)
    assert_close(values, np.sort(np.linalg.eigvals(P).real)[::-1][1:7], atol=1e-9)


def test_threads_share_a_product_and_change_no_digit(monkeypatch, rng):
    off, _ = markov(sheet(300)).conjugate()
    x, used = rng.standard_normal(300), []
    monkeypatch.setattr(spectrum, "_SHARED", 1)
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(spectrum.threads, "allowed", lambda n=n_threads: n)
        with spectrum.shared_product(off) as product:
            assert_close(product(x), off @ x)
            used.append(product)
    assert used[0] == off.__matmul__  # bound methods of one matrix are equal
    assert used[1] != off.__matmul__
    half = graph.rows_of(off, slice(0, 150))
    assert np.shares_memory(half.data, off.data)
    assert np.shares_memory(half.indices, off.indices)


@pytest.mark.parametrize("rows", [0, 3000], ids=["lanczos", "dense"])
def test_known_modes_do_not_come_back_among_negative_ones(monkeypatch, rows):
    monkeypatch.setattr(spectrum, "_DENSE_ROWS", rows)
    chain = markov(cloud(20, 2), k=4, bandwidth=50.0)
    values, _, _ = spectrum.diffusion_modes(chain, 19, seed=0)
    truth = np.sort(np.linalg.eigvals(transitions(chain)).real)[::-1]
    assert truth[-1] < -0.1
    assert_close(values, truth[1:], atol=1e-9)


def test_both_solvers_agree(monkeypatch):
    chain = markov(sheet(300))
    dense = spectrum.diffusion_modes(chain, 5, seed=0)
    monkeypatch.setattr(spectrum, "_DENSE_ROWS", 0)
    for seed in (0, 1):
        lanczos = spectrum.diffusion_modes(chain, 5, seed)
        assert_close(lanczos[0], dense[0], atol=1e-10)
        assert_same_up_to_sign(lanczos[1], dense[1], atol=1e-8)


@pytest.mark.parametrize("rows", [0, 3000], ids=["lanczos", "dense"])
def test_components_come_back_as_contrasts(monkeypatch, rows):
    monkeypatch.setattr(spectrum, "_DENSE_ROWS", rows)
    sizes = [20, 50, 30]
    chain = markov(blobs(sizes), k=8, bandwidth=2.0)
    values, modes, n_components = spectrum.diffusion_modes(chain, 4, seed=0)
    assert n_components == 3
    assert_close(values[:2], np.ones(2))
    assert_close(transitions(chain) @ modes[:, :2], modes[:, :2], atol=1e-12)
    assert values[2] < 1 - 1e-6
    for block in np.split(modes[:, :2], np.cumsum(sizes)[:-1]):
        assert_close(block, np.broadcast_to(block[0], block.shape), atol=1e-12)
    assert_close(modes.T @ (chain.stationary_i[:, None] * modes), np.eye(4), atol=1e-8)


def test_first_contrast_singles_out_the_largest_component():
    modes = spectrum.diffusion_modes(markov(blobs([10, 40, 12]), k=5), 1, seed=0)[1][:, 0]
    assert len(np.unique(modes[10:50].round(10))) == 1
    assert_close(modes[:10], np.full(10, modes[55]), atol=1e-10)
    assert abs(modes[0] - modes[20]) > 1


@pytest.mark.parametrize(
    "distance", [6.0, 10.0, 60.0], ids=["next to nothing", "lost in rounding", "underflow"]
)
def test_edges_too_weak_to_be_seen_join_nothing(distance):
    points = np.vstack([cloud(40, 2), [[distance, 0.0]]])
    values, modes, n_components = spectrum.diffusion_modes(markov(points, k=6, bandwidth=0.5), 2, 0)
    assert n_components == 2
    assert values[0] == 1.0
    assert np.ptp(modes[:40, 0]) < 1e-10 < abs(modes[40, 0] - modes[0, 0])


@pytest.mark.parametrize("rows", [0, 3000], ids=["lanczos", "dense"])
def test_what_is_next_to_apart_has_the_modes_it_would_have_apart(monkeypatch, rows):
    monkeypatch.setattr(spectrum, "_DENSE_ROWS", rows)
    far = cloud(50, 2) + np.array([7.0, 0.0])
    chain = markov(np.vstack([cloud(60, 2), far]), k=70, bandwidth=0.5)
    values, modes, n_components = spectrum.diffusion_modes(chain, 4, seed=0)
    truth = np.sort(np.linalg.eigvals(transitions(chain)).real)[::-1][1:5]
    assert n_components == 2
    assert 1e-12 < 1 - truth[0] < 1e-6
    assert_close(values, truth, atol=1e-6)
    assert_close(transitions(chain) @ modes, modes * values, atol=1e-5)


def test_many_components_need_no_large_basis():
    found = knn(cloud(400, 2), cloud(400, 2), 3, "brute")
    chain = graph.markov(graph.log_affinity(found, 1e-30, 1.0, "max"), np.ones(400), 0.0)
    values, modes, n_components = spectrum.diffusion_modes(chain, 3, seed=0)
    assert n_components == 400
    assert_close(values, np.ones(3))
    assert modes.shape == (400, 3)


def test_a_small_graph_gives_what_it_has():
    values, modes, _ = spectrum.diffusion_modes(markov(cloud(5, 2), k=5), 20, seed=0)
    assert values.shape == (4,)
    assert modes.shape == (5, 4)


def test_no_convergence_is_our_error(monkeypatch):
    def stubborn(*args, **kwargs):
        raise ArpackNoConvergence("no", np.ones(2), np.ones((4, 2)))

    monkeypatch.setattr(spectrum, "_DENSE_ROWS", 0)
    monkeypatch.setattr(spectrum, "eigsh", stubborn)
    with pytest.raises(NumericsError, match=r"^DMAP: eigenpairs must be converged; got 2 of 3\. Lower d"):
        spectrum.diffusion_modes(markov(cloud(30, 2)), 3, seed=0)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 7))
def test_signs_do_not_depend_on_the_solver(seed, flips):
    vectors = np.random.default_rng(seed).standard_normal((9, 3))
    signs = 1.0 - 2.0 * np.array([flips & 1, flips >> 1 & 1, flips >> 2 & 1])
    fixed = spectrum.fix_signs(vectors)
    assert_close(spectrum.fix_signs(vectors * signs), fixed)
    assert_close(np.abs(fixed), np.abs(vectors))


def test_a_symmetric_column_points_its_largest_entry_up():
    column = np.array([[1.0], [-3.0], [-1.0], [3.0 - 1e-9]])
    assert_close(spectrum.fix_signs(column), -column)
