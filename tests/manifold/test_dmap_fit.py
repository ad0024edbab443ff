"""What the diffusion map chooses for itself when fitted, and what it refuses."""

import numpy as np
import pytest

from dima.errors import DataError, SettingError
from dima.manifold.dmap import DMAP
from manifold.shapes import cloud, sheet


@pytest.mark.parametrize(("n", "expected"), [(5, 5), (100, 27), (1000, 40)])
def test_default_number_of_neighbours(n, expected):
    assert DMAP(2).fit(sheet(n)).k_ == expected


@pytest.mark.filterwarnings("ignore:DMAP:UserWarning")  # far too narrow or wide to tell rows apart
@pytest.mark.parametrize("factor", [1e-15, 1e15])
@pytest.mark.parametrize("given", [{"eps": 1e-40}, {"beta": 1e40}, {"eps_mul": 1e-40}], ids=str)
def test_the_narrowest_bandwidths_do_not_overflow(given, factor):
    dmap = DMAP(2, k=10, **given).fit(factor * sheet(40))
    assert np.isfinite(dmap.transform(factor * sheet(9, seed=1))).all()


@pytest.mark.parametrize("given", [{"eps": 1e40}, {"eps_mul": 1e40}, {"beta": 1e-40}], ids=str)
def test_the_widest_bandwidths_leave_no_coordinate(given):
    with pytest.raises(DataError, match=r"^DMAP: d must be at most the number of positive eigenvalues"):
        DMAP(2, k=40, **given).fit(sheet(40))


@pytest.mark.parametrize(("k", "n"), [(51, 50), (11, 400)])
def test_k_is_at_most_the_distinct_rows(k, n):
    R_iX = sheet(50) if n == 50 else np.repeat(sheet(10), 40, axis=0)
    with pytest.raises(SettingError, match=r"^DMAP: k must be at most the number of distinct rows = "):
        DMAP(2, k=k).fit(R_iX)


def test_d_is_at_most_the_rank():
    with pytest.raises(DataError, match=r"^DMAP: d must be at most the number of positive eigenvalues = "):
        DMAP(12, k=10).fit(cloud(10, 3))


def test_bandwidths_that_overflow_are_refused():
    with pytest.raises(SettingError, match=r"^DMAP: eps must be a finite number >= 1e-40"):
        DMAP(2, eps=1e-300).fit(sheet(30))


def test_distances_that_vanish_beside_outliers_are_refused():
    R_iX = np.vstack([1e-30 * cloud(30, 2), [[1.0, 1.0], [-1.0, -1.0]]])
    with pytest.raises(DataError, match=r"^DMAP: the median neighbour distance must be above zero; got 0"):
        DMAP(2, k=5).fit(R_iX)
