"""What is taken of memory before it is."""

import numpy as np
import pytest

from dima import DMAP, memory
from dima.errors import MemoryBudgetError, SettingError, ShapeError
from dima.manifold.budget import fit_bytes, most_neighbours, usual_neighbours
from manifold.shapes import cloud

MEASURED = [  # rows, neighbours, and the peak of the resident set beside the rows, in bytes
    ((20_000, 64), 64, 220e6),
    ((20_000, 64), 256, 298e6),
    ((20_000, 784), 64, 352e6),
    ((50_000, 16), 64, 226e6),
    ((50_000, 64), 32, 266e6),
    ((8_000, 784), 128, 337e6),
    ((40_000, 64), 200, 483e6),
]


def test_many_rows_have_fewer_neighbours_each():
    assert [usual_neighbours(32, n) for n in (1000, 60_000, 1_000_000, 10**8)] == [512, 512, 64, 16]
    assert [usual_neighbours(d, 1000) for d in (None, 1, 2, 5)] == [40, 20, 40, 100]
    assert most_neighbours(60_000) == 512


def test_an_estimate_is_that_of_the_fit_and_grows_with_what_it_is_of():
    assert DMAP(2).estimate((1000, 5)) == fit_bytes(1000, 5, 40)
    assert DMAP(2, k=100).estimate((1000, 5)) == fit_bytes(1000, 5, 100)
    edges = 1_000_000 * 100
    assert 60 * edges < DMAP(2, k=100).estimate((1_000_000, 10)) < 80 * edges
    assert DMAP(2, k=30).estimate((10_000, 5000)) > 10_000 * 5000 * 11
    for (n, D), k, peak in MEASURED:
        assert 0.75 < DMAP(2, k=k).estimate((n, D)) / peak < 1.25
    with pytest.raises(SettingError, match="k must be at most the number of rows = 50; got 60"):
        DMAP(2, k=60).estimate((50, 3))


@pytest.mark.parametrize("wrong", [(100_000,), (0, 3), (10.0, 3), (2, 3, 4), np.ones((10, 3)), None])
def test_a_shape_that_is_none_of_a_table_is_refused(wrong):
    for name in ("estimate", "estimate_seconds"):
        with pytest.raises(
            ShapeError, match=rf"DMAP\.{name}: shape must be two whole numbers .*Pass X.shape"
        ):
            getattr(DMAP(2), name)(wrong)


def test_what_does_not_fit_is_refused_with_what_does(monkeypatch):
    X = cloud(2000, 3)
    free = fit_bytes(2000, 3, 1000)
    monkeypatch.setattr(memory, "available_bytes", lambda: free)
    told = r"^DMAP: a fit to 2000 rows with k = 1500 must fit into memory; .* Lower k to (\d+)\.$"
    with pytest.raises(MemoryBudgetError, match=told) as refused:
        DMAP(2, k=1500).fit(X)
    fewer = int(str(refused.value).split()[-1].rstrip("."))
    assert 900 < fewer <= 1000
    assert np.isfinite(DMAP(2, k=fewer).fit(X).embedding_).all()
    monkeypatch.setattr(memory, "available_bytes", lambda: 2000)
    with pytest.raises(MemoryBudgetError, match="Pass fewer rows"):
        DMAP(2, k=20).fit(X)
