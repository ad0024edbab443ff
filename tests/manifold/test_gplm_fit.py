"""What the kernel decoder chooses for itself when fitted, and what it learns from twice."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from close import assert_close
from dima.errors import ShapeError
from dima.manifold.gplm import GPLM
from manifold.shapes import R_AX, R_AX_DATA, R_IX, R_IX_DATA


@pytest.mark.parametrize("inducing", ["kmeans_medoids", "fps", "random_subset"])
def test_defaults_choose_bandwidth_and_ridge_that_predict(inducing):
    gplm = GPLM(40, inducing=inducing).fit(R_IX, R_IX_DATA)
    assert r2_score(R_AX_DATA, gplm.predict(R_AX)) > 0.98
    assert gplm.press_.error < 0.02
    assert (gplm.eps_, gplm.sigma2_) == (gplm.press_.bandwidth, gplm.press_.ridge)
    assert [gplm.eps_, gplm.sigma2_, gplm.press_.error] in gplm.press_.curve[:, :3].tolist()
    assert gplm.press_.error <= 1.1 * gplm.press_.curve[:, 2].min()


@pytest.mark.parametrize("k_eps", [1, 5, 40])
def test_bandwidth_by_neighbours_is_their_median_distance(k_eps):
    gplm = GPLM(40, inducing="fps", k_eps=k_eps, sigma2=1e-3).fit(R_IX, R_IX_DATA)
    d2 = np.sort(((R_IX[:, None] - gplm.Z_mx_) ** 2).sum(axis=2), axis=1)[:, :k_eps]
    assert gplm.eps_ == pytest.approx(np.median(d2[d2 > 1e-12]), rel=1e-4)


def test_second_latents_are_learned_from_too(rng):
    R_ix, y = rng.standard_normal((60, 2)), rng.standard_normal((60, 3))
    given = {"eps": 1.0, "sigma2": 0.1, "inducing": "given"}
    both = GPLM(**given).fit(R_ix, y, R_ix, in_sample_ix=R_ix + 0.1)
    # Half the weight each is the whole weight at twice the ridge over all the pairs.
    pairs = GPLM(**{**given, "eps": 1.0, "sigma2": 0.2}).fit(
        np.vstack([R_ix, R_ix + 0.1]), np.vstack([y, y]), R_ix
    )
    assert_close(both.predict(R_ix), pairs.predict(R_ix), atol=1e-6)


@pytest.mark.parametrize(("shape", "told"), [((59, 2), "have shape"), ((60, 3), "have shape")])
def test_second_latents_of_another_shape_are_refused(rng, shape, told):
    with pytest.raises(ShapeError, match=f"GPLM: in_sample_ix must {told}"):
        GPLM().fit(rng.standard_normal((60, 2)), rng.standard_normal(60), in_sample_ix=np.zeros(shape))
