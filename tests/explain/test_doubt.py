"""Doubts of a classifier of latents and their counterfactuals, as arrays."""

import numpy as np

from dima.explain.doubt import doubts


def test_the_least_sure_lie_at_the_border_and_are_moved_off_it(rng):
    z = rng.standard_normal((400, 3))
    labels = np.where(z[:, 0] > 0, 7, 3)
    told = doubts(z, labels, z, n=5)
    assert set(told.predicted) <= {3, 7}
    assert (told.predicted == labels).mean() > 0.95
    assert np.abs(z[told.unsure, 0]).max() < 0.2 < 1 < np.abs(z[told.sure, 0]).min()
    assert (np.diff(told.entropy[told.unsure]) <= 0).all()
    assert (told.z_entropy < told.entropy[told.unsure]).all()
    moved = np.abs(told.z - z[told.unsure])
    assert (moved[:, 0] > 5 * moved[:, 1:].max(axis=1)).all()  # the border is where z_0 changes sign
    np.testing.assert_allclose(told.distance, np.linalg.norm(moved, axis=1), rtol=1e-5)


def test_a_prior_keeps_the_answer_where_it_says(rng):
    z = rng.standard_normal((400, 2))
    labels = (z.sum(axis=1) > 0).astype(int)
    flat = doubts(z, labels, z, n=4, prior=lambda at: np.asarray(at) * [1.0, 0.0], prior_weight=5.0)
    free = doubts(z, labels, z, n=4)
    assert np.abs(flat.z[:, 1]).max() < 0.1 < np.abs(free.z[:, 1]).max()
