"""What the diffusion map chooses for itself when fitted, and what it refuses."""

import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, SettingError
from dima.manifold import dmap_fit
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


@pytest.mark.parametrize("kernel", ["fixed", "self-tuning"])
def test_distances_that_vanish_beside_outliers_are_refused(kernel):
    R_iX = np.vstack([1e-30 * cloud(30, 2), [[1.0, 1.0], [-1.0, -1.0]]])
    with pytest.raises(DataError, match=r"^DMAP: the median neighbour distance must be above zero; got 0"):
        DMAP(2, k=5, kernel=kernel).fit(R_iX)


def test_new_rows_are_compared_along_axes_by_name_or_where_there_are_many_numbers(monkeypatch, rng):
    plane = rng.standard_normal((400, 2)) @ rng.standard_normal((2, 60)) + 0.1 * rng.standard_normal(
        (400, 60)
    )
    train, new = plane[:350], plane[350:]
    exact = DMAP(2, k=40, encoding="exact").fit(train)
    assert DMAP(2, k=40).fit(train).fit_.axes is None
    by_name = DMAP(2, k=40, encoding="projected").fit(train)
    monkeypatch.setattr(dmap_fit, "_LARGE", 1)
    monkeypatch.setattr(dmap_fit, "_MOVED", 0.05)
    auto = DMAP(2, k=40).fit(train)
    for found in (by_name, auto):
        assert found.fit_.rule.axes.shape == (60, 2)
        settings, arrays = found.to_arrays()
        assert_close(DMAP.from_arrays(settings, arrays).transform(new), found.transform(new), atol=1e-12)
        change = found.transform(new) - exact.transform(new)
        assert 0 < np.sqrt((change**2).mean()) < 0.05 * exact.embedding_.std()
        assert_close(found.transform(train), exact.embedding_, atol=1e-10)
        alone = np.vstack([found.transform(row[None]) for row in new])
        assert_close(alone, found.transform(new), atol=1e-6)
    monkeypatch.setattr(dmap_fit, "_MOVED", 1e-9)
    assert DMAP(2, k=40).fit(train).fit_.axes is None
    assert DMAP(2, k=40, encoding="exact").fit(train).fit_.axes is None
    monkeypatch.setattr(dmap_fit, "_MOVED", 1.0)
    assert DMAP(2, k=340).fit(train).fit_.axes is None  # too many neighbours to leave rows out


@pytest.mark.parametrize(("n", "k"), [(3, 2), (130, 130), (300, 30)])
def test_few_or_wide_rows_are_encoded_along_axes_by_name_as_they_are_without(n, k, rng):
    train = rng.standard_normal((n, 2)) @ rng.standard_normal((2, 60))
    codes = [
        DMAP(1, k=k, encoding=encoding).fit(train).transform(1.01 * train)
        for encoding in ("exact", "projected")
    ]
    assert_close(codes[1], codes[0], atol=0.02 * np.abs(codes[0]).max())
