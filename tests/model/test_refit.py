"""Map and decoder of some of the rows: what counts rows goes with their number, the rest stays."""

import numpy as np
import pytest

from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.refit import neighbours_share, of_fewer


@pytest.fixture(scope="module")
def some():
    return np.random.default_rng(0).standard_normal((80, 3))


@pytest.mark.parametrize(
    ("k", "share", "taken"), [(100, 0.8, 80), (100, 0.9, 80), (50, 0.8, 40), (4, 0.1, 2), (None, 0.8, None)]
)
def test_neighbours_go_with_the_share_of_the_rows(some, k, share, taken):
    dmap, gplm = of_fewer(DMAP(3, k=k, coordinates="chart", eps_mul=0.5), GPLM(20), some, share)
    assert dmap.k == taken
    assert (dmap.d, dmap.coordinates, dmap.eps_mul, gplm.m) == (3, "chart", 0.5, 20)


def test_nothing_is_more_than_the_rows_that_differ(some):
    twice = np.concatenate([some[:30], some[:30]])
    dmap, gplm = of_fewer(DMAP(40, k=60), GPLM(75, k_eps=70), twice, 0.8)
    assert (dmap.k, dmap.d) == (30, 29)
    assert (gplm.m, gplm.k_eps) == (60, 60)
    # The constant one is a coordinate too.
    assert of_fewer(DMAP(40, drop_trivial=False), GPLM(), twice, 0.8)[0].d == 30


def test_what_was_given_stays_as_it_was(some):
    dmap, gplm = DMAP(3, k=100).fit(np.tile(some, (2, 1)) + np.arange(160)[:, None]), GPLM(100)
    of_fewer(dmap, gplm, some, 0.5)
    assert (dmap.k, gplm.m) == (100, 100)


@pytest.mark.parametrize("d", [0, 2, 16])
def test_neighbours_grow_slower_than_rows_the_more_the_dimensions(d):
    assert neighbours_share(0.5, d) * neighbours_share(2, d) == pytest.approx(1)
    assert neighbours_share(0.5, d) == pytest.approx(2 ** (-6 / (6 + d)))
