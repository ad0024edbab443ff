"""Two mixtures for each class of rows: what they say of known numbers, and what is drawn of which."""

import numpy as np
from scipy.stats import multivariate_normal

from close import assert_close
from dima.model.mixture_prior import MixtureFit
from dima.model.pool import Pool, draw

AXES = np.array([0])


def gaussian(mean):
    return MixtureFit({}, np.ones(1), np.array([mean]), np.eye(2)[None])


def test_density_of_known_numbers_is_the_sum_of_both_mixtures():
    pool = Pool(gaussian([0.0, 0.0]), gaussian([3.0, 0.0]), 0.25)
    blur = np.array([0.5, 2.0])
    own = [multivariate_normal(mean, 1.25).pdf(1.0) for mean in (0.0, 3.0)]
    found = pool.log_density(np.array([1.0]), AXES, blur)
    assert_close(found, np.log(0.75 * own[0] + 0.25 * own[1]), atol=1e-6)
    assert pool.log_density(np.empty(0), np.empty(0, int), blur) == 0


def test_each_row_is_drawn_from_the_pool_of_its_class():
    pools = [
        Pool(gaussian([-50.0, 0.0]), gaussian([-50.0, 9.0]), 0.5),
        Pool(gaussian([50.0, 0.0]), gaussian([50.0, 9.0]), 0.0),
    ]
    class_ix = np.array([0, 1, 1, 0] * 25)
    rows, effective = draw(np.array([0.5, 0.5]), pools, class_ix, np.random.default_rng(0))
    assert_close(np.sign(rows[:, 0]), 2.0 * class_ix - 1)
    assert (rows[class_ix == 1, 1] < 5).all()
    assert 0.2 < (rows[class_ix == 0, 1] > 5).mean() < 0.8
    assert 10 < effective <= 52
